import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.repeatability.comparisons import (
    FARTHEST,
    change_bounds,
    class_probability,
    compared,
    flips,
    top5_distance,
)
from analysis.repeatability.suites import FRAMES_BEFORE, FRAMES_FIRST, PAIRS

CLASSES = 9


def reference_distance(first, second):
    """The paper's definition on whole rankings: for i = 1..5 the ranks j passed, counted where 1 <= j - 1 <= 5."""
    ranks = {label: rank for rank, label in enumerate(second, 1)}
    moved = 0
    for i, label in enumerate(first[:5], 1):
        low, high = sorted((i, ranks[label]))
        moved += sum(1 <= j - 1 <= 5 for j in range(low + 1, high + 1))
    return moved


def reference_flips(labels, *, noise):
    """ImageNet-P's test.py, read aloud: how often a frame differs from the first, or from the one before."""
    before, changes = labels[0], []
    for label in labels[1:]:
        changes.append(label != before)
        before = before if noise else label
    return np.mean(changes)


rankings = st.permutations(range(CLASSES))


@settings(deadline=None, max_examples=200)
@given(first=rankings, second=rankings)
def test_five_stored_labels_give_the_paper_s_distance_of_whole_rankings(first, second):
    found = top5_distance(np.array(first[:5]), np.array(second[:5]))
    assert found == reference_distance(first, second)
    assert 0 <= found <= FARTHEST


def test_distances_by_hand():
    one = np.array([0, 1, 2, 3, 4])
    assert top5_distance(one, one) == 0
    assert top5_distance(one, np.array([1, 0, 2, 3, 4])) == 2
    assert top5_distance(one, np.array([5, 6, 7, 8, 9])) == 15  # 5 + 4 + 3 + 2 + 1
    assert top5_distance(one, np.array([0, 1, 2, 3, 9])) == 1
    farthest = max(top5_distance(one, np.array(other)) for other in itertools.permutations(range(8), 5))
    assert farthest == FARTHEST
    two_classes = np.array([[0, 1, -1, -1, -1], [1, 0, -1, -1, -1]])
    assert top5_distance(two_classes[0], two_classes[1]) == 2


@settings(deadline=None, max_examples=100)
@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=31))
def test_flips_are_the_reference_s_in_both_kinds(labels):
    codes = np.array(labels)[:, None]
    for kind, noise in ((FRAMES_FIRST, True), (FRAMES_BEFORE, False), (PAIRS, True)):
        earlier, later = compared(kind, len(labels))
        assert flips(codes[earlier], codes[later]).mean() == pytest.approx(reference_flips(labels, noise=noise))


def test_a_b_c_a_flips_twice_of_three_against_the_first_and_always_against_the_one_before():
    codes = np.array([0, 1, 2, 0])[:, None]
    shares = {}
    for kind in (FRAMES_FIRST, FRAMES_BEFORE):
        earlier, later = compared(kind, 4)
        shares[kind] = flips(codes[earlier], codes[later]).mean()
    assert shares == {FRAMES_FIRST: pytest.approx(2 / 3), FRAMES_BEFORE: 1.0}


def test_a_class_that_fell_out_has_at_most_the_lowest_stored_probability_and_at_most_the_rest():
    labels, scores = np.array([4, 3, 2, 1, 0]), np.array([0.6, 0.2, 0.1, 0.05, 0.03])
    assert class_probability(labels, scores, np.array([3])) == (pytest.approx(0.2), pytest.approx(0.2))
    low, high = class_probability(labels, scores, np.array([7]))
    assert (low, high) == (0, pytest.approx(0.02))  # 0.03 would be more than what is left
    low, high = class_probability(labels, scores / 2, np.array([7, -1]))
    assert (low, high) == (0, pytest.approx(0.015))
    low, high = class_probability(labels, scores, np.array([4, 7]))
    assert (low, high) == (pytest.approx(0.6), pytest.approx(0.62))


def test_all_classes_listed_leave_no_doubt():
    labels, scores = np.array([1, 0, -1, -1, -1]), np.array([0.7, 0.3, 0, 0, 0])
    assert class_probability(labels, scores, np.array([5])) == (0, pytest.approx(0, abs=1e-12))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0.01, 1), min_size=8, max_size=8), st.lists(st.floats(0.01, 1), min_size=8, max_size=8))
def test_the_bounds_of_a_change_hold_the_change(one, other):
    """The whole distributions are known here; the bounds know the five highest of each."""
    whole = [np.array(some) / sum(some) for some in (one, other)]
    ends = []
    for chances in whole:
        order = np.argsort(-chances, kind="stable")[:5]
        ends.append(class_probability(order, chances[order], np.array([0])))
    least, most = change_bounds(*ends)
    change = abs(whole[0][0] - whole[1][0])
    assert least - 1e-9 <= change <= most + 1e-9
