from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from analysis.instability import instability
from analysis.intervals.significance import (
    beyond_shot_noise,
    compare_instabilities,
    exchange_test,
    sum_distribution,
    swap_test,
)
from device_agents.errors import BadInput


def shots(right):
    """A table of (scenes, repeats, devices) marks."""
    rows = [(f"s{s}", 0, r, f"d{d}", "right" if right[s, r, d] else "wrong") for s, r, d in np.ndindex(np.shape(right))]
    return pd.DataFrame(rows, columns=["scene", "angle", "repeat", "device", "verdict"])


def rng():
    return np.random.default_rng(4)


def within(right):
    """The mean chance that two repeats of a device differ, of (scenes, repeats, devices) marks."""
    count, repeats = right.sum(axis=1), right.shape[1]
    return (count * (repeats - count) / (repeats * (repeats - 1) / 2)).mean()


def test_two_devices_with_two_repeats_by_hand():
    # Each scene: one device right twice, the other wrong twice. Of the 6 ways to place two rights on four photographs 2
    # leave no device contradicting itself; three scenes: (1/3)^3.
    right = np.array([[[1, 0], [1, 0]]] * 3, dtype=bool)
    found = beyond_shot_noise(shots(right), rng=rng())
    assert (found.exact, found.informative, found.statistic) == (True, 3, 0)
    assert found.p == pytest.approx(1 / 27)
    assert found.expected == pytest.approx(2 / 3)


def test_counting_all_exchanges_equals_listing_them():
    right = np.random.default_rng(1).random((3, 2, 3)) < 0.5
    found = beyond_shot_noise(shots(right), rng=rng())
    arrangements = []
    for scene in right:
        total = int(scene.sum())
        arrangements.append([np.isin(np.arange(6), some).reshape(2, 3) for some in combinations(range(6), total)])
    values = np.array([within(np.array(some)) for some in product(*arrangements)])
    assert found.exact
    assert found.p == pytest.approx(np.mean(values <= within(right) + 1e-9))
    assert found.expected == pytest.approx(values.mean())


def test_random_exchanges_agree_with_counting(monkeypatch):
    right = np.random.default_rng(2).random((8, 3, 4)) < 0.5
    exact = beyond_shot_noise(shots(right), rng=rng())
    monkeypatch.setattr("analysis.intervals.significance._exact_distribution", lambda rows: None)
    drawn = beyond_shot_noise(shots(right), rng=rng())
    assert exact.exact
    assert not drawn.exact
    assert drawn.statistic == pytest.approx(exact.statistic)
    assert drawn.p == pytest.approx(exact.p, abs=0.02)
    assert drawn.expected == pytest.approx(exact.expected, abs=0.005)


def test_a_light_that_changes_between_the_repeats_is_no_difference_of_devices():
    # All devices are right at the first moment and wrong at the second: within a moment nothing can be exchanged.
    right = np.zeros((4, 2, 3), dtype=bool)
    right[:, 0] = True
    moments = beyond_shot_noise(shots(right), exchange=("scene", "angle", "repeat"), rng=rng())
    assert (moments.p, moments.informative, moments.statistic) == (1, 0, 1)


def test_exchange_within_moments_equals_listing():
    right = np.random.default_rng(5).random((2, 2, 3)) < 0.5
    found = beyond_shot_noise(shots(right), exchange=("scene", "angle", "repeat"), rng=rng())
    moments = [
        [np.isin(np.arange(3), some) for some in combinations(range(3), int(right[s, r].sum()))]
        for s, r in np.ndindex(2, 2)
    ]
    values = np.array([within(np.array(some).reshape(2, 2, 3)) for some in product(*moments)])
    assert found.p == pytest.approx(np.mean(values <= within(right) + 1e-9), abs=0.02)


def test_ambiguous_and_missing_answers_take_no_part():
    right = np.random.default_rng(3).random((5, 3, 3)) < 0.5
    table = shots(right)
    table.loc[::7, "verdict"] = "missing"
    table.loc[3::11, "verdict"] = "ambiguous"
    left = table[table["verdict"].isin(["right", "wrong"])]
    assert beyond_shot_noise(table, rng=rng()).p == beyond_shot_noise(left, rng=rng()).p


def test_one_repeat_says_nothing_of_shot_noise():
    with pytest.raises(BadInput, match="photograph repeats"):
        beyond_shot_noise(shots(np.ones((3, 1, 2), dtype=bool)), rng=rng())


def test_the_test_holds_its_level_and_has_power():
    draws, found = np.random.default_rng(8), {0.0: [], 1.5: []}
    block, cell = np.repeat(np.arange(20), 6), (np.arange(20)[:, None, None] * 3 + np.arange(3) + np.zeros((2, 1), int))
    for bias, some in found.items():
        for _ in range(200):
            logit = draws.normal(0, 1.5, (20, 1, 1)) + bias * np.array([-1, 0, 1])
            right = draws.random((20, 2, 3)) < 1 / (1 + np.exp(-logit))
            some.append(exchange_test(right.ravel(), block, cell.ravel(), rng=draws).p <= 0.05)
    assert np.mean(found[0.0]) <= 0.09
    assert np.mean(found[1.5]) >= 0.6


def test_swapping_two_sets_by_hand():
    # Three clusters of one item: a unstable in all, b in none. Of 8 swaps two are as extreme.
    found = swap_test(np.array([[1, 1, 0, 1]] * 3, float), rng=rng())
    assert (found.statistic, found.p, found.exact) == (1, 2 / 8, True)
    same = swap_test(np.array([[1, 2, 1, 2]] * 3, float), rng=rng())  # nothing to swap
    assert (same.statistic, same.p, same.exact, same.informative) == (0, 1.0, True, 0)


def test_random_swaps_agree_with_all_swaps(monkeypatch):
    totals = np.random.default_rng(0).integers(0, 5, (12, 2)).astype(float)
    totals = np.stack([totals[:, 0], np.full(12, 5.0), totals[:, 1], np.full(12, 5.0)], axis=1)
    exact = swap_test(totals, rng=rng())
    monkeypatch.setattr("analysis.intervals.significance.MOST_SWAPS", 2)
    drawn = swap_test(totals, rng=rng())
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p == pytest.approx(exact.p, abs=0.02)


def test_sets_of_different_size_are_compared_at_one_m():
    draws = np.random.default_rng(6)
    right = draws.random((60, 1, 6)) < draws.beta(2, 1, 60)[:, None, None]
    table = shots(right)
    few, many = table["device"].isin(["d0", "d1"]), table["device"].isin(["d2", "d3", "d4", "d5"])
    a, b = instability(table[few]), instability(table[many])
    assert b.rate > a.rate  # four devices see more than two
    found = compare_instabilities(a, b, rng=rng(), draws=999)
    assert found.statistic == pytest.approx(a.rarefied(2) - b.rarefied(2))
    assert found.p > 0.05
    with pytest.raises(BadInput, match="got none"):
        compare_instabilities(a, b, m=3, rng=rng())


def test_a_sum_of_dice():
    die = np.arange(1.0, 7), np.full(6, 1 / 6)
    values, chances = sum_distribution([die, die])
    assert values.tolist() == pytest.approx(list(range(2, 13)))
    assert chances[5] == pytest.approx(6 / 36)
