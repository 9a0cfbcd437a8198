"""The figures of the repeatability suites: curves by severity, frame and shift, one picture's probability, and dots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.pages.drawing import BLUE, GREEN, INK, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text, tell
from analysis.plots import draw_dots, name_percent
from analysis.repeatability.numbers import ALL
from analysis.repeatability.suites import EMBEDDED, SEVERITY
from analysis.repeatability.values import ERROR, FLIP

MOST_PANELS = 2  # models side by side
FEWEST_STEPS = 3  # of a curve; families of fewer are dots
LINES = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
MOST_BANDS = 2  # more would cover each other
MARKS = 8  # markers on a line, at most
GROUPS = {
    "noise": ("gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise"),
    "blur": ("defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "gaussian-blur"),
    "weather": ("snow", "frost", "fog", "brightness", "spatter"),
    "digital": ("contrast", "elastic-transform", "pixelate", "jpeg-compression", "saturate"),
    "geometry": ("translate", "rotate", "tilt", "scale"),
    "shift": (*EMBEDDED, "scale-black"),
}


def plot_suite(numbers: pd.DataFrame, curves: pd.DataFrame, *, name: str) -> dict[str, Plot]:
    """Draw a suite: curves of its families in groups where they have steps enough, dots with intervals elsewhere.

    numbers, curves: as suite_numbers and curves give them. name: the suite's, for the keys.
    """
    # Natural changes go both ways and by unlike amounts: no line joins them.
    stepped = curves[[_along(row) != "" for row in curves.to_dict("records")]]
    steps = stepped.groupby("family", observed=True)["step"].nunique()
    curved = {str(family) for family, count in steps.items() if count >= FEWEST_STEPS}
    drawn: dict[str, Plot] = {}
    for group in GROUPS:
        part = curves[[family in curved and _group(family) == group for family in curves["family"]]]
        if part["value"].notna().any():
            drawn[f"{name}-{group}"] = plot_group(part, name=f"{name}-{group}", title=group)
    rest = numbers[(numbers["measure"] == FLIP) & ~numbers["family"].isin([*curved, ALL])]
    if len(rest.dropna(subset=["value"])):
        drawn[f"{name}-flips"] = plot_flips(rest, name=f"{name}-flips")
    return drawn


def plot_group(curves: pd.DataFrame, *, name: str, title: str) -> Plot:
    """Draw some families' curves, a panel a model: error or changed labels against severity, frame or pixels."""
    models = list(dict.fromkeys(curves["model"]))
    shown = models[:MOST_PANELS]
    figure, panels = new_axes(height_in=3.3, panels=len(shown), legend=True)
    families = list(dict.fromkeys(curves["family"]))
    measure, along = str(curves["measure"].iloc[0]), _along(curves.iloc[0])
    for axes, model in zip(np.atleast_1d(panels), shown, strict=True):
        for number, family in enumerate(families):
            part = curves[(curves["model"] == model) & (curves["family"] == family)]
            _line(axes, part, number, label=family if model == shown[0] else "", band=len(families) <= MOST_BANDS)
        if measure == ERROR:
            axes.set_xticks(SEVERITY)
        axes.set_xlabel(along)
        axes.margins(x=0.05)
        if len(shown) > 1:
            axes.set_title(model, loc="left")
    highest = max(axes.get_ylim()[1] for axes in np.atleast_1d(panels))
    for axes in np.atleast_1d(panels):
        axes.set_ylim(-2, min(102.0, max(12.0, highest)))
        axes.grid(True, axis="y")
    np.atleast_1d(panels)[0].set_ylabel("wrong answers (%)" if measure == ERROR else "label changes (%)")
    add_legend(np.atleast_1d(panels)[0], 2)
    cut = f" The first {len(shown)} of {len(models)} models." if len(models) > len(shown) else ""
    what = "Wrong answers" if measure == ERROR else "Pictures whose first label changes"
    reach = float(np.nanmedian((curves["high"] - curves["low"]).to_numpy(dtype=float))) / 2
    caption = f"{what} by {along}; intervals by object reach about {100 * reach:.0f} points to each side.{cut}"
    if along == "frame":
        caption += " Noise is compared with the first frame, all else with the frame before."
    ends = curves.dropna(subset=["value"]).groupby(["model", "family"], sort=False, observed=True).tail(1)
    told = ", ".join(f"{row['family']} {row['value']:.0%} ({row['model']})" for row in ends.to_dict("records"))
    return Plot(f"{title.capitalize()}, by {along}", caption, f"{what}, at the end: {told}.", svg_text(figure, name))


