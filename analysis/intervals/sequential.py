"""An interval that stays valid however often one looks: for studies that stop when they are precise enough.

A 95 % interval promises 95 % for one look at a study whose size was fixed. Who looks after every block of scenes and
stops at a width that pleases has looked many times. A confidence sequence holds at all times at once with 95 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics import Interval, cluster_totals
from device_agents.errors import BadInput

Array = NDArray[np.float64]
GRID = 800
TRUNCATION = 0.5  # of the bets, so that the capital stays positive


def sequential_interval(
    values: ArrayLike, clusters: ArrayLike, *, width: float | None = None, level: float = 0.95
) -> Interval:
    """Give the interval of a rate that is valid under optional stopping, from items in the order of their clusters.

    values: (items,), each 0..1; clusters: (items,), names in the order they were finished. What is estimated is the
    mean of the clusters' means: the rate, where clusters have equally many items. Assumed: the clusters come in random
    order from those the study is about (shuffled scenes), and nothing else; no distribution, no size. width: the width
    (low to high) at which one means to stop, chosen beforehand; it makes the interval narrowest about there, and holds
    for any stopping all the same. Raises BadInput.
    """
    totals = cluster_totals(values, clusters)
    if not len(totals.sizes):
        return Interval(float("nan"), float("nan"), level, "betting", 0)
    low, high = confidence_sequence((totals.sums / totals.sizes)[None], width=width, level=level)
    return Interval(float(low[0, -1]), float(high[0, -1]), level, "betting", len(totals.sizes))


def confidence_sequence(
    means: Array, *, width: float | None = None, level: float = 0.95, grid: int = GRID
) -> tuple[Array, Array]:
    """Give the bounds after each cluster: two arrays (studies, clusters) from means (studies, clusters), each 0..1.

    The hedged capital process of Waudby-Smith and Ramdas (2023, theorem 3 and section 4.2): for every candidate rate,
    somebody bets against it on each next cluster, half of the capital that the mean is above, half below, at
    predictable stakes; by Ville's inequality the true rate ever multiplies the capital by 1 / (1 - level) with chance
    1 - level at most. Candidates are a grid, denser towards 0 and 1; the bounds are rounded outwards to it, and once
    left out a candidate stays out. width: see sequential_interval. Raises BadInput for means or a level outside 0..1.
    """
    if not 0 < level < 1 or means.ndim != 2 or not bool(np.all((means >= 0) & (means <= 1))):
        raise BadInput("expected means of clusters between 0 and 1, (studies, clusters), and a level such as 0.95")
    studies, times = means.shape
    candidates = (1 - np.cos(np.pi * np.arange(grid + 1) / grid)) / 2
    with np.errstate(divide="ignore"):
        most_up, most_down = TRUNCATION / candidates, TRUNCATION / (1 - candidates)
    stakes = _stakes(means, 1 - level, width)
    up, down = np.zeros((studies, grid + 1)), np.zeros((studies, grid + 1))
    inside = np.ones((studies, grid + 1), dtype=bool)
    low, high = np.empty(means.shape), np.empty(means.shape)
    for time in range(times):
        gap = means[:, time, None] - candidates
        stake = stakes[:, time, None]
        up += np.log1p(np.minimum(stake, most_up) * gap)
        down += np.log1p(-np.minimum(stake, most_down) * gap)
        inside &= np.maximum(up, down) + np.log(0.5) < -np.log(1 - level)
        low[:, time], high[:, time] = _ends(inside, candidates)
    return low, high


def _stakes(means: Array, alpha: float, width: float | None) -> Array:
    """The stakes on each next cluster, known before it: (26) there, sqrt(2 log(2 / alpha) / (variance x t log(1 + t))).

    With a width in mind they are the best fixed ones for the number of clusters that would give it, 8 log(2 / alpha)
    variance / width^2: width / (2 variance).
    """
    times = np.arange(1, means.shape[1] + 1)
    running = (0.5 + np.cumsum(means, axis=1)) / (times + 1)
    variance = (0.25 + np.cumsum(np.square(means - running), axis=1)) / (times + 1)
    before = np.concatenate([np.full((len(means), 1), 0.25), variance[:, :-1]], axis=1)
    if width is not None:
        return np.asarray(width / (2 * before), dtype=np.float64)
    found: Array = np.sqrt(2 * np.log(2 / alpha) / (before * times * np.log1p(times)))
    return found


def _ends(inside: NDArray[np.bool_], candidates: Array) -> tuple[Array, Array]:
    """The candidates just outside those left, which the truth lies between; all of 0..1 where none is left."""
    last = len(candidates) - 1
    first = np.maximum(inside.argmax(axis=1) - 1, 0)
    end = np.minimum(last - inside[:, ::-1].argmax(axis=1) + 1, last)
    some = inside.any(axis=1)
    return np.where(some, candidates[first], 0.0), np.where(some, candidates[end], 1.0)
