"""How large a study has to be for a wanted interval, and how long a step of it takes.

The kit's own interval (effective.py) is turned round: what is put in are a rate that is expected, and how alike the
items of a cluster are; what comes out is the number of clusters at which the interval is as narrow as wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from analysis.intervals.effective import FLOOR, beta_bounds, blended, few_clusters
from analysis.statistics import cluster_totals
from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_ICC = 0.3  # how alike the items of a scene are, where no earlier run says it
DEFAULT_STEP_S = 4.0  # a stimulus: shown, settled, photographed by all devices at once, brought home meanwhile
REPEATS = (1, 2, 3, 5, 10)
MOST_CLUSTERS = 10_000_000


@dataclass(frozen=True)
class Plan:
    """A size of study: scenes (clusters), items (scene x angle x repeat), and the width (low to high) to expect."""

    clusters: int
    items: int
    angles: int
    repeats: int
    width: float
    design_effect: float


def plan(
    expect: float, width: float, *, items_per_cluster: int = 1, icc: float = DEFAULT_ICC, level: float = 0.95
) -> Plan:
    """Give the smallest study whose interval is at most width wide (low to high, 0..1) at the rate expected (0..1).

    icc: correlation of two items of a cluster, 0..1; the design effect is 1 + (items_per_cluster - 1) icc (Kish 1965).
    Half of such studies come out a little wider, since they meet another rate or design effect. Raises BadInput.
    """
    if not 0 < expect < 1 or not 0 < width < 1:
        raise BadInput(f"expected a rate and a width between 0 and 1 such as 0.10 and 0.02, got {expect} and {width}")
    if items_per_cluster < 1 or not 0 <= icc <= 1:
        raise BadInput(f"expected items of 1 or more and an ICC of 0 to 1, got {items_per_cluster} and {icc}")

    def found(clusters: int) -> float:
        return expected_width(expect, clusters, items_per_cluster=items_per_cluster, icc=icc, level=level)

    high = 2
    while found(high) > width:
        high *= 2
        if high > MOST_CLUSTERS:
            raise BadInput(f"expected a width that {MOST_CLUSTERS} scenes can reach, got {width}")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if found(middle) > width else (low, middle)
    effect = 1 + (items_per_cluster - 1) * icc
    return Plan(high, high * items_per_cluster, 1, items_per_cluster, found(high), effect)


def expected_width(rate: float, clusters: int, *, items_per_cluster: int, icc: float, level: float = 0.95) -> float:
    """Give the width of the interval of a study that meets exactly the rate and the ICC expected, 0..1."""
    items, each = clusters * items_per_cluster, float(items_per_cluster)
    effect = 1 + (each - 1) * icc
    informative = min(_carriers(share, each, effect, clusters) for share in (rate, 1 - rate))
    few = few_clusters(np.array(float(items)), clusters, level)
    believed = np.maximum(blended(effect / few, np.array(each), np.array(informative)), FLOOR)
    size = np.maximum(items / believed, clusters)
    low, high = beta_bounds(np.array(rate), size, np.array(informative), level=level)
    return float(high - low)


def plans(
    expect: float,
    width: float,
    *,
    angles: int = 1,
    repeats: Sequence[int] = REPEATS,
    icc: float = DEFAULT_ICC,
    level: float = 0.95,
) -> list[Plan]:
    """Give plan() for several numbers of repeats at each of the angles, an item being scene x angle x repeat."""
    found = []
    for number in repeats:
        one = plan(expect, width, items_per_cluster=angles * number, icc=icc, level=level)
        found.append(Plan(one.clusters, one.items, angles, number, one.width, one.design_effect))
    return found


def measured_icc(values: ArrayLike, clusters: ArrayLike) -> float:
    """Estimate how alike the items of a cluster are, 0..1, from marks or shares (items,) of an earlier study.

    The ANOVA estimator (Fleiss, Levin and Paik 2003, section 15.2.1), negative ones being 0; NaN where it cannot be
    estimated: fewer than two clusters, one item each, or values all equal.
    """
    totals = cluster_totals(values, clusters)
    sums, sizes = totals.sums, totals.sizes
    items, groups = sizes.sum(), len(sizes)
    if groups < 2 or items <= groups:
        return float("nan")
    squares = float(np.square(np.asarray(values, dtype=np.float64)).sum())
    between = float((sums**2 / sizes).sum())
    mean_between = (between - sums.sum() ** 2 / items) / (groups - 1)
    mean_within = (squares - between) / (items - groups)
    usual = (items - np.square(sizes).sum() / items) / (groups - 1)
    whole = mean_between + (usual - 1) * mean_within
    return max(0.0, float((mean_between - mean_within) / whole)) if whole > 0 else float("nan")


def step_seconds(attempts: pd.DataFrame) -> float:
    """Measure the seconds a stimulus takes from a run's attempts (step, scene, angle, repeat, started_utc).

    The median of the times between one stimulus and the next, breaks left out by it; NaN with fewer than two.
    """
    import pandas as pd

    starts = pd.to_datetime(attempts["started_utc"], format="ISO8601", utc=True)
    of_stimulus = starts.groupby([attempts[name] for name in ("scene", "angle", "repeat", "session")]).min()
    gaps = of_stimulus.sort_values().diff().dropna().dt.total_seconds()
    gaps = gaps[gaps > 0]
    return float(gaps.median()) if len(gaps) else float("nan")


def _carriers(share: float, each: float, effect: float, clusters: int) -> float:
    """The informative clusters to expect, (sum)^2 / sum of squares of the events of clusters of one size."""
    return clusters * each * share / ((1 - share) * effect + each * share)
