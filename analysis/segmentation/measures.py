"""A segmentation run by condition: mIoU and pixel accuracy with intervals, their change, and what changed by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import ITEM, group_codes
from analysis.segmentation.masks import answered, own_name
from analysis.segmentation.pixels import pixel_rates, pixels_against
from analysis.segmentation.rows import details, texts
from analysis.segmentation.scores import Counts, class_ious, confusion, mean_iou, metric_interval, pixel_accuracy
from device_agents.errors import BadInput
from device_agents.tasks.answers import Mask, read_mask

COLUMNS = (
    *("miou", "miou_low", "miou_high", "pixel_accuracy", "pixel_accuracy_low", "pixel_accuracy_high"),
    *("change", "change_low", "change_high", "unstable", "unstable_low", "unstable_high"),
    *("inside", "boundary", "pictures"),
)


@dataclass(frozen=True, eq=False)
class Confusions:
    """Every item's confusion in every condition: counts int64 (conditions, items, classes, classes + 1).

    answered: bool (conditions, items); a failed prediction has a confusion of zeros. clusters: object (items,). labels:
    the truth's own names.
    """

    conditions: tuple[str, ...]
    counts: Counts
    answered: NDArray[np.bool_]
    clusters: NDArray[np.object_]
    labels: tuple[str, ...]

    def summed(self, condition: int, items: NDArray[np.bool_] | None = None) -> Counts:
        """Give the confusion of a condition over all items, or over those marked."""
        counts = self.counts[condition]
        return np.asarray((counts if items is None else counts[items]).sum(axis=0))


def confusions(table: pd.DataFrame, *, across: str = "environment", item: Sequence[str] = ITEM) -> Confusions:
    """Count classes of every item with a truth in every condition, in order of appearance.

    table: the long table with detail and truth, one prediction an item and condition. Raises BadInput where no scene
    has a mask, where their classes differ, or an item has two answers in one condition.
    """
    known = table[texts(table, "truth") != ""].reset_index(drop=True)
    if known.empty:
        raise BadInput("expected scenes with masks, got none: mIoU needs labelled pixels (docs/segmentation.md)")
    items, conditions = group_codes(known, item), group_codes(known, [across])
    if pd.Series(items * (int(conditions.max()) + 1) + conditions).duplicated().any():
        raise BadInput(f"expected one answer for each of {tuple(item)} and {across}, got some twice; choose one")
    truths = {text: read_mask(text) for text in known["truth"].unique()}
    labels = {one.labels for one in truths.values()}
    if len(labels) > 1:
        raise BadInput(f"expected masks of one list of classes, got {len(labels)} lists; compare data sets apart")
    classes = len(next(iter(labels)))
    shape = int(conditions.max()) + 1, int(items.max()) + 1
    counts = np.zeros((*shape, classes, classes + 1), np.int64)
    there = np.zeros(shape, dtype=bool)
    done: dict[tuple[str, str], Counts] = {}
    for place, (text, detail) in enumerate(zip(known["truth"], details(known), strict=True)):
        if detail:
            if (text, detail) not in done:
                done[text, detail] = _confusion(truths[text], detail, classes)
            counts[conditions[place], items[place]] = done[text, detail]
            there[conditions[place], items[place]] = True
    first = np.unique(items, return_index=True)[1]
    clusters = known["cluster" if "cluster" in known.columns else "scene"].iloc[first].to_numpy(dtype=object)
    names = tuple(str(name) for name in pd.unique(known[across]))
    return Confusions(names, counts, there, clusters, tuple(map(own_name, next(iter(labels)))))


def condition_masks(
    table: pd.DataFrame, *, across: str = "environment", item: Sequence[str] = ITEM, level: float = 0.95
) -> pd.DataFrame:
    """Give each condition's mIoU, pixel accuracy and pixels unstable against the first: across and COLUMNS, a row each.

    change: mIoU less the first condition's, on the pictures that both answered. unstable: the share of pixels where
    one of the two is right and the other wrong; inside and boundary: the same apart (segmentation_pixels). Intervals
    by clusters of pictures. Raises BadInput as confusions.
    """
    found = confusions(table, across=across, item=item)
    pixels = pixels_against(table, base=found.conditions[0], across=across)
    rows = []
    for place, name in enumerate(found.conditions):
        row: dict[str, object] = {across: name}
        here = found.answered[place]
        for key, metric in (("miou", mean_iou), ("pixel_accuracy", pixel_accuracy)):
            ends = metric_interval(metric, found.counts[place][here], found.clusters[here], level=level)
            row |= {key: metric(found.summed(place, here)), f"{key}_low": ends.low, f"{key}_high": ends.high}
        both = here & found.answered[0]
        ends = metric_interval(mean_iou, found.counts[0][both], found.clusters[both], base=found.counts[place][both])
        row |= {"change": mean_iou(found.summed(place, both)) - mean_iou(found.summed(0, both))}
        row |= {"change_low": ends.low, "change_high": ends.high, "pictures": int(here.sum())}
        rows.append(row | _unstable(pixels[pixels[across] == name] if place else None, level))
    return pd.DataFrame(rows, columns=[across, *COLUMNS])


def class_table(table: pd.DataFrame, *, across: str = "environment", item: Sequence[str] = ITEM) -> pd.DataFrame:
    """Give each class's IoU in every condition: category, one column a condition, spread; the largest spread first."""
    found = confusions(table, across=across, item=item)
    ious = {name: class_ious(found.summed(place)) for place, name in enumerate(found.conditions)}
    result = pd.DataFrame(ious)
    result.insert(0, "category", list(found.labels))
    result = result.loc[result[list(found.conditions)].notna().any(axis=1)]
    values = result[list(found.conditions)]
    result = result.assign(spread=values.max(axis=1) - values.min(axis=1))
    return result.sort_values(["spread", "category"], ascending=[False, True], ignore_index=True)


def _confusion(truth: Mask, detail: str, classes: int) -> Counts:
    return confusion(truth.classes, answered(read_mask(detail), truth), classes)


def _unstable(pixels: pd.DataFrame | None, level: float) -> dict[str, float]:
    keys = ("unstable", "unstable_low", "unstable_high", "inside", "boundary")
    if pixels is None:
        return dict.fromkeys(keys, 0.0)
    rates = pixel_rates(pixels, level=level)
    numbers = (rates["all"].rate, rates["all"].low, rates["all"].high, rates["inside"].rate, rates["boundary"].rate)
    return dict(zip(keys, numbers, strict=True))
