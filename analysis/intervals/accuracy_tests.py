"""Tests of accuracy between conditions: Cochran's Q, exact McNemar with Holm's correction, and churn.

They ask whether conditions are right equally *often*. Two devices of the same accuracy may still contradict each other
on every second scene, so none of these is a test of instability (that is significance.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import ITEM, Columns, group_codes, held, verdict_column
from analysis.intervals.significance import DRAWS, NEAR, sum_distribution
from analysis.statistics import rate_interval
from device_agents.errors import BadInput

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cochran:
    """Cochran's Q with its p of chi-squared, (items, independent), and p_clustered, with clusters as the units."""

    q: float
    degrees: int
    p: float
    p_clustered: float
    items: int
    clusters: int


def cochran_q(
    table: pd.DataFrame,
    *,
    across: str = "device",
    item: Columns = ITEM,
    top_n: int = 1,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Cochran:
    """Test whether all conditions are equally accurate (Cochran 1950), over the items that all of them answered.

    p takes items as independent, by chi-squared. p_clustered permutes the conditions' names within each cluster, for
    all of its items alike, and so holds whatever the items of a cluster share; use it where clusters have several.
    Raises BadInput with fewer than two conditions or no complete item.
    """
    from scipy.stats import chi2

    right, clusters, names = _complete(table, across, item, top_n)
    k = len(names)
    columns, rows = right.sum(axis=0), right.sum(axis=1)
    spread = float((rows * (k - rows)).sum())
    scale = k * (k - 1) / spread if spread else 0.0
    q = scale * float(np.square(columns - columns.mean()).sum())
    p = float(chi2.sf(q, k - 1)) if spread else 1.0
    groups = int(clusters.max()) + 1
    totals = np.stack([np.bincount(clusters, weights=right[:, j], minlength=groups) for j in range(k)], axis=1)
    free = totals[totals.min(axis=1) < totals.max(axis=1)]
    drawn = np.concatenate([_permuted(free, rng, part) for part in _chunks(draws, free.size)])
    fixed = float(totals.sum(axis=0).mean() - free.sum(axis=0).mean()) if len(free) else 0.0
    other = scale * np.square(drawn + fixed - columns.mean()).sum(axis=1)
    clustered = (1 + int((other >= q - NEAR).sum())) / (1 + draws)
    return Cochran(q, k - 1, p, clustered, len(right), groups)


def mcnemar(table: pd.DataFrame, *, across: str = "device", item: Columns = ITEM, top_n: int = 1) -> pd.DataFrame:
    """Compare the accuracies of every two conditions by the exact McNemar test, p corrected after Holm (1979).

    One row a pair: a, b, items (both answered), only_a, only_b (right in one alone), p (items as units), p_clustered
    (exact too: the sum over clusters of only_a - only_b, each cluster's sign being as likely either way; equal to p
    for clusters of one item), and holm, p_clustered corrected over all pairs.
    """
    marks, clusters, names = _marks(table, across, item, top_n)
    rows: list[dict[str, Any]] = []
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            both = (marks[:, a] >= 0) & (marks[:, b] >= 0)
            change = marks[both, a].astype(int) - marks[both, b]
            sums = np.bincount(clusters[both], weights=change)
            row = {"a": names[a], "b": names[b], "items": int(both.sum())}
            row |= {"only_a": int((change > 0).sum()), "only_b": int((change < 0).sum())}
            rows.append(row | {"p": sign_flip(change), "p_clustered": sign_flip(sums)})
    found = pd.DataFrame(rows, columns=["a", "b", "items", "only_a", "only_b", "p", "p_clustered"])
    return found.assign(holm=holm(found["p_clustered"].to_numpy(float)))


def sign_flip(changes: NDArray[Any]) -> float:
    """Give the exact two-sided p of a sum of whole numbers, each of whose signs is as likely either way.

    For changes of 1 this is the exact McNemar test, a binomial one with chance 1/2.
    """
    sizes = np.abs(changes[changes != 0]).astype(int)
    lengths, numbers = np.unique(sizes, return_counts=True)
    found = sum_distribution(_flipped(int(size), int(number)) for size, number in zip(lengths, numbers, strict=True))
    if found is None:
        raise BadInput(f"expected at most a few million discordant items, got {int(sizes.sum())}")
    values, chances = found
    return min(1.0, float(chances[np.abs(values) >= abs(float(np.sum(changes))) - 0.5].sum()))


def holm(p: Array) -> Array:
    """Correct several p values so that the chance of any false finding stays below the level (Holm 1979): (tests,)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, steps)
    return corrected


def churn(
    table: pd.DataFrame, a: Any, b: Any, *, across: str = "device", item: Columns = ITEM, level: float = 0.95
) -> dict[str, Any]:
    """Say what changes from condition a to b: the shares of items whose label changed, that broke, that were mended.

    churn: the first labels differ (Milani Fard et al. 2016), over items with both labels. broke: right in a, wrong in
    b; mended: the reverse; over items counted in both. Each is a dict of rate, low, high, items.
    """
    keys = list(held(table, item))
    judged = table.assign(found=verdict_column(table))
    cluster = next((name for name in ("cluster", "scene") if name in table.columns), keys[0])
    wanted = list(dict.fromkeys([*keys, cluster, "label_1", "found"]))
    sides = [judged.loc[judged[across] == name, wanted] for name in (a, b)]
    if sides[0].empty or sides[1].empty:
        raise BadInput(f"expected predictions of {across} '{a}' and '{b}', got {len(sides[0])} and {len(sides[1])}")
    on = list(dict.fromkeys([*keys, cluster]))
    both = sides[0].merge(sides[1], on=on, suffixes=("_a", "_b"))
    labelled = (both["found_a"] != "missing") & (both["found_b"] != "missing")
    counted = both["found_a"].isin(["right", "wrong"]) & both["found_b"].isin(["right", "wrong"])
    marks = {
        "churn": (labelled, both["label_1_a"] != both["label_1_b"]),
        "broke": (counted, (both["found_a"] == "right") & (both["found_b"] == "wrong")),
        "mended": (counted, (both["found_a"] == "wrong") & (both["found_b"] == "right")),
    }
    found = {}
    for name, (base, mark) in marks.items():
        interval = rate_interval(mark[base], both.loc[base, cluster], level=level)
        rate = float(mark[base].mean()) if base.any() else float("nan")
        found[name] = {"rate": rate, "low": interval.low, "high": interval.high, "items": int(base.sum())}
    return found


def _marks(
    table: pd.DataFrame, across: str, item: Columns, top_n: int
) -> tuple[NDArray[np.int8], NDArray[np.int64], list[Any]]:
    """Items x conditions: 1 right, 0 wrong, -1 neither or absent; each item's cluster; the conditions' names."""
    keys = held(table, item)
    codes = group_codes(table, keys)
    columns, names = pd.factorize(table[across], use_na_sentinel=False)
    if len(names) < 2:
        raise BadInput(f"expected two or more values of {across} to compare, got {len(names)}")
    if len(np.unique(codes * len(names) + columns)) < len(table):
        raise BadInput(
            f"expected one prediction for each of {keys} and {across}, got some twice; choose one environment"
        )
    found = verdict_column(table, top_n=top_n)
    marks = np.full((int(codes.max()) + 1, len(names)), -1, dtype=np.int8)
    counted = np.isin(found, ("right", "wrong"))
    marks[codes[counted], columns[counted]] = found[counted] == "right"
    cluster = next((name for name in ("cluster", "scene") if name in table.columns), None)
    groups = group_codes(table, (cluster,)) if cluster else codes
    of_items = np.zeros(len(marks), dtype=np.int64)
    of_items[codes] = groups
    return marks, of_items, list(names)


def _complete(
    table: pd.DataFrame, across: str, item: Columns, top_n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Any]]:
    marks, clusters, names = _marks(table, across, item, top_n)
    whole = (marks >= 0).all(axis=1)
    if not whole.any():
        raise BadInput(f"expected items that every {across} answered right or wrong, got none")
    return marks[whole].astype(np.int64), np.unique(clusters[whole], return_inverse=True)[1], names


def _permuted(totals: Array, rng: np.random.Generator, draws: int) -> Array:
    """Column sums after each cluster's row was put in random order: (draws, conditions)."""
    order = np.argsort(rng.random((draws, *totals.shape)), axis=-1)
    found: Array = np.take_along_axis(np.broadcast_to(totals, order.shape), order, axis=-1).sum(axis=1)
    return found


def _flipped(size: int, number: int) -> tuple[Array, Array]:
    """The values and chances of the sum of so many numbers of one size with random signs: a binomial."""
    from scipy.stats import binom

    plus = np.arange(number + 1)
    return size * (2.0 * plus.astype(np.float64) - number), binom.pmf(plus, number, 0.5)


def _chunks(draws: int, width: int) -> Iterable[int]:
    each = max(1, 2_000_000 // max(1, width))
    return [min(each, draws - start) for start in range(0, draws, each)]
