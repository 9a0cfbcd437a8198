"""SUPPRESSIONS: of boxes that overlap, which stay, and with which scores; equal scores in an order that is said.

A suppression takes boxes (n, 4), scores (n,) and classes (n,), and gives the places of the boxes that stay, in falling
order of their scores, and these scores. The best box is taken, what overlaps it too much goes or loses score, and again
until ``most`` are found: one pass over what is left for each box that stays.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.tasks.boxes import Floats, overlaps

Places = npt.NDArray[np.int64]
Suppression = Callable[..., Tuple[Places, Floats]]


def falling(scores: npt.NDArray[Any], *, ties: str) -> Places:
    """Give the places of scores in falling order; of equal ones the "first" or the "last" comes before."""
    if ties == "first":
        return np.argsort(-scores, kind="stable")
    return np.argsort(scores, kind="stable")[::-1]


def suppress_hard(
    boxes: Floats, scores: Floats, classes: Places, *, iou: float, plus: float, ties: str, most: int, class_wise: bool
) -> Tuple[Places, Floats]:
    """Drop each box that overlaps a better one by more than ``iou``; with class_wise only those of its own class."""
    order = falling(scores, ties=ties)
    sorted_boxes = boxes[order]
    rivals = _rivals(classes[order]) if class_wise else {0: np.arange(len(order))}
    names = classes[order].tolist() if class_wise else [0] * len(order)
    stays = np.ones(len(order), bool)
    kept: List[int] = []
    for place, name in enumerate(names):
        if not stays[place]:
            continue
        kept.append(place)
        if len(kept) == most:
            break
        later = rivals[name]
        later = later[(later > place) & stays[later]]
        rivals[name] = later
        stays[later[overlaps(sorted_boxes[place], sorted_boxes[later], plus=plus) > iou]] = False
    places = order[kept]
    return places, scores[places]


def _rivals(classes: Places) -> Dict[int, Places]:
    """The places of each class, rising."""
    by_class = np.argsort(classes, kind="stable")
    found, starts = np.unique(classes[by_class], return_index=True)
    return dict(zip(found.tolist(), np.split(by_class, starts[1:])))


def suppress_soft(
    boxes: Floats,
    scores: Floats,
    classes: Places,
    *,
    iou: float,
    plus: float,
    ties: str,
    most: int,
    sigma: float,
    threshold: float,
    gaussian: bool,
) -> Tuple[Places, Floats]:
    """Lower the score of each box that overlaps a better one of its class (Bodla et al. 2017, equations for s_i).

    linear: s (1 - overlap) where the overlap is above ``iou``; gaussian: s exp(-overlap^2 / sigma) always. A box whose
    score falls below ``threshold`` goes.
    """
    left = falling(scores, ties=ties)
    now = scores[left].astype(np.float64)
    kept: List[int] = []
    final: List[float] = []
    while left.size and len(kept) < most:
        best = int(np.argmax(now))  # the first of the largest: the order of ties that left stands in
        first = int(left[best])
        kept.append(first)
        final.append(float(now[best]))
        left, now = np.delete(left, best), np.delete(now, best)
        overlap = overlaps(boxes[first], boxes[left], plus=plus)
        factor = np.exp(-np.square(overlap) / sigma) if gaussian else np.where(overlap > iou, 1.0 - overlap, 1.0)
        now = now * np.where(classes[left] == classes[first], factor, 1.0)
        stays = now >= threshold
        left, now = left[stays], now[stays]
    return np.array(kept, np.int64), np.array(final, np.float64)


def suppress_none(boxes: Floats, scores: Floats, classes: Places, *, ties: str, most: int) -> Tuple[Places, Floats]:
    """Keep the best ``most`` boxes, overlapping or not."""
    places = falling(scores, ties=ties)[:most]
    return places, scores[places]


SUPPRESSIONS: Dict[str, Suppression] = {
    "class-agnostic": partial(suppress_hard, class_wise=False),
    "class-wise": partial(suppress_hard, class_wise=True),
    "none": suppress_none,
    "soft-gaussian": partial(suppress_soft, gaussian=True),
    "soft-linear": partial(suppress_soft, gaussian=False),
}
