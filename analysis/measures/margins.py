"""One number a prediction for studies of repeatability: how far the accepted class is ahead, on a logarithmic scale.

Only the first five labels and scores of a prediction are stored. Where the accepted class is not among them, its score
is at most the last one stored, and the number is an upper bound: left-censored, marked and counted, never hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.run_folder.parts import LABELS, SCORES
from analysis.verdicts import verdicts
from device_agents.errors import BadInput
from device_agents.records import is_labelled

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A number for each row of a table of predictions.

    values: float64 (rows,), natural logarithms; NaN where nothing was measured. censored: int8 (rows,): 0 for a
    measured value, -1 where the truth is at most the value, +1 where it is at least the value.
    """

    values: Array
    censored: NDArray[np.int8]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows are measured, at_most (left-censored), at_least (right-censored) and missing."""
        missing = np.isnan(self.values)
        marks = {"measured": 0, "at_most": -1, "at_least": 1}
        found = {name: int(((self.censored == mark) & ~missing).sum()) for name, mark in marks.items()}
        return found | {"missing": int(missing.sum())}


def margin(table: pd.DataFrame) -> Measured:
    """Give log p(best accepted label) - log p(best label that is clearly wrong), from the stored scores.

    Above 0 for a right prediction, below for a wrong one (0: a tie). Ambiguous labels are on neither side. An accepted
    class outside the stored labels has at most the last stored score: the value is that bound, censored -1. If no
    stored label is wrong the rival has at most that score: censored +1. A score of 0 stands for less than the smallest
    positive one in the table (a quantised model's step): the bound is taken there, and marked. NaN where the prediction
    failed, or neither side is known. Raises BadInput without the columns label_1.., score_1.., labels and ambiguous.
    """
    kinds, scores = _judged(table)
    last, floor = _last(scores), _floor(scores)
    mine, mine_unknown = _best(scores, kinds == "right", last, floor)
    other, other_unknown = _best(scores, kinds == "wrong", last, floor)
    values = np.log(mine) - np.log(other)
    values[(mine_unknown & other_unknown) | _failed(table)] = np.nan
    return Measured(values, _marks(values, low=mine_unknown, high=other_unknown))


def logit(table: pd.DataFrame) -> Measured:
    """Give log(p / (1 - p)) of the accepted labels' probability p (their stored scores summed).

    An accepted class outside the stored labels has at most the last stored score: the bound is given, censored -1. p of
    1 is taken as 1 less the smallest positive score of the table, censored +1. NaN where the prediction failed or the
    scene is unlabelled. Errors as margin.
    """
    kinds, scores = _judged(table)
    last, floor = _last(scores), _floor(scores)
    best, unknown = _best(scores, kinds == "right", last, floor)
    summed = np.where(unknown, best, np.where(kinds == "right", np.nan_to_num(scores), 0.0).sum(axis=1))
    sure = summed > 1 - floor
    share = np.clip(summed, floor, 1 - floor)
    values = np.log(share) - np.log1p(-share)
    values[_failed(table) | ~table["labels"].map(is_labelled).to_numpy(dtype=bool)] = np.nan
    return Measured(values, _marks(values, low=unknown, high=sure & ~unknown))


def _judged(table: pd.DataFrame) -> tuple[NDArray[np.object_], Array]:
    """Each stored label's own verdict, (rows, ranks), and the scores, NaN where there is none."""
    ranks = [(label, score) for label, score in zip(LABELS, SCORES, strict=True) if label in table.columns]
    wanted = ["labels", "ambiguous", *[score for _, score in ranks]]
    absent = [name for name in wanted if name not in table.columns]
    if absent or not ranks:
        raise BadInput(f"expected a predictions table with {absent or ['label_1']}, got {list(table.columns)}")
    kinds = [verdicts(table[label], table["labels"], table["ambiguous"]) for label, _ in ranks]
    scores = table[[score for _, score in ranks]].to_numpy(dtype=np.float64, copy=True)
    judged = np.stack(kinds, axis=1)
    scores[(judged == "missing") | ~np.isfinite(scores)] = np.nan
    return judged, scores


def _failed(table: pd.DataFrame) -> NDArray[np.bool_]:
    absent = table["label_1"].isna() | (table["label_1"] == "") | table["score_1"].isna()
    if "error" in table.columns:
        absent = absent | table["error"].fillna("").astype(bool)
    return absent.to_numpy(dtype=bool)


def _last(scores: Array) -> Array:
    """The smallest stored score of each row; no class outside the list has more."""
    smallest = np.where(np.isnan(scores), np.inf, scores).min(axis=1)
    return np.where(np.isinf(smallest), np.nan, smallest)


def _floor(scores: Array) -> float:
    positive = scores[scores > 0]
    return float(positive.min()) if len(positive) else float(np.finfo(np.float64).tiny)


def _best(scores: Array, wanted: NDArray[np.bool_], last: Array, floor: float) -> tuple[Array, NDArray[np.bool_]]:
    """The best score among the wanted labels, or its bound, and whether it is only a bound."""
    found = np.where(wanted, np.nan_to_num(scores, nan=-1.0), -1.0).max(axis=1)
    unknown = found <= 0
    return np.maximum(np.where(found < 0, last, found), floor), unknown


def _marks(values: Array, *, low: NDArray[np.bool_], high: NDArray[np.bool_]) -> NDArray[np.int8]:
    marks = np.where(low, -1, np.where(high, 1, 0)).astype(np.int8)
    marks[np.isnan(values)] = 0
    return marks


MEASURES: dict[str, Callable[[pd.DataFrame], Measured]] = {"margin": margin, "logit": logit}
