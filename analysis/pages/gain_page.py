"""The page and the Markdown of a closed loop: was the trained model steadier than its baselines, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.measures.confidence import confidence, curves
from analysis.pages.answer import VIRTUAL
from analysis.pages.drawing import Plot
from analysis.papers.printed_table import Column, Part, percent_text
from analysis.papers.table_page import as_shown
from analysis.report import render_page

CHANCE = "chance"


@dataclass(frozen=True)
class Loop:
    """What a closed loop found: the answer, what must be known to read it, tables, figures, where it comes from."""

    title: str
    headline: str
    remarks: tuple[str, ...]
    parts: tuple[Part, ...]
    plots: Mapping[str, Plot]
    provenance: Mapping[str, str]
    virtual: bool = False

    @property
    def warnings(self) -> list[str]:
        """What stands above the answer."""
        return [VIRTUAL] if self.virtual else []


def html_text(loop: Loop) -> str:
    """Write the page: one file, no script, nothing loaded."""
    return render_page(
        "training.html",
        loop_=loop,  # "loop" is a word of the templates
        parts=[as_shown(part) for part in loop.parts if not part.aside],
        aside=[as_shown(part) for part in loop.parts if part.aside],
    )


def markdown_text(loop: Loop) -> str:
    """Write the same as Markdown: headline, remarks and all tables."""
    lines = [f"# {loop.title}", "", *[f"*{one}*" for one in loop.warnings], f"**{loop.headline}**", ""]
    lines += [f"- {one}" for one in loop.remarks]
    for part in loop.parts:
        lines += ["", f"## {part.title}", "", *([part.note, ""] if part.note else [])]
        lines += _grid([column.heading for column in part.columns], part.cells())
    lines += ["", "## Provenance", "", *[f"- {name}: {value}" for name, value in loop.provenance.items()]]
    return "\n".join(lines) + "\n"


def headline(tests: pd.DataFrame, *, baseline: str) -> str:
    """Give the sentence that answers, from gains.instability_tests: the first set of devices, against a baseline."""
    row = tests[tests["baseline"] == baseline].iloc[0]
    told = f"Between {row['compared']}" if " and " in row["compared"] else f"For {row['compared']}"
    seen = " (both in training)" if row["seen"] == "both in training" else ""
    change, ends = row["difference"], (row["low"], row["high"])
    old = f"{percent_text(row['before'])} after {row['label']}"
    new = f"{percent_text(row['after'])} after this training"
    points = f"{_points(change)} points [{_points(ends[0])}, {_points(ends[1])}], p = {row['p']:.2g}"
    if ends[0] <= 0 <= ends[1]:
        return f"{told}{seen}: instability is {old} and {new}. The change, {points}, may be chance alone."
    return f"{told}{seen}: instability {'falls' if change < 0 else 'rises'}: {old}, {new}, {points}."


def scheme_part(rows: pd.DataFrame, accuracies: pd.DataFrame) -> Part:
    """The first table: a row a scheme, its accuracy over all devices and its instability over each set."""
    frame = accuracies[accuracies["device"] == "all devices"][["scheme", "label", "accuracy", "low", "high"]]
    frame = frame.rename(columns={"low": "accuracy_low", "high": "accuracy_high"})
    columns = [Column("scheme", "scheme"), Column("label", "what it is")]
    columns.append(Column("accuracy", "accuracy (%)", "percent", ("accuracy_low", "accuracy_high")))
    for number, (name, part) in enumerate(rows.groupby("compared", sort=False)):
        names = {"rate": f"rate_{number}", "low": f"low_{number}", "high": f"high_{number}", "items": f"items_{number}"}
        frame = frame.merge(part[["scheme", *names]].rename(columns=names), on="scheme", how="left")
        columns.append(Column(names["rate"], f"{name} (%)", "percent", (names["low"], names["high"])))
    columns.append(Column("items_0", "n", "number"))
    note = "Instability of two devices: photographs on which exactly one is right. Accuracy over all devices."
    return Part("schemes", "Instability and accuracy", note, frame, tuple(columns))


def test_part(tests: pd.DataFrame) -> Part:
    """The paired tests of instability."""
    columns = (
        Column("compared", "devices"),
        Column("seen", "seen"),
        Column("baseline", "against"),
        Column("before", "its instability (%)", "percent"),
        Column("after", "trained (%)", "percent"),
        Column("difference", "difference (points)", "points", ("low", "high")),
        Column("cut", "cut (%)", "percent"),
        Column("p", "p", CHANCE),
        Column("holm", "p, Holm", CHANCE),
        Column("informative", "objects that differ", "number"),
    )
    note = (
        "The same photographs; p by swapping the two models' labels object by object, over all exchanges or 9,999 "
        "random ones. Holm's correction is over all rows."
    )
    return Part("tests", "Is it steadier?", note, tests, columns)


def accuracy_test_part(tests: pd.DataFrame) -> Part:
    """The paired tests of accuracy."""
    columns = (
        Column("device", "pictures of"),
        Column("baseline", "against"),
        Column("before", "its accuracy (%)", "percent"),
        Column("after", "trained (%)", "percent"),
        Column("difference", "difference (points)", "points", ("low", "high")),
        Column("gained", "answers gained", "number"),
        Column("lost", "lost", "number"),
        Column("p", "p", CHANCE),
        Column("holm", "p, Holm", CHANCE),
    )
    note = "Exact McNemar test, an object's answers changing their sign together."
    return Part("accuracy-tests", "Is it as accurate?", note, tests, columns)


def device_part(accuracies: pd.DataFrame, seen: Mapping[str, str]) -> Part:
    """Accuracy by device, a row a device and a column a scheme."""
    names = list(dict.fromkeys(accuracies["scheme"]))
    frame = pd.DataFrame({"device": list(dict.fromkeys(accuracies["device"]))})
    frame["in_training"] = [seen.get(one, "") for one in frame["device"]]
    columns = [Column("device", "device"), Column("in_training", "in training")]
    for number, name in enumerate(names):
        part = accuracies[accuracies["scheme"] == name].set_index("device")
        for source in ("accuracy", "low", "high"):
            frame[f"{source}_{number}"] = part[source].reindex(frame["device"]).to_numpy()
        columns.append(Column(f"accuracy_{number}", f"{name} (%)", "percent", (f"low_{number}", f"high_{number}")))
    return Part("devices", "Accuracy by device", "Right answers among those that count.", frame, tuple(columns))


def score_part(table: pd.DataFrame) -> Part:
    """What scores are worth: average precision, and how many answers are left where precision is 90 %."""
    found = confidence(curves(table, across="scheme"), across="scheme")
    columns = (
        Column("scheme", "scheme"),
        Column("answers", "answers", "number"),
        Column("average_precision", "average precision", "share"),
        Column("accuracy", "accuracy (%)", "percent"),
        Column("threshold", "score for 90 % precision", "share"),
        Column("kept", "answers kept there (%)", "percent"),
    )
    return Part("scores", "Precision and recall of the score", "All devices together.", found, columns)


def cost_part(rows: pd.DataFrame, *, device: str, clean: str) -> Part:
    """Instability against the photographs that a new phone must take."""
    columns = (
        Column("photographs", f"photographs a class by {device}", "number"),
        Column("rate", f"instability, {clean} and {device} (%)", "percent", ("low", "high")),
        Column("difference", "against none (points)", "points", ("difference_low", "difference_high")),
        Column("p", "p", CHANCE),
        Column("accuracy", f"accuracy on {device} (%)", "percent", ("accuracy_low", "accuracy_high")),
        Column("items", "n", "number"),
    )
    note = f"Trained on {clean} with noise subsample from so many photographs of {device}; none is plain fine-tuning."
    return Part("cost", "Calibration cost", note, rows, columns)


def pairs_part(rows: pd.DataFrame) -> Part:
    """Every two devices, for each scheme."""
    columns = (
        Column("scheme", "scheme"),
        Column("a", "one device"),
        Column("b", "the other"),
        Column("rate", "instability (%)", "percent", ("low", "high")),
        Column("unstable", "unstable", "number"),
        Column("items", "n", "number"),
    )
    return Part("pairs", "Every two devices", "", rows, columns, aside=True)


def told_accuracy(row: pd.Series[Any]) -> str:
    """Say in a sentence what became of the accuracy, from a row of gains.accuracy_tests."""
    of = f"on the pictures of {row['device']}" if row["device"] != "all devices" else "over all devices"
    points = f"{_points(row['difference'])} points [{_points(row['low'])}, {_points(row['high'])}], p = {row['p']:.2g}"
    old, new = percent_text(row["before"]), percent_text(row["after"])
    return f"Accuracy {of}: {old} after {row['label']}, {new} after this training, {points}."


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return [*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)]


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"
