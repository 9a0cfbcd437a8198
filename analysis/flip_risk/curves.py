"""ROC and precision-recall of a risk against what really flipped, with intervals by clusters, alone and paired.

The area under the ROC curve is the chance that a picture that flipped has a higher risk than one that did not (ties
count half). Photographs of one object share their fate, so the object is the unit: the variance is DeLong's with the
structural components summed over clusters (Obuchowski, Biometrics 53 (1997), 567), which for clusters of one row is
DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988), 837).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.measures.confidence import average_precision, precision_recall
from analysis.statistics import Interval
from device_agents.errors import BadInput

Array = NDArray[np.float64]
SAMPLES = 2000
ROUNDING = 1e-12


@dataclass(frozen=True)
class Area:
    """An area under a curve, 0..1, or a difference of two, -1..1, with its interval; p of a difference of 0, or NaN."""

    value: float
    interval: Interval
    p: float = float("nan")


def roc(risks: ArrayLike, flips: ArrayLike) -> pd.DataFrame:
    """Give the ROC curve: false_alarms and found (rates, 0..1), and the threshold of risk; from (0, 0) to (1, 1)."""
    risk, flip = _checked(risks, flips)
    order = np.argsort(-risk, kind="stable")
    last = np.flatnonzero(np.diff(risk[order], append=np.nan) != 0)
    hits, rows = np.cumsum(flip[order])[last], last + 1
    found, false = hits / flip.sum(), (rows - hits) / (~flip).sum()
    threshold = np.concatenate([[np.inf], risk[order][last]])
    return pd.DataFrame(
        {"threshold": threshold, "false_alarms": np.append(0, false), "found": np.append(0, found)}, dtype=np.float64
    )


def roc_area(
    risks: ArrayLike,
    flips: ArrayLike,
    clusters: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    level: float = 0.95,
) -> Area:
    """Give the area under the ROC curve; risks: (rows,), flips: (rows,) bool, clusters: (rows,) names.

    strata: (rows,) names: only rows of one stratum are compared, as of risks that several fits gave, and the areas are
    weighted by their numbers of comparisons. The interval is symmetrical on the logit scale, by Student's t with the
    clusters that hold an event or, if fewer, those that hold a non-event, less one. A perfect area has a lower limit of
    (1 - level) / 2 to the power of one over that number, and where all risks are equal (0.5) either end is as far from
    that as a perfect area's limit from 1, halved: what is seen has no error, what would be seen has. Raises BadInput
    for lengths that differ, or where nothing or everything flipped.
    """
    risk, flip = _checked(risks, flips)
    value, shares, informative = _shares(risk, flip, clusters, strata)
    low, high = value, value
    error = _error(shares)
    tail = (1 - level) / 2
    if error <= ROUNDING and 0 < value < 1:
        unseen = float(1 - tail ** (1 / informative)) / 2
        low, high = max(0.0, value - unseen), min(1.0, value + unseen)
    elif 0 < value < 1:
        reach = _quantile(informative, level) * error / (value * (1 - value))
        middle = np.log(value / (1 - value))
        low, high = (float(1 / (1 + np.exp(-(middle + sign * reach)))) for sign in (-1, 1))
    elif value == 1:
        low = float(tail ** (1 / informative))
    else:
        high = float(1 - tail ** (1 / informative))
    return Area(value, Interval(low, high, level, "clustered-delong", len(shares)))


def area_difference(
    risks: ArrayLike,
    others: ArrayLike,
    flips: ArrayLike,
    clusters: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    level: float = 0.95,
) -> Area:
    """Give the ROC area of risks less that of others on the same rows: paired, by clusters, Student's t, two-sided p.

    Where the difference shows no error at all (both perfect, or one of them without any order) the ends are those of
    the two areas' own intervals put together, and p is that of a sign test whose every informative cluster agrees. Two
    scores of the same order have no difference that other rows could show.
    """
    from scipy.stats import rankdata

    risk, flip = _checked(risks, flips)
    other, _ = _checked(others, flips)
    (first, shares, informative), (second, less, _) = (_shares(one, flip, clusters, strata) for one in (risk, other))
    value, error = first - second, _error(shares - less)
    if np.array_equal(rankdata(risk), rankdata(other)):
        ends, p = (0.0, 0.0), 1.0
    elif error > ROUNDING:
        reach = _quantile(informative, level) * error
        ends, p = (value - reach, value + reach), _p_value(value / error, informative)
    else:
        own, its = (roc_area(one, flip, clusters, strata=strata, level=level).interval for one in (risk, other))
        ends, p = (own.low - its.high, own.high - its.low), 1.0 if value == 0 else float(2 * 0.5**informative)
    interval = Interval(max(-1.0, ends[0]), min(1.0, ends[1]), level, "clustered-delong, paired", len(shares))
    return Area(value, interval, p)


def precision_area(
    risks: ArrayLike,
    flips: ArrayLike,
    clusters: ArrayLike,
    *,
    rng: np.random.Generator,
    others: ArrayLike | None = None,
    level: float = 0.95,
) -> Area:
    """Give the average precision of risks, or what it is above that of others; percentile bootstrap of clusters."""
    risk, flip = _checked(risks, flips)
    other = None if others is None else _checked(others, flips)[0]
    codes = pd.factorize(np.asarray(clusters, dtype=object))[0]
    groups = int(codes.max()) + 1
    orders = [_Order(one, flip) for one in (risk, other) if one is not None]
    drawn = []
    for _ in range(SAMPLES):
        weights = np.bincount(rng.integers(0, groups, groups), minlength=groups)[codes].astype(np.float64)
        if 0 < weights @ flip < weights.sum():
            found = [one.average(weights) for one in orders]
            drawn.append(found[0] - (found[1] if len(found) > 1 else 0.0))
    values = [average_precision(precision_recall(one, flip)) for one in (risk, other) if one is not None]
    value = values[0] - (values[1] if len(values) > 1 else 0.0)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Area(value, Interval(float(low), float(high), level, "cluster-bootstrap", groups))


class _Order:
    """Rows by falling risk, for the average precision of many weightings of them; equal risks are one threshold."""

    def __init__(self, risk: Array, flip: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-risk, kind="stable")
        self._last = np.flatnonzero(np.diff(risk[self._order], append=np.nan) != 0)
        self._flip = flip[self._order]

    def average(self, weights: Array) -> float:
        """Average precision where a row counts weights (rows,) times."""
        sorted_weights = weights[self._order]
        rows = np.cumsum(sorted_weights)[self._last]
        hits = np.cumsum(sorted_weights * self._flip)[self._last]
        gains = np.diff(hits, prepend=0.0) / hits[-1]
        return float((gains * hits / np.maximum(rows, 1e-12)).sum())


def _checked(risks: ArrayLike, flips: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    risk, flip = np.asarray(risks, dtype=np.float64), np.asarray(flips, dtype=bool)
    if risk.shape != flip.shape or risk.ndim != 1 or not bool(np.isfinite(risk).all()):
        raise BadInput(f"expected finite risks with a flip each, got {risk.shape} and {flip.shape}")
    if not flip.any() or flip.all():
        what = "nothing flipped" if not flip.any() else "everything flipped"
        raise BadInput(f"expected rows that flipped and rows that did not, got {len(flip)} of which {what}")
    return risk, flip


def _shares(
    risk: Array, flip: NDArray[np.bool_], clusters: ArrayLike, strata: ArrayLike | None
) -> tuple[float, Array, int]:
    """The area; each cluster's part in its error, (clusters,); and the number of informative clusters."""
    codes = pd.factorize(np.asarray(clusters, dtype=object))[0]
    if len(codes) != len(risk):
        raise BadInput(f"expected a cluster for each of {len(risk)} rows, got {len(codes)}")
    parted = np.zeros(len(risk), np.int64) if strata is None else pd.factorize(np.asarray(strata, dtype=object))[0]
    parts, total, compared = np.zeros(len(risk)), 0.0, 0
    for stratum in range(int(parted.max()) + 1):
        inside = parted == stratum
        placed, comparisons = _placed(risk[inside], flip[inside])
        if comparisons:
            events = flip[inside]
            area = float(placed[events].mean())
            parts[inside] = comparisons * (placed - area) / np.where(events, events.sum(), (~events).sum())
            total, compared = total + comparisons * area, compared + comparisons
    if not compared:
        raise BadInput("expected strata that hold rows that flipped and rows that did not, got none")
    informative = min(len(np.unique(codes[flip])), len(np.unique(codes[~flip])))
    shares = np.bincount(codes, weights=parts / compared)
    return total / compared, np.asarray(shares, dtype=np.float64), informative


def _placed(risk: Array, flip: NDArray[np.bool_]) -> tuple[Array, int]:
    """Of each row the share of the other kind that it is on the right side of, (rows,), and how many are compared."""
    from scipy.stats import rankdata

    events, others = int(flip.sum()), int((~flip).sum())
    placed = np.zeros(len(risk))
    if events and others:
        ranks = rankdata(risk)
        placed[flip] = (ranks[flip] - rankdata(risk[flip])) / others
        placed[~flip] = 1 - (ranks[~flip] - rankdata(risk[~flip])) / events
    return placed, events * others


def _error(shares: Array) -> float:
    """The standard error of a sum of independent shares with the mean 0."""
    groups = len(shares)
    return float(np.sqrt(groups / max(groups - 1, 1) * np.square(shares).sum()))


def _quantile(informative: int, level: float) -> float:
    from scipy.stats import t as student

    return float(student.ppf((1 + level) / 2, max(1, informative - 1)))


def _p_value(ratio: float, informative: int) -> float:
    from scipy.stats import t as student

    return float(2 * student.sf(abs(ratio), max(1, informative - 1)))
