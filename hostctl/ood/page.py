"""The page of `instability ood`: curves, instability by set, tables, and the pictures that wobble most and least."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.flip_risk.curves import roc
from analysis.ood.scores import OURS
from analysis.pages.drawing import BLUE, GREEN, GREY, INK, ORANGE, Plot, name_rows, new_axes, svg_text
from analysis.pages.gallery import Thumbnail, thumbnail
from analysis.run_folder.files import make_folder, write_whole
from analysis.store import Run
from device_agents.decode import decode_pillow
from hostctl.flip_risks.curve_plots import ROC, Curve, plot_curves
from hostctl.ood.measuring import Measured
from hostctl.ood.text import BASELINE, difference_rows, headline, median_rows, remarks, score_rows, set_names, set_rows
from hostctl.pictures.noise_page import data_uri, fill_page
from hostctl.predictions.label_names import read_names
from hostctl.printing import percent

SHOWN = {
    "instability": (ORANGE, "-"),
    "wobble": (BLUE, "--"),
    BASELINE: (GREEN, ":"),
    "temperature": (GREY, "-."),
    "rotation": (INK, "-"),
}
EACH = 6  # pictures in a row of the page
PAGE = "ood.html"


class Shown(NamedTuple):
    """One picture and what it was taken for."""

    picture: Thumbnail
    label: str
    told: str


def write_page(measured: Measured, folder: Path) -> dict[str, str]:
    """Write FOLDER/ood.html and ood.csv (a row a picture with every score); gives their paths as "page" and "csv"."""
    result, rows = measured.result, measured.rows
    table = rows.to_csv(index=False, lineterminator="\n").encode()
    against = f"Over {result['pooled']}; p corrected for the number of comparisons."
    tables = [
        ("Scores", f"Over {result['pooled']}: areas, and what passes with the known.", score_rows(result)),
        ("Instability and wobble against the known scores", against, difference_rows(result)),
        ("Medians", "Of each score, by set.", median_rows(result)),
    ]
    if len(set_names(result)) > 1:
        tables.insert(2, ("Areas by set", "Each set of unknown pictures against the known.", set_rows(result)))
    page = fill_page(
        "ood.html",
        title="What the model does not know",
        headline=headline(result),
        remarks=remarks(result),
        plots={"roc": plot_roc(measured), "sets": plot_sets(measured)},
        tables=tables,
        result=result,
        strips=_strips(measured),
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    make_folder(folder)
    write_whole(folder / "ood.csv", table)
    write_whole(folder / PAGE, page)
    return {"page": str(folder / PAGE), "csv": str(folder / "ood.csv")}


def plot_roc(measured: Measured) -> Plot:
    """Unknown pictures found against known ones called unknown, all unknown sets pooled."""
    rows, pooled = answered(measured), measured.result["pooled"]
    areas = {row["score"]: row["area"] for row in measured.result["areas"] if row["set"] == pooled}
    curves = {
        name: Curve(roc(rows[name], rows["unknown"]), areas[name], *look)
        for name, look in SHOWN.items()
        if name in areas
    }
    drawn = ROC._replace(across_words="known pictures called unknown (%)", up_words="unknown pictures found (%)")
    caption = "Further up and left is better; the thin line is chance. A straight piece is a value that pictures share."
    return plot_curves(curves, drawn, name="roc", title="ROC", caption=caption, what="ROC areas")


def plot_sets(measured: Measured) -> Plot:
    """Each picture's instability by its set, with the sets' means."""
    rows = answered(measured)
    names = list(dict.fromkeys(rows["set"]))
    figure, axes = new_axes(height_in=0.85 + 0.45 * len(names))
    rng = np.random.default_rng(0)
    means = []
    for place, name in enumerate(names):
        values = 100 * rows.loc[rows["set"] == name, "instability"].to_numpy(dtype=np.float64)
        means.append(float(values.mean()))
        spread = place + rng.uniform(-0.28, 0.28, len(values))
        jitter = values + rng.uniform(-1.2, 1.2, len(values))
        axes.plot(jitter, spread, "o", color=ORANGE if place else BLUE, ms=3, alpha=0.55, mew=0)
        axes.plot(means[-1], place, "|", color=INK, ms=22, mew=2.2)
    name_rows(axes, names)
    axes.set_xlim(-3, 103)
    axes.set_xlabel("tries with another first label (%)")
    axes.grid(True, axis="x")
    told = ", ".join(f"{name} {mean:.0f} %" for name, mean in zip(names, means, strict=True))
    caption = "A dot is a picture, moved a little so that equal ones are seen; the stroke is the set's mean."
    return Plot("Instability by set", caption, f"Mean instability: {told}.", svg_text(figure, "sets"))


def answered(measured: Measured) -> pd.DataFrame:
    """The pictures that every score has."""
    return measured.rows[measured.rows["problem"] == ""]


def _strips(measured: Measured) -> list[tuple[str, list[Shown]]]:
    """Known and unknown pictures that wobble most and least, as titles with pictures."""
    rows = answered(measured)
    folder = Path(measured.result["run"])
    names = read_names(folder)
    strips = []
    with Run.open(folder, write=False) as run:
        for kind, part in (("Known", rows[~rows["unknown"]]), ("Unknown", rows[rows["unknown"]])):
            for word, falling in (("most", True), ("least", False)):
                order = part.sort_values([*OURS, "picture"], ascending=[not falling, not falling, True])
                shown = [{str(key): value for key, value in row.items()} for row in order.head(EACH).to_dict("records")]
                strips.append((f"{kind} pictures that wobble {word}", _shown(run, shown, names)))
    return strips


def _shown(run: Run, rows: Sequence[dict[str, Any]], names: dict[str, str]) -> list[Shown]:
    records = {one.picture: one for one in run.picture_records({"picture": tuple(row["picture"] for row in rows)})}
    found = []
    for row in rows:
        rgb = decode_pillow(run.file(records[row["picture"]].sha256).read_bytes())
        told = f"{row['scene']}: {percent(row['instability'])} of tries changed, wobble {row['wobble']:.3f}"
        sure = f"“{names.get(row['label'], row['label'])}” {-row['max-probability']:.2f}"
        found.append(Shown(thumbnail(rgb), sure, told))
    return found
