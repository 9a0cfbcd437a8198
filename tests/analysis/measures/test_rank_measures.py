from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from analysis.measures.rank_measures import jaccard, kendall, overlap
from analysis.measures.score_distances import DISTANCES, distributions
from device_agents.errors import BadInput


def lists(*texts):
    return np.array([[ord(one) - 97 if one != "-" else -1 for one in text] for text in texts])


def test_jaccard_by_hand():
    found = jaccard(lists("abc", "abc", "abc", "abc"), lists("cba", "abd", "def", "ab-"))
    assert found == pytest.approx([1, 2 / 4, 0, 1])  # the last is cut to two labels


def test_kendall_of_partial_lists_by_fagins_rule():
    # abc and abd: ab agrees; c, d are each in one list: discordant; a, b stand before c and d in both: 5 - 1 of 6.
    # abc and dab: ab agrees; ad, bd, cd: d first in one, last in the other; a, b before c where b's list ends: 3 - 3.
    found = kendall(lists("abc", "abc", "abc"), lists("abd", "dab", "def"))
    # Disjoint: 9 pairs across are discordant, 3 + 3 within are unknown: -9 of 15.
    assert found == pytest.approx([4 / 6, 0 / 6, -9 / 15])


def fagin(one, two, p):
    """K^(p) by its four cases (Fagin, Kumar, Sivakumar 2003, section 3.1)."""
    total = 0.0
    for i, j in combinations(sorted(set(one) | set(two)), 2):
        places = [[side.index(x) if x in side else None for x in (i, j)] for side in (one, two)]
        known = [[at is not None for at in place] for place in places]
        if all(known[0]) and all(known[1]):
            total += (places[0][0] < places[0][1]) != (places[1][0] < places[1][1])
        elif sum(map(sum, known)) == 3:
            full, half = (0, 1) if all(known[0]) else (1, 0)
            ahead = 0 if places[full][0] < places[full][1] else 1
            total += not known[half][ahead]
        elif all(known[0]) or all(known[1]):
            total += p
        else:
            total += 1
    return total


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(2, 5))
def test_kendall_is_fagins_distance_and_scipys_tau(one, two, size):
    a, b = list(one[:size]), list(two[:size])
    labels = len(set(a) | set(b))
    found = float(kendall(np.array([a]), np.array([b]))[0])
    assert found == pytest.approx(1 - 2 * fagin(a, b, 0.5) / (labels * (labels - 1) / 2))
    ranks = [[two[:size].index(x) for x in sorted(b)], [one[:size].index(x) for x in sorted(b) if x in a]]
    if set(a) == set(b):
        assert found == pytest.approx(kendalltau(ranks[0], ranks[1]).statistic)


def rbo(one, two, p, depth):
    """The sum itself, (1 - p) sum p^(d-1) A_d, over lists that are long enough (Webber, Moffat, Zobel 2010, eq. 4)."""
    return (1 - p) * sum(p ** (d - 1) * len(set(one[:d]) & set(two[:d])) / d for d in range(1, depth + 1))


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(7)), st.permutations(range(7)), st.floats(0.2, 0.95))
def test_overlap_holds_every_way_to_go_on(one, two, p):
    a, b = list(one[:5]), list(two[:5])
    extrapolated, low, high = (float(part[0]) for part in overlap(np.array([a]), np.array([b]), p=p))
    assert 0 <= low <= extrapolated + 1e-12
    assert extrapolated <= high + 1e-12 <= 1 + 2e-12
    never = rbo([*a, *range(100, 1100)], [*b, *range(2000, 3000)], p, 1000)
    assert never == pytest.approx(low, abs=1e-9)
    missing_b, missing_a = [x for x in a if x not in b], [x for x in b if x not in a]
    soon = rbo([*a, *missing_a, *range(100, 1100)], [*b, *missing_b, *range(100, 1100)], p, 1000)
    assert soon == pytest.approx(high, abs=1e-9)


