"""Variants that answer nothing worth comparing: named, with the reason, so that they can be left out.

A converted model that always says "pencil sharpener", or gives the same score to all classes, differs from every other
variant on every picture; one such variant among twenty makes most of the differences of a study.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.instability import group_codes
from analysis.run_folder.parts import LABELS, SCORES
from device_agents.errors import BadInput

ENOUGH = 5
BROKEN = "finite scores"


def degenerate(table: pd.DataFrame, *, across: str = "environment") -> pd.DataFrame:
    """Name the degenerate values of the column across: one row each and reason, with across, reason, rows, detail.

    "no answer": every prediction failed. "not a number": a stored score is no finite number, or predictions were
    refused for that. "equal scores": the stored scores of each row are all the same (two scores or more). "constant
    output": the same labels and scores for different pictures. "one label": one first label for all pictures, though
    other conditions, or the truth, have several. The last three need ENOUGH different pictures with an answer.
    Raises BadInput for absent columns.
    """
    labels, scores = ([name for name in names if name in table.columns] for names in (LABELS, SCORES))
    if across not in table.columns or not labels or not scores:
        raise BadInput(f"expected a predictions table with {across}, labels and scores, got {list(table.columns)}")
    error = table["error"].fillna("") if "error" in table.columns else pd.Series("", index=table.index)
    answered = (error == "") & table["label_1"].notna() & (table["label_1"] != "")
    varied = table["label_1"][answered].nunique() > 1 or _truths(table) > 1
    rows = []
    for name, part in table.assign(_error=error, _answered=answered).groupby(across, sort=False, observed=True):
        for reason, detail in _reasons(part, labels, scores, varied):
            rows.append({across: name, "reason": reason, "rows": len(part), "detail": detail})
    return pd.DataFrame(rows, columns=[across, "reason", "rows", "detail"])


def without(table: pd.DataFrame, found: pd.DataFrame, *, across: str = "environment") -> pd.DataFrame:
    """Leave the conditions that degenerate named out of the table."""
    return table[~table[across].isin(found[across])].reset_index(drop=True)


def _truths(table: pd.DataFrame) -> int:
    return int(table["labels"].nunique()) if "labels" in table.columns else 0


def _reasons(part: pd.DataFrame, labels: list[str], scores: list[str], varied: bool) -> list[tuple[str, str]]:
    found = []
    broken = int(part["_error"].str.contains(BROKEN, regex=False).sum())
    rows = part[part["_answered"]]
    values = rows[scores].to_numpy(dtype=np.float64)
    there = (
        rows[labels].notna().to_numpy()[:, : values.shape[1]] & (rows[labels] != "").to_numpy()[:, : values.shape[1]]
    )
    unreal = int((there & ~np.isfinite(values)).any(axis=1).sum())
    if broken + unreal:
        found.append(("not a number", f"{broken + unreal} of {len(part)} predictions"))
    if rows.empty:
        return found or [("no answer", f"all {len(part)} predictions failed, such as: {part['_error'].iloc[0][:80]}")]
    pictures = rows["picture"].nunique() if "picture" in rows.columns else len(rows)
    if pictures < ENOUGH or unreal:
        return found
    first, several = values[:, :1], there.sum(axis=1) > 1
    if bool(((values == first) | ~there).all(axis=1).all()) and bool(several.all()):
        found.append(("equal scores", f"such as {values[0, 0]:.4g} for each"))
    if len(np.unique(group_codes(rows, [*labels, *scores]))) == 1:
        found.append(("constant output", f"for {pictures} pictures"))
    elif varied and rows["label_1"].nunique() == 1:
        found.append(("one label", f"'{rows['label_1'].iloc[0]}' for {pictures} pictures"))
    return found
