"""The figures of a closed loop: instability by scheme, precision and recall (figure 7), and what photographs buy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.measures.confidence import curves
from analysis.pages.drawing import BLUE, GREEN, GREY, INK, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text, tell
from analysis.pages.section_plots import plot_curves
from analysis.plots import draw_dots, name_percent

MARKS = ((ORANGE, "o"), (BLUE, "s"), (GREEN, "^"), (GREY, "D"), (INK, "v"))


def plot_gains(rows: pd.DataFrame) -> dict[str, Plot]:
    """Instability of each scheme, a mark for each set of devices; rows: as gains.instability_rows gives them."""
    names, sets = list(dict.fromkeys(rows["scheme"])), list(dict.fromkeys(rows["compared"]))[: len(MARKS)]
    figure, axes = new_axes(height_in=0.9 + (0.2 + 0.13 * len(sets)) * len(names) + 0.25 * len(sets), legend=True)
    step = 0.72 / len(sets)
    for number, (name, (colour, marker)) in enumerate(zip(sets, MARKS, strict=False)):
        part = rows[rows["compared"] == name]
        places = np.array([names.index(one) for one in part["scheme"]]) + step * (number - (len(sets) - 1) / 2)
        draw_dots(axes, part, "rate", "low", "high", colour=colour, marker=marker, label=name, places=places)
    name_rows(axes, names)
    name_percent(axes, "instability of a pair of devices (%)")
    add_legend(axes, 1)
    told = "; ".join(f"{row.scheme} {row.rate:.1%} between {row.compared}" for row in rows.itertuples())
    caption = "Photographs on which exactly one of two devices is right. Lines are 95 % intervals by object."
    return {"gains": Plot("Instability by scheme", caption, f"Instability: {told}.", svg_text(figure, "gains"))}


def plot_precision(table: pd.DataFrame) -> dict[str, Plot]:
    """Figure 7: precision against recall of the answers of each scheme, all devices together."""
    return plot_curves(curves(table, across="scheme"))


def plot_cost(rows: pd.DataFrame, *, device: str, clean: str) -> dict[str, Plot]:
    """Instability between the clean device and a new one against the new one's photographs a class."""
    figure, axes = new_axes(height_in=2.9)
    places = np.arange(len(rows))
    axes.vlines(places, 100 * rows["low"], 100 * rows["high"], color=ORANGE, lw=2, alpha=0.55)
    (line,) = axes.plot(places, 100 * rows["rate"], marker="o", color=ORANGE, ms=6.5, lw=1, ls=":")
    tell(axes.figure, line, [f"{row.photographs}: {row.rate:.1%}" for row in rows.itertuples()])
    axes.set_xticks(places, [str(one) for one in rows["photographs"]])
    axes.set_xlabel(f"photographs a class by {device}")
    name_percent(axes, "instability (%)", vertical=True)
    told = ", ".join(f"{row.photographs}: {row.rate:.1%}" for row in rows.itertuples())
    caption = f"Between {clean} and {device} on objects that no training saw. Lines are 95 % intervals by object."
    alt = f"Instability by photographs a class: {told}."
    return {"cost": Plot("What photographs of a new phone buy", caption, alt, svg_text(figure, "cost"))}
