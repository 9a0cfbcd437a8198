"""Ties: predictions whose two highest scores are equal, as quantised models give; which is first is then chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import ITEM, Columns, Result, held, instability
from device_agents.errors import BadInput


@dataclass(frozen=True)
class Ties:
    """How many predictions are tied of how many, the items with one, and the instability with and without them."""

    tied: int
    predictions: int
    items: int
    with_ties: Result
    without_ties: Result


def ties(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Mark the predictions (rows,) whose first two scores are equal; one without a second score is not tied.

    The comparison is exact: 8-bit outputs are equal or a step apart, and float scores hardly ever are. Raises BadInput
    without score_1 and score_2.
    """
    absent = [name for name in ("score_1", "score_2") if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with {absent}, got {list(table.columns)}")
    first, second = (table[name].to_numpy(dtype=np.float64) for name in ("score_1", "score_2"))
    marks: NDArray[np.bool_] = first == second  # NaN is equal to nothing
    return marks


def tied_instability(table: pd.DataFrame, *, across: Columns = "device", item: Columns = ITEM, top_n: int = 1) -> Ties:
    """Give the instability as it is, and with tied predictions left out as if they were missing.

    Where the two differ, some flips are the order of equal scores (the lowest index first, in most runtimes) and not
    of the picture. With top_n above 1 it is the tie of the first two that counts.
    """
    marks = ties(table)
    keys = list(held(table, item))
    found = (instability(part, across=across, item=item, top_n=top_n) for part in (table, table[~marks]))
    items = len(table.loc[marks, keys].drop_duplicates())
    return Ties(int(marks.sum()), len(table), items, *found)
