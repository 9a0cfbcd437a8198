"""SysNoise's classification table from a run: what decoder, resizer and colour take from each model's accuracy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.measures.model_variants import MODEL_FAMILIES, Variants
from analysis.papers.family_sizes import TREND_COLUMNS, size_lines, trend_rows
from analysis.papers.noise_families import FAMILIES, Subject, base_accuracy, family_row, measured_subjects, variant_rows
from analysis.papers.printed_table import Bars, Column, Lines, Part, PrintedTable, records
from analysis.papers.published import ARCHITECTURES, SYSNOISE, SYSNOISE_README, sysnoise_rows
from analysis.papers.sysnoise_printed import (
    OF_MODELS,
    PRINTED,
    PRINTED_COLUMNS,
    printed_rows,
    published_rows,
    two_decimals,
    variant_columns,
)
from analysis.statistics import rate_interval

NOISE_NAMES = {"decoder": "decode", "resizer": "resize", "colour": "colour mode", "ceil": "ceil mode"}

HOW = (
    "ΔACC is accuracy in the base minus accuracy with the noise, in percentage points: more is worse. It is paired, "
    "picture by picture, over pictures that both answered, and its interval counts objects as evidence.",
    "Mean, max and spread are over a family's distinct variants: names that give the same tensors on every picture "
    "count once, and names for what the base does anyway do not count. ± is the sample standard deviation (n − 1), as "
    "in SysNoise's README. The max of many noisy deltas is larger than its truth.",
    "FP16, INT8 and ceil mode are variants of the model's file, and - where none was compared (predict --vary "
    "precision=float16,int8,ceil or floor). INT8 is calibrated with pictures that are not in the run; ceil mode is the "
    "other one than the model's own. Combined is the stacked design's last round, chosen on one half of the objects "
    "and scored on the other.",
    "Minutes: measured inference only, each distinct tensor of the base and the family once. SysNoise reports 10 to 40 "
    "GPU minutes for one noise and one model (appendix D), on 50,000 pictures.",
)
REASONS = (
    "SysNoise's numbers are on ImageNet's 50,000 validation pictures; here it is the run's pictures. With n pictures "
    "one flip is 100 / n points.",
    "Its models are trained by its authors with NVIDIA DALI's decoder and resizer, which is their base; a base here is "
    "what the model's own card says.",
    "Its decoders are Pillow 6.2.1, OpenCV 4.1.1.26 (appendix C), FFmpeg and DALI; in today's versions several "
    "packages give identical pixels (`instability variants decoder` says which).",
    "Its colour mode ran on Ascend hardware; here it is a model of it in software.",
    "Beside the base it has 3 decoders, 10 resizers and 1 colour mode; here they are those that the run was asked for.",
)
PRINTED_NOTE = "Accuracy in %, Δ in points: mean (max) ± std."
NUMBER_COLUMNS = (
    Column("model", "model"),
    Column("noise", "noise"),
    Column("variants", "variants", "number", aside=True),
    Column("distinct", "distinct", "number"),
    Column("mean", "mean Δ", "points", ("low", "high")),
    Column("paper", "paper", "points"),
    Column("readme", "README", "points"),
    Column("max", "max Δ", "points", ("max_low", "max_high")),
    Column("worst", "worst", aside=True),
    Column("std", "± std", "points", aside=True),
    Column("instability", "instability (%)", "percent", ("instability_low", "instability_high")),
    Column("two", "of two (%)", "percent", aside=True),
    Column("minutes", "minutes", "minutes"),
    Column("items", "n", "number"),
)
VARIANT_COLUMNS = variant_columns("accuracy")


def classification_table(
    predictions: pd.DataFrame,
    *,
    bases: Collection[str] = (),
    stacked: Mapping[str, Mapping[str, Any]] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    variants: Variants | None = None,
    command: str = "instability predict RUN --model NAME",
    level: float = 0.95,
) -> PrintedTable:
    """Make SysNoise's classification row of every model, with the published rows beside.

    predictions: the long table of one kind of pictures (one ISP and codec). bases: the environments noted as
    bases. stacked: model -> the note of its stacked design (rows, of which the last has difference and
    difference_interval). models: model -> bytes, family. variants: which model files are variants of another, as
    analysis.measures.model_variants.with_variants takes them. Numbers are 0..1 but in the first part, which is text as
    printed. Raises BadInput where no family was varied, naming what to run (command is how it begins).
    """
    measured = measured_subjects(predictions, bases=bases, command=command, variants=variants)
    numbers = _with_published(pd.concat([_number_rows(one, stacked, level) for one in measured], ignore_index=True))
    told = [
        variant_rows(one, family, level=level).assign(model=one.model, noise=NOISE_NAMES.get(family, family))
        for one in measured
        for family in FAMILIES
        if one.variants(family)
    ]
    trained = {one.model: _trained(one, level) for one in measured}
    printed = printed_rows(numbers, {model: (accuracy, items) for model, (accuracy, _, _, items) in trained.items()})
    parts = [
        Part("sysnoise-cls", "As SysNoise prints it", PRINTED_NOTE, printed, PRINTED_COLUMNS),
        Part("numbers", "With intervals", "Δ in percentage points; intervals hold 95 %.", numbers, NUMBER_COLUMNS),
        Part("variants", "Every variant", "", pd.concat(told, ignore_index=True), VARIANT_COLUMNS, aside=True),
        Part("published", "Every published row", PRINTED_NOTE, published_rows(), PRINTED_COLUMNS, aside=True),
    ]
    figures: list[Bars | Lines] = [_noise_bars(one, numbers) for one in measured]
    trend = trend_rows(numbers, models or {})
    if len(trend):
        note = "A line through log2 of the file size; two models lie on a line whatever they are."
        parts.insert(2, Part("trend", "Size within a family", note, trend, TREND_COLUMNS))
        figures.append(size_lines(numbers, models or {}, set(trend["family"])))
    return PrintedTable(
        name="sysnoise-cls",
        title="SysNoise: ImageNet classification",
        headline=_headline(numbers, trained),
        parts=tuple(parts),
        notes=(*[one.base_text() for one in measured], *HOW),
        reasons=REASONS,
        figures=tuple(figures),
        source=(f"{SYSNOISE}, table 2, section 4.2", SYSNOISE_README),
        csv="numbers",
    )


def _trained(subject: Subject, level: float) -> tuple[float, float, float, int]:
    """The base's accuracy, its interval, and the number of items."""
    right, clusters = base_accuracy(subject)
    if not len(right):
        return float("nan"), float("nan"), float("nan"), 0
    ends = rate_interval(right, clusters, level=level)
    return float(right.mean()), ends.low, ends.high, len(right)


