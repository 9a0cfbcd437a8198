"""Agreement beyond chance: Cohen's kappa, Fleiss' kappa and Gwet's AC1, with intervals by subjects or by clusters.

Each is (a - e) / (1 - e) with a the observed and e the chance agreement. kappa's e grows with how uneven the labels
are, so that raters who nearly always agree on one label may have a kappa near 0; AC1's e does not (Gwet 2008). Both
are told. The variance is linearised: each subject's influence on the coefficient is one observation, and clusters add
up theirs. With one subject a cluster and no rating missing that is Gwet's variance (Handbook of Inter-Rater
Reliability, 2014, chapter 5). Where all agree it would be 0: there the interval is the exact one of the agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.statistics import clopper_pearson
from device_agents.errors import BadInput

Array = NDArray[np.float64]
SAMPLES = 2000


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of agreement; value, low and high are at most 1, NaN where chance alone makes all agree.

    agreement: a, chance: e, both 0..1. clusters: the units of evidence. method: how the interval was made.
    """

    name: str
    value: float
    standard_error: float
    low: float
    high: float
    agreement: float
    chance: float
    subjects: int
    clusters: int
    method: str


def counts(labels: pd.DataFrame | NDArray[np.object_]) -> NDArray[np.int64]:
    """Count ratings: labels (subjects, raters), None, NaN or "" for none -> (subjects, categories) in order of name."""
    array = np.asarray(labels, dtype=object)
    if array.ndim != 2:
        raise BadInput(f"expected labels as (subjects, raters), got an array of shape {array.shape}")
    codes, names = pd.factorize(array.ravel(), use_na_sentinel=True)
    known = np.where(array.ravel() == "", -1, codes).reshape(array.shape)
    found = np.zeros((len(array), len(names)), dtype=np.int64)
    rows, columns = np.nonzero(known >= 0)
    np.add.at(found, (rows, known[rows, columns]), 1)
    order = sorted((at for at, name in enumerate(names) if name != ""), key=lambda at: str(names[at]))
    return found[:, order]


