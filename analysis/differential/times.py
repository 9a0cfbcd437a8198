"""Times of variants from interleaved rounds: medians with exact intervals, drift from first to last, paired ratios."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.measures.latency import holm, shift
from device_agents.errors import BadInput

Array = NDArray[np.float64]
COLUMNS = ("variant", "round", "place", "ms")
TOLD = ("rounds", "calls", "median_ms", "low_ms", "high_ms", "drift", "drift_p", "drift_p_holm", "drifts")
PAIRED = ("rounds", "ratio", "low", "high", "p", "p_holm")
DRIFT = 1.1  # a change of the time that is worth naming: by a tenth
LEVEL = 0.95


def variant_times(times: pd.DataFrame, *, level: float = LEVEL) -> pd.DataFrame:
    """Sum times up by variant: one row each, variant and TOLD.

    times: COLUMNS, one row a timed call (those that warm up left out): round counts through the session, each round has
    every variant once in a place. The unit is the round's median, since the calls within one are alike. median_ms: of
    the rounds, with its exact interval (median_interval). drift: the last third's typical round over the first
    third's (Hodges-Lehmann of the logarithms, exponentiated); drift_p: Mann and Whitney's test of it, NaN under three
    rounds a third; drifts: its p, adjusted by Holm over the variants, is below 1 - level and the drift above a factor
    of DRIFT either way. Raises BadInput for absent columns.
    """
    rows = []
    for name, part in _by_round(times).groupby("variant", sort=False, observed=True):
        rounds = part.sort_values("round")["ms"].to_numpy(np.float64)
        low, high = median_interval(rounds, level=level)
        drift, p = _drift(rounds)
        numbers = (len(rounds), int(part["calls"].sum()), float(np.median(rounds)), low, high, drift, p)
        rows.append({"variant": name, **dict(zip(TOLD, numbers, strict=False))})
    found = pd.DataFrame(rows, columns=["variant", *TOLD])
    found["drift_p_holm"] = holm(found["drift_p"].astype(float))
    apart = np.abs(np.log(found["drift"].astype(float))) > np.log(DRIFT)
    return found.assign(drifts=(found["drift_p_holm"] < 1 - level) & apart)


def time_ratios(times: pd.DataFrame, *, level: float = LEVEL) -> pd.DataFrame:
    """Compare every two variants' times, paired by round: one row a pair, a, b and PAIRED.

    ratio: how many times longer b takes than a, the Hodges-Lehmann estimate of the logarithms' shift (latency.shift)
    with its interval, exponentiated; p: Wilcoxon's signed ranks, p_holm adjusted over all pairs (Holm 1979). The
    interval is the whole line where rounds are too few (under six at level 0.95).
    """
    wide = _by_round(times).pivot_table(index="round", columns="variant", values="ms", sort=False, observed=True)
    wide = wide.reindex(columns=list(dict.fromkeys(times["variant"])))
    rows = []
    for a, b in combinations(wide.columns, 2):
        ratios = (wide[b] / wide[a]).dropna().to_numpy(np.float64)
        apart = np.log(ratios)
        rows.append({"a": a, "b": b, "rounds": len(apart), **_paired(apart, level)})
    found = pd.DataFrame(rows, columns=["a", "b", *PAIRED])
    return found.assign(p_holm=holm(found["p"].astype(float)))


def median_interval(values: ArrayLike, *, level: float = LEVEL) -> tuple[float, float]:
    """Give the exact interval of a median from order statistics (the sign test's, Thompson 1936), in values' unit.

    The r-th smallest and the r-th largest, r the largest with 2 P(Binomial(n, 1/2) < r) <= 1 - level. NaN where there
    are too few values for any (under six at level 0.95).
    """
    from scipy.stats import binom

    ordered = np.sort(np.asarray(values, dtype=np.float64))
    rank = int(binom.ppf((1 - level) / 2, len(ordered), 0.5)) if len(ordered) else 0
    if rank and binom.cdf(rank - 1, len(ordered), 0.5) > (1 - level) / 2:
        rank -= 1
    if not rank:
        return float("nan"), float("nan")
    return float(ordered[rank - 1]), float(ordered[-rank])


def _by_round(times: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in COLUMNS if name not in times.columns]
    if absent:
        raise BadInput(f"expected a table of times with the columns {absent}, got {list(times.columns)}")
    groups = times.groupby(["variant", "round"], sort=False, observed=True)["ms"]
    return groups.agg(ms="median", calls="size").reset_index()


def _drift(rounds: Array) -> tuple[float, float]:
    from scipy.stats import mannwhitneyu

    third = len(rounds) // 3
    if not third:
        return float("nan"), float("nan")
    first, last = np.log(rounds[:third]), np.log(rounds[-third:])
    ratio = float(np.exp(np.median(last[:, None] - first[None, :])))
    same = np.ptp(np.concatenate([first, last])) == 0
    return ratio, float("nan") if third < 3 else 1.0 if same else float(mannwhitneyu(first, last).pvalue)


def _paired(apart: Array, level: float) -> dict[str, float]:
    from scipy.stats import wilcoxon

    middle, low, high = shift(apart, level=level)
    if len(apart) < 2 or 0.5 ** (len(apart) - 1) > 1 - level:
        low, high = -np.inf, np.inf
    unequal = apart[apart != 0]
    p = float(wilcoxon(unequal).pvalue) if len(unequal) else 1.0
    told = {"ratio": middle, "low": low, "high": high}
    return {**{name: float(np.exp(value)) for name, value in told.items()}, "p": p if len(apart) else float("nan")}
