"""Overlaps against pycocotools, and pairs against hand examples and every assignment there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.detection.matching import overlaps, pair_up, same_labels, shown
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections

SEEDS = st.integers(0, 10_000)


def draw(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(-0.2, 0.8, (count, 2))
    return np.hstack([corner, corner + rng.uniform(0.05, 0.5, (count, 2))])


def test_overlaps_equal_pycocotools() -> None:
    mask = pytest.importorskip("pycocotools.mask", reason="the extra 'detection' is not installed")
    rng = np.random.default_rng(1)
    a, b = draw(rng, 20), draw(rng, 30)
    as_wh = [np.hstack([one[:, :2], one[:, 2:] - one[:, :2]]) for one in (a, b)]
    assert overlaps(a, b) == pytest.approx(mask.iou(as_wh[0], as_wh[1], [0] * 30), abs=1e-12)


def test_overlaps_by_hand() -> None:
    """Two unit squares that share a half: 0.5 of 1.5."""
    assert overlaps([(0, 0, 1, 1)], [(0.5, 0, 1.5, 1), (1, 0, 2, 1), (0, 0, 0, 0)]).tolist() == [[1 / 3, 0, 0]]
    assert overlaps([], [(0, 0, 1, 1)]).shape == (0, 1)
    assert overlaps([(0, 0, 0, 0)], [(0, 0, 0, 0)]).tolist() == [[0.0]]
    with pytest.raises(BadInput, match=r"expected boxes as \(n, 4\)"):
        overlaps([(0, 0, 1)], [(0, 0, 1)])


@settings(deadline=None, max_examples=40)
@given(SEEDS)
def test_no_assignment_has_more_pairs_or_a_larger_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random((3, 4))
    pairs = pair_up(weights, at_least=0.4)
    every = [
        [(row, column) for row, column in enumerate(columns) if weights[row, column] >= 0.4]
        for columns in permutations(range(4), 3)
    ]
    best = max((len(some), sum(weights[one] for one in some)) for some in every)
    assert (len(pairs), sum(weights[one] for one in pairs)) == pytest.approx(best)


def test_a_good_pair_is_given_up_where_two_are_possible() -> None:
    assert pair_up([[0.9, 0.5], [0.5, 0.0]], at_least=0.5) == [(0, 1), (1, 0)]
    assert pair_up(np.zeros((2, 2)), at_least=0.5) == []
    assert pair_up(np.zeros((0, 2)), at_least=0.5) == []


def test_shown_boxes_stand_in_one_order_whatever_order_they_came_in() -> None:
    boxes = ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5), (0.2, 0.0, 0.5, 0.5))
    one = Detections(boxes, ("cat", "dog", "cat"), (0.5, 0.5, 0.2))
    two = Detections((boxes[1], boxes[0], boxes[2]), ("dog", "cat", "cat"), (0.5, 0.5, 0.2))
    assert shown(one, score=0.5) == shown(two, score=0.5)
    assert shown(one, score=0.5).labels == ("cat", "dog")
    assert shown(one, score=0.9).boxes == ()
    assert same_labels(["cat"], ["dog", "cat"]).tolist() == [[False, True]]
    assert same_labels([], ["dog"]).shape == (0, 1)
