"""Two answers to nearly the same picture compared: flips, the top-5 distance, the change of a class's probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.repeatability.answers import NONE, Codes
from analysis.repeatability.suites import FRAMES_BEFORE

Array = NDArray[np.float64]
TOP = 5
FARTHEST = 18.0  # 5 + 4 + 3 + 3 + 3: the first three are gone, the last two lead


def compared(kind: str, members: int) -> tuple[Codes, Codes]:
    """Say which members of a family are compared: two arrays of places, (comparisons,), the earlier one first.

    "pairs", "frames-first": the first with each other; "frames-before": each with the one before it.
    """
    later = np.arange(1, members)
    return (later - 1 if kind == FRAMES_BEFORE else np.zeros_like(later)), later


def flips(one: Codes, other: Codes) -> NDArray[np.bool_]:
    """Mark where the first labels differ; one, other: (..., ranks) codes, every answer with a first label."""
    return np.asarray(one[..., 0] != other[..., 0])


def top5_distance(one: Codes, other: Codes) -> Array:
    """Give how far the five first labels moved, 0 to 18: sum over ranks i = 1..5 of |min(i, 6) - min(rank', 6)|.

    rank' is the label's rank in the other answer; all below the fifth count as sixth, which is why five stored labels
    are enough. Hendrycks and Dietterich (ICLR 2019), equation of d(x, x') in section 4.2; ``dist`` of their
    ImageNet-P/test.py. one, other: (..., ranks) codes, -1 where a model has fewer classes: they count nothing.
    """
    first, second = one[..., :TOP], other[..., :TOP]
    ranks = np.arange(1, first.shape[-1] + 1)
    same = (first[..., :, None] == second[..., None, :]) & (first[..., :, None] != NONE)
    moved = np.where(same.any(axis=-1), same.argmax(axis=-1) + 1, TOP + 1)
    return np.asarray((np.abs(ranks - moved) * (first != NONE)).sum(axis=-1), dtype=np.float64)


def class_probability(labels: Codes, scores: Array, classes: Codes) -> tuple[Array, Array]:
    """Give the least and the greatest probability that some classes together can have in answers of stored ranks.

    labels, scores: (..., ranks); classes: (..., some), -1 for none. A class that is not among the stored ones has at
    least 0 and at most the lowest stored probability, and all such together at most what the stored ones leave.
    """
    there = (labels[..., :, None] == classes[..., None, :]) & (classes[..., None, :] != NONE)
    known = (scores * there.any(axis=-1)).sum(axis=-1)
    absent = ((classes != NONE) & ~there.any(axis=-2)).sum(axis=-1)
    lowest = np.min(np.where(labels != NONE, scores, np.inf), axis=-1)
    rest = np.clip(1 - scores.sum(axis=-1), 0, 1)
    unknown = np.where(absent > 0, np.minimum(absent * lowest, rest), 0.0)
    return np.clip(known, 0, 1), np.clip(known + unknown, 0, 1)


def change_bounds(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    """Give the least and the greatest absolute change between two probabilities known by bounds."""
    least = np.maximum(0, np.maximum(other[0] - one[1], one[0] - other[1]))
    most = np.maximum(other[1] - one[0], one[1] - other[0])
    return least, np.clip(most, 0, 1)
