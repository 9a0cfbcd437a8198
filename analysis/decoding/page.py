"""The page of the decoding experiment: the sentence, the groups, both rates, and the pictures that differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.decoding.groups import FORMATS, Comparison, Groups
from analysis.decoding.plots import plot_groups
from analysis.pages.gallery import Thumbnail
from analysis.papers.printed_table import Column, Part
from analysis.papers.table_page import as_shown
from analysis.report import render_page


@dataclass(frozen=True)
class Shown:
    """A picture on the page: as the first group decodes it, what another group changes (scaled), and the words."""

    scene: str
    picture: Thumbnail
    difference: Thumbnail
    group: str
    facts: str
    flip: str


@dataclass(frozen=True)
class Found:
    """All that the page tells; ``groups``: format -> stage -> groups."""

    title: str
    sentence: str
    remarks: Sequence[str]
    executors: pd.DataFrame
    groups: Mapping[str, Mapping[str, Groups]]
    comparison: Comparison
    partitions: Mapping[str, pd.DataFrame]
    items: pd.DataFrame
    scores: Mapping[str, pd.DataFrame]
    differences: pd.DataFrame
    worst: Sequence[Shown]
    provenance: Mapping[str, str]


def html_text(found: Found) -> str:
    """Write the page: one file, no script, nothing loaded."""
    tables = parts(found)
    return render_page(
        "decoding.html",
        found=found,
        plots={"groups": plot_groups(found.groups, list(found.executors["executor"]))},
        parts=[as_shown(one) for one in tables if not one.aside],
        aside=[as_shown(one) for one in tables if one.aside],
    )


def rates(comparison: Comparison) -> pd.DataFrame:
    """Both formats' rates and their difference, a row each: what, unstable, items, rate, low, high."""
    rows = [
        {
            "what": name.upper(),
            "unstable": one.unstable,
            "items": one.items,
            "rate": one.rate,
            "low": one.low,
            "high": one.high,
        }
        for name, one in zip(FORMATS, (comparison.jpeg, comparison.png), strict=True)
    ]
    change = {"rate": comparison.difference, "low": comparison.low, "high": comparison.high}
    rows.append(
        {
            "what": "JPEG - PNG",
            "unstable": comparison.jpeg_only + comparison.png_only,
            "items": comparison.jpeg.items,
            **change,
        }
    )
    return pd.DataFrame(rows)


def parts(found: Found) -> list[Part]:
    """The page's tables."""
    note = (
        f"The last row: items unstable in one format only; exact McNemar test of the two, p = {found.comparison.p:.2g}."
    )
    columns: Any = (
        Column("what", "given as"),
        Column("unstable", "unstable", "number"),
        Column("items", "items", "number"),
        Column("rate", "rate (%)", "points", ("low", "high")),
    )
    made = [
        Part("rates", "Instability across the executors", note, rates(found.comparison), columns),
        _executors(found),
    ]
    for name in FORMATS:
        text = "How many pictures each grouping by decoded pixels was found on."
        shown = (
            Column("groups", "groups", "number"),
            Column("partition", "who is equal to whom"),
            Column("pictures", "pictures", "number"),
            Column("example", "such as"),
        )
        made.append(Part(f"pixels-{name}", f"Decoded pixels, {name.upper()}", text, found.partitions[name], shown))
    made += [_items(found)] if len(found.items) else []
    made += _scores(found)
    return [*made, _differences(found)] if len(found.differences) else made


def _executors(found: Found) -> Part:
    columns = (
        *(
            Column(name, words)
            for name, words in (("executor", "executor"), ("decoder", "decoder"), ("resizer", "resizer"))
        ),
        *(Column(name, name) for name in ("runtime", "machine")),
        Column("jpeg", "JPEG answers", "number"),
        Column("png", "PNG answers", "number"),
        Column("failed", "failed", "number"),
        Column("accuracy", "right, JPEG (%)", "percent"),
    )
    return Part("executors", "Executors", "", found.executors, columns)


def _items(found: Found) -> Part:
    columns = (
        *(Column("scene", "picture"), Column("jpeg", "unstable on JPEG", "yes-no"), Column("png", "on PNG", "yes-no")),
        *(Column("stage", "first stage that tells them apart"), Column("cause", "cause"), Column("why", "why")),
    )
    return Part("items", "Items that flip", "", found.items, columns)


def _scores(found: Found) -> list[Part]:
    columns = (
        *(Column("a", "one"), Column("b", "other"), Column("pictures", "pictures", "number")),
        *(Column("other_label", "other first label", "number"), Column("written", "largest difference of a score")),
    )
    return [
        Part(
            f"scores-{name}",
            f"Scores, {name.upper()}",
            "Of the five first scores, rank by rank.",
            found.scores[name].assign(written=[f"{value:.2g}" for value in found.scores[name]["score"]]),
            columns,
            aside=True,
        )
        for name in FORMATS
    ]


def _differences(found: Found) -> Part:
    columns = (
        *(Column("scene", "picture"), Column("group", "group"), Column("max", "largest difference (levels)", "number")),
        Column("mean", "mean (levels)", "share"),
        *(Column("different", "pixels (%)", "percent"), Column("visible", "by over 5 % (%)", "percent")),
    )
    return Part(
        "differences", "Pixel differences, JPEG", "Against the first group.", found.differences, columns, aside=True
    )
