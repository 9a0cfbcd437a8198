"""SysNoise's table 4 from a run: what each family of noise takes from each segmentation model's mIoU, as printed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

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
from analysis.segmentation.noises import NAMES, PREPROCESSING, Half, Study, changes_of, number_rows, study_of
from analysis.segmentation.published import BESIDE, SOURCE, segmentation_rows
from analysis.segmentation.scores import class_ious, pixel_accuracy

NAME = "sysnoise-seg"
# Columns of table 4 that are one variant of the model's file; a column takes the first that was compared.
OF_MODELS = {
    "upsample": ("upsample nearest", "upsample bilinear"),
    "int8": ("precision int8", "precision int8-per-tensor"),
    "ceil": ("ceil ceil", "ceil floor"),
}

HOW = (
    "ΔmIoU is mIoU in the base minus mIoU with the noise, in percentage points: more is worse. mIoU is the mean over "
    "the classes that the truth holds of TP / (TP + FP + FN), summed over all pictures, at the truth's own pixels.",
    "Intervals are delete-one-cluster jackknives with Student's t; one picture has none, and equal masks have [0, 0].",
    "Mean, max and spread are over a family's distinct variants: names that give the same tensors on every picture "
    "count once, and names for what the base does anyway do not count.",
    "Upsample, INT8 and ceil mode are variants of the model's file, - where none was compared or can be (predict "
    "--vary precision=onnx,upsample-*,int8): a DeepLab on MobileNet has no strided max-pool, so that ceil is -, and a "
    "file that is quantised already has no INT8 of its own. The column is nearest upsampling, SysNoise's noise turned "
    "round; where pixels lie (half-pixel, asymmetric) stands below. TFLite files go through ONNX for it, and what that "
    "alone changes is the row precision: onnx.",
    "Instability is of regions: connected parts of a class of the truth, right from an IoU of 0.5, clearly wrong below "
    "0.25. By pixel it is told apart inside and within 3 pixels of a border of the truth.",
    "Combined is the stacked design's last round, chosen on one half of the pictures and scored here on the other.",
)
REASONS = (
    "SysNoise's numbers are on Cityscapes' 500 validation pictures of 2048 x 1024 pixels; here it is the run's.",
    "Its models are DeepLabV3 on ResNets and U-Net, trained by its authors with nearest upsampling, Pillow's decoder "
    "and bilinear resizing; these are DeepLabs on MobileNets for phones, trained with bilinear upsampling.",
    "They see 257 or 513 pixels a side with the ratio given up, its own up to 1333 x 800 with the ratio kept, so that "
    "resizing does more here; a picture that has the input's size already is not resized at all.",
    "A PNG or BMP decodes alike in every decoder, and decode is - (develop --codec jpeg-85 makes JPEG copies).",
    "The upsampling that decides in DeepLab's files is one bilinear step from 33 x 33 logits to the input's size; the "
    "argmax follows it.",
    "Truths of another data set (CamVid for a model of Cityscapes) hold fewer classes, several of the model's to one.",
)
PRINTED_COLUMNS = printed_columns(
    "mIoU", Column("upsample", "upsample"), Column("int8", "INT8"), Column("ceil", "ceil")
)
NUMBER_COLUMNS = family_columns(
    BESIDE,
    Column("instability", "regions unstable (%)", "percent", ("instability_low", "instability_high")),
    Column("pixels", "pixels unstable (%)", "percent", ("pixels_low", "pixels_high")),
    Column("inside", "inside (%)", "percent", aside=True),
    Column("boundary", "at borders (%)", "percent", aside=True),
)
VARIANT_COLUMNS = variant_columns("mIoU")


def segmentation_table(
    predictions: pd.DataFrame,
    *,
    bases: Collection[str] = (),
    stacked: Mapping[str, str] | None = None,
    scoring: Half | None = None,
    variants: Variants | None = None,
    command: str = "instability predict RUN --model NAME",
) -> PrintedTable:
    """Make SysNoise's table 4 of every segmentation model of a run, with the published rows beside.

    predictions: the long table of one kind of pictures, with detail and truth. bases: the environments noted as bases.
    stacked: model -> the environment of its stacked design's last round; scoring: which rows of a column of clusters
    lie on the half that scores it. variants: as analysis.measures.model_variants.with_variants takes them. Raises
    BadInput where no family was varied, and where no scene has a mask.
    """
    subjects = measured_subjects(predictions, bases=bases, command=command, variants=variants)
    studies = [study_of(one) for one in subjects]
    rows = [number_rows(one, (stacked or {}).get(one.subject.model), scoring) for one in studies]
    numbers = _with_published(pd.concat(rows, ignore_index=True))
    told = [
        metric_variants(one.subject, one.measured, family).assign(
            model=one.subject.model, noise=NAMES.get(family, family)
        )
        for one in studies
        for family in FAMILIES
        if one.subject.variants(family)
    ]
    published = pd.DataFrame([_published(row) for row in records(segmentation_rows())])
    printed = pd.concat([pd.DataFrame([_printed(one, numbers) for one in studies]), published], ignore_index=True)
    return PrintedTable(
        name=NAME,
        title="SysNoise: segmentation",
        headline=_headline(studies, numbers),
        parts=(
            Part(NAME, "As SysNoise prints it", "mIoU in %, Δ in points: mean (max) ± std.", printed, PRINTED_COLUMNS),
            Part("numbers", "With intervals", "Δ in points; intervals hold 95 %.", numbers, NUMBER_COLUMNS),
            Part("variants", "Every variant", "", pd.concat(told, ignore_index=True), VARIANT_COLUMNS, aside=True),
            _class_part(studies),
        ),
        notes=(*[one.subject.base_text() for one in studies], *HOW),
        reasons=REASONS,
        figures=tuple(_bars(one.subject.model, numbers) for one in studies),
        source=(f"{SYSNOISE}, {SOURCE}",),
        csv="numbers",
    )


def _with_published(numbers: pd.DataFrame) -> pd.DataFrame:
    rows = segmentation_rows()
    beside = records(rows[rows["architecture"] == BESIDE])[0]
    places = dict(zip(PREPROCESSING, ("decode", "resize", "colour"), strict=True)) | {"": "combined"}
    places |= {told: column for column, several in OF_MODELS.items() for told in several}
    found = [float(beside[places[family]]) / 100 if family in places else float("nan") for family in numbers["family"]]
    return numbers.assign(paper=found)


def _printed(study: Study, numbers: pd.DataFrame) -> dict[str, str]:
    model = study.subject.model
    found = {str(row["family"]): row for row in records(numbers[numbers["model"] == model])}
    row = {"model": model, "source": f"this run, n={study.measured.pictures}"}
    row |= {"trained": two_decimals(100 * float(study.measured.values[0]))}
    row |= {column: spread_text(found.get(name, {})) for column, name in _PREPROCESSED.items()}
    for column, several in OF_MODELS.items():
        row[column] = spread_text(next((found[name] for name in several if name in found), {}))
    return row | {"combined": spread_text({"mean": found.get("", {}).get("mean")})}


_PREPROCESSED = dict(zip(("decode", "resize", "colour"), PREPROCESSING, strict=True))


def _published(row: Mapping[str, Any]) -> dict[str, str]:
    def spread(noise: str) -> str:
        return f"{row[noise]:.3g} ({row[f'{noise}_max']:.3g})"

    told = {name: two_decimals(row[name]) for name in ("trained", "colour", "upsample", "int8", "ceil", "combined")}
    return {"model": row["architecture"], "source": "paper"} | told | {one: spread(one) for one in ("decode", "resize")}


def _class_part(studies: list[Study]) -> Part:
    rows = []
    for one in studies:
        worst = int(np.nanargmin(one.measured.values))
        before, after = (class_ious(one.found.summed(place)) for place in (0, worst))
        rows += [
            {"model": one.subject.model, "class": label, "base": before[place], "after": after[place]}
            | {"worst": changes_of(one.subject, worst) or "the base itself", "change": before[place] - after[place]}
            for place, label in enumerate(one.found.labels)
            if np.isfinite(before[place])
        ]
    columns = (
        Column("model", "model"),
        Column("class", "class"),
        Column("base", "IoU in the base (%)", "percent"),
        Column("after", "in the worst environment (%)", "percent"),
        Column("change", "Δ (points)", "points"),
        Column("worst", "worst environment", aside=True),
    )
    return Part("classes", "By class", "", pd.DataFrame(rows, columns=[one.name for one in columns]), columns)


def _headline(studies: list[Study], numbers: pd.DataFrame) -> str:
    told = []
    for one in studies:
        accuracy = pixel_accuracy(one.found.summed(0))
        words = (
            f"{one.subject.model}: mIoU {100 * one.measured.values[0]:.1f} %, pixel accuracy {100 * accuracy:.1f} % "
        )
        words += f"on {one.measured.pictures} picture{'s' if one.measured.pictures > 1 else ''}"
        part = numbers[(numbers["model"] == one.subject.model) & (numbers["family"] != "")].dropna(subset=["max"])
        if len(part):
            row = records(part)[int(part["max"].to_numpy().argmax())]
            name = row["noise"] if str(row["noise"]).endswith(str(row["worst"])) else f"{row['noise']} ({row['worst']})"
            words += f", up to {two_decimals(100 * row['max'])} points less with {name}"
        told.append(words)
    return "; ".join(told) + "."


def _bars(model: str, numbers: pd.DataFrame) -> Bars:
    rows = numbers[numbers["model"] == model].dropna(subset=["mean"])
    columns = {"value": "mean", "low": "low", "high": "high", "published": "paper"}
    frame = pd.DataFrame({name: 100 * rows[column] for name, column in columns.items()}).assign(name=rows["noise"])
    caption = f"Mean over distinct variants; lines are 95 % intervals by picture. A diamond is the paper's {BESIDE}."
    return Bars(f"mIoU lost: {model}", "mean ΔmIoU (points)", caption, frame)
