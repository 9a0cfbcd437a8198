"""Boxes of two sides put together one to one: by overlap, as many as possible, whatever order they come in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections

Array = NDArray[np.float64]


def overlaps(a: ArrayLike, b: ArrayLike) -> Array:
    """Give the intersection over union of every two boxes: float64 (len(a), len(b)), 0..1.

    a, b: (n, 4) and (m, 4) of left, top, right, bottom in one unit, continuous edges. Boxes without area overlap with
    nothing. Scaling one axis changes nothing, so fractions of a picture do as well as pixels. Raises BadInput for
    another shape.
    """
    one, two = (np.asarray(boxes, dtype=np.float64) for boxes in (a, b))
    if any(len(boxes) and boxes.shape[1:] != (4,) for boxes in (one, two)):
        raise BadInput(f"expected boxes as (n, 4), got {one.shape} and {two.shape}")
    if not len(one) or not len(two):
        return np.zeros((len(one), len(two)))
    low, high = np.maximum(one[:, None, :2], two[None, :, :2]), np.minimum(one[:, None, 2:], two[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, two)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def pair_up(weights: ArrayLike, *, at_least: float) -> list[tuple[int, int]]:
    """Pair rows with columns one to one: as many pairs as possible, and among those the largest sum of weights.

    weights: (n, m), 0..1; only pairs of at_least (above 0) or more count. The assignment is the optimal one (Jonker and
    Volgenant's algorithm as SciPy has it). Pairs are sorted by row.
    """
    from scipy.optimize import linear_sum_assignment

    values = np.asarray(weights, dtype=np.float64)
    if not values.size:
        return []
    allowed = values >= max(at_least, np.finfo(float).tiny)
    # Each pair is worth more than all weights together, so no good pair is given up for a better one elsewhere.
    worth = np.where(allowed, values + min(values.shape) + 1, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if allowed[row, column]]


def shown(found: Detections, *, score: float) -> Detections:
    """Give the detections of a score or more, in an order that does not depend on the one they came in.

    By score, then label, then box; ignored marks go with their boxes.
    """
    ignored = found.ignored or (False,) * len(found.boxes)
    rows = zip(found.scores, found.labels, found.boxes, ignored, strict=True)
    kept = sorted((row for row in rows if row[0] >= score), key=lambda row: (-row[0], *row[1:]))
    scores, labels, boxes, marks = zip(*kept, strict=True) if kept else ((), (), (), ())
    return Detections(boxes=boxes, labels=labels, scores=scores, ignored=marks)


def same_labels(a: Sequence[str], b: Sequence[str]) -> NDArray[np.bool_]:
    """Whether labels are equal: (len(a), len(b))."""
    return np.array([[one == two for two in b] for one in a], dtype=bool).reshape(len(a), len(b))
