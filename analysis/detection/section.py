"""The report's part about detection: precision by condition, what becomes of objects and boxes, and at which scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.detection.changes import change_table
from analysis.detection.objects import SHOWN, detection_rows
from analysis.detection.tables import class_precisions, condition_precisions
from analysis.instability import instability
from analysis.pages.answer import interval, noun, percent
from analysis.pages.drawing import BLUE, GREEN, GREY, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text
from analysis.pages.sections import Section, Told
from analysis.tables import Study
from device_agents.errors import BadInput

SCORES = (0.2, 0.3, 0.4, 0.5, 0.6)
SEED = 0  # of the intervals of mAP: the same report gives the same numbers
CHANGED = ("a", "b", "objects", "stays", "vanishes", "appears", "class", "faded", "rate", "low", "high", "overlap")


def precision_section(study: Study, answers: pd.DataFrame, level: float) -> Section:
    """mAP by condition; raises BadInput where no scene has boxes, or without pycocotools."""
    word = noun(study.summary)
    table, precisions = condition_precisions(answers, level=level, rng=np.random.default_rng(SEED))
    rows = sorted(table.to_dict("records"), key=lambda row: float(row["ap50"]))
    lead = f"mAP@0.5 is {table['ap50'].iloc[0]:.3f} for {table['device'].iloc[0]}"
    if len(table) > 1:
        ends = [f"{row['ap50']:.3f} ({row['device']})" for row in (rows[0], rows[-1])]
        lead += f", and {ends[0]} to {ends[1]} over all"
    note = "By pycocotools; intervals by resampling clusters of pictures, the same for all; change against the first."
    tables = [Told("precision", f"Mean average precision by {word}", note, table, word)]
    if len(precisions) > 1:
        by_class = class_precisions(precisions).rename(columns={"spread": "spread of AP@0.5"})
        tables.append(Told("precision-classes", "Average precision by class", "AP@0.5; widest spread first.", by_class))
    return Section("precision", "Mean average precision", lead + ".", plot_precisions(table), tuple(tables))


def changes_section(study: Study, answers: pd.DataFrame, level: float) -> Section:
    """What boxes do between conditions, whatever is right; raises BadInput with one condition."""
    if answers["device"].nunique() < 2:
        raise BadInput(f"expected two {noun(study.summary)}s to compare boxes of, got one")
    word = noun(study.summary)
    table = change_table(answers, level=level)
    first = table[table["a"] == table["a"].iloc[0]]
    worst: dict[str, Any] = dict(table.iloc[int(table["rate"].fillna(-1).to_numpy().argmax())])
    lead = (
        f"Of the boxes that {worst['a']} or {worst['b']} shows, {percent(float(worst['rate']))} "
        f"{interval(worst)} are in one only or have another class: the most of any two. {_told(worst)}"
    )
    note = (
        f"Boxes with a score of {SHOWN} or more, paired one to one at an overlap of 0.5. vanishes: only in the first; "
        "faded: the other holds it still, below that score; overlap: the mean of paired boxes."
    )
    shown = table[list(CHANGED)].rename(columns={"rate": "changed_rate", "class": "switches class"})
    told = Told("changes", f"Boxes of every two {word}s", note, shown, word)
    return Section("changes", "Boxes that come and go", lead, plot_changes(first), (told,))


def scores_section(study: Study, answers: pd.DataFrame, level: float) -> Section:
    """Instability over labelled objects at several scores from which boxes are shown."""
    if answers["device"].nunique() < 2:
        raise BadInput(f"expected two {noun(study.summary)}s to compare objects in, got one")
    rows = []
    for score in SCORES:
        judged = detection_rows(answers, score=score)
        if "object" not in judged.columns:
            raise BadInput("expected scenes with a truth (boxes), got none")
        found = instability(judged)
        ends = found.interval(level=level)
        right, wrong = ((judged["verdict"] == name).sum() for name in ("right", "wrong"))
        row = {"score": score, "accuracy": right / max(1, right + wrong), "rate": found.rate}
        rows.append(row | {"low": ends.low, "high": ends.high, "unstable": found.unstable, "objects": found.items})
    table = pd.DataFrame(rows)
    lead = f"The report shows boxes from a score of {SHOWN} on; the instability of objects depends on it."
    note = "accuracy: objects found, of those found and clearly missed, over all conditions."
    told = Told("scores", "Instability by the score from which boxes are shown", note, table, noun(study.summary))
    return Section("scores", "At other scores", lead, {}, (told,))


def plot_precisions(table: pd.DataFrame) -> dict[str, Plot]:
    """mAP@0.5 of each condition with its interval."""
    shown = table.head(20)
    figure, axes = new_axes(rows=len(shown))
    places = np.arange(len(shown))
    for key, colour, marker, name in (("ap50", ORANGE, "o", "mAP@0.5"), ("ap", BLUE, "s", "mAP@0.5:0.95")):
        values = shown[key].to_numpy(float)
        reach = np.abs(shown[[f"{key}_low", f"{key}_high"]].to_numpy(float).T - values)
        axes.errorbar(values, places, xerr=reach, fmt=marker, color=colour, ms=5, lw=1.4, label=name)
    name_rows(axes, shown["device"])
    axes.set_xlabel("mean average precision")
    axes.grid(True, axis="x")
    add_legend(axes, 2)
    told = ", ".join(f"{row['device']} {row['ap50']:.3f}" for row in shown.to_dict("records"))
    caption = "Lines are 95 % intervals of each by itself: conditions share their pictures and differ by less."
    return {"precision": Plot("Mean average precision", caption, told, svg_text(figure, "precision"))}


def plot_changes(table: pd.DataFrame) -> dict[str, Plot]:
    """What becomes of boxes from the first condition to each other one."""
    shown = table[table["objects"] > 0].head(20).reset_index(drop=True)
    if shown.empty:
        return {}
    figure, axes = new_axes(rows=len(shown), legend=True)
    left = np.zeros(len(shown))
    kinds = (("vanishes", ORANGE, "vanish"), ("appears", BLUE, "appear"), ("class", GREEN, "switch class"))
    for key, colour, name in kinds:
        share = 100 * (shown[key] / shown["objects"]).to_numpy(float)
        axes.barh(np.arange(len(shown)), share, left=left, height=0.55, color=colour, label=name)
        left += share
    name_rows(axes, shown["b"])
    axes.set_xlabel("of the boxes shown by either (%)")
    axes.axvline(0, color=GREY, lw=1)
    add_legend(axes, 3)
    told = "; ".join(f"{row['b']}: {_told(row)}" for row in shown.to_dict("records"))
    caption = f"Each condition against {shown['a'].iloc[0]}: boxes that only one shows, whichever is right."
    return {"changes": Plot("Boxes that come and go", caption, told, svg_text(figure, "changes"))}


def _told(row: Any) -> str:
    return (
        f"{int(row['vanishes'])} vanish, {int(row['appears'])} appear and {int(row['class'])} switch class, of "
        f"{int(row['objects'])}; {int(row['faded'])} of those that only one shows are in the other below the score."
    )
