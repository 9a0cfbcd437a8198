"""SysNoise's classification row in its own form, mean (max) ± std, with the published rows below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.papers.printed_table import Column, records
from analysis.papers.published import ARCHITECTURES, sysnoise_rows

# The families of SysNoise's preprocessing, always in the table, and their columns in it.
PRINTED = {"decoder": "decode", "resizer": "resize", "colour": "colour"}
# Variants of a model's file, and their columns in SysNoise's table; a column takes the first that was compared.
OF_MODELS = {
    "precision float16": "fp16",
    "precision float16-compute": "fp16",
    "precision int8": "int8",
    "ceil ceil": "ceil",
    "ceil floor": "ceil",
}


def printed_columns(metric: str, *of_task: Column) -> tuple[Column, ...]:
    """The columns of SysNoise's tables 2 to 4: ``trained`` by the metric, preprocessing, what a task adds, combined."""
    return (
        Column("model", "architecture"),
        Column("source", "source"),
        Column("trained", f"trained {metric}".strip()),
        Column("decode", "decode"),
        Column("resize", "resize"),
        Column("colour", "colour mode"),
        *of_task,
        Column("combined", "combined"),
    )


def family_columns(beside: str, *of_task: Column) -> tuple[Column, ...]:
    """The columns of metric_noises' rows: a family's mean and max with intervals, ``beside`` the published row."""
    return (
        Column("model", "model"),
        Column("noise", "noise"),
        Column("distinct", "distinct", "number"),
        Column("mean", "mean Δ", "points", ("low", "high")),
        Column("paper", beside, "points"),
        Column("max", "max Δ", "points", ("max_low", "max_high")),
        Column("worst", "worst", aside=True),
        *of_task,
        Column("minutes", "minutes", "minutes", aside=True),
        Column("items", "n", "number"),
    )


def variant_columns(metric: str) -> tuple[Column, ...]:
    """The columns of every single variant."""
    return (
        Column("model", "model"),
        Column("noise", "noise"),
        Column("variant", "variant"),
        Column("distinct", "counts", "yes-no"),
        Column("accuracy", f"{metric} (%)", "percent"),
        Column("delta", "Δ (points)", "points", ("low", "high")),
        Column("items", "n", "number"),
    )


PRINTED_COLUMNS = printed_columns("", Column("precision", "FP16/INT8"), Column("ceil", "ceil"))


def printed_rows(numbers: pd.DataFrame, trained: Mapping[str, tuple[float, int]]) -> pd.DataFrame:
    """This run's rows as text, each with the published rows of its architecture below.

    numbers: the rows of noise_families.family_row with model and family ("" for all noises combined). trained: model ->
    accuracy in the base, 0..1, and the number of pictures.
    """
    published = sysnoise_rows()
    rows = []
    for model, (accuracy, items) in trained.items():
        found = {str(row["family"]): row for row in records(numbers[numbers["model"] == model])}
        row = {"model": model, "source": f"this run, n={items}", "trained": two_decimals(100 * accuracy)}
        row |= {PRINTED[family]: spread_text(found.get(family, {})) for family in PRINTED}
        fp16, int8, ceil = (_of_models(found, column) for column in ("fp16", "int8", "ceil"))
        row |= {
            "precision": f"{fp16}/{int8}",
            "ceil": ceil,
            "combined": spread_text({"mean": found.get("", {}).get("mean")}),
        }
        rows.append(row)
        rows += _published(published[published["architecture"] == ARCHITECTURES.get(model)])
    return pd.DataFrame(rows)


def published_rows() -> pd.DataFrame:
    """Every published row as text, an architecture's rows of the paper and of the README one below the other."""
    rows = sysnoise_rows()
    places = {name: number for number, name in enumerate(dict.fromkeys(rows["architecture"]))}
    ordered = rows.assign(place=rows["architecture"].map(places)).sort_values("place", kind="stable")
    return pd.DataFrame(_published(ordered))


def two_decimals(value: float) -> str:
    """Write a number as both sources do, "-" for none."""
    return "-" if math.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")


def _of_models(found: Mapping[str, Mapping[str, Any]], column: str) -> str:
    return spread_text(next((found[name] for name, of in OF_MODELS.items() if of == column and name in found), {}))


def _published(rows: pd.DataFrame) -> list[dict[str, str]]:
    return [_published_row(row) for row in records(rows)]


def spread_text(row: Mapping[str, Any]) -> str:
    """Write a row's mean, max and std as the table does, such as "1.48 (2.43) ± 0.88"; "-" for what is not there."""
    mean, largest, std = (row.get(name) for name in ("mean", "max", "std"))
    if mean is None or math.isnan(mean):
        return "-"
    several = largest is not None and row.get("distinct", 0) > 1
    text = two_decimals(100 * mean) + (f" ({two_decimals(100 * largest)})" if several and largest is not None else "")
    return text + (f" ± {two_decimals(100 * std)}" if several and std is not None and not math.isnan(std) else "")


def _published_row(row: Mapping[str, Any]) -> dict[str, str]:
    def spread(noise: str) -> str:
        largest, std = row[f"{noise}_max"], row[f"{noise}_std"]
        told = f" ({two_decimals(largest)})" if not math.isnan(largest) else ""
        return two_decimals(row[noise]) + told + (f" ± {std:.2g}" if not math.isnan(std) else "")

    told = {name: two_decimals(row[name]) for name in ("trained", "colour", "ceil", "combined")}
    return {
        "model": row["architecture"],
        "source": row["source"],
        **{noise: spread(noise) for noise in ("decode", "resize")},
        "precision": f"{two_decimals(row['fp16'])}/{two_decimals(row['int8'])}",
        **told,
    }
