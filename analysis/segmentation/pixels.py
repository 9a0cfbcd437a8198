"""Instability and disagreement by pixel, inside of regions and in the bands along their borders apart.

A pixel is unstable between conditions where one is right and another is wrong; it disagrees where the classes given are
not all equal. Pixels without a class in the truth (255) and pixels that a condition did not see do not count. Masks
differ most along borders, where the labeller's hand is no surer than the model: the band of BAND pixels on both sides
of a border of the truth is therefore told apart from the inside. Without a truth only disagreement can be told, and the
borders are the first condition's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.segmentation.masks import UNSEEN, Classes, answered, placed_on
from analysis.segmentation.rows import details, texts
from analysis.statistics import METHODS, Totals
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS, Mask, read_mask

BAND = 3
BANDS = ("inside", "boundary")
ITEM = ("scene", "angle", "repeat")
COLUMNS = ("scene", "cluster", "band", "conditions", "pixels", "unstable", "disagreeing")


@dataclass(frozen=True)
class Rate:
    """A share of pixels with its 95 % interval by clusters of pictures; NaN without pixels."""

    rate: float
    low: float
    high: float
    pixels: int
    clusters: int


def boundary_band(classes: Classes, *, band: int = BAND) -> NDArray[np.bool_]:
    """Mark the pixels at most ``band`` pixels (Euclidean, from centre to centre) from a pixel of another class.

    classes: uint8 (height, width). Pixels without a class (255) make no border: what lies beyond them is unknown.
    """
    height, width = classes.shape
    near = np.zeros(classes.shape, dtype=bool)
    for down in range(min(band, height - 1) + 1):
        for right in range(-min(band, width - 1), min(band, width - 1) + 1):
            if (down, right) <= (0, 0) or down * down + right * right > band * band:
                continue  # the other half of the disc is met from the other side
            one = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
            two = (slice(down, height), slice(max(0, right), width - max(0, -right)))
            border = (classes[one] != classes[two]) & (classes[one] != NO_CLASS) & (classes[two] != NO_CLASS)
            near[one] |= border
            near[two] |= border
    return near


def pixel_counts(
    masks: Sequence[Mask], truth: Mask | None = None, *, band: int = BAND
) -> dict[str, tuple[int, int, int]]:
    """Count the pixels of one picture in several conditions: band -> (counted, unstable, disagreeing).

    Counted are pixels that at least two conditions saw and that have a class in the truth; without a truth unstable
    is 0, and the grid is the first mask's. Disagreement compares the model's own classes, before the truth's accept
    several of them. Raises BadInput where a mask cannot be mapped.
    """
    grid = truth if truth is not None else masks[0]
    if any(mask.labels != masks[0].labels for mask in masks):
        raise BadInput("expected conditions that name the same classes, got masks of models with other label lists")
    own = np.stack([placed_on(mask, grid) for mask in masks])
    if truth is None:
        seen = own != NO_CLASS
        counted, unstable = seen.sum(axis=0) >= 2, np.zeros(own.shape[1:], dtype=bool)
    else:
        answers = np.stack([answered(mask, truth) for mask in masks])
        seen, right = answers != UNSEEN, answers == truth.classes
        counted = (seen.sum(axis=0) >= 2) & (truth.classes != NO_CLASS)
        unstable = (seen & right).any(axis=0) & (seen & ~right).any(axis=0)
    highest = np.where(seen, own.astype(np.int16), np.int16(-1)).max(axis=0)
    lowest = np.where(seen, own.astype(np.int16), np.int16(256)).min(axis=0)
    near = boundary_band(grid.classes, band=band)
    parts = {"inside": counted & ~near, "boundary": counted & near}
    return {
        name: (int(part.sum()), int((part & unstable).sum()), int((part & (highest != lowest)).sum()))
        for name, part in parts.items()
    }


def pixel_table(table: pd.DataFrame, *, across: str = "environment", band: int = BAND) -> pd.DataFrame:
    """Count pixels of every item between the conditions ``across``: one row an item and band, columns COLUMNS.

    table: predictions with detail (and truth, where scenes have one). Items with fewer than two answers are left out.
    """
    rows = []
    for part in _items(table, across):
        if part[across].nunique() < 2:
            continue
        # Equal masks are one condition or two: more of them change neither what is counted nor what is unstable.
        copies = part["detail"].value_counts(sort=False)
        masks = [one for text, count in copies.items() for one in [read_mask(str(text))] * min(2, count)]
        for name, counts in pixel_counts(masks, _truth(part), band=band).items():
            rows.append((*_place(part), name, part[across].nunique(), *counts))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def pixels_against(table: pd.DataFrame, *, base: str, across: str = "environment", band: int = BAND) -> pd.DataFrame:
    """Count pixels of every item between the condition ``base`` and each other one: columns across and COLUMNS.

    As pixel_table, two conditions at a time, each mask read once. Items that the base did not answer are left out.
    """
    rows = []
    for part in _items(table, across):
        given = dict(zip(part[across].astype(str), part["detail"], strict=True))
        if base not in given:
            continue
        masks = {str(text): read_mask(str(text)) for text in dict.fromkeys(given.values())}
        truth = _truth(part)
        done: dict[str, dict[str, tuple[int, int, int]]] = {}
        for name, text in given.items():
            if name != base:
                if text not in done:
                    done[text] = pixel_counts([masks[given[base]], masks[text]], truth, band=band)
                rows += [(name, *_place(part), key, 2, *counts) for key, counts in done[text].items()]
    return pd.DataFrame(rows, columns=[across, *COLUMNS])


def pixel_rates(counts: pd.DataFrame, what: str = "unstable", *, level: float = 0.95) -> Mapping[str, Rate]:
    """Give the rate of what pixel_table counted ("unstable" or "disagreeing"): in all, inside and in the boundary band.

    A picture's pixels share their fate: the interval is that of the default method at the effective number of pixels.
    """
    parts: dict[str, pd.DataFrame] = {"all": counts} | {name: counts[counts["band"] == name] for name in BANDS}
    return {name: _rate(part, what, level) for name, part in parts.items()}


def _items(table: pd.DataFrame, across: str) -> Iterator[pd.DataFrame]:
    """The answers of each item, with its truth."""
    found = table.assign(detail=details(table), truth=texts(table, "truth"))
    found = found[found["detail"] != ""]
    keys = [name for name in (*ITEM, "device") if name in found.columns and name != across]
    yield from (part for _, part in found.groupby(keys, sort=False))


def _truth(part: pd.DataFrame) -> Mask | None:
    text = str(part["truth"].iloc[0])
    return read_mask(text) if text else None


def _place(part: pd.DataFrame) -> tuple[str, str]:
    scene = str(part["scene"].iloc[0])
    return scene, str(part["cluster"].iloc[0]) if "cluster" in part.columns else scene


def _rate(part: pd.DataFrame, what: str, level: float) -> Rate:
    summed = part.groupby("cluster", sort=False)[[what, "pixels"]].sum()
    summed = summed[summed["pixels"] > 0]
    events, sizes = (summed[name].to_numpy(dtype=np.float64) for name in (what, "pixels"))
    if not len(sizes):
        nothing: Any = float("nan")
        return Rate(nothing, nothing, nothing, 0, 0)
    low, high = METHODS["effective-beta"](Totals(events, sizes), level, None)
    return Rate(float(events.sum() / sizes.sum()), low, high, int(sizes.sum()), len(sizes))