def plot_flips(numbers: pd.DataFrame, *, name: str) -> Plot:
    """Draw how often the label changes, a row a family, models side by side, with intervals."""
    families, models = list(dict.fromkeys(numbers["family"])), list(dict.fromkeys(numbers["model"]))
    shown = models[: len(LINES) - 1]
    figure, axes = new_axes(rows=len(families), legend=len(shown) > 1)
    for number, model in enumerate(shown):
        part = numbers[numbers["model"] == model].dropna(subset=["value"])
        places = np.array([families.index(family) for family in part["family"]], dtype=float)
        places += 0.18 * (number - (len(shown) - 1) / 2)
        label = model if len(shown) > 1 else ""
        colour, marker = (ORANGE, BLUE, GREEN)[number], LINES[number][1]
        draw_dots(axes, part, "value", "low", "high", colour=colour, marker=marker, label=label, places=places)
    name_rows(axes, families)
    name_percent(axes, "label changes (% of the comparisons)")
    if len(shown) > 1:
        add_legend(axes, 2)
    cut = f" The first {len(shown)} of {len(models)} models." if len(models) > len(shown) else ""
    worst = numbers.iloc[int(np.nanargmax(numbers["value"].to_numpy()))]
    caption = f"How often the first label changes; lines are 95 % intervals by object.{cut}"
    alt = f"Label changes of {len(families)} families; most, {worst['value']:.0%}, of {worst['family']}."
    return Plot("How often the label changes", caption, alt, svg_text(figure, name))


def plot_picture(curve: pd.DataFrame, *, name: str, picture: str) -> Plot:
    """Draw one picture's probability against shift or zoom: of the class that it is given at first, in one model."""
    figure, axes = new_axes(height_in=3.1, legend=True)
    for number, family in enumerate(dict.fromkeys(curve["family"])):
        part = curve[curve["family"] == family]
        steps = part["step"] - part["step"].iloc[0]
        colour, (dash, marker) = _look(number)
        axes.fill_between(steps, 100 * part["least"], 100 * part["most"], color=colour, alpha=0.25, lw=0)
        middle = 50 * (part["least"] + part["most"])
        style = {"color": colour, "ls": dash, "marker": marker, "ms": 4.5, "lw": 1.6}
        (line,) = axes.plot(steps, middle, label=family, **style)
        tell(figure, line, [f"{family} {step}: {value:.0f} %" for step, value in zip(steps, middle, strict=True)])
    axes.set_xlabel("pixels")
    axes.set_ylabel("probability (%)")
    axes.set_ylim(-2, 102)
    axes.grid(True, axis="y")
    add_legend(axes, 2)
    caption = (
        f"{picture}, whose probability changes most on average: of the class that it is given without a shift. "
        "A band is what is not known where the class is not among the stored labels."
    )
    spans = curve.groupby("family", sort=False, observed=True)["most"].agg(["min", "max"])
    told = ", ".join(f"{family} {low:.0%} to {high:.0%}" for family, low, high in spans.itertuples())
    return Plot("One picture, pixel by pixel", caption, f"Probability by shift: {told}.", svg_text(figure, name))


def _line(axes: Any, part: pd.DataFrame, number: int, *, label: str, band: bool) -> None:
    part = part.dropna(subset=["value"])
    steps = part["step"] - (100 if part["step"].min() > 100 else 0)  # a side of 100 is where scale-black begins
    colour, (dash, marker) = _look(number)
    if band:
        axes.fill_between(steps, 100 * part["low"], 100 * part["high"], color=colour, alpha=0.13, lw=0)
    every = max(1, len(part) // MARKS)
    style = {"color": colour, "ls": dash, "marker": marker, "ms": 4.5, "lw": 1.6, "markevery": every}
    axes.plot(steps, 100 * part["value"], label=label or None, **style)


def _look(number: int) -> tuple[str, tuple[str, str]]:
    """Colour, dash and marker of a line: never colour alone."""
    return (BLUE, ORANGE, GREEN, INK)[number % 4], LINES[number % len(LINES)]


def _group(family: str) -> str:
    return next((name for name, some in GROUPS.items() if family in some), "")


def _along(row: Any) -> str:
    """What a family's steps are: severities, frames or pixels; "" where they have no order to draw."""
    if row["measure"] == ERROR:
        return "severity"
    if "-frame-" in str(row["perturbation"]):
        return "frame"
    return "pixels" if row["family"] in GROUPS["shift"] else ""
