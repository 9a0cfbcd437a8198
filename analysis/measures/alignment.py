"""Models of 1,000 and of 1,001 classes brought to one list: "background" goes, and shifted indices are found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.instability import ITEM
from analysis.run_folder.parts import LABELS, SCORES
from device_agents.errors import BadInput

BACKGROUND = "background"
OFFSETS = (-1, 0, 1)


def without_background(table: pd.DataFrame) -> pd.DataFrame:
    """Take the label "background" out of the stored lists: what stood below it moves up.

    The other scores are divided by 1 - its score, as if the model could not have said it, so that they compare with
    those of a model without it; a list that had it is one label shorter at the end (the sixth score was not stored). A
    prediction of nothing but background keeps no label, and is missing. Only stored background counts: outside the
    first labels its score is at most the last stored one, and stays in the others' way by that little.
    Raises BadInput for absent columns.
    """
    labels, scores = ([name for name in names if name in table.columns] for names in (LABELS, SCORES))
    if not labels or len(labels) != len(scores):
        raise BadInput(f"expected a predictions table with labels and scores, got {list(table.columns)}")
    names = table[labels].to_numpy(dtype=object, copy=True)
    values = table[scores].to_numpy(dtype=np.float64, copy=True)
    hit = names == BACKGROUND
    some = np.flatnonzero(hit.any(axis=1))
    order = np.argsort(hit[some], axis=1, kind="stable")
    own = np.where(hit[some], values[some], 0).sum(axis=1, keepdims=True)
    moved = np.take_along_axis(values[some], order, axis=1) / np.where(own < 1, 1 - own, 1)
    gone = np.take_along_axis(hit[some], order, axis=1)
    values[some] = np.where(gone, np.nan, np.minimum(moved, 1))
    kept = np.take_along_axis(names[some], order, axis=1)
    kept[gone] = None
    names[some] = kept
    found = {name: pd.Series(names[:, at], index=table.index, dtype="str") for at, name in enumerate(labels)}
    return table.assign(**found, **{name: values[:, at] for at, name in enumerate(scores)})


def class_offsets(table: pd.DataFrame, *, across: str = "environment", item: Sequence[str] = ITEM) -> pd.DataFrame:
    """Look for conditions whose class numbers are shifted: one row a pair with a, b, items, offset, alike, unshifted.

    Works where first labels are numbers, as they are for models without a label list: offset is what, added to a's
    numbers, makes most first labels equal b's; alike and unshifted are the shares of items that agree with it and
    without. An offset of 1 with a much higher share says that b counts a background class that a lacks (a model file
    whose sidecar does not say background). Pairs without numbers on both sides are left out.
    """
    absent = [name for name in (*item, across, "label_1") if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    numbers = pd.to_numeric(table["label_1"], errors="coerce")
    wide = table.assign(_number=numbers).pivot_table(
        index=list(item), columns=across, values="_number", aggfunc="first", sort=False, observed=True
    )
    rows = []
    for a, b in combinations(wide.columns, 2):
        apart = (wide[b] - wide[a]).dropna().to_numpy()
        if len(apart):
            shares = {offset: float((apart == offset).mean()) for offset in OFFSETS}
            best = max(OFFSETS, key=lambda offset: (shares[offset], offset == 0))
            rows.append(
                {"a": a, "b": b, "items": len(apart), "offset": best, "alike": shares[best], "unshifted": shares[0]}
            )
    return pd.DataFrame(rows, columns=["a", "b", "items", "offset", "alike", "unshifted"])


def shifted(table: pd.DataFrame, offset: int) -> pd.DataFrame:
    """Add offset to labels that are whole numbers, all ranks; the others stay. -1 turns class 0 into "background"."""
    found = {}
    for name in LABELS:
        if name in table.columns:
            number = pd.to_numeric(table[name], errors="coerce") + offset
            text = number.map(lambda one: BACKGROUND if one < 0 else f"{one:.0f}", na_action="ignore")
            found[name] = text.where(number.notna(), table[name]).astype("str")
    return table.assign(**found)
