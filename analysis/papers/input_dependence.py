"""Does a noise depend on the picture? Measured: do its variants agree about which pictures they change most?

The variants, the base among them, are paired so that no two pairs share one, and each pair ranks the pictures by how
far apart its scores of the base's first label are. (With the base in every pair its own noise would be in all, and they
would agree even where no noise depended on the picture.) Where pairs rank the pictures alike, the picture decides how
much it suffers. Kendall's W is 1 for equal ranks and 0 for none (Kendall and Babington Smith 1939, with the correction
for ties), and m (n - 1) W is compared with chi-squared of n - 1 degrees of freedom. W needs no scale and no normal
distribution, which changes of scores do not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.papers.noise_families import AFTER_TENSOR, Subject, distinct

Numbers = NDArray[np.float64]
MOST_RANKS = 5


@dataclass(frozen=True)
class Dependence:
    """How a noise acts over pictures.

    agreement: Kendall's W 0..1, and chance: the probability of as much if there were none; NaN with fewer than three
    distinct variants beside the base (two pairs) or three objects. touched: the share of pictures that any variant
    changes at all. median and most: the half and the 90 % quantile over pictures of the change of the score (0..1)
    against the base, its mean over variants.
    """

    agreement: float
    chance: float
    touched: float
    median: float
    most: float


def dependence(subject: Subject, family: str) -> Dependence:
    """Measure a family's dependence on the picture; everything is NaN where it has no distinct variant."""
    columns = [0, *distinct(subject, family)]
    nothing = float("nan")
    scores = base_label_scores(subject)[:, columns]
    known = np.isfinite(scores).all(axis=1)
    if len(columns) < 2 or not known.any():
        return Dependence(nothing, nothing, nothing, nothing, nothing)
    scores = scores[known]
    even = 2 * (len(columns) // 2)
    apart = pd.DataFrame(np.abs(scores[:, 1:even:2] - scores[:, 0:even:2]))
    by_object = apart.groupby(pd.Series(subject.clusters[known]), sort=False).mean().to_numpy()
    agreement, chance = kendall_w(by_object.T)
    changes = np.abs(scores[:, 1:] - scores[:, [0]])
    marks = (subject.answers if family in AFTER_TENSOR else subject.tensors)[known]
    touched = (marks[:, columns] != marks[:, [0]]).any(axis=1).mean()
    half, most = np.quantile(changes.mean(axis=1), [0.5, 0.9])
    return Dependence(agreement, chance, float(touched), float(half), float(most))


def kendall_w(values: Numbers) -> tuple[float, float]:
    """Kendall's coefficient of concordance of judges (rows) over objects (columns), and its chance by chi-squared.

    values: float64 (judges, objects). NaN with fewer than two judges or three objects, or where all objects tie.
    """
    from scipy.stats import chi2, rankdata

    judges, objects = values.shape
    if judges < 2 or objects < 3:
        return float("nan"), float("nan")
    ranks = rankdata(values, axis=1)
    sums = ranks.sum(axis=0)
    ties = sum(float((counts**3 - counts).sum()) for counts in (np.unique(row, return_counts=True)[1] for row in ranks))
    largest = judges**2 * (objects**3 - objects) - judges * ties
    if largest <= 0:
        return float("nan"), float("nan")
    agreement = 12 * float(np.square(sums - sums.mean()).sum()) / largest
    return agreement, float(chi2.sf(judges * (objects - 1) * agreement, objects - 1))


def base_label_scores(subject: Subject) -> Numbers:
    """The score of the base's first label in each environment, float64 (items, environments), 0..1; NaN without any.

    Where that label is not among an environment's recorded ones, its score there is at most the last recorded one,
    which then stands for it; the change may be larger than it seems.
    """
    table, places = subject.table, subject.fields.index
    items = subject.items
    base = (table["environment"] == subject.base).to_numpy()
    labels = np.full(len(subject.right), None, dtype=object)
    labels[items[base]] = table["label_1"].to_numpy(dtype=object)[base]
    ranks = [rank for rank in range(1, MOST_RANKS + 1) if f"label_{rank}" in table.columns]
    now = np.full(len(table), np.nan)
    for rank in reversed(ranks):
        score = table[f"score_{rank}"].to_numpy(dtype=np.float64)
        same = table[f"label_{rank}"].to_numpy(dtype=object) == labels[items]
        now = np.where(same | (np.isnan(now) & np.isfinite(score)), score, now)
    now[pd.isna(labels[items])] = np.nan
    scores = np.full(subject.right.shape, np.nan)
    scores[items, places.get_indexer(pd.Index(table["environment"]))] = now
    return scores
