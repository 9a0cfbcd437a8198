"""The page of a flip risk: ROC and precision-recall curves, reliability, tables, and the riskiest pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.flip_risk.curves import roc
from analysis.flip_risk.study import MARGIN, RISK, Tested
from analysis.measures.confidence import precision_recall
from analysis.pages.drawing import BLUE, GREEN, GREY, ORANGE, Plot, new_axes, svg_text
from analysis.pages.gallery import Thumbnail, thumbnail
from analysis.run_folder.files import make_folder, write_whole
from analysis.store import Run
from capture.screen import rectify
from device_agents.decode import RGB, decode_pillow
from device_agents.records import Picture
from hostctl.flip_risks.curve_plots import ROC, Axes, Curve, plot_curves
from hostctl.flip_risks.risk import Measured
from hostctl.flip_risks.text import bin_row, device_row, headline, remarks, score_row
from hostctl.pictures.noise_page import data_uri, fill_page
from hostctl.predictions.label_names import read_names
from hostctl.printing import percent

SHOWN = {RISK: (ORANGE, "-"), MARGIN: (BLUE, "--"), "entropy": (GREEN, ":"), "changed": (GREY, "-.")}
PAGE = "flip-risk.html"


class Shown(NamedTuple):
    """One of the riskiest pictures."""

    picture: Thumbnail
    label: str
    told: str


def write_page(measured: Measured, folder: Path) -> dict[str, str]:
    """Write FOLDER/flip-risk.html and the CSV of all comparisons; gives their paths as "page" and "csv"."""
    result, tested = measured.result, measured.tested
    table = tested.rows.drop(columns="row").to_csv(index=False, lineterminator="\n").encode()
    page = fill_page(
        "flip_risk.html",
        title=f"Flip risk of {result['model']}",
        headline=headline(result),
        remarks=remarks(result),
        plots={"roc": plot_roc(tested), "precision": plot_precision(tested), "reliability": plot_reliability(tested)},
        tables=[
            ("Scores", "The area under the ROC curve; how much the risk's is above it.", _cells(result, "scores")),
            ("Held-out devices", "Whose flips were told without having seen the device.", _cells(result, "devices")),
            ("Reliability", "Comparisons in bins of the risk, and how many flipped.", _cells(result, "reliability")),
        ],
        result=result,
        pictures=_pictures(measured),
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    make_folder(folder)
    write_whole(folder / "flip-risk.csv", table)
    write_whole(folder / PAGE, page)
    return {"page": str(folder / PAGE), "csv": str(folder / "flip-risk.csv")}


def plot_roc(tested: Tested) -> Plot:
    """Flips found against false alarms, of the risk and of three scores that need no fit."""
    caption = (
        "Further up and left is better; the thin line is chance. The curves pool all fits, the areas (numbers) compare "
        "within one fit."
    )
    curves = _curves(tested, roc, "area")
    return plot_curves(curves, ROC, name="roc", title="ROC", caption=caption, what="ROC areas")


def plot_precision(tested: Tested) -> Plot:
    """Precision against recall of the same."""
    caption = "The numbers are average precisions; the thin line is the share of flips, which chance would give."
    words = "found (% of what flipped)", "flipped (% of what is called risky)"
    drawn = Axes("recall", "precision", *words, chance=tested.summary["rate"])
    told = {"name": "precision", "title": "Precision and recall", "caption": caption, "what": "Average precision"}
    return plot_curves(_curves(tested, precision_recall, "average_precision"), drawn, **told)


def plot_reliability(tested: Tested) -> Plot:
    """The rate of flips by bins of the risk."""
    table = tested.reliability
    figure, axes = new_axes(height_in=3.3)
    axes.plot([0, 100], [0, 100], color=GREY, lw=0.8)
    reach = 100 * np.array([table["rate"] - table["low"], table["high"] - table["rate"]]).clip(min=0)
    points = (100 * table["risk"], 100 * table["rate"])
    axes.errorbar(*points, yerr=reach, fmt="o", color=ORANGE, ms=6, lw=1.6)
    top = min(100.0, 1.08 * max(float(points[0].max()), float((100 * table["high"]).max())))
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("mean risk of the bin (%)")
    axes.set_ylabel("flipped (%)")
    axes.grid(True)
    far = 100 * tested.summary["calibration_error"]
    caption = f"On the line a risk is what it says; {far:.1f} points apart on average. Intervals of 95 % by object."
    alt = f"{len(table)} bins; risk and rate are {far:.1f} points apart on average."
    return Plot("Is a risk what it says?", caption, alt, svg_text(figure, "reliability"))


def _curves(tested: Tested, curve: Callable[..., pd.DataFrame], area: str) -> dict[str, Curve]:
    areas = tested.scores.set_index("score")[area]
    return {
        name: Curve(curve(tested.rows[name], tested.rows["flip"]), float(areas[name]), *look)
        for name, look in SHOWN.items()
    }


def _cells(result: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    rows: Mapping[str, Any] = {"scores": lambda row: score_row(row, result), "devices": device_row}
    return [rows.get(name, bin_row)(row) for row in result[name]]


def _pictures(measured: Measured) -> list[Shown]:
    folder = Path(measured.result["run"])
    names = read_names(folder)
    shown = []
    with Run.open(folder, write=False) as run:
        records = {one.picture: one for one in run.picture_records({"picture": tuple(measured.riskiest["picture"])})}
        for row in measured.riskiest.to_dict("records"):
            seen = thumbnail(_seen(run, records[row["picture"]]))
            flips = f"flipped on {row['flips']} of {row['others']} others"
            label = f"“{names.get(row['label'], row['label'])}”"
            told = f"{row['device']}, {row['scene']}: risk {percent(row['risk'])}, {flips}"
            shown.append(Shown(seen, label, told))
    return shown


def _seen(run: Run, record: Picture) -> RGB:
    """The scene as a photograph has it: its rectified crop, or the photograph where it has no corners."""
    rgb = decode_pillow(run.file(record.crop_sha256 or record.sha256).read_bytes())
    return rectify(rgb, record.corners) if record.corners and not record.crop_sha256 else rgb