def _number_rows(subject: Subject, stacked: Mapping[str, Mapping[str, Any]] | None, level: float) -> pd.DataFrame:
    other = [family for family in FAMILIES if family not in (*PRINTED, *MODEL_FAMILIES)]
    varied = [family for family in other if subject.variants(family)]
    rows = [
        {"model": subject.model, "noise": NOISE_NAMES.get(family, family), "family": family}
        | family_row(subject, family, level=level)
        for family in (*PRINTED, *varied)
    ]
    for family in MODEL_FAMILIES:
        # Their variants are noises of their own in SysNoise's table, not samples of one.
        for variant in dict.fromkeys(subject.fields[family].iloc[column] for column in subject.variants(family)):
            name = f"{NOISE_NAMES.get(family, family)}: {variant}"
            row = {"model": subject.model, "noise": name, "family": f"{family} {variant}"}
            rows.append(row | family_row(subject, family, only=variant, level=level))
    if stacked and subject.model in stacked:
        combined = _combined(stacked[subject.model]["rows"])
        rows.append({"model": subject.model, "noise": "combined", "family": ""} | combined)
    return pd.DataFrame(rows)


def _with_published(numbers: pd.DataFrame) -> pd.DataFrame:
    """Add the printed mean deltas of the same architecture as fractions: paper, paper_max, readme, readme_std."""
    rows = sysnoise_rows()
    sources = {source: rows[rows["source"] == source].set_index("architecture") for source in ("paper", "README")}
    columns = {**PRINTED, **OF_MODELS, "": "combined"}
    found: dict[str, list[float]] = {"paper": [], "paper_max": [], "readme": [], "readme_std": []}
    for model, family in zip(numbers["model"], numbers["family"], strict=True):
        for name, values in found.items():
            table = sources["README" if name.startswith("readme") else "paper"]
            column = columns.get(family, "none") + (f"_{name.split('_')[1]}" if "_" in name else "")
            like = ARCHITECTURES.get(model)
            there = like in table.index and column in table.columns
            values.append(float(table[column].to_dict()[like]) / 100 if there else float("nan"))
    return numbers.assign(**found)


def _combined(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last round's difference to the base, turned from after - before into before - after."""
    last = rounds[-1]
    difference, ends = last.get("difference"), last.get("difference_interval") or [None, None]
    nothing = float("nan")
    steps = " + ".join(f"{one['family']}={one['variant']}" for one in rounds if one.get("family"))
    return {
        "mean": nothing if difference is None else -float(difference),
        "low": nothing if ends[1] is None else -float(ends[1]),
        "high": nothing if ends[0] is None else -float(ends[0]),
        "worst": steps,
    }


def _headline(numbers: pd.DataFrame, trained: Mapping[str, tuple[float, float, float, int]]) -> str:
    told = []
    for model, (accuracy, _, _, items) in trained.items():
        part = numbers[(numbers["model"] == model) & numbers["family"].isin(PRINTED)].dropna(subset=["max"])
        words = f"{model}, right on {100 * accuracy:.1f} % of {items} pictures, "
        if len(part):
            row = records(part)[int(part["max"].to_numpy().argmax())]
            words += f"loses up to {two_decimals(100 * row['max'])} points to {row['noise']} ({row['worst']})"
        told.append(words if len(part) else words + "was not compared over decoders, resizers or colour modes")
    return "; ".join(told) + "."


def _noise_bars(subject: Subject, numbers: pd.DataFrame) -> Bars:
    rows = numbers[numbers["model"] == subject.model].dropna(subset=["mean"])
    like = ARCHITECTURES.get(subject.model)
    columns = {"value": "mean", "low": "low", "high": "high", "published": "paper"}
    frame = pd.DataFrame({name: 100 * rows[column] for name, column in columns.items()}).assign(name=rows["noise"])
    beside = f" A diamond is the paper's {like}." if like else ""
    return Bars(
        f"Accuracy lost: {subject.model}",
        "mean ΔACC (points)",
        f"Mean over distinct variants; lines are 95 % intervals by object.{beside}",
        frame,
    )
