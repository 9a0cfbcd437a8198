"""How well masks agree with the truth: the confusion of classes, IoU a class, their mean (mIoU) and pixel accuracy.

IoU = TP / (TP + FP + FN), a class at a time over all pixels of all pictures (PASCAL VOC 2012 development kit, section
4.2.2; Cityscapes). The mean is over the classes that the truth holds, the same for every condition compared. Pixels of
the truth without a class (255) and pixels that the model did not see count nowhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.segmentation.masks import OTHER, UNSEEN, Classes
from analysis.statistics import Interval
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS

Counts = NDArray[np.int64]
Metric = Callable[[Counts], float]


def confusion(truth: Classes, answer: Classes, classes: int) -> Counts:
    """Count pixels: int64 (classes, classes + 1), truth by answer; the last column is answers of no class of the truth.

    truth, answer: uint8 of one shape, in the truth's classes, as analysis.segmentation.masks.answered gives answers.
    Raises BadInput for shapes that differ.
    """
    if truth.shape != answer.shape:
        raise BadInput(f"expected a mask of the truth's shape {truth.shape}, got {answer.shape}; bring it there first")
    counted = (truth != NO_CLASS) & (answer != UNSEEN)
    columns = np.where(answer == OTHER, np.uint8(classes), answer)[counted].astype(np.int64)
    cells = truth[counted].astype(np.int64) * (classes + 1) + columns
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def class_ious(counts: Counts) -> NDArray[np.float64]:
    """Give each class's IoU, float64 (classes,): NaN for classes that the truth does not hold."""
    held = counts.sum(axis=1)
    right = np.diagonal(counts)
    union = held + counts[:, :-1].sum(axis=0) - right
    return np.where(held > 0, right / np.maximum(union, 1), np.nan)


def mean_iou(counts: Counts) -> float:
    """Give the mean IoU over the classes that the truth holds; NaN where it holds none."""
    found = class_ious(counts)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def pixel_accuracy(counts: Counts) -> float:
    """Give the share of counted pixels whose class is right; NaN without any."""
    pixels = int(counts.sum())
    return float(np.diagonal(counts).sum() / pixels) if pixels else float("nan")


def metric_interval(
    metric: Metric, counts: Counts, clusters: ArrayLike, *, base: Counts | None = None, level: float = 0.95
) -> Interval:
    """Give the interval of a metric of summed confusions, or of metric(base) - metric(counts), by clusters of pictures.

    counts, base: int64 (pictures, classes, classes + 1), one after the other the same pictures. mIoU is no mean over
    pictures, so that it is the delete-one-cluster jackknife with Student's t (Efron and Stein 1981): the deviations of
    the metric without each cluster. Low and high are NaN for fewer than two clusters: one picture has no interval.
    """
    of = without_each(metric, counts, clusters)
    value = metric(counts.sum(axis=0))
    if base is not None:
        of, value = without_each(metric, base, clusters) - of, metric(base.sum(axis=0)) - value
    low, high = jackknife_ends(value, of, floor=0.0 if base is None else -1.0, level=level)
    return Interval(low, high, level, "jackknife-clusters", len(of))


def without_each(metric: Metric, counts: Counts, clusters: ArrayLike) -> NDArray[np.float64]:
    """Give a metric of summed confusions without each cluster of pictures: (clusters,), in the order of their names."""
    names, codes = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    return np.array([metric(counts[codes != group].sum(axis=0)) for group in range(len(names))])


def jackknife_ends(
    value: float, without: NDArray[np.float64], *, floor: float = 0.0, level: float = 0.95
) -> tuple[float, float]:
    """Give the jackknife's interval of a value from its values without each cluster, within floor..1; NaN for none."""
    from scipy.stats import t as student

    groups = len(without)
    if groups < 2 or not np.isfinite(without).all() or not np.isfinite(value):
        return float("nan"), float("nan")
    spread = float(np.sqrt((groups - 1) / groups * np.square(without - without.mean()).sum()))
    reach = float(student.ppf((1 + level) / 2, groups - 1)) * spread
    return max(floor, value - reach), min(1.0, value + reach)
