"""Shares by hand, the Shapley value's own properties, and the sentence; on tables whose structure is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.attribution import (
    RIGHT,
    UNCOUNTED,
    WRONG,
    interaction_weights,
    plan_cells,
    reference_totals,
    rounded,
    sentence,
    shapley_weights,
)
from device_agents.errors import BadInput

QUICK = settings(deadline=None, max_examples=40)
THREE = [{"isp": "a", "codec": "x", "runtime": "t"}, {"isp": "b", "codec": "y", "runtime": "t"}]


def by_orders(values, players):
    """The Shapley value by its first definition: the mean over all orders of what a player adds when it comes."""
    shares = np.zeros(players)
    for order in itertools.permutations(range(players)):
        subset = 0
        for j in order:
            shares[j] += values[subset | 1 << j] - values[subset]
            subset |= 1 << j
    return shares / math.factorial(players)


def test_the_plan_of_two_conditions_by_hand():
    plan = plan_cells(THREE)
    assert (plan.players, plan.alike) == (("isp", "codec"), ("runtime",))
    assert plan.ways == (("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"))
    # Reference a: subsets {}, {isp}, {codec}, both; the first condition is the reference itself in each.
    assert plan.cells[0].tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]
    assert plan.cells[1].tolist() == [[3, 3], [2, 3], [1, 3], [0, 3]]
    assert plan.conditions == (0, 3)


@QUICK
@given(conditions=st.integers(2, 4), stages=st.integers(1, 4))
def test_conditions_that_differ_everywhere_need_the_stated_number_of_hybrids(conditions, stages):
    plan = plan_cells([{f"s{j}": i for j in range(stages)} for i in range(conditions)])
    assert len(plan.ways) == conditions + conditions * (conditions - 1) // 2 * (2**stages - 2)
    assert plan.cells.shape == (conditions, 2**stages, conditions)


def test_plans_that_cannot_be():
    with pytest.raises(BadInput, match="two conditions"):
        plan_cells(THREE[:1])
    with pytest.raises(BadInput, match="differ at 1 to 8 stages, got 0"):
        plan_cells([THREE[0], THREE[0]])
    with pytest.raises(BadInput, match="got 9"):
        plan_cells([{f"s{j}": i for j in range(9)} for i in range(2)])
    with pytest.raises(BadInput, match="same stages"):
        plan_cells([{"isp": "a"}, {"codec": "a"}])


def test_shares_and_interactions_by_hand():
    # v(1) = 4, v(2) = 2, v(12) = 10: 1 adds 4 or 8, 2 adds 2 or 6; together 4 more than alone.
    values = np.array([0.0, 4.0, 2.0, 10.0])
    assert shapley_weights(2) @ values == pytest.approx([6.0, 4.0])
    assert interaction_weights(2) @ values == pytest.approx([4.0])
    # The glove game: player 0 has a left glove, 1 and 2 a right one each; a pair is worth 1. Known: 4/6, 1/6, 1/6.
    gloves = np.array([float(s & 1 and s & 6 > 0) for s in range(8)])
    assert shapley_weights(3) @ gloves == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    assert interaction_weights(3) @ gloves == pytest.approx([0.5, 0.5, -0.5])


@QUICK
@given(players=st.integers(1, 5), seed=st.integers(0, 999))
def test_shares_are_the_mean_over_all_orders_and_sum_to_the_whole(players, seed):
    values = np.random.default_rng(seed).random(1 << players)
    shares = shapley_weights(players) @ values
    assert shares == pytest.approx(by_orders(values, players))
    assert shares.sum() == pytest.approx(values[-1] - values[0])


@QUICK
@given(players=st.integers(3, 5), seed=st.integers(0, 999))
def test_equal_players_get_equal_shares_and_idle_ones_nothing(players, seed):
    """Players 0 and 1 are equal, the last one idle."""
    drawn = np.random.default_rng(seed).random((3, 1 << players))
    last = 1 << (players - 1)
    rest = [s & ~3 & ~last for s in range(1 << players)]
    values = np.array([drawn[(s & 3).bit_count(), rest[s]] for s in range(1 << players)])
    shares = shapley_weights(players) @ values
    assert shares[0] == pytest.approx(shares[1])
    assert shares[-1] == pytest.approx(0, abs=1e-12)
    interactions = dict(
        zip(itertools.combinations(range(players), 2), interaction_weights(players) @ values, strict=True)
    )
    assert all(value == pytest.approx(0, abs=1e-12) for pair, value in interactions.items() if players - 1 in pair)


@QUICK
@given(players=st.integers(2, 5), seed=st.integers(0, 999))
def test_additive_values_give_each_player_its_own_and_no_interaction(players, seed):
    own = np.random.default_rng(seed).random(players)
    values = np.array([sum(own[j] for j in range(players) if s >> j & 1) for s in range(1 << players)])
    assert shapley_weights(players) @ values == pytest.approx(own)
    assert interaction_weights(players) @ values == pytest.approx(0, abs=1e-12)


def test_disjoint_flips_are_shared_out_by_hand():
    """20 pictures: the ISP flips 6, the codec 3 others, both together 2 more, and the runtime none."""
    conditions = [{"isp": "a", "codec": "x", "runtime": "t"}, {"isp": "b", "codec": "y", "runtime": "u"}]
    plan = plan_cells(conditions)
    verdicts = np.full((len(plan.ways), 20), RIGHT, dtype=np.int8)
    for number, (isp, codec, _) in enumerate(plan.ways):
        verdicts[number, :6] = WRONG if isp == "b" else RIGHT
        verdicts[number, 6:9] = WRONG if codec == "y" else RIGHT
        verdicts[number, 9:11] = WRONG if isp == "b" and codec == "y" else RIGHT
    totals = reference_totals(plan, verdicts, [f"s{n}" for n in range(20)])
    values = totals.values
    # From reference a only both swapped flip the two; from reference b each alone brings them back: 2 of 20 and 0.
    assert values[:4] == pytest.approx([0, (6 + 8) / 40, (3 + 5) / 40, 11 / 20])
    assert shapley_weights(3) @ values == pytest.approx([(0.35 + 0.35) / 2, (0.2 + 0.2) / 2, 0])
    assert totals.counted.sum(axis=2) == pytest.approx(20)


def test_uncounted_answers_leave_the_denominator():
    plan = plan_cells([{"isp": "a"}, {"isp": "b"}])
    verdicts = np.array([[RIGHT, RIGHT, UNCOUNTED, WRONG], [WRONG, RIGHT, WRONG, UNCOUNTED]], dtype=np.int8)
    totals = reference_totals(plan, verdicts, ["s", "s", "t", "t"])
    assert totals.counted[0, 1].tolist() == [2, 0]
    assert totals.values == pytest.approx([0, 0.5])
    with pytest.raises(BadInput, match="got none for isp=a; isp=b"):
        reference_totals(plan, verdicts[:, 2:], ["t", "t"])
    with pytest.raises(BadInput, match="2 ways x 3 items"):
        reference_totals(plan, verdicts, ["s", "s", "t"])


@QUICK
@given(seed=st.integers(0, 999), conditions=st.integers(2, 4), stages=st.integers(1, 3))
def test_nothing_swapped_is_stable_and_all_swapped_is_the_instability(seed, conditions, stages):
    rng = np.random.default_rng(seed)
    plan = plan_cells([{f"s{j}": int(rng.integers(2)) if j else i for j in range(stages)} for i in range(conditions)])
    verdicts = rng.integers(0, 2, (len(plan.ways), 12)).astype(np.int8)
    values = reference_totals(plan, verdicts, np.arange(12)).values
    own = verdicts[list(plan.conditions)]
    assert values[0] == 0
    assert values[plan.whole] == pytest.approx((own.min(axis=0) != own.max(axis=0)).mean())
    assert (shapley_weights(len(plan.players)) @ values).sum() == pytest.approx(values[plan.whole])


@QUICK
@given(parts=st.lists(st.floats(-5, 30), min_size=1, max_size=8))
def test_rounded_parts_sum_to_the_rounded_whole(parts):
    whole = sum(parts)
    found = rounded(parts, whole)
    assert sum(found) == pytest.approx(round(whole * 10) / 10, abs=0.051)
    assert all(abs(a - b) < 0.1 + 1e-6 for a, b in zip(found, parts, strict=True))


def test_the_sentence():
    shares = {"shot": 0.0304, "isp": 0.0886, "codec": 0.0224, "resizer": 0.0096, "runtime": 0.0}
    told = sentence(shares, sum(shares.values()), 0.018)
    assert told == "Of 15.1 % +- 1.8: isp 8.9, shot 3.0, codec 2.2, resizer 1.0, runtime 0.0"
    assert rounded([1 / 3, 1 / 3, 1 / 3], 1.0) == [0.4, 0.3, 0.3]
