"""Two runs compared: what broke, what mended, what has no counterpart, and whether they are equivalent."""

import csv
import shutil
from pathlib import Path

import pytest

from device_agents.errors import BadInput
from hostctl.runs.comparing_runs import compare_runs, compared_text
from tests.hostctl.drawn_runs import draw_run

STORED = Path(__file__).parents[2] / "data" / "run-v1"


def good(scenes, **changed):
    return {n: changed.get(f"s{n}", "cat") for n in range(scenes)}


def test_what_broke_and_what_mended(tmp_path):
    a = draw_run(tmp_path / "a", {"one": good(20, s1="dog", s2="dog"), "two": good(20)})
    b = draw_run(
        tmp_path / "b", {"one": good(20, s2="cow", s3="dog", s4="dog"), "two": good(19)}, runtime_version="3.0"
    )
    found = compare_runs(a, b, csv=tmp_path / "changed.csv")
    assert (found["matched"], found["only_a"], found["only_b"]) == (39, 1, 0)
    assert (found["broken"], found["mended"]) == (2, 1)  # s3, s4; s1; s2 stays wrong
    assert found["churn"] == pytest.approx(4 / 39)
    assert {row["device"]: (row["broken"], row["mended"]) for row in found["rows"]} == {"one": (2, 1), "two": (0, 0)}
    right = found["accuracy"]
    assert (right["a"], right["b"]) == pytest.approx((37 / 39, 36 / 39))
    assert right["difference"] == pytest.approx(-1 / 39)
    assert right["interval"][0] < right["equivalence_interval"][0] < right["difference"]
    # 19 scenes are on both devices: two unstable in A (s1, s2), three in B (s2, s3, s4).
    assert (found["instability"]["a"], found["instability"]["b"]) == pytest.approx((2 / 19, 3 / 19))
    assert [row["scene"] for row in found["broken_items"]] == ["s003", "s004"]
    assert "runtime_version: 2.0 in A, 3.0 in B" in found["notes"]
    assert "1 of 40 answers of A have no counterpart" in found["notes"]
    text = compared_text(found)
    assert "39 answers compared: 2 broken, 1 mended" in text
    assert "broken: s003 (0°, repeat 0) on one: cat -> dog" in text
    with open(tmp_path / "changed.csv", encoding="utf-8") as stream:
        assert [row["change"] for row in csv.DictReader(stream)] == ["broken", "broken", "mended"]


def test_a_run_is_equivalent_to_itself_where_it_is_large_enough(tmp_path):
    a = draw_run(tmp_path / "a", {"one": good(300, s1="dog")})
    found = compare_runs(a, a)
    assert (found["verdict"], found["exit_code"]) == ("equivalent", 0)
    assert found["instability"] is None
    assert any("no change of instability" in note for note in found["notes"])
    small = draw_run(tmp_path / "small", {"one": good(5)})
    assert compare_runs(small, small)["exit_code"] == 4
    broken = draw_run(tmp_path / "b", {"one": dict.fromkeys(range(300), "dog")})
    assert compare_runs(a, broken)["exit_code"] == 1


def test_conditions_of_one_device_are_paired_by_what_they_are(tmp_path):
    environments = ({}, {"decoder": "opencv"}, {"resizer": "opencv-area"})
    a = draw_run(tmp_path / "a", {"host": {n: ["cat", "cat", "dog"] for n in range(8)}}, environments=environments)
    b = draw_run(
        tmp_path / "b", {"laptop": {n: ["cat", "dog"] for n in range(8)}}, environments=environments[:2], model="newer"
    )
    found = compare_runs(a, b)
    assert found["compared"] == "environment"
    assert {row["device"]: row["broken"] for row in found["rows"]} == {"base": 0, "decoder=opencv": 8}
    assert "model: tiny in A, newer in B" in found["notes"]
    assert found["instability"]["b"] == 1.0


def test_only_devices_are_taken_for_each_other_and_strangers_named(tmp_path):
    a = draw_run(tmp_path / "a", {"old phone": good(4)})
    b = draw_run(tmp_path / "b", {"new phone": good(4, s0="dog")}, decoder="opencv")
    found = compare_runs(a, b)
    assert found["broken"] == 1
    assert "the device 'new phone' of B is compared with 'old phone' of A" in found["notes"]
    assert "decoder: pillow in A, opencv in B" in found["notes"]
    c = draw_run(tmp_path / "c", {"old phone": good(4), "third": good(4)})
    assert "devices in B alone: third" in compare_runs(a, c)["notes"]


def test_other_pictures_and_other_labels_are_told(tmp_path):
    a = draw_run(tmp_path / "a", {"one": good(6)})
    b = draw_run(tmp_path / "b", {"one": good(7)}, files={0: "f" * 64}, labels=("cat", "lion"))
    found = compare_runs(a, b)
    assert found["matched"] == 5
    assert found["notes"][:3] == [
        "1 scenes are in one run only",
        "1 scenes of the same name show other pictures: left out",
        "5 scenes accept other labels in B; each run is judged by its own",
    ]


def test_failures_are_neither_broken_nor_mended(tmp_path):
    a = draw_run(tmp_path / "a", {"one": good(6)})
    b = draw_run(tmp_path / "b", {"one": good(6, s0="", s1="dog")})
    found = compare_runs(a, b)
    assert (found["matched"], found["broken"], found["accuracy"]["items"]) == (6, 1, 5)
    assert found["churn"] == pytest.approx(1 / 5)
    none = draw_run(tmp_path / "none", {"one": dict.fromkeys(range(6), "")})
    lost = compare_runs(a, none)
    assert (lost["accuracy"], lost["verdict"]) == (None, "cannot say yet")
    assert "no answer counts in both runs" in compared_text(lost)


def test_a_run_of_the_first_schema_is_compared_and_nothing_in_common_is_bad_input(tmp_path):
    shutil.copytree(STORED, tmp_path / "old")
    assert compare_runs(tmp_path / "old", tmp_path / "old")["matched"] == 8
    other = draw_run(tmp_path / "other", {"one": good(3)})
    with pytest.raises(BadInput, match="photographs in common, got none"):
        compare_runs(tmp_path / "old", other)
    with pytest.raises(BadInput, match="margin between 0 and 1"):
        compare_runs(other, other, margin=2)
