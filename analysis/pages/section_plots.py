"""The figures of the report's further sections: components, pipelines, N x N differences, precision-recall, shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.causes.pipelines import Pipelines
from analysis.metrology.gage import Gage
from analysis.pages.drawing import BLUE, GREEN, GREY, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text
from analysis.plots import draw_dots, draw_matrix, name_percent

SOURCES = {
    "part": "scenes",
    "operator": "devices",
    "interaction": "scenes × devices",
    "repeatability": "repeats",
}
MOST_CURVES, CURVE_POINTS = 6, 150
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


def plot_components(found: Gage) -> dict[str, Plot]:
    """How much of the variance is whose."""
    table = found.components.set_index("source").loc[list(SOURCES)]
    figure, axes = new_axes(rows=len(table))
    colours = [GREY, ORANGE, ORANGE, GREEN]
    axes.barh(range(len(table)), table["percent_contribution"], height=0.55, color=colours)
    for row, value in enumerate(table["percent_contribution"]):
        axes.text(value + 1.5, row, f"{value:.1f}", va="center")
    name_rows(axes, SOURCES.values())
    axes.set_xlabel("of the variance of the margin (%)")
    axes.set_xlim(0, 112)
    axes.set_xticks([0, 25, 50, 75, 100])
    told = ", ".join(f"{name} {table['percent_contribution'][key]:.0f} %" for key, name in SOURCES.items())
    caption = (
        f"Grey: what was shown; the rest is the measurement's own, {found.percent_grr:.0f} % of the deviation (%GRR)."
    )
    return {"components": Plot("Where the spread comes from", caption, told, svg_text(figure, "components"))}


def plot_pipelines(found: Pipelines) -> dict[str, Plot]:
    """Figure 8: instability as shot and from raws by one ISP, and the accuracy of each device."""
    whole = found.whole.dropna(subset=["rate"]).reset_index(drop=True)
    if whole.empty:
        return {}
    figure, axes = new_axes(rows=len(whole))
    draw_dots(axes, whole, "rate", "low", "high", colour=ORANGE, marker="o")
    name_rows(axes, whole["pipeline"])
    name_percent(axes, "instability across devices (%)")
    told = ", ".join(f"{row['pipeline']} {row['rate']:.0%}" for row in whole.to_dict("records"))
    first = Plot("Instability by pipeline", "As figure 8 of the paper.", told, svg_text(figure, "pipelines"))
    return {"pipelines": first}


def plot_differences(found: pd.DataFrame) -> dict[str, Plot]:
    """The matrix of label differences."""
    table = found.dropna(subset=["rate"])
    svg = draw_matrix(table, "differences")
    if not svg:
        return {}
    worst = table.iloc[int(table["rate"].to_numpy().argmax())]
    caption = "Photographs (in %) whose first labels differ, whichever is right; darker is more."
    alt = f"Label differences; most, {worst['rate']:.0%}, of {worst['a']} and {worst['b']}."
    return {"differences": Plot("Every two conditions", caption, alt, svg)}


def plot_curves(found: Mapping[str, pd.DataFrame]) -> dict[str, Plot]:
    """Precision against recall as the wanted score falls, one line a condition."""
    shown = {name: curve for name, curve in found.items() if not curve["recall"].isna().all()}
    if not shown:
        return {}
    figure, axes = new_axes(height_in=3.4)
    for number, (name, curve) in enumerate(list(shown.items())[:MOST_CURVES]):
        places = np.unique(np.linspace(0, len(curve) - 1, CURVE_POINTS).round().astype(int))
        thin = curve.iloc[places]
        colour = (BLUE, ORANGE, GREEN)[number % 3]
        axes.plot(100 * thin["recall"], 100 * thin["precision"], color=colour, ls=DASHES[number], lw=1.8, label=name)
    axes.set_xlabel("recall: right answers shown, of all right ones (%)")
    axes.set_ylabel("precision (%)")
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 104)
    axes.grid(True)
    if len(shown) > 1:
        add_legend(axes, 2)
    cut = f" The first {MOST_CURVES} of {len(shown)}." if len(shown) > MOST_CURVES else ""
    caption = f"Right answers among those at or above a score, as the score falls from left to right.{cut}"
    ends = ", ".join(f"{name} ends at {curve['precision'].iloc[-1]:.0%}" for name, curve in list(shown.items())[:3])
    return {
        "curves": Plot("Precision and recall", caption, f"Precision-recall curves: {ends}.", svg_text(figure, "curves"))
    }


def plot_shares(name: str, rows: Any) -> dict[str, Plot]:
    """Shares by stage with their intervals, where a note has rows of stage, share and interval; else nothing."""
    fit = [row for row in rows if _fits(row)] if isinstance(rows, list) else []
    if not fit:
        return {}
    table = pd.DataFrame([(str(row["stage"]), row["share"], *row["interval"]) for row in fit])
    table.columns = pd.Index(["stage", "share", "low", "high"])
    figure, axes = new_axes(rows=len(table))
    draw_dots(axes, table, "share", "low", "high", colour=ORANGE, marker="o")
    name_rows(axes, table["stage"])
    axes.axvline(0, color=GREY, lw=1)
    axes.set_xlabel("share of the instability (points)")
    axes.grid(True, axis="x")
    told = ", ".join(f"{row['stage']} {100 * row['share']:.1f} points" for row in table.to_dict("records"))
    caption = "Shapley values; the shares sum to the whole. Lines are 95 % intervals by object."
    return {name: Plot("Shares by stage", caption, told, svg_text(figure, name))}


def _fits(row: Any) -> bool:
    if not isinstance(row, Mapping) or not {"stage", "share", "interval"} <= set(row):
        return False
    ends = row["interval"]
    numbers = [row["share"], *ends] if isinstance(ends, list | tuple) and len(ends) == 2 else [None]
    return all(isinstance(one, int | float) for one in numbers)
