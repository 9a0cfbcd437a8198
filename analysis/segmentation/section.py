"""The report's part about segmentation: mIoU by condition and class, and unstable pixels by where they lie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.pages.answer import noun, percent
from analysis.pages.drawing import BLUE, GREEN, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text
from analysis.pages.sections import Section, Told
from analysis.segmentation.measures import class_table, condition_masks
from analysis.segmentation.pixels import BAND, pixel_rates, pixel_table
from analysis.tables import Study
from device_agents.errors import BadInput

MOST_SHOWN = 20
WORDS = {"all": "all pixels", "inside": "inside", "boundary": f"within {BAND} pixels of a border"}


def masks_section(study: Study, answers: pd.DataFrame, level: float) -> Section:
    """mIoU and pixel accuracy by condition; raises BadInput where no scene has a mask."""
    word = noun(study.summary)
    table = condition_masks(answers, across="device", level=level)
    rows = sorted(table.dropna(subset=["miou"]).to_dict("records"), key=lambda row: float(row["miou"]))
    lead = f"mIoU is {table['miou'].iloc[0]:.3f} for {table['device'].iloc[0]}"
    if len(table) > 1:
        ends = [f"{row['miou']:.3f} ({row['device']})" for row in (rows[0], rows[-1])]
        lead += f", and {ends[0]} to {ends[1]} over all"
    note = (
        "Over the classes that the truth holds. Intervals are jackknives over clusters of pictures, none for one; "
        f"change of mIoU and unstable pixels against {table['device'].iloc[0]}."
    )
    tables = [Told("masks", f"mIoU and pixel accuracy by {word}", note, table, word)]
    if len(table) > 1:
        classes = class_table(answers, across="device").rename(columns={"spread": "spread of IoU"})
        tables.append(Told("mask-classes", "IoU by class", "Widest spread first.", classes))
    return Section("masks", "mIoU and pixel accuracy", lead + ".", plot_scores(table), tuple(tables))


def pixels_section(study: Study, answers: pd.DataFrame, level: float) -> Section:
    """Pixels that are unstable, and that disagree, between all conditions; raises BadInput with one condition."""
    word = noun(study.summary)
    if answers["device"].nunique() < 2:
        raise BadInput(f"expected two {word}s to compare pixels of, got one")
    counts = pixel_table(answers, across="device")
    if counts.empty:
        raise BadInput(f"expected pictures that two {word}s answered, got none")
    told = []
    for what in ("unstable", "disagreeing"):
        for place, rate in pixel_rates(counts, what, level=level).items():
            row = {"pixels": WORDS[place], "what": what, "rate": rate.rate, "low": rate.low, "high": rate.high}
            told.append(row | {"counted": rate.pixels, "clusters": rate.clusters})
    table = pd.DataFrame(told)
    known = bool((answers["truth"].fillna("") != "").any())
    table = table if known else table[table["what"] == "disagreeing"].reset_index(drop=True)
    rows = table.to_dict("records")[:3]
    words = "are right in one and wrong in another" if known else "have another class in one"
    lead = (
        f"Of all pixels {percent(float(rows[0]['rate']))} {words} of {answers['device'].nunique()} {word}s: "
        f"{percent(float(rows[1]['rate']))} inside of regions and {percent(float(rows[2]['rate']))} at their borders."
    )
    note = "unstable: right in one and wrong in another; disagreeing: classes differ, whichever is right."
    return Section("pixels", "By pixel", lead, {}, (Told("pixels", "Unstable pixels", note, table, word),))


def plot_scores(table: pd.DataFrame) -> dict[str, Plot]:
    """mIoU and pixel accuracy of each condition with their intervals."""
    shown = table.head(MOST_SHOWN)
    figure, axes = new_axes(rows=len(shown))
    places = np.arange(len(shown))
    kinds = (("miou", ORANGE, "o", "mIoU"), ("pixel_accuracy", BLUE, "s", "pixel accuracy"))
    for key, colour, marker, name in kinds:
        values = shown[key].to_numpy(float)
        reach = np.nan_to_num(np.abs(shown[[f"{key}_low", f"{key}_high"]].to_numpy(float).T - values))
        axes.errorbar(values, places, xerr=reach, fmt=marker, color=colour, ms=5, lw=1.4, label=name)
    axes.axvline(float(shown["miou"].iloc[0]), color=GREEN, lw=1)
    name_rows(axes, shown["device"])
    axes.set_xlabel("mIoU, pixel accuracy")
    axes.grid(True, axis="x")
    add_legend(axes, 2)
    told = ", ".join(f"{row['device']} {row['miou']:.3f}" for row in shown.to_dict("records"))
    caption = "Lines are 95 % intervals of each by itself: conditions share their pictures and differ by less."
    return {"masks": Plot("mIoU and pixel accuracy", caption, told, svg_text(figure, "masks"))}
