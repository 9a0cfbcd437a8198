"""Size within a model family: does a larger model lose less accuracy to the same noise?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.papers.printed_table import MB, Column, Lines

TREND_COLUMNS = (
    Column("family", "family"),
    Column("noise", "noise"),
    Column("models", "models", "number"),
    Column("smallest", "smallest"),
    Column("largest", "largest"),
    Column("slope", "Δ per doubling of size", "points"),
)


def trend_rows(numbers: pd.DataFrame, models: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """For each family of two models or more of different size: the slope of the mean delta per doubling of bytes."""
    sized = _sized(numbers, models)
    rows = []
    for (family, noise), part in sized.groupby(["family", "noise"], sort=False):
        if part["bytes"].nunique() > 1:
            ordered = part.sort_values("bytes", kind="stable")
            slope = np.polyfit(np.log2(ordered["bytes"].to_numpy(float)), ordered["mean"].to_numpy(float), 1)[0]
            ends = (ordered["model"].iloc[0], ordered["model"].iloc[-1])
            rows.append((family, noise, len(part), *ends, float(slope)))
    return pd.DataFrame(rows, columns=["family", "noise", "models", "smallest", "largest", "slope"])


def size_lines(numbers: pd.DataFrame, models: Mapping[str, Mapping[str, Any]], families: set[str]) -> Lines:
    """The figure of those families: the mean delta of each noise against the size of the model file."""
    sized = _sized(numbers, models)
    sized = sized[sized["family"].isin(families)].sort_values("bytes", kind="stable")
    frame = pd.DataFrame({"series": sized["family"] + ": " + sized["noise"], "size_mb": sized["bytes"] / MB})
    frame = frame.assign(
        **{told: 100 * sized[name] for told, name in (("value", "mean"), ("low", "low"), ("high", "high"))}
    )
    return Lines(
        "Size within a family",
        "mean ΔACC (points)",
        "Model file size against accuracy lost. In SysNoise, larger models of a family lose less.",
        frame,
    )


def _sized(numbers: pd.DataFrame, models: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    known = {name: one for name, one in models.items() if one.get("bytes") and one.get("family")}
    part = numbers[numbers["model"].isin(list(known))].dropna(subset=["mean"])
    return part.assign(
        family=part["model"].map({name: one["family"] for name, one in known.items()}),
        bytes=part["model"].map({name: one["bytes"] for name, one in known.items()}),
    )
