"""The interval of a clustered rate by a beta distribution at an effective sample size, for one study or many at once.

Between the exact interval (Clopper and Pearson) at Korn and Graubard's effective size where events are few, and the
Jeffreys interval (Brown, Cai and DasGupta 2001) where they are many; docs/metrics.md has the formulas and the coverage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ENOUGH = 4.0  # informative clusters from which the measured design effect is trusted
STEEP = 6.0  # how quickly it comes to be
LEAST = 0.1  # of p (1 - p), the variance of shares: equal ones are not known without error
FLOOR = 0.9  # of the design effect: below 1 it is mostly chance
MANY = 7.0  # informative clusters at which the bounds stand half-way between exact and Jeffreys


def effective_beta(sums: Array, sizes: Array, squares: Array | None = None, *, level: float) -> tuple[Array, Array]:
    """Give the lower and the upper bounds, float64 (...), of rates whose clusters' totals are (..., clusters).

    sums: the values' sum in each cluster; sizes: the number of its items (broadcast to sums). squares: the sums of the
    squared values; None where every value is 0 or 1, since they are the sums then.
    """
    size, informative = effective_sizes(sums, sizes, squares, level=level)
    rate = sums.sum(axis=-1) / np.broadcast_to(sizes, sums.shape).sum(axis=-1)
    return beta_bounds(rate, size, informative, level=level)


def beta_bounds(rate: Array, size: Array, informative: Array, *, level: float) -> tuple[Array, Array]:
    """Give the bounds of rates (0..1) known from so many independent items and informative clusters, all (...).

    Quantiles of Beta(x + s, n - x + 1 - s) and Beta(x + 1 - s, n - x + s) for x = rate * n: with s = 0 the exact
    interval, with s = 1/2 that of Jeffreys; s = e^2 / (e^2 + 7^2) / 2 for e informative clusters.
    """
    from scipy.special import betaincinv

    shift = 0.5 * np.square(informative) / (np.square(informative) + MANY**2)
    tail, tiny = (1 - level) / 2, 1e-300
    events, rest = rate * size, size - rate * size
    low = betaincinv(np.maximum(events + shift, tiny), np.maximum(rest + 1 - shift, tiny), tail)
    high = betaincinv(np.maximum(events + 1 - shift, tiny), np.maximum(rest + shift, tiny), 1 - tail)
    return np.where(events <= 0, 0.0, low), np.where(rest <= 0, 1.0, high)


def effective_sizes(sums: Array, sizes: Array, squares: Array | None = None, *, level: float) -> tuple[Array, Array]:
    """Give the independent items that the clustered ones are worth, and the informative clusters: two arrays (...).

    Korn and Graubard (1998): n* = n / deff (t(n-1) / t(G-1))^2 for G clusters, with deff the linearised variance of the
    rate between clusters over p (1 - p) / n. Ours: informative clusters e = min over events and non-events of
    (sum)^2 / (sum of squares) of the clusters' numbers, Kish's count of clusters that really carry them; deff is the
    mean of the measured one, with weight e (1 + (e / 4)^6), and of its largest value (all items of a cluster alike),
    with weight one; it is never below 0.9 of that of independent items, and n* never below n over the largest value.
    Without any event (or with nothing else, or one cluster) n* is that floor and e is 0. Where values are shares rather
    than marks, independent items vary less than p (1 - p), and both ends of deff are smaller by as much, to a tenth.
    """
    sizes = np.broadcast_to(sizes, sums.shape)
    items, groups = sizes.sum(axis=-1), sums.shape[-1]
    rate = sums.sum(axis=-1) / items
    alike = np.square(sizes).sum(axis=-1) / items
    plain = (rate <= 0) | (rate >= 1)
    if groups < 2:
        return items / alike, np.zeros(rate.shape)
    few = few_clusters(items, groups, level)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = rate * (1 - rate)
        least = 1.0 if squares is None else np.clip((squares.sum(axis=-1) / items - rate**2) / spread, LEAST, 1)
        deviations = np.square(sums - rate[..., None] * sizes).sum(axis=-1)
        measured = deviations * groups / (groups - 1) / items / spread / few
        informative = np.minimum(_carriers(sums), _carriers(sizes - sums))
        effect = np.maximum(blended(measured, alike * least, informative), least * FLOOR)
        size = np.maximum(items / effect, items / (alike * least))
    return np.where(plain, items / alike, size), np.where(plain, 0.0, informative)


def blended(measured: Array, largest: Array, informative: Array) -> Array:
    """The design effect believed: the measured one with weight e (1 + (e / 4)^6), the largest with weight one."""
    weight = informative * (1 + (informative / ENOUGH) ** STEEP)
    found: Array = (weight * measured + largest) / (weight + 1)
    return found


def few_clusters(items: Array, groups: int, level: float) -> Array:
    """Give Korn and Graubard's (t(n-1) / t(G-1))^2, for the few clusters that deff is known from."""
    from scipy.special import stdtrit

    quantile = (1 + level) / 2
    few: Array = np.square(stdtrit(items - 1, quantile) / stdtrit(groups - 1, quantile))
    return few


def _carriers(numbers: Array) -> Array:
    carried: Array = np.square(numbers.sum(axis=-1)) / np.square(numbers).sum(axis=-1)
    return carried
