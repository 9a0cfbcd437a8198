"""Gates for a build pipeline: is a rate surely below a limit, surely above it, or can these scenes not say yet?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics import (
    Interval,
    clopper_pearson,
    cluster_totals,
    difference_interval,
    effective_size,
    rate_interval,
)
from device_agents.errors import BadInput

PASS, FAIL, UNDECIDED = "pass", "fail", "cannot say yet"
MOST_TIMES = 2.0**20


@dataclass(frozen=True)
class Gate:
    """One gate: what was measured, its limit, and pass (interval at or below it), fail (above it) or cannot say yet.

    more_clusters: how many more independent objects would settle it if the rate stayed as it is; 0 where it is
    settled, None where no number would, since the rate is as good as the limit.
    """

    name: str
    value: float
    interval: Interval
    limit: float
    verdict: str
    more_clusters: int | None


def rate_gate(name: str, values: ArrayLike, clusters: ArrayLike, *, limit: float, level: float = 0.95) -> Gate:
    """Gate a mean of values 0..1 by its clustered interval (the default of statistics.rate_interval).

    values, clusters: (items,), at least one. more_clusters is a forecast: the exact binomial interval at multiples of
    the effective number of items. Raises BadInput for a limit outside 0..1, or no item.
    """
    _check(name, limit, len(np.asarray(values)))
    totals, interval = cluster_totals(values, clusters), rate_interval(values, clusters, level=level)
    verdict = _verdict(interval.low, interval.high, limit)
    if verdict != UNDECIDED:
        return Gate(name, totals.rate, interval, limit, verdict, 0)
    size = effective_size(totals, level=level)

    def settled(times: float) -> bool:
        low, high = clopper_pearson(totals.rate * size * times, size * times, level=level)
        return _verdict(low, high, limit) != UNDECIDED

    return Gate(name, totals.rate, interval, limit, verdict, _more(_times(settled), interval.clusters))


def drop_gate(
    name: str,
    base: ArrayLike,
    base_clusters: ArrayLike,
    other: ArrayLike,
    other_clusters: ArrayLike,
    *,
    limit: float,
    level: float = 0.95,
) -> Gate:
    """Gate how far the mean of other lies below the mean of base, paired by cluster (statistics.difference_interval).

    The interval is taken to shrink with the square root of the clusters. Raises BadInput as rate_gate.
    """
    _check(name, limit, min(len(np.asarray(base)), len(np.asarray(other))))
    interval = difference_interval(base, base_clusters, other, other_clusters, level=level)
    drop = float(np.mean(np.asarray(base, dtype=float)) - np.mean(np.asarray(other, dtype=float)))
    verdict = _verdict(interval.low, interval.high, limit)
    if verdict != UNDECIDED:
        return Gate(name, drop, interval, limit, verdict, 0)
    distance = abs(drop - limit)
    times = (interval.half_width / distance) ** 2 if distance > 0 else math.inf
    return Gate(name, drop, interval, limit, verdict, _more(max(times, 1.0), interval.clusters))


def _verdict(low: float, high: float, limit: float) -> str:
    return PASS if high <= limit else FAIL if low > limit else UNDECIDED


def _times(settled: Callable[[float], bool]) -> float:
    """The smallest multiple of the study that settles it, to a twentieth; infinite above MOST_TIMES."""
    high = 2.0
    while not settled(high):
        high *= 2
        if high > MOST_TIMES:
            return math.inf
    low = high / 2
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high


def _more(times: float, clusters: int) -> int | None:
    return None if math.isinf(times) or times > MOST_TIMES else max(1, math.ceil((times - 1) * clusters))


def _check(name: str, limit: float, items: int) -> None:
    if not 0 <= limit <= 1:
        raise BadInput(f"{name}: expected a limit between 0 and 1 such as 0.05, got {limit}")
    if not items:
        raise BadInput(f"{name}: expected items with an answer that counts, got none")
