"""Intervals for *these* devices and for *such* devices: whether the devices too are a sample.

Five phones at hand say what those five do, with scenes as the sample. Of phones like them they say less, since another
five would have come out differently; that interval has both sampled, devices and scenes, and it is wide for few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import ITEM, Columns, instability, verdict_column
from analysis.intervals.effective import beta_bounds, effective_sizes
from analysis.statistics import Interval
from device_agents.errors import BadInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """The chance that m random conditions hold both verdicts, 0..1, with the intervals for these and for such ones."""

    m: int
    rate: float
    these: Interval
    such: Interval
    devices: int


def population(
    table: pd.DataFrame,
    *,
    across: str = "device",
    item: Columns = ITEM,
    m: int = 2,
    top_n: int = 1,
    level: float = 0.95,
) -> Population:
    """Give the instability of m devices with both intervals, from predictions as instability() takes them.

    Raises BadInput with m or fewer devices: leaving one out must leave m.
    """
    result = instability(table, across=across, item=item, top_n=top_n)
    found = verdict_column(table, top_n=top_n)
    counted = np.isin(found, ("right", "wrong"))
    keys = list(result.item)
    items = result.table.reset_index(names="place")[[*keys, "place"]]
    place = table[keys].merge(items, on=keys, how="left")["place"].to_numpy()
    device, names = pd.factorize(table[across], use_na_sentinel=False)
    marks = np.full((len(result.table), len(names)), -1, dtype=np.int8)
    marks[place[counted], device[counted]] = found[counted] == "right"
    clusters = pd.factorize(result.table["cluster"], use_na_sentinel=False)[0]
    return population_of(marks, np.asarray(clusters), m=m, level=level)


def population_of(
    marks: NDArray[np.int8], clusters: NDArray[np.int64], *, m: int = 2, level: float = 0.95
) -> Population:
    """Do as population, from marks (items, devices): 1 right, 0 wrong, -1 neither; clusters (items,) from 0.

    Two ways of sampling, added up: the variance over scenes is p (1 - p) / n* of the usual interval, that over devices
    the jackknife's (K - 1) / K sum of (rate without one device - their mean)^2 (for a mean over sets of m, a
    U-statistic, it errs on the wide side: Efron and Stein 1981). The interval is the usual one at the number of items
    with that variance, narrowed for the few devices by (1.96 / t)^2 with Satterthwaite's degrees of freedom.
    """
    from scipy.special import ndtri, stdtrit

    devices = marks.shape[1]
    if m < 2 or devices <= m:
        raise BadInput(f"expected more devices than are compared, at least {max(m, 2) + 1}, got {devices}")
    right, present = (marks == 1).sum(axis=1), (marks >= 0).sum(axis=1)
    share, enough = _shares(right, present, m)
    groups = np.unique(clusters[enough], return_inverse=True)[1]
    if not len(groups):
        raise BadInput(f"expected items that {m} devices or more answered, got none")
    sums, sizes, squares = (
        np.bincount(groups, weights=values).astype(np.float64)
        for values in (share, np.ones(len(share)), np.square(share))
    )
    rate = np.array(share.mean())
    size, informative = effective_sizes(sums, sizes, squares, level=level)
    low, high = beta_bounds(rate, size, informative, level=level)
    these = Interval(float(low), float(high), level, "effective-beta, these devices", len(sums))
    left = np.array(
        [_shares(right - (marks[:, j] == 1), present - (marks[:, j] >= 0), m)[0].mean() for j in range(devices)]
    )
    over_devices = float((devices - 1) / devices * np.square(left - left.mean()).sum())
    over_scenes = float(rate * (1 - rate) / size)
    both = over_devices + over_scenes
    if both > 0 and over_devices > 0:
        degrees = both**2 / (over_devices**2 / (devices - 1) + over_scenes**2 / max(1, len(sums) - 1))
        quantile = (1 + level) / 2
        narrow = (ndtri(quantile) / stdtrit(degrees, quantile)) ** 2
        size = np.minimum(size, np.maximum(rate * (1 - rate) / both * narrow, 1.0))
    low, high = beta_bounds(rate, size, informative, level=level)
    such = Interval(float(low), float(high), level, "effective-beta and jackknife, such devices", len(sums))
    return Population(m, float(rate), these, such, devices)


def _shares(right: NDArray[np.int64], present: NDArray[np.int64], m: int) -> tuple[Array, NDArray[np.bool_]]:
    """Each item's chance that m of its devices hold both verdicts, of the items with m or more; and which those are."""
    enough = present >= m
    some, all_ = right[enough].astype(float), present[enough].astype(float)
    alike = np.zeros(len(some))
    for part in (some, all_ - some):
        product = np.ones(len(some))
        for taken in range(m):
            product = product * np.maximum(part - taken, 0) / (all_ - taken)
        alike += product
    return np.clip(1 - alike, 0, 1), enough
