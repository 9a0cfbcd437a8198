"""The page of a suite: its tables, the headline's measure first, curves over severity, frame or shift, and a CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.pages.drawing import BLUE, GREEN, GREY, ORANGE, Plot, add_legend, new_axes, svg_text
from analysis.run_folder.files import make_folder, write_whole
from hostctl.pictures.noise_page import csv_text, data_uri, fill_page
from hostctl.printing import percent
from hostctl.suites.running import Measured
from hostctl.suites.text import accuracies, asked, headline, remarks, tables

MARKS = ((BLUE, "o"), (ORANGE, "X"), (GREEN, "s"), (GREY, "v"))
FEWEST_STEPS = 3  # of a curve: two points are in the table already
ALONG = {  # what the numbers in the names of a family's perturbations count
    **dict.fromkeys(("shift-crop", "translate"), "pixels"),
    **dict.fromkeys(("shift-black", "shift-inpaint"), "pixels of the input"),
    "scale-black": "side of the embedded picture (pixels)",
    **dict.fromkeys(("rotate", "hue"), "degrees"),
    **dict.fromkeys(("zoom", "off-centre", "contrast", "saturation"), "percent"),
    "gain": "percent of the light",
    **dict.fromkeys(("offset", "camera-noise"), "levels of 255"),
    "blur": "deviation (tenths of a pixel)",
    "dead-pixels": "of 10,000 pixels",
}
MEASURED = {"error": "wrong (%)", "flip-probability": "pictures with another label (%)"}


def write_page(found: Measured, folder: Path) -> dict[str, str]:
    """Write FOLDER/suite-NAME.html and .csv (a row a number); gives their paths as "page" and "csv"."""
    result = found.result
    table = csv_text(result["rows"]).encode()
    page = fill_page(
        "suite.html",
        title=f"Suite {result['suite']}",
        headline=headline(result),
        asked=asked(result),
        result=result,
        tables=tables(result["rows"]),
        relative=tables(result["relative"]),
        accuracies=accuracies(result),
        notes=remarks(result),
        plots=dict(_plots(found.curves, result)),
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    make_folder(folder)
    stem = f"suite-{result['suite']}"
    write_whole(folder / f"{stem}.csv", table)
    write_whole(folder / f"{stem}.html", page)
    return {"page": str(folder / f"{stem}.html"), "csv": str(folder / f"{stem}.csv")}


def _plots(curves: pd.DataFrame, result: dict[str, Any]) -> Iterator[tuple[str, Plot]]:
    """A figure a family and device whose curve has points enough."""
    for number, device in enumerate(result["devices"]):
        for family, steps in curves[curves["device"] == device].groupby("family", sort=False):
            if steps["step"].nunique() >= FEWEST_STEPS:
                yield f"{family}-{number}", plot_family(str(family), steps, device)


def plot_family(family: str, steps: pd.DataFrame, device: str) -> Plot:
    """One family's curve, a line a model with its intervals; steps: analysis.repeatability.curves of it."""
    models = list(steps.groupby("model", sort=False))[: len(MARKS)]
    figure, axes = new_axes(height_in=2.9, legend=True)
    told = []
    for (model, curve), (colour, mark) in zip(models, MARKS, strict=False):
        value, low, high = (100 * curve[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
        axes.plot(curve["step"], value, color=colour, marker=mark, ms=5, lw=1.5, label=model)
        axes.fill_between(curve["step"], low, high, color=colour, alpha=0.15, lw=0)
        told.append(f"{model}: {percent(curve['value'].iloc[0])} to {percent(curve['value'].iloc[-1])}")
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(_along(family, steps))
    axes.set_ylabel(MEASURED[str(steps["measure"].iloc[0])])
    axes.grid(axis="y")
    add_legend(axes, 2)
    of = f", {device}" if device else ""
    caption = (
        "A band: the interval over objects." if len(models) == steps["model"].nunique() else "The first four models."
    )
    return Plot(f"{family}{of}", caption, "; ".join(told), svg_text(figure, f"{family}{of}"))


def _along(family: str, steps: pd.DataFrame) -> str:
    """What a family's curve goes along, with its unit."""
    if steps["measure"].iloc[0] == "error":
        return "severity"
    framed = "-frame-" in str(steps["perturbation"].iloc[0])
    return "frame" if framed else ALONG.get(family.removesuffix("-beyond"), "step")
