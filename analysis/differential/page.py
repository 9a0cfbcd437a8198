"""The page of a differential test: the sentence, each model's matrices, where variants part, and every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.differential.plots import plot_model
from analysis.pages.drawing import Plot
from analysis.papers.printed_table import Column, Part
from analysis.papers.table_page import as_shown
from analysis.report import render_page


@dataclass(frozen=True)
class Shown:
    """All that the page tells; frames as hostctl.differences.result has them, located a row a pair looked into."""

    title: str
    sentence: str
    remarks: Sequence[str]
    variants: pd.DataFrame
    pairs: pd.DataFrame
    means: pd.DataFrame
    degenerate: pd.DataFrame
    located: pd.DataFrame
    provenance: Mapping[str, str]


def html_text(shown: Shown) -> str:
    """Write the page: one file, no script, nothing loaded."""
    models: dict[str, list[Plot]] = {}
    for number, (model, part) in enumerate(shown.variants.groupby("model", sort=False)):
        own = shown.pairs[shown.pairs["a"].isin(part["variant"])]
        models[str(model)] = plot_model(own, part, number=number)
    tables = parts(shown)
    return render_page(
        "differential.html",
        shown=shown,
        models=models,
        parts=[as_shown(one) for one in tables if not one.aside],
        aside=[as_shown(one) for one in tables if one.aside],
    )


def parts(shown: Shown) -> list[Part]:
    """The page's tables; those without rows are left out."""
    made = [_means(shown), _located(shown, rounding=False), _degenerate(shown), _variants(shown)]
    made += [_pairs(shown), _located(shown, rounding=True)]
    return [one for one in made if len(one.frame)]


def _variants(shown: Shown) -> Part:
    frame = shown.variants.assign(
        written=[time_text(row) for row in shown.variants.to_dict("records")],
        drifted=[
            f"x {value:.2f}" if drifts else "" for value, drifts in shown.variants[["drift", "drifts"]].to_numpy()
        ],
    )
    columns = (
        *(Column(name, name) for name in ("variant", "framework", "level", "device", "file", "version")),
        Column("written", "ms an inference"),
        Column("rounds", "rounds", "number"),
        Column("drifted", "drift, first to last third"),
        Column("accuracy", "right (%)", "percent"),
        Column("failed", "failed", "number"),
        Column("unsteady", "repeats with other bits", "number"),
        Column("degenerate", "degenerate"),
    )
    note = "Times: median of the rounds with its exact 95 % interval; drift only where beyond chance and a tenth."
    return Part("variants", "Variants", note, frame, columns)


def _means(shown: Shown) -> Part:
    columns = (
        Column("axis", "what differs"),
        Column("pairs", "pairs", "number"),
        Column("mean", "labels changed, mean (%)", "points"),
        Column("largest", "largest (%)", "points"),
        *(Column(name, words) for name, words in (("a", "of"), ("b", "and"))),
        Column("slowest", "largest ratio of times", "as-printed"),
        *(Column(name, words) for name, words in (("slowest_a", "slower"), ("slowest_b", "faster"))),
    )
    return Part("means", "By axis", "Pairs within one model, without degenerate variants.", shown.means, columns)


def _located(shown: Shown, *, rounding: bool) -> Part:
    """The pairs looked into: those with a cause, or those in which nothing is beyond the tolerance."""
    frame = shown.located[(shown.located["cause"] == "rounding") == rounding]
    frame = frame.assign(written=[small_text(value) for value in frame["relative"]])
    columns = (
        *(Column(name, words) for name, words in (("a", "variant"), ("b", "other variant"), ("cause", "cause"))),
        *(Column(name, words) for name, words in (("written", "relative difference"), ("layer", "first layer"))),
        *(Column(name, words) for name, words in (("kind", "operator"), ("other_layer", "in the other file"))),
        *(Column(name, words) for name, words in (("variant", "of"), ("picture", "picture"), ("note", "note"))),
    )
    if rounding:
        note = "No layer differs by more than the tolerance."
        return Part("rounding", "Pairs that rounding alone tells apart", note, frame, columns[:3], aside=True)
    note = "Conversion: the two files say different things; kernels: one file computed otherwise."
    return Part("located", "Where variants part", note, frame, columns)


def _degenerate(shown: Shown) -> Part:
    columns = tuple(Column(name, name) for name in ("variant", "reason", "detail"))
    return Part("degenerate", "Degenerate variants", "Left out of all means.", shown.degenerate, columns)


def _pairs(shown: Shown) -> Part:
    frame = shown.pairs.assign(
        **{f"{name}_written": [small_text(value) for value in shown.pairs[name]] for name in ("max_abs", "relative")}
    )
    columns = (
        *(Column("a", "variant"), Column("b", "other variant"), Column("items", "pictures", "number")),
        *(Column("differ", "labels differ", "number"), Column("rate", "%", "points", ("low", "high"))),
        *(Column("tied", "by a tie", "number"), Column("kendall", "Kendall", "share")),
        *(Column("overlap", "rank-biased overlap", "share"), Column("jaccard", "Jaccard", "share")),
        *(Column("l1", "L1", "share"), Column("max_worst", "largest score difference", "share")),
        *(Column("same_bits", "equal bits (%)", "percent"), Column("max_abs_written", "largest output difference")),
        *(
            Column("relative_written", "relative"),
            Column("ratio", "time ratio", "as-printed", ("ratio_low", "ratio_high")),
        ),
        Column("p_holm", "p of the times", "chance"),
    )
    return Part(
        "pairs", "Every pair", "time ratio: the other variant's time over the variant's.", frame, columns, aside=True
    )


def time_text(row: Mapping[Any, Any]) -> str:
    """Write a median time with its interval: "7.31 [7.20, 7.52]"; "-" without any."""
    if not row["rounds"] or row["median_ms"] != row["median_ms"]:
        return "-"
    ends = "" if row["low_ms"] != row["low_ms"] else f" [{row['low_ms']:.2f}, {row['high_ms']:.2f}]"
    return f"{row['median_ms']:.2f}{ends}"


def small_text(value: float | None) -> str:
    """Write a small number in two digits: "3.2e-06"; "-" for none."""
    return "-" if value is None or value != value else "0" if value == 0 else f"{value:.2g}"
