"""SysNoise's table 3 and figure 3 from a run: what each noise takes from each detector's mAP, as printed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.detection.noises import NAMES, PREPROCESSING, Half, Round, Study, number_rows, step_rows, study_of
from analysis.detection.published import BESIDE, SOURCE, detection_rows
from analysis.measures.model_variants import Variants
from analysis.papers.metric_noises import metric_variants
from analysis.papers.noise_families import FAMILIES, measured_subjects
from analysis.papers.printed_table import Bars, Column, Part, PrintedTable, records
from analysis.papers.published import SYSNOISE
from analysis.papers.sysnoise_printed import (
    family_columns,
    printed_columns,
    spread_text,
    two_decimals,
    variant_columns,
)
from analysis.run_folder.homes import POST

NAME = "sysnoise-det"
# Columns of table 3 that are one variant of the model's file or of the post-processing: the first that was compared.
BY_NAME = {
    "upsample": ("upsample nearest", "upsample bilinear"),
    "int8": ("precision int8", "precision int8-per-tensor"),
    "ceil": ("ceil ceil", "ceil floor"),
    "post": (f"{POST} offset-1", f"{POST} offset-0"),
}

HOW = (
    "mAP is COCO's, over overlaps 0.5 to 0.95, by pycocotools, over the model's classes that the truth holds; mAP@0.5 "
    "stands beside it. ΔmAP is mAP in the base minus mAP with the noise, in percentage points: more is worse.",
    "Intervals are percentiles of 200 draws of pictures (of their clusters, where these are given), the same draws for "
    "the base and each noise.",
    "Mean, max and spread are over a family's distinct variants: names that give the same tensors on every picture "
    "count once, and names for what the base does anyway do not count.",
    "Upsample, INT8 and ceil mode are variants of the model's file, and - where none was compared or can be (predict "
    "--vary precision=int8,ceil,upsample-nearest). In ceil mode the sizes that the exporter wrote into the graph "
    "follow: its levels are a row and a column larger.",
    "Post-processing is offset 1: a pixel of the input taken off the right and the bottom edge of each box before the "
    "suppression (appendix A); the other switches stand below. Where a model has its own post-processing the offset is "
    "taken off its finished boxes.",
    "Instability is of labelled objects: right at an overlap of 0.5 or more with a box of the class (docs/metrics.md).",
    "Combined is the last step of the stacked design, chosen by mAP on one half of the pictures and scored on the "
    "other. Of the variants of a model's file it holds one: every-noise is INT8, ceil mode and upsampling together.",
)
REASONS = (
    "SysNoise's numbers are on COCO's 5,000 validation pictures; here it is the run's. A run of some tens of pictures "
    "gives intervals of several points.",
    "Its models are Faster R-CNN and RetinaNet on a feature pyramid of ResNets, at 1333 x 800 pixels, trained by its "
    "authors with nearest upsampling; these are small detectors for phones at 300 to 416 pixels, with other heads: "
    "NanoDet's maps grow by bilinear upsampling; FastestDet's boxes are fractions of its grid, which ceil mode makes "
    "larger.",
    "A pixel of the input is 1 / 1333 of its pictures and 1 / 300 to 1 / 416 of these: offset 1 moves edges three to "
    "four times as far.",
    "Pictures that are made several times smaller lose more to another resizer than those that are made larger.",
    "Its combined noise is scored on the pictures that chose it, and it does not say which variants that holds.",
)
PRINTED_COLUMNS = printed_columns(
    "mAP", Column("upsample", "upsample"), Column("int8", "INT8"), Column("ceil", "ceil"), Column("post", "post")
)
NUMBER_COLUMNS = family_columns(
    BESIDE,
    Column("half", "Δ of mAP@0.5", "points", ("half_low", "half_high")),
    Column("instability", "objects unstable (%)", "percent", ("instability_low", "instability_high")),
)
STEP_COLUMNS = (
    Column("model", "model"),
    Column("step", "step", "number"),
    Column("added", "added"),
    Column("map", "mAP (%)", "percent"),
    Column("lost", "lost in all", "points", ("low", "high")),
    Column("extra", "in this step", "points"),
    Column("alone", "alone", "points"),
    Column("items", "n", "number"),
)
VARIANT_COLUMNS = variant_columns("mAP")
_PREPROCESSED = dict(zip(("decode", "resize", "colour"), PREPROCESSING, strict=True))


def detection_table(
    predictions: pd.DataFrame,
    *,
    bases: Collection[str] = (),
    rounds: Mapping[str, Sequence[Round]] | None = None,
    scoring: Half | None = None,
    variants: Variants | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    command: str = "instability predict RUN --model NAME",
) -> PrintedTable:
    """Make SysNoise's table 3 of every detector of a run, with the published rows beside, and its figure 3.

    predictions: the long table of one kind of pictures, with detail and truth. bases: the environments noted as bases.
    rounds: model -> the rounds of its stacked design, the base first; scoring: which rows of a column of clusters lie
    on the half that scores them. variants: as analysis.measures.model_variants.with_variants takes them. labels: model
    -> its classes. Raises BadInput where no family was varied, and where no scene has labelled boxes.
    """
    subjects = measured_subjects(predictions, bases=bases, command=command, variants=variants)
    studies = [study_of(one, labels=(labels or {}).get(one.model)) for one in subjects]
    stacked = {one.subject.model: (rounds or {}).get(one.subject.model, ()) for one in studies}
    rows = [number_rows(one, stacked[one.subject.model], scoring) for one in studies]
    numbers = _with_published(pd.concat(rows, ignore_index=True))
    told = [_variants(one, family) for one in studies for family in FAMILIES if one.subject.variants(family)]
    published = pd.DataFrame([_published(row) for row in records(detection_rows())])
    printed = pd.concat([pd.DataFrame([_printed(one, numbers) for one in studies]), published], ignore_index=True)
    parts = [
        Part(NAME, "As SysNoise prints it", "mAP in %, Δ in points: mean (max) ± std.", printed, PRINTED_COLUMNS),
        Part("numbers", "With intervals", "Δ in points; intervals hold 95 %.", numbers, NUMBER_COLUMNS),
        Part("variants", "Every variant", "", pd.concat(told, ignore_index=True), VARIANT_COLUMNS, aside=True),
    ]
    steps = [step_rows(one, stacked[one.subject.model], scoring) for one in studies if scoring is not None]
    steps = [one for one in steps if len(one) > 1]
    if steps:
        note = "The worst variant is added, then the next given it (SysNoise, figure 3): lost points of mAP."
        parts.insert(2, Part("steps", "Step by step", note, pd.concat(steps, ignore_index=True), STEP_COLUMNS))
    return PrintedTable(
        name=NAME,
        title="SysNoise: detection",
        headline=_headline(studies, numbers),
        parts=tuple(parts),
        notes=(*[one.subject.base_text() for one in studies], *HOW),
        reasons=REASONS,
        figures=tuple([_bars(one.subject.model, numbers) for one in studies] + [_steps(one) for one in steps]),
        source=(f"{SYSNOISE}, {SOURCE}; figure 3",),
        csv="numbers",
    )


def _variants(study: Study, family: str) -> pd.DataFrame:
    found = metric_variants(study.subject, study.measured, family)
    return found.assign(model=study.subject.model, noise=NAMES.get(family, family))


def _with_published(numbers: pd.DataFrame) -> pd.DataFrame:
    rows = detection_rows()
    beside = records(rows[rows["architecture"] == BESIDE])[0]
    places = {family: column for column, family in _PREPROCESSED.items()} | {"": "combined"}
    places |= {told: column for column, several in BY_NAME.items() for told in several}
    found = [float(beside[places[family]]) / 100 if family in places else float("nan") for family in numbers["family"]]
    return numbers.assign(paper=found)


def _printed(study: Study, numbers: pd.DataFrame) -> dict[str, str]:
    model = study.subject.model
    found = {str(row["family"]): row for row in records(numbers[numbers["model"] == model])}
    row = {"model": model, "source": f"this run, n={study.measured.pictures}"}
    row |= {"trained": two_decimals(100 * float(study.measured.values[0]))}
    row |= {column: spread_text(found.get(family, {})) for column, family in _PREPROCESSED.items()}
    for column, several in BY_NAME.items():
        row[column] = spread_text(next((found[name] for name in several if name in found), {}))
    return row | {"combined": spread_text({"mean": found.get("", {}).get("mean")})}


def _published(row: Mapping[str, Any]) -> dict[str, str]:
    told = {name: two_decimals(row[name]) for name in ("trained", "colour", *BY_NAME, "combined")}
    spread = {one: f"{two_decimals(row[one])} ({two_decimals(row[f'{one}_max'])})" for one in ("decode", "resize")}
    return {"model": row["architecture"], "source": "paper"} | told | spread


def _headline(studies: Sequence[Study], numbers: pd.DataFrame) -> str:
    told = []
    for one in studies:
        whole, half = (100 * float(measured.values[0]) for measured in (one.measured, one.at_half))
        words = f"{one.subject.model}: mAP {whole:.1f} %, {half:.1f} % at an overlap of 0.5, on "
        words += f"{one.measured.pictures} pictures"
        printed = numbers["family"].isin([*PREPROCESSING, *(name for several in BY_NAME.values() for name in several)])
        part = numbers[(numbers["model"] == one.subject.model) & printed].dropna(subset=["max"])
        if len(part):
            row = records(part)[int(part["max"].to_numpy().argmax())]
            words += f", up to {two_decimals(100 * row['max'])} points less with {row['noise']} ({row['worst']})"
        told.append(words)
    return "; ".join(told) + "."


def _bars(model: str, numbers: pd.DataFrame) -> Bars:
    rows = numbers[numbers["model"] == model].dropna(subset=["mean"])
    columns = {"value": "mean", "low": "low", "high": "high", "published": "paper"}
    frame = pd.DataFrame({name: 100 * rows[column] for name, column in columns.items()}).assign(name=rows["noise"])
    caption = f"Mean over distinct variants; lines are 95 % intervals by picture. A diamond is the paper's {BESIDE}."
    return Bars(f"mAP lost: {model}", "mean ΔmAP (points)", caption, frame)


def _steps(steps: pd.DataFrame) -> Bars:
    columns = {"value": "lost", "low": "low", "high": "high"}
    frame = pd.DataFrame({name: 100 * steps[column] for name, column in columns.items()})
    names = [f"+ {added}" if step else "base" for step, added in zip(steps["step"], steps["added"], strict=True)]
    caption = "Each step adds the most harmful variant of those left; lines are 95 % intervals by picture."
    title = f"Step by step: {steps['model'].iloc[0]}"
    return Bars(title, "lost mAP (points)", caption, frame.assign(name=names, published=float("nan")))
