"""Latency differences between every two conditions: location and spread, on the same items, with paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.differences import grid
from analysis.instability import ITEM
from device_agents.errors import BadInput

Array = NDArray[np.float64]
LATENCY = ("items", "median_a", "median_b", "shift_ms", "low", "high", "spread_ratio")
TESTS = ("p_wilcoxon", "p_sign", "p_spread")


def latency_differences(
    table: pd.DataFrame, *, across: str = "device", item: Sequence[str] = ITEM, level: float = 0.95
) -> pd.DataFrame:
    """Compare latency_ms of every two conditions: one row a pair, with a, b, LATENCY, TESTS and each test's _holm.

    shift_ms: the Hodges-Lehmann shift of b - a and its interval. spread_ratio: interquartile range of b over that of a.
    Tests on the pairs: Wilcoxon's signed ranks and the sign test for location; for spread the Pitman-Morgan test in
    its rank form (McCulloch 1987). _holm: adjusted over all pairs (Holm 1979). Answers that the host copied from
    another picture with the same tensor (the very same two latencies) count once. Items are taken as independent: a
    device that grows warm through a session breaks that. Raises BadInput for absent columns.
    """
    if "latency_ms" not in table.columns:
        raise BadInput(f"expected a predictions table with the column latency_ms, got {list(table.columns)}")
    found = grid(table, across=across, item=item)
    times = np.where(found.rows >= 0, table["latency_ms"].to_numpy(dtype=np.float64)[found.rows], np.nan)
    times[(found.labels[:, :, 0] < 0) | ~np.isfinite(times)] = np.nan
    rows = []
    for a, b in combinations(range(len(found.names)), 2):
        both = times[:, [a, b]][~np.isnan(times[:, [a, b]]).any(axis=1)]
        rows.append({"a": found.names[a], "b": found.names[b], **_compare(np.unique(both, axis=0), level)})
    result = pd.DataFrame(rows, columns=["a", "b", *LATENCY, *TESTS])
    return result.assign(**{f"{test}_holm": holm(result[test]) for test in TESTS})


def shift(differences: ArrayLike, *, level: float = 0.95) -> tuple[float, float, float]:
    """Give the Hodges-Lehmann estimate and its interval: (shift, low, high) in the unit of differences (n,).

    The median of all n (n + 1) / 2 Walsh averages (Hodges and Lehmann 1963); the interval holds those that Wilcoxon's
    test does not reject (exact ranks to n = 25, then the normal approximation). The averages are counted, not listed,
    so that 100,000 items take a second. NaN without items.
    """
    values = np.sort(np.asarray(differences, dtype=np.float64))
    size = len(values)
    if not size:
        return float("nan"), float("nan"), float("nan")
    many = size * (size + 1) // 2
    outside = _outside(size, (1 - level) / 2)
    middle = [walsh(values, rank) for rank in ((many - 1) // 2, many // 2)]
    low, high = (walsh(values, rank) for rank in (outside, many - 1 - outside))
    return float(np.mean(middle)), low, high


def walsh(values: Array, rank: int) -> float:
    """The Walsh average (x_i + x_j) / 2, i <= j, of that rank from 0; values sorted."""
    low, high = float(values[0]), float(values[-1])
    while True:
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        if _at_most(values, middle) > rank:
            high = middle
        else:
            low = middle
    return low if _at_most(values, low) > rank else high


def holm(p_values: ArrayLike) -> Array:
    """Adjust p-values (tests,) for their number by Holm's (1979) steps; NaN stays and does not count."""
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _at_most(values: Array, bound: float) -> int:
    """How many Walsh averages are at most bound: pairs i <= j with (x_i + x_j) / 2 <= bound."""
    ends = np.searchsorted(values, 2 * bound - values, side="right")
    return int(np.maximum(ends - np.arange(len(values)), 0).sum())


def _outside(size: int, tail: float) -> int:
    """How many of the smallest Walsh averages lie outside the interval: the signed-rank sum's lower quantile."""
    from scipy.stats import norm

    if size > 25:
        mean, variance = size * (size + 1) / 4, size * (size + 1) * (2 * size + 1) / 24
        return max(0, int(np.floor(mean - 0.5 + norm.ppf(tail) * np.sqrt(variance))))
    ways = np.ones(1)
    for rank in range(1, size + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    return max(0, int(np.searchsorted(np.cumsum(ways) / ways.sum(), tail, side="right")) - 1)


def _compare(both: Array, level: float) -> dict[str, float]:
    from scipy.stats import binomtest, spearmanr, wilcoxon

    nan = float("nan")
    if not len(both):
        return {"items": 0} | dict.fromkeys((*LATENCY[1:], *TESTS), nan)
    one, two = both.T
    apart = two - one
    told = dict(zip(("shift_ms", "low", "high"), shift(apart, level=level), strict=True))
    told |= {"items": len(both), "median_a": float(np.median(one)), "median_b": float(np.median(two))}
    ranges = [float(np.subtract(*np.percentile(side, [75, 25]))) for side in (one, two)]
    told["spread_ratio"] = ranges[1] / ranges[0] if ranges[0] > 0 else nan
    unequal = apart[apart != 0]
    told["p_wilcoxon"] = float(wilcoxon(unequal).pvalue) if len(unequal) else 1.0
    told["p_sign"] = float(binomtest(int((unequal > 0).sum()), len(unequal)).pvalue) if len(unequal) else 1.0
    total = one + two
    enough = len(both) > 2 and np.ptp(apart) > 0 and np.ptp(total) > 0
    told["p_spread"] = float(spearmanr(total, apart).pvalue) if enough else nan
    return told
