"""Bisection: all minimal swaps and no others, perturbations of exactly equal norm, and the rule of blame by hand."""

import itertools
from math import comb, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import bisect
from analysis.bisect import Cause, Trial, find_cause, smallest_swaps, surrogates
from device_agents.errors import BadInput

STAGES = ("isp", "codec", "decoder", "colour", "resizer")


def subsets(stages):
    return [some for size in range(1, len(stages) + 1) for some in itertools.combinations(stages, size)]


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from(subsets(STAGES))))
def test_all_minimal_swaps_are_found_and_no_superset_of_one_is_tried(hits):
    asked = []

    def restores(swaps):
        asked.extend(swaps)
        return [swap in hits for swap in swaps]

    found = smallest_swaps(STAGES, restores)
    brute = {hit for hit in hits if not any(set(other) < set(hit) for other in hits)}
    assert set(found.minimal) == brute
    assert len(asked) == len(set(asked)) == found.tried
    assert not any(set(hit) < set(swap) for hit in brute for swap in asked)
    assert found.complete_to == len(STAGES)


def test_the_bound_is_never_passed_and_says_how_far_the_search_is_complete():
    found = smallest_swaps(STAGES, lambda swaps: [swap == STAGES for swap in swaps], most=16)
    assert found == bisect.Search((), 5 + comb(5, 2), 2)  # ten of size three would have made 25
    whole = smallest_swaps(STAGES, lambda swaps: [swap == STAGES for swap in swaps], most=31)
    assert whole == bisect.Search((STAGES,), 31, 5)
    assert smallest_swaps((), lambda swaps: [], most=4) == bisect.Search((), 0, 0)


