"""MEASURES: what the kit's measures say of a model and a mutant of it on the same pictures, and which of them notice.

Each is 0 where the two answer alike and larger the further they are apart. A mutant is seen by a measure whose value is
above that of the unchanged model run twice: the noise floor, settled before any mutant is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.differences import grid, label_differences, score_differences
from analysis.differential.outputs import OutputDifference
from analysis.instability import instability
from analysis.statistics import clopper_pearson
from analysis.task_rows import TASK_ROWS
from device_agents.errors import BadInput

Values = dict[str, float | None]

MEASURES: dict[str, str] = {
    "labels": "share of pictures whose first label differs",
    "instability": "share of labelled items that one of the two gets right and the other wrong",
    "jaccard": "1 - Jaccard's index of the first five labels, mean",
    "kendall": "1 - Kendall's tau of the first five labels, mean",
    "overlap": "1 - rank-biased overlap of the first five labels, mean",
    "l1": "sum of the differences of the first five scores, mean",
    "l2": "root of the sum of their squares, mean",
    "max": "largest difference of a score, mean",
    "kl": "relative entropy of the original's scores to the mutant's, mean, in nats",
    "js": "Jensen-Shannon divergence of the scores, mean, in nats",
    "failed": "share of pictures that only one of the two answers",
    "outputs": "share of pictures whose raw outputs differ in any bit",
    "output-largest": "largest difference of a raw output",
    "layer-largest": "largest relative difference of a layer's values (L2 norms; 2 for other sizes), first picture",
}
_ALIKE = ("jaccard", "kendall", "overlap")  # 1 where two lists are equal
_DISTANT = ("l1", "l2", "max", "kl", "js")


def measure(
    table: pd.DataFrame, *, outputs: Sequence[OutputDifference], layer: float | None, task: str = "classification"
) -> Values:
    """Compare two conditions of a long predictions table (column device; two names), by all of MEASURES.

    outputs: of each picture the two models' raw outputs compared. layer: the largest relative difference of a layer.
    None stands where a measure says nothing: no labels to judge by, no answer on both sides, sizes that differ.
    """
    names = list(pd.unique(table["device"]))
    if len(names) != 2 or not outputs:
        raise BadInput(f"expected predictions of two conditions and their outputs, got {names} and {len(outputs)}")
    found = grid(table)
    labels = label_differences(found).iloc[0]
    scores = score_differences(found).iloc[0]
    answered = found.labels[:, :, 0] >= 0
    far = [one.max_abs for one in outputs if one.comparable]
    values = {
        "labels": labels["rate"],
        "instability": _instability(table, task),
        **{name: 1 - scores[name] for name in _ALIKE},
        **{name: scores[name] for name in _DISTANT},
        "failed": float((answered[:, 0] != answered[:, 1]).mean()),
        "outputs": sum(not one.same_bits for one in outputs) / len(outputs),
        "output-largest": max(far) if len(far) == len(outputs) else None,
        "layer-largest": layer,
    }
    return {name: _number(values[name]) for name in MEASURES}


def seen(values: Values, floor: Values) -> dict[str, bool]:
    """Say of each measure whether it notices: whether its value is above the noise floor (0 where that is none)."""
    return {name: value is not None and value > (floor.get(name) or 0.0) for name, value in values.items()}


def seen_counts(rows: Sequence[Mapping[str, bool]], *, level: float = 0.95) -> list[dict[str, Any]]:
    """Count for each measure how many mutants it sees: rows measure, seen, of, rate, low, high (Clopper-Pearson)."""
    return [{"measure": name, **share(sum(row[name] for row in rows), len(rows), level=level)} for name in MEASURES]


def share(events: int, trials: int, *, level: float = 0.95) -> dict[str, Any]:
    """Give seen, of, rate, low and high of a share with its exact interval; None for the last three without trials."""
    low, high = clopper_pearson(events, trials, level=level) if trials else (None, None)
    return {"seen": events, "of": trials, "rate": events / trials if trials else None, "low": low, "high": high}


def _instability(table: pd.DataFrame, task: str) -> float | None:
    """The pair's instability where any scene says what is right; None where none does."""
    judged = table["truth"].astype(bool) if task != "classification" else table["labels"].map(len) > 0
    known = table[judged.to_numpy()]
    if known.empty:
        return None
    rows = TASK_ROWS[task](known)
    return None if rows.empty else instability(rows).rate


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
