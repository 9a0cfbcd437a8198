"""Variance components of a score by scene, device, repeat and all their interactions, over complete scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.instability import group_codes
from analysis.measures.margins import MEASURES
from analysis.metrology.anova import crossed_anova
from analysis.metrology.gage_intervals import mls
from device_agents.errors import BadInput, pick

FACTORS: Mapping[str, Sequence[str]] = {"scene": ("scene", "angle"), "device": ("device",), "repeat": ("repeat",)}


@dataclass(frozen=True)
class Breakdown:
    """Components of each effect, the highest interaction being the error.

    components: effect, df, ms, variance (may be negative), low, high, percent_contribution (those below zero taken as
    0). used and left_out: levels of the first factor with all cells, and without. censored: values that are bounds.
    """

    components: pd.DataFrame
    used: int
    left_out: int
    censored: int
    level: float


def breakdown(
    table: pd.DataFrame,
    *,
    measure: str = "margin",
    factors: Mapping[str, Sequence[str]] = FACTORS,
    level: float = 0.95,
) -> Breakdown:
    """Split the variance of a measure of MEASURES among crossed random factors.

    factors: name -> columns. A repeat is crossed with scenes and devices: all devices see repeat r of a scene at about
    the same time, so that scene x repeat is what the moment did to all of them, device x repeat a device's drift.
    Levels of the first factor with a missing or doubled cell are left out and counted. Raises BadInput where fewer than
    two are left. Intervals: mls.
    """
    absent = [name for columns in factors.values() for name in columns if name not in table.columns]
    if absent or len(factors) < 2:
        raise BadInput(f"expected two factors or more, and the columns {absent}; got {list(factors)}")
    found = pick(MEASURES, measure, what="measure")(table)
    codes = np.stack([group_codes(table, columns) for columns in factors.values()], axis=1)
    sizes = codes.max(axis=0) + 1 if len(codes) else np.zeros(len(factors), dtype=np.int64)
    cell = np.ravel_multi_index(tuple(codes.T), tuple(sizes)) if len(codes) else np.zeros(0, dtype=np.int64)
    count = np.bincount(cell, minlength=int(np.prod(sizes))).reshape(sizes)
    sums = np.bincount(cell, weights=found.values, minlength=int(np.prod(sizes))).reshape(sizes)
    others = tuple(range(1, len(sizes)))
    whole = (count == 1).all(axis=others) & np.isfinite(sums).all(axis=others)
    if whole.sum() < 2 or sizes[1:].min() < 2:
        raise BadInput(
            f"expected two levels of each of {list(factors)} and two of the first with all cells, "
            f"got {dict(zip(factors, sizes.tolist(), strict=True))} and {int(whole.sum())} complete"
        )
    bounds = int(((found.censored != 0) & whole[codes[:, 0]]).sum())
    return Breakdown(
        _components(sums[whole], list(factors), level), int(whole.sum()), int((~whole).sum()), bounds, level
    )


def _components(
    cube: np.ndarray[tuple[int, ...], np.dtype[np.float64]], names: list[str], level: float
) -> pd.DataFrame:
    anova = crossed_anova(cube, names, repeats=False)
    rows = []
    for effect, df, ms in zip(anova.effects, anova.df, anova.mean_squares, strict=True):
        weights = anova.coefficients(effect)
        low, high = mls(weights, anova.mean_squares, anova.df, level=level)
        name = " x ".join(effect) + " and error" * (effect == anova.effects[-1])
        variance = float(weights @ anova.mean_squares)
        rows.append({"effect": name, "df": df, "ms": ms, "variance": variance, "low": float(low), "high": float(high)})
    table = pd.DataFrame(rows)
    used = table["variance"].clip(lower=0)
    return table.assign(percent_contribution=100 * used / used.sum() if used.sum() else np.nan)