def test_stages_that_differ_come_in_the_order_of_the_way():
    a = {"resizer": "box", "decoder": "pillow", "file": "p1"}
    assert bisect.differing(a, {**a, "resizer": "area", "file": "p2"}) == ("file", "resizer")
    with pytest.raises(BadInput, match="same stages"):
        bisect.differing(a, {"decoder": "pillow"})
    with pytest.raises(BadInput, match="same stages"):
        bisect.differing({"lens": 1}, {"lens": 2})


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_random_changes_have_the_norm_of_the_change_and_stay_bytes(seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(60, 196, (5, 4, 3), dtype=np.uint8)
    other = (base + rng.integers(-50, 51, base.shape)).astype(np.uint8)
    drawn = surrogates(base, other, count=5, rng=rng)
    assert [one.dtype for one in drawn] == [np.uint8] * 5
    assert [bisect.norm(base, one) for one in drawn] == pytest.approx([bisect.norm(base, other)] * 5)
    assert len({one.tobytes() for one in drawn}) == 5
    changes = [np.sort(np.abs(one.astype(int) - base).ravel()) for one in (*drawn, other)]
    assert all((one == changes[-1]).all() for one in changes)
    numbers = base.astype(np.float32), other.astype(np.float32)
    assert [bisect.norm(numbers[0], one) for one in surrogates(*numbers, count=2, rng=rng)] == pytest.approx(
        [bisect.norm(*numbers)] * 2
    )


def test_a_change_that_would_leave_the_bytes_takes_the_other_sign_or_the_end():
    base, other = np.full((1, 8, 3), 250, np.uint8), np.full((1, 8, 3), 240, np.uint8)
    assert {
        int(value) for one in surrogates(base, other, count=4, rng=np.random.default_rng(0)) for value in one.ravel()
    } == {240}
    dark, bright = np.array([[[0, 255, 128]]], np.uint8), np.array([[[200, 55, 128]]], np.uint8)
    (one,) = surrogates(dark, bright, count=1, rng=np.random.default_rng(1))
    assert bisect.norm(dark, one) <= bisect.norm(dark, bright)
    with pytest.raises(BadInput, match="one shape and type"):
        surrogates(base, base[:, :2], count=1, rng=np.random.default_rng(0))


def test_perturbations_are_as_likely_to_point_either_way():
    base = np.full((4, 4, 3), 128, np.uint8)
    drawn = surrogates(base, base + np.uint8(10), count=400, rng=np.random.default_rng(3))
    assert abs(np.mean([one.astype(int) - 128 for one in drawn])) < 4 * 10 / np.sqrt(400 * base.size)


def trial(direction="to A", swap=("decoder",), same=0, lost=0, draws=39):
    return Trial(direction, swap, "cat", 0.5, "pixels", 10.0, same, lost, draws)


@pytest.mark.parametrize(
    ("same", "lost", "draws", "blamed"),
    [(0, 0, 39, True), (1, 1, 39, True), (2, 2, 39, False), (0, 19, 39, True), (0, 20, 39, False), (0, 35, 39, False),
     (0, 36, 39, True), (2, 39, 39, False), (0, 0, 18, False), (0, 0, 19, True), (0, 0, 0, False)],
)  # fmt: skip
def test_blame_needs_a_p_value_of_five_percent_and_a_picture_that_bears_changes(same, lost, draws, blamed):
    assert trial(same=same, lost=lost, draws=draws).blamed is blamed


def test_the_chance_of_equal_size_by_hand():
    assert bisect.chance(0, 39) == 1 / 40
    assert bisect.chance(1, 39) == 1 / 20 == bisect.LEVEL
    assert trial(same=13).share == pytest.approx(1 / 3)
    assert isnan(trial(draws=0).share)


def test_the_cause_of_a_flip():
    pair = ("decoder", "resizer")
    assert find_cause([]) == Cause("nothing restores")
    assert find_cause([trial(same=9)]) == Cause("fragile")
    assert find_cause([trial(draws=0)]) == Cause("untested")
    assert find_cause([trial(swap=pair), trial(swap=("isp",), same=9)]) == Cause("interaction", (pair,))
    assert find_cause([trial(swap=pair), trial(swap=("isp",))]) == Cause("stage", (("isp",),))
    either = [trial(swap=("resizer",)), trial(swap=("decoder",)), trial("to B", ("resizer",))]
    assert find_cause(either) == Cause("stage", (("resizer",),))  # blamed in both directions
    assert find_cause(either[:2]).text == "decoder or resizer"
    assert find_cause([trial(swap=pair)]).text == "decoder with resizer"
    assert Cause("fragile").text == "fragile"


def test_the_table_over_flips_counts_each_flip_under_its_cause():
    pair = ("decoder", "resizer")
    flips = []
    for stages, some in (
        (("decoder",), [trial()]),
        (pair, [trial(), trial("to B")]),
        (pair, [trial(swap=pair)]),
        (pair, [trial(swap=("resizer",), same=20)]),
        (("isp",), []),
    ):
        flips.append((stages, some, find_cause(some)))
    rows = {row["stage"]: row for row in bisect.count_causes(flips)}
    assert list(rows)[:3] == ["isp", "decoder", "resizer"]
    assert rows["decoder"] == {"stage": "decoder", "differs": 4, "restores": 2, "blamed": 2, "shared": 1}
    assert rows["resizer"] == {"stage": "resizer", "differs": 3, "restores": 1, "blamed": 0, "shared": 1}
    kinds = {name: rows[name]["blamed"] for name in ("interaction", "fragile", "nothing restores", "not reproduced")}
    assert kinds == {"interaction": 1, "fragile": 1, "nothing restores": 1, "not reproduced": 0}


def test_amounts_by_hand():
    a, b = np.array([[0, 10], [20, 30]], np.uint8), np.array([[0, 14], [20, 0]], np.uint8)
    assert bisect.amounts(a, b) == {"equal": False, "mean": 8.5, "largest": 30.0, "share": 0.5}
    assert bisect.amounts(a, a) == {"equal": True, "mean": 0.0, "largest": 0.0, "share": 0.0}
    assert bisect.amounts(a, b[:1]) == {"equal": False, "mean": None, "largest": None, "share": None}
    assert bisect.amounts(None, None)["equal"]


def test_the_sentence_of_all_flips():
    table = [{"stage": "decoder", "blamed": 0}, {"stage": "resizer", "blamed": 4}, {"stage": "fragile", "blamed": 3}]
    assert bisect.sentence(7, table) == "Of 7 flips: resizer 4, fragile 3"
    assert bisect.sentence(1, table[:1]) == "Of 1 flip: none explained"
