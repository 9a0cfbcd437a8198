"""Gage R&R: how much of the spread of a measured score comes from the scenes, the devices, and mere repetition.

The words of metrology: a *part* is what is shown (a scene at an angle), an *operator* is a device, a *repeat* is one
more photograph. Parts and operators are random: the scenes and devices stand for others like them. Balanced studies
are analysed by ANOVA, others by REML; components below zero are shown as they come out, and count as 0 in percentages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.instability import group_codes
from analysis.measures.margins import MEASURES
from analysis.metrology.anova import WITHIN, Anova, crossed_anova, pooled
from analysis.metrology.gage_intervals import generalised_draws, mls
from analysis.metrology.reml import Cells, cells, reml
from device_agents.errors import BadInput, pick

Array = NDArray[np.float64]
SOURCES = ("repeatability", "operator", "interaction", "reproducibility", "gage", "part", "total")
SINGLE = ("repeatability", "operator", "interaction", "part")
DISTINCT = 1.41


@dataclass(frozen=True)
class Gage:
    """A study of repeatability and reproducibility.

    components: one row a source of SOURCES (reproducibility = operator + interaction, gage = that + repeatability):
    variance (may be negative), low, high, deviation (square root, 0 below zero), percent_study (of the total deviation;
    %GRR is the gage's), percent_contribution (of the total variance). anova: source, df, ss, ms, f, p.
    distinct: number of distinct categories, 1.41 part / gage, rounded down. Intervals low, high of the level.
    """

    method: str
    components: pd.DataFrame
    anova: pd.DataFrame
    percent_grr: float
    percent_grr_interval: tuple[float, float]
    distinct: float
    distinct_interval: tuple[float, float]
    level: float
    parts: int
    operators: int
    values: int
    notes: tuple[str, ...]

    def variance(self, source: str) -> float:
        """The estimated variance of a source of SOURCES, in the square of the measure's unit."""
        return float(self.components.set_index("source")["variance"][source])


@dataclass(frozen=True)
class _Squares:
    """Mean squares of part, operator, [interaction,] error, with df; design: parts, operators, repeats a cell."""

    values: Array
    df: Array
    design: tuple[float, float, float]

    @property
    def weights(self) -> dict[str, Array]:
        """Each source as a combination of the mean squares (expected mean squares of the two-way random model)."""
        parts, operators, repeats = self.design
        unit = np.eye(len(self.values))
        both = unit[2] if len(unit) == 4 else unit[-1]
        found = {"repeatability": unit[-1], "interaction": (both - unit[-1]) / repeats}
        found["operator"] = (unit[1] - both) / (parts * repeats)
        found["part"] = (unit[0] - both) / (operators * repeats)
        found["reproducibility"] = found["operator"] + found["interaction"]
        found["gage"] = found["reproducibility"] + found["repeatability"]
        found["total"] = found["gage"] + found["part"]
        return found


def gage(
    table: pd.DataFrame,
    *,
    measure: str = "margin",
    part: Sequence[str] = ("scene", "angle"),
    operator: str = "device",
    censored: str = "bound",
    pool_above: float | None = None,
    level: float = 0.95,
) -> Gage:
    """Analyse a predictions table of one environment: one row a photograph, repeats within part and operator.

    measure: a key of margins.MEASURES. censored: "bound" takes the bound of a censored value for the value, which makes
    components too small rather than too large; "drop" leaves it out, which favours parts that are easy. Both are
    counted in notes. pool_above: see gage_of. Raises BadInput for absent columns or several predictions a photograph.
    """
    if censored not in ("bound", "drop"):
        raise BadInput(f"expected censored of 'bound' or 'drop', got '{censored}'")
    absent = [name for name in (*part, operator) if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    _one_prediction_each(table)
    found = pick(MEASURES, measure, what="measure")(table)
    keep = ~np.isnan(found.values) & ((found.censored == 0) | (censored == "bound"))
    counts = found.counts
    notes = [f"{counts['missing']} of {len(table)} values missing"] if counts["missing"] else []
    bounded = counts["at_most"] + counts["at_least"]
    if bounded:
        which = f"({counts['at_most']} at most, {counts['at_least']} at least)"
        done = "their bounds are used" if censored == "bound" else "left out"
        notes.append(f"{bounded} of {len(table)} values censored {which}: {done}")
    rows = table[keep]
    result = gage_of(
        found.values[keep], group_codes(rows, part), group_codes(rows, [operator]), pool_above=pool_above, level=level
    )
    return Gage(**{**vars(result), "notes": (*notes, *result.notes)})


def gage_of(
    values: ArrayLike, parts: ArrayLike, operators: ArrayLike, *, pool_above: float | None = None, level: float = 0.95
) -> Gage:
    """Analyse numbers: values (rows,) finite, with the names of their parts and operators (rows,).

    Equal numbers of repeats in all cells: ANOVA; otherwise REML, whose intervals take the mean squares expected of the
    estimates in a balanced study of harmonic mean size (near enough with a tenth of the cells gone). pool_above: an
    interaction with a p-value above it is taken into the error (AIAG; Minitab's default is 0.05), None: it is kept.
    Without any repeats the interaction cannot be told from the error, and "repeatability" holds both.
    Raises BadInput for fewer than two parts or operators, or values that are all the same.
    """
    y = np.asarray(values, dtype=np.float64)
    part, operator = (pd.factorize(np.asarray(names))[0].astype(np.int64) for names in (parts, operators))
    if not len(y) or len({len(y), len(part), len(operator)}) > 1 or not bool(np.isfinite(y).all()):
        raise BadInput(f"expected finite values with a part and an operator each, got {len(y)} values")
    if min(part.max(), operator.max()) < 1:
        raise BadInput(f"expected two parts and two operators or more, got {part.max() + 1} and {operator.max() + 1}")
    study = cells(y, part, operator)
    if np.ptp(y) == 0:
        raise BadInput(f"expected values that differ, got {len(y)} times {y[0]:.6g}")
    if study.count.min() == study.count.max():
        squares, table, method = _balanced(y, part, operator, study, pool_above)
    else:
        squares, table, method = _unbalanced(study)
    return _told(squares, table, method, study, level)


def _balanced(
    y: Array, part: NDArray[np.int64], operator: NDArray[np.int64], study: Cells, pool_above: float | None
) -> tuple[_Squares, pd.DataFrame, str]:
    repeats = int(study.count[0, 0])
    cube = y[np.lexsort((operator, part))].reshape(*study.count.shape, repeats)
    found = crossed_anova(cube if repeats > 1 else cube[..., 0], ("part", "operator"), repeats=repeats > 1)
    table = _anova_table(found)
    method = "anova" if repeats > 1 else "anova without repeats"
    p = table["p"].iloc[2] if repeats > 1 else np.nan
    if pool_above is not None and p > pool_above:
        found = pooled(found, ("part", "operator"))
        table, method = _anova_table(found), f"anova, interaction (p = {p:.3f}) taken into the error"
    design = (float(study.count.shape[0]), float(study.count.shape[1]), float(repeats))
    return _Squares(found.mean_squares, found.df, design), table, method


def _anova_table(found: Anova) -> pd.DataFrame:
    """F of each source against the mean square that is expected to equal its own without the effect."""
    from scipy.stats import f

    names = [" x ".join(one) if one != WITHIN else "repeatability" for one in found.effects]
    ms = found.mean_squares
    below = [len(ms) - 1 if name == "part x operator" else min(2, len(ms) - 1) for name in names]
    ratio = np.array([ms[at] / ms[under] if ms[under] > 0 else np.nan for at, under in enumerate(below)])
    ratio[-1] = np.nan
    p = f.sf(ratio, found.df, found.df[below])
    return pd.DataFrame({"source": names, "df": found.df, "ss": found.squares, "ms": ms, "f": ratio, "p": p})


def _unbalanced(study: Cells) -> tuple[_Squares, pd.DataFrame, str]:
    filled = study.count > 0
    repeated = study.rows > study.filled
    fit = reml(study, interaction=repeated)
    repeats = float(1 / (1 / study.count[filled]).mean())
    operators, parts = (float(1 / (1 / filled.sum(axis=axis)).mean()) for axis in (1, 0))
    rows, columns = filled.shape
    both = fit.repeatability + repeats * fit.interaction
    squares = [both + operators * repeats * fit.part, both + parts * repeats * fit.operator, both, fit.repeatability]
    df = [rows - 1, columns - 1, study.filled - rows - columns + 1, study.rows - study.filled]
    names = ["part", "operator", "part x operator", "repeatability"]
    kept = [0, 1, 2, 3] if repeated else [0, 1, 2]
    names[2] = names[2] if repeated else "repeatability"
    freedom, ms = np.maximum(np.array(df, dtype=np.float64)[kept], 1), np.maximum(np.array(squares)[kept], 0)
    table = pd.DataFrame({"source": [names[at] for at in kept], "df": freedom, "ss": np.nan, "ms": ms})
    method = f"reml ({study.filled} of {filled.size} cells, {repeats:.3g} repeats a cell)"
    return _Squares(ms, freedom, (parts, operators, repeats)), table.assign(f=np.nan, p=np.nan), method


def _told(squares: _Squares, table: pd.DataFrame, method: str, study: Cells, level: float) -> Gage:
    weights = {source: squares.weights[source] for source in SOURCES}
    rows: list[dict[str, Any]] = []
    for source, weight in weights.items():
        low, high = mls(weight, squares.values, squares.df, level=level) if weight.any() else (np.nan, np.nan)
        rows.append({"source": source, "variance": weight @ squares.values, "low": float(low), "high": float(high)})
    components = pd.DataFrame(rows)
    used = _counted({row["source"]: np.array(row["variance"]) for row in rows})
    components["deviation"] = [float(np.sqrt(used[source])) for source in SOURCES]
    components["percent_study"] = 100 * components["deviation"] / np.sqrt(used["total"])
    components["percent_contribution"] = [float(100 * used[source] / used["total"]) for source in SOURCES]
    draws = generalised_draws(squares.values, squares.df)
    drawn = _counted({source: weight @ draws for source, weight in weights.items()})
    tails = [(1 - level) / 2, (1 + level) / 2]
    percent = np.quantile(100 * np.sqrt(drawn["gage"] / drawn["total"]), tails)
    distinct = np.quantile(_distinct(drawn), tails, method="nearest")
    negative = [str(row["source"]) for row in rows if row["variance"] < 0 and row["source"] in SINGLE]
    notes = [f"negative, taken as 0 in percentages: {', '.join(negative)}"] if negative else []
    if study.rows == study.filled:
        notes.append("no repeats: repeatability holds the interaction too")
    return Gage(
        method=method,
        components=components,
        anova=table,
        percent_grr=float(components.set_index("source")["percent_study"]["gage"]),
        percent_grr_interval=(float(percent[0]), float(percent[1])),
        distinct=float(_distinct(used)),
        distinct_interval=(float(distinct[0]), float(distinct[1])),
        level=level,
        parts=study.count.shape[0],
        operators=study.count.shape[1],
        values=study.rows,
        notes=tuple(notes),
    )


def _counted(found: dict[str, Array]) -> dict[str, Array]:
    """Sources with what is below zero taken as 0, and the sums made of them."""
    used = {source: np.maximum(found[source], 0) for source in SINGLE}
    used["reproducibility"] = used["operator"] + used["interaction"]
    used["gage"] = used["reproducibility"] + used["repeatability"]
    used["total"] = used["gage"] + used["part"]
    return used


def _distinct(used: dict[str, Array]) -> Array:
    """1.41 x deviation of the parts / of the gage, rounded down (AIAG); infinite for a gage without spread."""
    ratio = np.full(np.shape(used["part"]), np.inf)
    np.divide(used["part"], used["gage"], out=ratio, where=used["gage"] > 0)
    return np.asarray(np.floor(DISTINCT * np.sqrt(ratio)))


def _one_prediction_each(table: pd.DataFrame) -> None:
    if "picture" in table.columns and table["picture"].duplicated().any():
        raise BadInput("expected one prediction a photograph: choose one environment, and leave developed pictures out")
