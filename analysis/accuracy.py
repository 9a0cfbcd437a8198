"""Accuracy and confidence: how often each device is right, how sure the model is, and flips where it is sure twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.instability import ITEM, Columns, held, instability, verdict_column
from analysis.statistics import rate_interval
from analysis.verdicts import VERDICTS, table_verdict_curve
from device_agents.errors import BadInput

GROUPS = ("stable right", "stable wrong", "unstable right", "unstable wrong")


def accuracy(table: pd.DataFrame, *, by: str = "device", top_n: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Give for each value of a column the number of each verdict, and the accuracy, right / (right + wrong).

    Columns: the column by, accuracy, low, high, right, wrong, ambiguous, missing, predictions; in order of appearance.
    Ambiguous and missing answers are in neither term. Intervals are by clusters.
    """
    marks = pd.DataFrame({by: table[by], "verdict": verdict_column(table, top_n=top_n), "cluster": _clusters(table)})
    rows = []
    for value, part in marks.groupby(by, sort=False, observed=True):
        numbers = {name: int((part["verdict"] == name).sum()) for name in VERDICTS}
        counted = part[part["verdict"].isin(["right", "wrong"])]
        right = (counted["verdict"] == "right").to_numpy()
        interval = rate_interval(right, counted["cluster"], level=level)
        rate = float(right.mean()) if len(right) else float("nan")
        rows.append({by: value, "accuracy": rate} | _ends(interval) | numbers | {"predictions": len(part)})
    return pd.DataFrame(rows, columns=[by, "accuracy", "low", "high", *VERDICTS, "predictions"])


def top_n_curve(
    table: pd.DataFrame, *, across: Columns = "device", item: Columns = ITEM, level: float = 0.95
) -> pd.DataFrame:
    """Give accuracy and instability when the right label may be among the first n, for each n recorded (figure 9).

    One row an n, with accuracy, accuracy_low, accuracy_high, rate, low, high, items and unstable.
    """
    rows: list[dict[str, Any]] = []
    for rank, judged in enumerate(table_verdict_curve(table)):
        again = table.assign(verdict=judged, all="all")
        found = instability(again, across=across, item=item)
        row = {"top_n": rank + 1, "rate": found.rate, "items": found.items, "unstable": found.unstable}
        row |= _ends(found.interval(level=level))
        for right in accuracy(again, by="all", level=level).to_dict("records"):
            row |= {"accuracy": right["accuracy"], "accuracy_low": right["low"], "accuracy_high": right["high"]}
        rows.append(row)
    names = ["top_n", "accuracy", "accuracy_low", "accuracy_high", "rate", "low", "high", "items", "unstable"]
    return pd.DataFrame(rows, columns=names)


def score_groups(table: pd.DataFrame, *, across: Columns = "device", item: Columns = ITEM) -> dict[str, Any]:
    """Give the first scores, float64 0..1, in the four groups stable or unstable by right or wrong (figure 4)."""
    marked = with_stability(table, across=across, item=item)
    scores = marked["score_1"].to_numpy(dtype=np.float64)
    groups = {}
    for name in GROUPS:
        stability, verdict = name.split()
        chosen = (marked["stability"] == stability) & (marked["found"] == verdict)
        groups[name] = scores[chosen.to_numpy() & np.isfinite(scores)]
    return groups


def with_stability(table: pd.DataFrame, *, across: Columns = "device", item: Columns = ITEM) -> pd.DataFrame:
    """Add to each prediction its verdict as ``found`` and its item's ``stability``: stable, unstable or uncounted."""
    if "score_1" not in table.columns:
        raise BadInput(f"expected a predictions table with score_1, got {list(table.columns)}")
    result = instability(table, across=across, item=item)
    items = result.table.assign(
        stability=np.select([result.table["unstable"], result.table["counted"]], ["unstable", "stable"], "uncounted")
    )
    keys = list(result.item)
    return table.assign(found=verdict_column(table)).merge(items[[*keys, "stability"]], on=keys, how="left")


def confident_flips(
    table: pd.DataFrame, *, across: str = "device", item: Columns = ITEM, limit: int = 50
) -> pd.DataFrame:
    """List the unstable items where one condition is surely right and another surely wrong, the surest first.

    One row an item: its columns, category, right_<across>, right_label, right_score (its surest right answer), the
    same with wrong_ (its surest wrong one), and ``sure``, the smaller of the two scores, by which the list is sorted.
    """
    marked = with_stability(table, across=across, item=item)
    keys = list(held(table, item))
    extra = [name for name in ("category",) if name in marked.columns and name not in keys]
    flips = marked[marked["stability"] == "unstable"].sort_values("score_1", ascending=False, kind="stable")
    sides = []
    for side in ("right", "wrong"):
        best = flips[flips["found"] == side].drop_duplicates(keys)[[*keys, *extra, across, "label_1", "score_1"]]
        names = {across: f"{side}_{across}", "label_1": f"{side}_label", "score_1": f"{side}_score"}
        sides.append(best.rename(columns=names))
    both = sides[0].merge(sides[1].drop(columns=extra), on=keys)
    both["sure"] = both[["right_score", "wrong_score"]].min(axis=1)
    return both.sort_values(["sure", *keys], ascending=[False, *[True] * len(keys)]).head(limit).reset_index(drop=True)


def _clusters(table: pd.DataFrame) -> Any:
    for name in ("cluster", "scene"):
        if name in table.columns:
            return table[name]
    return np.arange(len(table))


def _ends(interval: Any) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}
