"""SysNoise's table 1, measured: whether each noise depends on the picture, its effect level, and its variants."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from analysis.measures.model_variants import Variants
from analysis.papers.input_dependence import dependence
from analysis.papers.noise_families import FAMILIES, Subject, measured_subjects, variant_rows
from analysis.papers.printed_table import Column, Part, PrintedTable, records
from analysis.papers.published import NOISES, SYSNOISE

NAN = float("nan")
# Points of accuracy from which on a noise is called so. The paper gives no thresholds; with these, the largest deltas
# of its table 2 give the level that its table 1 prints in 61 of 78 cases (26 models; decoder 18, resize 23, colour 20).
LEVELS = ((0.012, "very high"), (0.003, "high"), (0.0005, "middle"), (0.0, "low"))
SURE = 0.01  # a chance below which a dependence on the picture is called one

HOW = (
    "Depends on the input: do the family's distinct variants agree about which pictures they change most? Kendall's W "
    "over pairs of variants that share none, of how far apart the two score the base's first label; yes where as much "
    f"agreement has a chance below {SURE}; - with fewer than three distinct variants beside the base.",
    "Touched: pictures whose tensor (for runtimes: answer) any variant changes. Score change: half of the pictures "
    "change less, and 90 % less than the second number.",
    "Effect level: of the variant with the largest |ΔACC|, and the levels that its interval spans; very high from 1.2 "
    "points, high from 0.3, middle from 0.05, else low. The paper gives no thresholds; with these its own table 2 has "
    "its levels in 61 of 78 cases.",
    "Variants: distinct ones, the base included.",
)
REASONS = (
    "The paper does not say how it decided on input dependence. A deterministic stage changes different pictures "
    "differently, so a measurement may well say yes where the paper has a cross.",
    "Its levels rest on ImageNet's 50,000 validation pictures and 26 models; with few pictures the levels that the "
    "interval spans say more than the level.",
    "Ceil mode, upsampling, precision and detection proposals are not noises of preprocessing; a run has them when "
    "models and tasks with them were compared.",
)
COLUMNS = (
    Column("model", "model"),
    Column("stage", "stage", aside=True),
    Column("noise", "noise"),
    Column("depends", "on input"),
    Column("agreement", "W", "share"),
    Column("chance", "chance", "chance", aside=True),
    Column("printed_depends", "paper: input"),
    Column("touched", "touched (%)", "percent", aside=True),
    Column("median", "score change (%)", "percent", aside=True),
    Column("most", "of the most changed 10 % (%)", "percent", aside=True),
    Column("level", "effect level"),
    Column("span", "its interval"),
    Column("printed_level", "paper: level"),
    Column("number", "variants", "number"),
    Column("printed_number", "paper: number", "number"),
)


def kinds_table(
    predictions: pd.DataFrame,
    *,
    bases: Collection[str] = (),
    variants: Variants | None = None,
    command: str = "instability predict RUN --model NAME",
    level: float = 0.95,
) -> PrintedTable:
    """Make SysNoise's table 1, measured: whether a noise depends on the picture, its effect level, its variants.

    predictions, bases, variants, command: as classification_table. Raises BadInput where no family was varied.
    """
    found = measured_subjects(predictions, bases=bases, command=command, variants=variants)
    rows = [_measured_row(one, family, level) for one in found for family in _varied(one)]
    told = ", ".join(f"{row['noise']} {row['span']} ({row['model']})" for row in rows)
    rows += [_printed(name) for name in NOISES if not any(name in _varied(one) for one in found)]
    return PrintedTable(
        name="sysnoise-1",
        title="SysNoise: list of noises (table 1)",
        headline=f"Effect levels, as far as these pictures can tell: {told}.",
        parts=(Part("sysnoise-1", "Noises", "Beside each measured value the paper's.", pd.DataFrame(rows), COLUMNS),),
        notes=(*[one.base_text() for one in found], *HOW),
        reasons=REASONS,
        source=(f"{SYSNOISE}, table 1, section 3.4",),
    )


def effect_level(delta: float) -> str:
    """Name the level of a delta of accuracy (0..1, its size counts), "-" for NaN."""
    return "-" if math.isnan(delta) else next(name for least, name in LEVELS if abs(delta) >= least)


def _varied(subject: Subject) -> list[str]:
    """The paper's noises that were varied, in its order, then the other families."""
    return [one for one in dict.fromkeys((*NOISES, *FAMILIES)) if one in FAMILIES and subject.variants(one)]


def _printed(name: str) -> dict[str, Any]:
    """A row with what the paper prints of a noise, and nothing measured."""
    printed = NOISES.get(name)
    late = name in ("runtime", "threads")
    row: dict[str, Any] = {"model": "", "noise": name, "stage": "model inference" if late else "pre-processing"}
    row |= dict.fromkeys(("depends", "level", "span", "printed_depends", "printed_level"), "-")
    row |= dict.fromkeys(("agreement", "chance", "touched", "median", "most", "max", "number", "printed_number"), NAN)
    if printed is None:
        return row
    depends = "yes" if printed.input_dependent else "no"
    row |= {"noise": printed.noise, "stage": printed.stage, "printed_depends": depends}
    return row | {"printed_level": printed.level, "printed_number": printed.number}


def _measured_row(subject: Subject, family: str, level: float) -> dict[str, Any]:
    acts, variants = dependence(subject, family), variant_rows(subject, family, level=level)
    own = variants[variants["distinct"].astype(bool)].dropna(subset=["delta"])
    row = _printed(family) | {"model": subject.model, "number": int(variants["distinct"].sum()) + 1}
    row |= {name: getattr(acts, name) for name in ("agreement", "chance", "touched", "median", "most")}
    if not math.isnan(acts.chance):
        row["depends"] = "yes" if acts.chance < SURE else "not shown"
    if own.empty:
        return row | {"level": "none", "span": "none"}
    largest = records(own)[int(own["delta"].abs().to_numpy().argmax())]
    return row | {"max": largest["delta"], "level": effect_level(largest["delta"]), "span": _span(largest)}


def _span(row: Mapping[str, Any]) -> str:
    """The levels that the interval of a delta spans, such as "low to high"."""
    low, high = sorted((abs(row["low"]), abs(row["high"])))
    ends = [effect_level(0.0 if row["low"] <= 0 <= row["high"] else low), effect_level(high)]
    return " to ".join(dict.fromkeys(ends))