def cohen_kappa(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Coefficient:
    """Compare two raters' labels (subjects,), each with its own habits of naming (Cohen 1960).

    e = sum over labels of p_a x p_b. Subjects that either left out are ignored. clusters: (subjects,) names of what
    subjects share. Interval: Student's t on the linearised variance (Fleiss, Cohen, Everitt 1969, with n - 1), or with
    rng the percentile bootstrap of clusters. Raises BadInput for lengths that differ or nothing to compare.
    """
    one, two = (np.asarray(labels, dtype=object) for labels in (a, b))
    if one.shape != two.shape or one.ndim != 1:
        raise BadInput(f"expected two lists of labels of one length, got shapes {one.shape} and {two.shape}")
    both = ~(pd.isna(one) | pd.isna(two) | (one == "") | (two == ""))
    codes, names = pd.factorize(np.concatenate([one[both], two[both]]))
    size = int(both.sum())
    first, second = (np.eye(len(names))[part] for part in (codes[:size], codes[size:]))
    alike = (codes[:size] == codes[size:]).astype(np.float64)
    columns = np.column_stack([alike, first, second, np.ones(size), np.ones(size)])
    groups = _groups(clusters, len(one))[both]
    return _coefficient("cohen-kappa", columns, groups, _cohen, level, rng)


def fleiss_kappa(
    table: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Coefficient:
    """Compare many raters, any of them for any subject (Fleiss 1971; unequal numbers of ratings as Gwet 2014).

    table: (subjects, categories) counts of ratings, see counts. a: the chance that two ratings of a subject agree, mean
    over subjects with two or more; e = sum of squared shares of the labels. Intervals and errors as cohen_kappa.
    """
    return _many("fleiss-kappa", table, clusters, _fleiss, level, rng)


def gwet_ac1(
    table: ArrayLike,
    *,
    categories: int | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Coefficient:
    """Give Gwet's (2008) AC1: as fleiss_kappa with e = sum of share (1 - share) / (categories - 1).

    categories: how many labels there could have been; default: those that occur (a column of the table with a count).
    """
    seen = int((np.asarray(table).sum(axis=0) > 0).sum())
    size = seen if categories is None else categories
    if size < seen:
        raise BadInput(f"expected {seen} categories or more, as many as occur, got {size}")

    def chance(sums: Array) -> tuple[Array, Array, Array]:
        a, shares = _rated(sums)
        slope = (1 - 2 * shares) / max(size - 1, 1)
        return a, (shares * (1 - shares)).sum(axis=-1) / max(size - 1, 1), slope

    return _many("gwet-ac1", table, clusters, chance, level, rng)


Chance = Callable[[Array], tuple[Array, Array, Array]]


def _many(
    name: str,
    table: ArrayLike,
    clusters: ArrayLike | None,
    chance: Chance,
    level: float,
    rng: np.random.Generator | None,
) -> Coefficient:
    found = np.asarray(table, dtype=np.float64)
    if found.ndim != 2 or bool((found < 0).any()):
        raise BadInput(f"expected counts of ratings as (subjects, categories), got an array of shape {found.shape}")
    groups = _groups(clusters, len(found))
    rated = found.sum(axis=1) > 0
    found, groups = found[rated], groups[rated]
    total = found.sum(axis=1)
    twice = total >= 2
    alike = np.divide((found * (found - 1)).sum(axis=1), total * (total - 1), out=np.zeros(len(found)), where=twice)
    columns = np.column_stack([alike, found / total[:, None], np.ones(len(found)), twice])
    return _coefficient(name, columns, groups, chance, level, rng)


def _rated(sums: Array) -> tuple[Array, Array]:
    """Observed agreement and shares of the labels from sums (..., [alike, shares.., subjects, rated twice])."""
    return sums[..., 0] / sums[..., -1], sums[..., 1:-2] / sums[..., -2, None]


def _fleiss(sums: Array) -> tuple[Array, Array, Array]:
    """Agreement, chance, and the slope of chance by each share."""
    a, shares = _rated(sums)
    return a, np.square(shares).sum(axis=-1), 2 * shares


def _cohen(sums: Array) -> tuple[Array, Array, Array]:
    a, shares = _rated(sums)
    one, two = np.split(shares, 2, axis=-1)
    return a, (one * two).sum(axis=-1), np.concatenate([two, one], axis=-1)


def _coefficient(
    name: str, columns: Array, groups: NDArray[np.int64], chance: Chance, level: float, rng: np.random.Generator | None
) -> Coefficient:
    from scipy.stats import t as student

    size = len(columns)
    if not size or not columns[:, -1].sum():
        raise BadInput("expected subjects with two ratings or more, got none")
    sums = columns.sum(axis=0)
    a, e, slope = chance(sums)
    names, at = np.unique(groups, return_inverse=True)
    if e >= 1 - 1e-12:
        nan = float("nan")
        undefined = "undefined: every label is the same"
        return Coefficient(name, nan, nan, nan, nan, float(a), float(e), size, len(names), undefined)
    value = float((a - e) / (1 - e))
    move_a = (columns[:, 0] - a * columns[:, -1]) / sums[-1]
    move_e = (columns[:, 1:-2] - sums[1:-2] / sums[-2]) @ slope / sums[-2]
    moves = np.bincount(at, weights=(move_a - (1 - value) * move_e) / (1 - e))
    many = len(names)
    error = float(np.sqrt(many / (many - 1) * np.square(moves).sum())) if many > 1 else float("nan")
    if a == 1:
        worst = clopper_pearson(many, many, level=level)[0]
        low, high, method = float((worst - e) / (1 - e)), 1.0, "exact, all agree"
    elif rng is None:
        reach = float(student.ppf((1 + level) / 2, many - 1)) * error if many > 1 else float("nan")
        low, high, method = value - reach, value + reach, "linearised, Student's t"
    else:
        low, high = _bootstrap(columns, at, chance, level, rng)
        method = "bootstrap of clusters"
    return Coefficient(name, value, error, low, min(high, 1.0), float(a), float(e), size, many, method)


def _bootstrap(
    columns: Array, at: NDArray[np.int64], chance: Chance, level: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Percentiles over clusters drawn with replacement, without draws in which the coefficient is undefined."""
    groups = int(at.max()) + 1
    totals = np.zeros((groups, columns.shape[1]))
    np.add.at(totals, at, columns)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=SAMPLES) @ totals
    a, e, _ = chance(drawn[drawn[:, -1] > 0])
    fine = e < 1 - 1e-12
    low, high = np.quantile((a[fine] - e[fine]) / (1 - e[fine]), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _groups(clusters: ArrayLike | None, size: int) -> NDArray[np.int64]:
    if clusters is None:
        return np.arange(size)
    codes = pd.factorize(np.asarray(clusters, dtype=object), use_na_sentinel=False)[0]
    if len(codes) != size:
        raise BadInput(f"expected a cluster for each of {size} subjects, got {len(codes)}")
    return np.asarray(codes, dtype=np.int64)
