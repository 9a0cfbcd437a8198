"""A suite's numbers relative to a named model's on the same pictures: flip rate, mFR, CE, and paired differences.

The literature divides by AlexNet's. Its constants do not apply to other pictures or classes; any model of the run can
take its place, such as plain fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.repeatability.answers import Answers, answers
from analysis.repeatability.numbers import ALL, picture_values
from analysis.repeatability.suites import CLEAN, Suite
from analysis.repeatability.values import DISTANCE, ERROR, FLIP, INSTABILITY, SAME, Values
from analysis.statistics import difference_interval
from device_agents.errors import BadInput, pick

Array = NDArray[np.float64]
COLUMNS = ("model", "baseline", "family", "measure", "value", "low", "high", "pictures", "clusters", "missing")
RATIOS = {FLIP: "flip-rate", DISTANCE: "top-5-rate", ERROR: "relative-ce"}
MEANS = {FLIP: "mfr", DISTANCE: "mt5d", ERROR: "relative-mce"}
DIFFERENCES = (FLIP, INSTABILITY, ERROR, SAME)


def relative_numbers(table: pd.DataFrame, suite: Suite, *, baseline: str, level: float = 0.95) -> pd.DataFrame:
    """Compare every other model with the baseline: one row a family and measure with the columns of COLUMNS.

    flip-rate, top-5-rate, relative-ce: the model's measure over the baseline's, 1 where equal (Hendrycks and Dietterich
    print 100 times it); in the family "all" their means over families: mfr, mt5d, relative-mce. NaN where the baseline
    never flips or errs. flip-probability-difference and the like: model minus baseline, paired, -1..1. All are of the
    pictures that count for both; missing: those that lack an answer of either. Raises BadInput for an unknown baseline,
    or where there is no other model.
    """
    found = {one.model: one for one in answers(table)}
    base = pick(found, baseline, what="baseline model")
    if len(found) < 2:
        raise BadInput(f"expected another model beside the baseline '{baseline}', got none")
    below = picture_values(base, suite)
    rows = []
    for model, one in found.items():
        if model != baseline:
            pair = _paired(one, picture_values(one, suite), base, below)
            rows += [{"model": model, "baseline": baseline, **row} for row in _rows(pair, level)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def ratio_interval(
    tops: Sequence[Array], bottoms: Sequence[Array], clusters: NDArray[Any], *, level: float = 0.95
) -> tuple[float, float, float]:
    """Give the mean over families of mean(top) / mean(bottom), and its interval by clusters.

    tops, bottoms: for each family (pictures,), the same pictures throughout. The ratio is linearised (Taylor), each
    cluster's share is one observation, and the quantile is Student's t. NaN without pictures or where a bottom's mean
    is 0; low and high are NaN for one cluster, and for a model that never flips, of which the spread says nothing.
    """
    from scipy.stats import t as student

    codes = pd.factorize(clusters)[0]
    groups, count = int(codes.max(initial=-1)) + 1, len(codes)
    means = [float(bottom.mean()) if count else 0.0 for bottom in bottoms]
    if not means or min(means) <= 0:
        return float("nan"), float("nan"), float("nan")
    ratios = [float(top.mean()) / mean for top, mean in zip(tops, means, strict=True)]
    shares = np.mean(
        [(top - r * bottom) / mean for top, bottom, r, mean in zip(tops, bottoms, ratios, means, strict=True)], axis=0
    )
    value = float(np.mean(ratios))
    if groups < 2 or value == 0:
        return value, float("nan"), float("nan")
    sums = np.bincount(codes, weights=shares)
    error = float(np.sqrt(np.square(sums).sum() * groups / (groups - 1))) / count
    reach = float(student.ppf((1 + level) / 2, groups - 1)) * error
    return value, max(0.0, value - reach), value + reach


Pair = tuple[Values, Values, NDArray[Any]]


def _paired(
    one: Answers, values: Mapping[str, Mapping[str, Values]], base: Answers, below: Mapping[str, Mapping[str, Values]]
) -> dict[str, dict[str, Pair]]:
    """The same pictures' values of both models, and their clusters, by family and measure."""
    _, ours, theirs = np.intersect1d(one.pictures, base.pictures, return_indices=True)
    pairs: dict[str, dict[str, Pair]] = {}
    for family in values.keys() & below.keys():
        both = values[family].keys() & below[family].keys()
        pairs[family] = {
            name: (_taken(values[family][name], ours), _taken(below[family][name], theirs), one.clusters[ours])
            for name in both
        }
    order = [family for family in values if family in pairs]
    return {family: pairs[family] for family in order}


def _taken(values: Values, places: NDArray[np.int64]) -> Values:
    return Values(values.least[places], values.most[places], values.top, values.lacking[places])


def _rows(pairs: Mapping[str, Mapping[str, Pair]], level: float) -> list[dict[str, Any]]:
    rows = []
    for family, measures in pairs.items():
        if family == ALL:
            rows += [_mean_ratio(pairs, measure, level) for measure in MEANS if measure in measures]
        elif family != CLEAN:
            rows += [_ratio(family, name, [measures[m]], level) for m, name in RATIOS.items() if m in measures]
        rows += [_difference(family, name, measures[name], level) for name in DIFFERENCES if name in measures]
    return rows


def _mean_ratio(pairs: Mapping[str, Mapping[str, Pair]], measure: str, level: float) -> dict[str, Any]:
    """The mean of the ratios over families, each of which has the measure where their mean has."""
    families = [name for name in pairs if name not in (ALL, CLEAN)]
    return _ratio(ALL, MEANS[measure], [pairs[name][measure] for name in families], level)


def _ratio(family: str, name: str, some: Sequence[Pair], level: float) -> dict[str, Any]:
    counted = np.all([_counted(pair) for pair in some], axis=0)
    clusters = some[0][2][counted]
    ends = ratio_interval(
        [pair[0].middle[counted] for pair in some],
        [pair[1].middle[counted] for pair in some],
        clusters,
        level=level,
    )
    return _row(family, name, ends, clusters, np.any([_lacking(pair) for pair in some], axis=0))


def _difference(family: str, name: str, pair: Pair, level: float) -> dict[str, Any]:
    counted = _counted(pair)
    clusters, one, two = pair[2][counted], pair[0].middle[counted], pair[1].middle[counted]
    ends = (float("nan"),) * 3
    if counted.any():
        interval = difference_interval(one, clusters, two, clusters, level=level)
        ends = (float(one.mean() - two.mean()), interval.low, interval.high)
    return _row(family, f"{name}-difference", ends, clusters, _lacking(pair))


def _row(
    family: str, measure: str, ends: tuple[float, float, float], clusters: NDArray[Any], lacking: NDArray[np.bool_]
) -> dict[str, Any]:
    told = dict(zip(("value", "low", "high"), ends, strict=True))
    counts = {"pictures": len(clusters), "clusters": len(set(clusters)), "missing": int(lacking.sum())}
    return {"family": family, "measure": measure, **told, **counts}


def _counted(pair: Pair) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(pair[0].least) & ~np.isnan(pair[1].least))


def _lacking(pair: Pair) -> NDArray[np.bool_]:
    return np.asarray(pair[0].lacking | pair[1].lacking)
