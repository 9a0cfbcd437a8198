"""What each family of noise does to a metric that is no mean over pictures, such as mIoU or mAP.

A metric comes with its replicates: its value on parts of the pictures (without each cluster, or on drawn clusters), the
same parts for every environment. A delta is base minus variant, so that more is worse, and its interval comes from
the replicates of that very difference: what all environments share falls out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import instability
from analysis.papers.noise_families import ITEM, Subject, distinct, inference_minutes
from analysis.papers.printed_table import records

Numbers = NDArray[np.float64]
VARIANT_KEYS = ("variant", "environment", "distinct", "accuracy", "delta", "low", "high", "items")
# From a value and its replicates to (low, high), NaN where they cannot be told.
Ends = Callable[[float, Numbers], tuple[float, float]]


@dataclass(frozen=True)
class Measured:
    """A metric of a subject's environments: values (environments,), 0..1, replicates (environments, parts).

    pictures: how many stand behind them. objects: rows of the smallest labelled unit (TASK_ROWS) in all environments,
    for their instability; None where there are none.
    """

    values: Numbers
    replicates: Numbers
    ends: Ends
    pictures: int
    objects: pd.DataFrame | None = None


def delta(measured: Measured, columns: Sequence[int], *, base: int = 0) -> dict[str, float]:
    """Give the base less the mean of the columns, with its interval: delta, low, high."""
    places = list(columns)
    if not places:
        return dict.fromkeys(("delta", "low", "high"), float("nan"))
    value = float(measured.values[base] - measured.values[places].mean())
    low, high = measured.ends(value, measured.replicates[base] - measured.replicates[places].mean(axis=0))
    return {"delta": value, "low": low, "high": high}


def metric_variants(subject: Subject, measured: Measured, family: str) -> pd.DataFrame:
    """One row a variant of the family, in VARIANT_KEYS; accuracy is the metric."""
    own = distinct(subject, family)
    rows = [
        {
            "variant": subject.fields[family].iloc[column],
            "environment": subject.environments[column],
            "distinct": column in own,
            "accuracy": float(measured.values[column]),
            **delta(measured, [column]),
            "items": measured.pictures,
        }
        for column in subject.variants(family)
    ]
    return pd.DataFrame(rows, columns=list(VARIANT_KEYS))


def metric_family(subject: Subject, measured: Measured, family: str, *, only: str | None = None) -> dict[str, Any]:
    """What one family, or one variant of it, does to the metric: the keys of noise_families.family_row.

    Instability is that of objects across the base and the distinct variants, NaN without objects.
    """
    rows = metric_variants(subject, measured, family)
    own = distinct(subject, family)
    if only is not None:
        rows = rows[rows["variant"] == only]
        own = [column for column in own if subject.fields[family].iloc[column] == only]
    deltas = rows[rows["distinct"].astype(bool)].dropna(subset=["delta"])
    mean = delta(measured, own)
    worst = records(deltas)[int(deltas["delta"].to_numpy().argmax())] if len(deltas) else None
    nothing = float("nan")
    found: dict[str, Any] = {"variants": len(rows), "distinct": len(own), "items": measured.pictures if own else 0}
    found |= {"mean": mean["delta"], "low": mean["low"], "high": mean["high"]}
    for told, name in (("max", "delta"), ("max_low", "low"), ("max_high", "high")):
        found[told] = nothing if worst is None else float(worst[name])
    found["worst"] = None if worst is None else str(worst["variant"])
    found["std"] = float(deltas["delta"].std(ddof=1)) if len(deltas) > 1 else nothing
    return found | _unstable(subject, measured, own) | {"minutes": inference_minutes(subject, family)}


def _unstable(subject: Subject, measured: Measured, columns: Sequence[int]) -> dict[str, float]:
    found = dict.fromkeys(("instability", "instability_low", "instability_high", "two"), float("nan"))
    if measured.objects is None or not columns:
        return found
    names = [subject.environments[column] for column in (0, *columns)]
    rows = measured.objects[measured.objects["environment"].isin(names)]
    result = instability(rows, across="environment", item=ITEM)
    if result.items:
        ends = result.interval()
        found |= {"instability": result.rate, "instability_low": ends.low, "instability_high": ends.high}
        found["two"] = result.rarefied(2) if len(names) > 2 else float("nan")
    return found
