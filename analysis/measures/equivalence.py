"""Are two rates the same for all purposes: an equivalence test by intervals, which can say yes, no, or not yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics import Interval, difference_interval
from device_agents.errors import BadInput

EQUIVALENT, DIFFERENT, UNDECIDED = "equivalent", "different", "cannot say yet"


@dataclass(frozen=True)
class Equivalence:
    """Two rates compared: difference = rate of b - rate of a, its interval, and what that says of the margin.

    interval: of level 1 - 2 alpha. verdict: "equivalent" where it lies within -margin and +margin, "different" where it
    lies wholly beyond one of them, else "cannot say yet".
    """

    difference: float
    interval: Interval
    margin: float
    alpha: float
    verdict: str


def equivalence(
    values_a: ArrayLike,
    clusters_a: ArrayLike,
    values_b: ArrayLike,
    clusters_b: ArrayLike,
    *,
    margin: float,
    alpha: float = 0.05,
) -> Equivalence:
    """Test whether two rates on the same clusters differ by less than margin: two one-sided tests, each at alpha.

    values: (items,), each 0..1; clusters: (items,) names, paired by name. Schuirmann (1987): both one-sided tests
    reject at alpha exactly where the interval of level 1 - 2 alpha lies within the margin. The interval is
    statistics.difference_interval. Raises BadInput for a margin outside 0..1, an alpha outside 0..0.5, or no items.
    """
    if not 0 < margin < 1 or not 0 < alpha < 0.5:
        raise BadInput(f"expected a margin between 0 and 1 and an alpha below 0.5, got {margin} and {alpha}")
    interval = difference_interval(values_b, clusters_b, values_a, clusters_a, level=1 - 2 * alpha)
    difference = float(np.mean(np.asarray(values_b, dtype=float)) - np.mean(np.asarray(values_a, dtype=float)))
    return Equivalence(difference, interval, margin, alpha, _verdict(interval, margin))


def _verdict(interval: Interval, margin: float) -> str:
    if -margin < interval.low and interval.high < margin:
        return EQUIVALENT
    return DIFFERENT if interval.low > margin or interval.high < -margin else UNDECIDED
