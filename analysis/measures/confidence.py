"""What an answer's score is worth: precision and recall of the answers above each score, and how many one keeps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.instability import verdict_column
from device_agents.errors import BadInput

WANTED = 0.9


def precision_recall(scores: ArrayLike, right: ArrayLike) -> pd.DataFrame:
    """Give for each score as a threshold how many answers are at or above it, precision and recall; highest first.

    scores: float (answers,), finite. right: bool (answers,). precision = right ones at or above / all at or above;
    recall = right ones at or above / all right ones (NaN where none is right). Equal scores are one threshold.
    Columns: threshold, answers, precision, recall. Raises BadInput for other lengths or scores that are not finite.
    """
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=bool)
    if values.shape != marks.shape or values.ndim != 1 or not bool(np.isfinite(values).all()):
        raise BadInput(f"expected finite scores with a mark each, got {values.shape} scores and {marks.shape} marks")
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], np.cumsum(marks[order])
    last = np.flatnonzero(np.diff(values, append=np.nan) != 0) if len(values) else np.zeros(0, dtype=np.int64)
    answers, total = last + 1, int(marks.sum())
    recall = hits[last] / total if total else np.full(len(last), np.nan)
    return pd.DataFrame(
        {"threshold": values[last], "answers": answers, "precision": hits[last] / answers, "recall": recall}
    )


def average_precision(curve: pd.DataFrame) -> float:
    """Give the sum of precision x (gain of recall), the area under the steps of a curve; NaN where none is right.

    Not interpolated, as scikit-learn's average_precision_score: an interpolated area is too good.
    """
    gains = np.diff(curve["recall"].to_numpy(), prepend=0.0)
    return float((gains * curve["precision"].to_numpy()).sum()) if len(curve) else float("nan")


def curves(table: pd.DataFrame, *, across: str = "device") -> dict[str, pd.DataFrame]:
    """Give precision_recall of each condition's counted answers (right or wrong) that have a score, in their order."""
    found = verdict_column(table)
    counted = np.isin(found, ["right", "wrong"]) & np.isfinite(table["score_1"].to_numpy(dtype=np.float64))
    rows = pd.DataFrame({across: table[across], "score": table["score_1"], "right": found == "right"})[counted]
    return {
        str(name): precision_recall(part["score"], part["right"])
        for name, part in rows.groupby(across, sort=False, observed=True)
    }


def confidence(found: dict[str, pd.DataFrame], *, across: str = "device", wanted: float = WANTED) -> pd.DataFrame:
    """Tell of each curve: answers, accuracy, average_precision, and what keeping surer answers costs.

    threshold: the lowest score from which on precision is at least wanted; kept: the share of answers at or above it;
    both NaN where no threshold does it. The threshold is chosen on the same answers, so that it promises a little much.
    """
    rows = []
    for name, curve in found.items():
        good = curve[curve["precision"] >= wanted].tail(1)
        total = int(curve["answers"].iloc[-1])
        rows.append(
            {across: name, "answers": total, "accuracy": float(curve["precision"].iloc[-1])}
            | {"average_precision": average_precision(curve)}
            | {"threshold": float(good["threshold"].iloc[0]) if len(good) else float("nan")}
            | {"kept": float(good["answers"].iloc[0] / total) if len(good) else float("nan")}
        )
    return pd.DataFrame(rows, columns=[across, "answers", "accuracy", "average_precision", "threshold", "kept"])
