"""The regions of a truth, and whether an answer has each: right, clearly wrong or ambiguous by their overlap.

A region is a connected part of one class (8 neighbours, as OpenCV counts), or all of a class in the picture. Its answer
is what the model has of that class in touch with it, shared out among regions of the class by nearness, so that two
birds that the model paints as one are judged apart. Its IoU decides, with the usual half: from RIGHT on it is right,
below CLEARLY_WRONG it is clearly wrong, between ambiguous.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.segmentation.masks import OTHER, UNSEEN, Classes, own_name
from device_agents.tasks.answers import NO_CLASS, Mask

RIGHT, CLEARLY_WRONG = 0.5, 0.25
LEAST_PIXELS = 100  # a smaller region is a speck of the labeller's brush; it counts by pixel, not as an object
LEAST_SEEN = 0.5  # of a region's pixels, else the model could not have it


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one truth, numbered from 0: ids int32 (height, width), -1 where there is none.

    nearest: class -> int32 (height, width), the region of that class that lies nearest to each pixel. names: "car 2".
    classes: int64 (regions,), places in the truth's labels. pixels: int64 (regions,).
    """

    truth: Mask
    ids: NDArray[np.int32]
    nearest: dict[int, NDArray[np.int32]]
    names: tuple[str, ...]
    classes: NDArray[np.int64]
    pixels: NDArray[np.int64]


class Judged(NamedTuple):
    """What an answer makes of one region: its verdict, IoU, and the class that most of the region was given."""

    verdict: str
    iou: float
    label: str


def regions(truth: Mask, *, whole_classes: bool = False, least: int = LEAST_PIXELS) -> Regions:
    """Find a truth's regions of at least ``least`` pixels, class by class and from above; see the head of this file."""
    from scipy.ndimage import distance_transform_edt, label

    ids = np.full(truth.classes.shape, -1, np.int32)
    nearest: dict[int, NDArray[np.int32]] = {}
    names, classes, pixels = list[str](), list[int](), list[int]()
    for place in (int(one) for one in np.unique(truth.classes) if one != NO_CLASS):
        own = truth.classes == place
        parts = own.astype(np.int32) if whole_classes else label(own, structure=np.ones((3, 3)))[0]
        sizes = np.bincount(parts.ravel())
        kept = [number for number in range(1, len(sizes)) if sizes[number] >= least]
        for count, number in enumerate(kept, 1):
            ids[parts == number] = len(names)
            names.append(f"{own_name(truth.labels[place])} {count}")
            classes.append(place)
            pixels.append(int(sizes[number]))
        if kept:
            ours = np.isin(ids, range(len(names) - len(kept), len(names)))
            _, (rows, columns) = distance_transform_edt(~ours, return_indices=True)
            nearest[place] = ids[rows, columns]
    return Regions(truth, ids, nearest, tuple(names), np.array(classes, np.int64), np.array(pixels, np.int64))


def judge_regions(
    found: Regions, answer: Classes, *, right: float = RIGHT, clearly_wrong: float = CLEARLY_WRONG
) -> list[Judged]:
    """Judge an answer (as segmentation_masks.answered gives it) on each region; missing where it was hardly seen.

    Pixels that do not count (the truth has no class there, the model did not see them) are left out of the overlap.
    """
    counted = (found.truth.classes != NO_CLASS) & (answer != UNSEEN)
    inside = counted & (found.ids >= 0)
    cells = found.ids[inside].astype(np.int64) * 256 + answer[inside]
    given = np.bincount(cells, minlength=256 * len(found.names)).reshape(-1, 256)  # regions x classes answered
    theirs = np.zeros(len(found.names), np.int64)
    both = np.zeros(len(found.names), np.int64)
    for place, nearest in found.nearest.items():
        shares = _touching((answer == place) & counted, nearest, found.ids)
        theirs += np.bincount(shares[shares >= 0], minlength=len(theirs))
        both += np.bincount(shares[(shares >= 0) & (shares == found.ids)], minlength=len(both))
    own = given.sum(axis=1)
    ious = both / np.maximum(1, own + theirs - both)
    judged = []
    for region, iou in enumerate(ious):
        if own[region] < LEAST_SEEN * found.pixels[region]:
            judged.append(Judged("missing", float("nan"), ""))
            continue
        verdict = "right" if iou >= right else "wrong" if iou < clearly_wrong else "ambiguous"
        judged.append(Judged(verdict, float(iou), _name(int(given[region].argmax()), found.truth.labels)))
    return judged


def _touching(answer: NDArray[np.bool_], nearest: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give each pixel of the answer to the nearest region, -1 for parts of the answer that touch no region at all."""
    from scipy.ndimage import label

    parts, count = label(answer, structure=np.ones((3, 3)))
    touches = np.zeros(count + 1, dtype=bool)
    touches[parts[answer & (ids >= 0) & (ids == nearest)]] = True
    touches[0] = False
    return np.where(touches[parts], nearest, np.int32(-1))


def _name(place: int, labels: tuple[str, ...]) -> str:
    return "other" if place == OTHER else own_name(labels[place])