def test_overlap_weight_of_the_first_ranks():
    # The paper prints 86 % for ten ranks at p = 0.9: the weight is what equal lists of ten are sure of, and what
    # disjoint ones of ten cannot reach again, without the share that later ranks take from the earlier labels.
    p = 0.9
    weight = 1 - p**9 + (1 - p) / p * 10 * (np.log(1 / (1 - p)) - sum(p**i / i for i in range(1, 10)))
    assert round(weight, 2) == 0.86
    same = np.arange(10)[None]
    assert float(overlap(same, same, p=p)[1][0]) == pytest.approx(weight)
    five = np.arange(5)[None]
    assert [round(float(part[0]), 2) for part in overlap(five, five)] == [1, 0.94, 1]


def test_empty_lists_have_no_measure():
    for found in (jaccard, kendall, lambda a, b: overlap(a, b)[0]):
        assert np.isnan(found(lists("--"), lists("ab"))).all()
    with pytest.raises(BadInput, match="0 and 1"):
        overlap(lists("a"), lists("a"), p=1.0)
    with pytest.raises(BadInput, match="shapes"):
        jaccard(lists("ab"), lists("abc"))


def stored(full, size):
    order = np.argsort(-full, axis=1, kind="stable")[:, :size]
    return order, np.take_along_axis(full, order, axis=1)


def test_against_scipy_where_all_scores_are_stored():
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import entropy

    rng = np.random.default_rng(1)
    a, b = rng.dirichlet(np.ones(5), (2, 30))
    p, q = distributions(*stored(a, 5), *stored(b, 5))
    assert DISTANCES["l1"](p, q) == pytest.approx(np.abs(a - b).sum(axis=1), abs=1e-6)
    assert DISTANCES["l2"](p, q) == pytest.approx(np.linalg.norm(a - b, axis=1), abs=1e-6)
    assert DISTANCES["max"](p, q) == pytest.approx(np.abs(a - b).max(axis=1), abs=1e-6)
    assert DISTANCES["kl"](p, q) == pytest.approx(entropy(a, b, axis=1), abs=1e-5)
    assert DISTANCES["js"](p, q) == pytest.approx(jensenshannon(a, b, axis=1) ** 2, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 5))
def test_stored_scores_never_overstate_l1(seed, sharpness):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.full(12, sharpness), (2, 20))
    one, two = stored(a, 5), stored(b, 5)
    p, q = distributions(*one, *two)
    assert p.sum(axis=1) == pytest.approx(np.ones(20))
    assert q.sum(axis=1) == pytest.approx(np.ones(20))
    assert (DISTANCES["l1"](p, q) <= np.abs(a - b).sum(axis=1) + 1e-5).all()
    back = distributions(*two, *one)
    bounds = {"l1": 2, "l2": np.sqrt(2), "max": 1, "js": np.log(2)}
    for name, most in bounds.items():
        found = DISTANCES[name](p, q)
        assert found == pytest.approx(DISTANCES[name](*back))
        assert (found >= 0).all()
        assert (found <= most + 1e-12).all()
    assert np.isfinite(DISTANCES["kl"](p, q)).all()
    same = distributions(*one, *one)
    for distance in DISTANCES.values():
        assert distance(*same) == pytest.approx(np.zeros(20), abs=1e-12)


def test_disjoint_lists_are_far_apart_and_broken_ones_nowhere():
    labels, scores = lists("abcde", "abcde", "-----"), np.array([[0.9, 0.04, 0.03, 0.02, 0.01]] * 3)
    scores[1, 0] = np.nan
    p, q = distributions(
        labels, scores, lists("fghij", "fghij", "fghij"), np.array([[0.9, 0.04, 0.03, 0.02, 0.01]] * 3)
    )
    assert DISTANCES["l1"](p, q)[0] > 1.9
    assert np.isnan(DISTANCES["js"](p, q)[1:]).all()


def test_quantised_scores_may_sum_to_more_than_one():
    labels, scores = lists("ab"), np.array([[0.75, 0.5]])
    p, _ = distributions(labels, scores, labels, scores)
    assert p[0] == pytest.approx([0.6, 0.4, 0, 0, 0], abs=1e-6)
