"""How far a mean average precision may be from the truth: clusters of pictures are drawn again, nothing matched again.

A drawn picture counts as often as it was drawn. Precision at each recall then follows from the boxes as pycocotools
matched them, in their order of score, with whole numbers throughout: what COCOeval gives for the drawn pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.detection.precision import Matched
from device_agents.errors import BadInput

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
RECALLS = np.linspace(0.0, 1.0, 101)  # pycocotools' recThrs
DRAWS = 200
MOST_CELLS = 4_000_000  # of one block of draws, to bound memory


class Draws:
    """Collects the precisions of drawn pictures, class by class; give its ``watch`` to mean_precisions."""

    def __init__(self, weights: Whole) -> None:
        """Take how often each picture was drawn, int64 (draws, pictures)."""
        self._weights = weights
        self._sums: dict[str, Array] = {}  # by condition (draws, 2): at 0.5, over 0.5:0.95
        self._classes: dict[str, Array] = {}

    def watch(self, name: str, label: str, matched: Matched) -> None:
        """Add one class of one condition."""
        found = weighted_precision(matched, self._weights)
        known = ~np.isnan(found[:, 0])
        nothing = np.zeros_like(found)
        self._sums[name] = self._sums.get(name, nothing) + np.where(known[:, None], found, 0.0)
        self._classes[name] = self._classes.get(name, nothing[:, 0]) + known

    def values(self, name: str) -> Array:
        """Give mAP@0.5 and mAP@0.5:0.95 of each draw, float64 (draws, 2), NaN for a draw without objects."""
        classes = self._classes[name][:, None]
        return np.divide(self._sums[name], classes, out=np.full_like(self._sums[name], np.nan), where=classes > 0)


def draw_weights(clusters: ArrayLike, *, draws: int, rng: np.random.Generator) -> Whole:
    """Draw clusters with replacement: int64 (draws, pictures), how often each picture is there.

    clusters: (pictures,) names. Raises BadInput without pictures or draws.
    """
    _, codes = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if not len(codes) or draws < 1:
        raise BadInput(f"expected pictures and draws, got {len(codes)} and {draws}")
    count = int(codes.max()) + 1
    drawn: Whole = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    return drawn[:, codes]


def weighted_precision(matched: Matched, weights: Whole) -> Array:
    """Give one class's average precision for each row of weights: float64 (draws, 2), at 0.5 and over 0.5:0.95.

    NaN where the drawn pictures hold no object of the class.
    """
    overlaps, boxes = matched.found.shape
    result = np.full((len(weights), 2), np.nan)
    block = max(1, MOST_CELLS // max(1, overlaps * boxes))
    for start in range(0, len(weights), block):
        some = weights[start : start + block]
        objects = some @ matched.objects
        held = objects > 0
        precisions = _precisions(matched, some[held], objects[held])
        result[start : start + block][held] = np.stack([precisions[:, 0].mean(-1), precisions.mean((1, 2))], axis=-1)
    return result


def percentiles(values: Sequence[float] | Array, *, level: float = 0.95) -> tuple[float, float]:
    """Give the bootstrap's percentile interval; NaN without values."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _precisions(matched: Matched, weights: Whole, objects: Whole) -> Array:
    """Precision at each recall, float64 (draws, overlaps, recalls), of draws that hold objects."""
    overlaps, boxes = matched.found.shape
    draws = len(weights)
    if not boxes or not draws:
        return np.zeros((draws, overlaps, len(RECALLS)))
    often = weights[:, None, matched.picture]
    right = np.cumsum(often * matched.found, axis=2)
    wrong = np.cumsum(often * ~(matched.found | matched.ignored), axis=2)
    precision = right / (wrong + right + np.spacing(1))
    precision = np.maximum.accumulate(precision[..., ::-1], axis=2)[..., ::-1]
    # A recall is reached at the first box by which so many objects are found; whole numbers, so a search is exact.
    needed = np.array([np.searchsorted(np.arange(n + 1) / n, RECALLS, side="left") for n in objects.tolist()])
    steps = int(objects.max()) + 2
    rows = np.arange(draws * overlaps)[:, None]
    reached = (
        np.searchsorted(
            (right.reshape(-1, boxes) + rows * steps).ravel(),
            (np.repeat(needed, overlaps, axis=0) + rows * steps).ravel(),
            side="left",
        ).reshape(draws * overlaps, -1)
        - rows * boxes
    )
    padded = np.concatenate([precision.reshape(-1, boxes), np.zeros((draws * overlaps, 1))], axis=1)
    return np.take_along_axis(padded, np.minimum(reached, boxes), axis=1).reshape(draws, overlaps, -1)
