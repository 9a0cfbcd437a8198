"""Intervals of an attribution's shares and interactions, by cluster.

Both are weighted sums of the rates v(S), so each cluster has a part in every one of them, and all intervals come from
the same totals (analysis/attribution.py). The ways to make them stand side by side in METHODS; docs/metrics.md has
their measured coverage.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.attribution import Array, Totals
from analysis.statistics import Interval
from device_agents.errors import BadInput, pick

BOOTSTRAP_SAMPLES = 2000
TINY = 1e-12

Estimate = tuple[float, Interval]


def estimates(
    totals: Totals,
    weights: Array,
    *,
    method: str,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> list[Estimate]:
    """Give weighted sums of v(S), weights (sums, subsets), each with its interval by a key of METHODS.

    Raises BadInput for an unknown method, or without rng where "cluster-bootstrap" needs it.
    """
    ends = pick(METHODS, method, what="interval method")(totals, weights, level, rng)
    groups = totals.counted.shape[2]
    return [
        (float(value), Interval(float(low), float(high), level, method, groups))
        for value, (low, high) in zip(weights @ totals.values, ends, strict=True)
    ]


def linearised(totals: Totals, weights: Array) -> Array:
    """Give each cluster's part in each weighted sum of v: (sums, clusters), with the sums as means over clusters.

    The part is value + G * mean over references of sum over S of weight (unstable - rate * counted) / items.
    """
    counted = totals.counted.sum(axis=2)
    rates = totals.unstable.sum(axis=2) / counted
    influence = (totals.unstable - rates[..., None] * totals.counted) / counted[..., None]
    groups = totals.counted.shape[2]
    return np.asarray((weights @ totals.values)[:, None] + groups * (weights @ influence.mean(axis=0)))


def _weighted_events(totals: Totals, weights: Array, level: float, rng: np.random.Generator | None) -> Array:
    """For what is of one sign by nature, such as a share: the gamma interval of a weighted sum of rare events.

    Each cluster's part, a sum of flips with their weights, is one event (Fay and Feuer 1997, Stat. Med. 16), with the
    clusters' own variance in the place of the Poisson one; the largest cluster's share of the items is the weight of
    the event not yet seen. Clusters with parts below 0 get an interval of their own, and the difference of the two is
    Zou and Donner's (2008, Stat. Med. 27); where none of the clusters is below 0, none is taken to be possible.
    """
    items = totals.counted.sum(axis=2, keepdims=True)
    parts = weights @ (totals.unstable / items).mean(axis=0)
    sizes = (totals.counted / items).mean(axis=(0, 1))
    above, below = np.maximum(parts, 0), np.maximum(-parts, 0)
    (low, high), (low_below, high_below) = _gamma(above, sizes, level), _gamma(below, sizes, level)
    up, down = above.sum(axis=1), below.sum(axis=1)
    high_below = np.where(down <= TINY, 0.0, high_below)
    value = up - down
    lower = value - np.hypot(up - low, high_below - down)
    upper = value + np.hypot(high - up, down - low_below)
    ends: Array = np.clip(np.stack([lower, upper], axis=1), -1, 1)
    return ends


def _gamma(parts: Array, sizes: Array, level: float) -> tuple[Array, Array]:
    """The gamma interval of the sums of parts (sums, clusters) of 0 and more; sizes (clusters,) sum to 1."""
    from scipy.stats import chi2

    groups, sums, largest = len(sizes), parts.sum(axis=1), float(sizes.max())
    spread = np.square(parts - sums[:, None] * sizes).sum(axis=1) * groups / max(1, groups - 1)
    some = spread > TINY**2
    variance, centre = np.where(some, spread, 1.0), np.where(some, sums, 1.0)
    low = np.where(some, variance / (2 * centre) * chi2.ppf((1 - level) / 2, 2 * centre**2 / variance), sums)
    wide, beyond = spread + largest**2, sums + largest
    return low, wide / (2 * beyond) * chi2.ppf((1 + level) / 2, 2 * beyond**2 / wide)


def _paired_clusters(totals: Totals, weights: Array, level: float, rng: np.random.Generator | None) -> Array:
    """As statistics.difference_interval: one made-up cluster of +1/2 and one of -1/2, then Student's t."""
    from scipy.stats import t as student

    parts = linearised(totals, weights)
    parts = np.concatenate([parts, np.full((len(parts), 1), 0.5), np.full((len(parts), 1), -0.5)], axis=1)
    count = parts.shape[1]
    reach = student.ppf((1 + level) / 2, count - 1) * parts.std(axis=1, ddof=1) / np.sqrt(count)
    centre = parts.mean(axis=1)
    ends: Array = np.clip(np.stack([centre - reach, centre + reach], axis=1), -1, 1)
    return ends


def _jackknife(totals: Totals, weights: Array, level: float, rng: np.random.Generator | None) -> Array:
    """Leave out each cluster in turn, then Student's t: the check of the linearised parts. Needs two clusters."""
    from scipy.stats import t as student

    groups = totals.counted.shape[2]
    if groups < 2:
        return np.full((len(weights), 2), np.nan)
    left = [total.sum(axis=2, keepdims=True) - total for total in (totals.unstable, totals.counted)]
    without = weights @ (left[0] / left[1]).mean(axis=0)
    spread = (groups - 1) / groups * np.square(without - without.mean(axis=1, keepdims=True)).sum(axis=1)
    reach = student.ppf((1 + level) / 2, groups - 1) * np.sqrt(spread)
    centre = weights @ totals.values
    return np.stack([centre - reach, centre + reach], axis=1)


def _bootstrap(totals: Totals, weights: Array, level: float, rng: np.random.Generator | None) -> Array:
    """Percentile bootstrap of clusters, drawn as multinomial counts of the distinct cluster totals."""
    if rng is None:
        raise BadInput("the method 'cluster-bootstrap' needs rng, such as numpy.random.default_rng(seed)")
    references, subsets, groups = totals.counted.shape
    both = np.concatenate([totals.unstable, totals.counted]).reshape(-1, groups)
    # Equal columns have equal keys; unequal ones differ in all but 1 of 2^64 draws of the multipliers.
    multipliers = rng.integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max, len(both))
    _, firsts, counts = np.unique(multipliers @ both.astype(np.int64), return_index=True, return_counts=True)
    drawn = rng.multinomial(groups, counts / groups, size=BOOTSTRAP_SAMPLES).astype(np.float64)
    sums = (drawn @ both[:, firsts].T).reshape(-1, 2, references, subsets)
    items = sums[:, 1]
    known = (items > 0).all(axis=(1, 2))  # a draw without any counted item says nothing
    values = (sums[known, 0] / items[known]).mean(axis=1)
    tail = (1 - level) / 2
    ends: Array = np.quantile(values @ weights.T, [tail, 1 - tail], axis=0).T
    return ends


Method = Callable[[Totals, Array, float, "np.random.Generator | None"], Array]

METHODS: dict[str, Method] = {
    "weighted-events": _weighted_events,
    "paired-clusters": _paired_clusters,
    "cluster-bootstrap": _bootstrap,
    "cluster-jackknife": _jackknife,
}
