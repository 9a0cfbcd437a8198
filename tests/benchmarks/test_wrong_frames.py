"""A small draw of the shots that a session must refuse: none is kept, and every good one is."""

import pytest

from benchmarks.wrong_frames import Judged, judge_all, judge_shot, table
from benchmarks.wrong_shots import A_SETTING, BAD

SHOTS = 121  # 18 good ones, 8 of nearly each bad kind


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_wrong_frame_is_kept_and_no_good_one_refused(tmp_path):
    # Every 17th of two thousand, so that many screens and cameras take part.
    judged = [judge_shot(number, seed=6, folder=tmp_path) for number in range(0, SHOTS * 17, 17)]
    assert {one.kind for one in judged} == {"good", *BAD}
    assert [one for one in judged if one.wrong] == []
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_blocks_that_are_done_are_not_done_again(tmp_path):
    (first,) = judge_all(3, seed=6, workers=1, out=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(kept.read_text().replace("good", "read"))
    (again,) = judge_all(3, seed=6, workers=1, out=tmp_path)
    assert [one.kind.replace("read", "good") for one in again] == [one.kind for one in first]
    assert again[0].kind == "read"
    assert A_SETTING > 3


def test_the_table_gives_exact_bounds_by_kind():
    bad = [Judged(n, "torn", False, False, "", "torn") for n in range(300)]
    good = [Judged(n, "good", True, n != 5, "", "") for n in range(100)]
    lines = list(table([*bad, *good]))
    # No event in n: at most 1 - 0.05^(1/n) with 95 % (Clopper and Pearson 1934); 0.9936 % for n = 300.
    assert lines[1].split() == ["torn", "300", "0", "0.9936%"]
    assert lines[-1].split() == ["good", "100", "1", "4.6560%"]
