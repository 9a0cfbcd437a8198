"""One figure of several scores' curves between 0 and 100 %: ROC, and precision against recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.pages.drawing import GREY, Plot, add_legend, new_axes, svg_text

POINTS = 200


class Curve(NamedTuple):
    """A score's curve: a table with the columns that are drawn (0..1), its area, colour and line style."""

    table: pd.DataFrame
    area: float
    colour: str
    dash: str


class Axes(NamedTuple):
    """What a figure draws: the columns across and up, their words, and where chance lies (None: on the diagonal)."""

    across: str
    up: str
    across_words: str
    up_words: str
    chance: float | None = None


ROC = Axes("false_alarms", "found", "false alarms (% of what did not flip)", "found (% of what flipped)")


def plot_curves(curves: Mapping[str, Curve], axes_of: Axes, *, name: str, title: str, caption: str, what: str) -> Plot:
    """Draw the curves with their areas in the legend; name: of the figure's ids; what: of the areas, for the blind."""
    figure, axes = new_axes(height_in=3.6, legend=True)
    for score, curve in curves.items():
        kept = _thinned(len(curve.table))
        x, y = (100 * curve.table[column].iloc[kept] for column in (axes_of.across, axes_of.up))
        axes.plot(x, y, curve.dash, color=curve.colour, lw=2, label=f"{score} {curve.area:.3f}")
    if axes_of.chance is None:
        axes.plot([0, 100], [0, 100], color=GREY, lw=0.8)
    else:
        axes.axhline(100 * axes_of.chance, color=GREY, lw=0.8)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 101)
    axes.set_xlabel(axes_of.across_words)
    axes.set_ylabel(axes_of.up_words)
    axes.grid(True)
    add_legend(axes, 2)
    told = ", ".join(f"{score} {curve.area:.3f}" for score, curve in curves.items())
    return Plot(title, caption, f"{what}: {told}.", svg_text(figure, name))


def _thinned(rows: int) -> Any:
    """Places of at most POINTS of the rows, both ends among them."""
    return np.unique(np.linspace(0, rows - 1, min(rows, POINTS)).round().astype(int))
