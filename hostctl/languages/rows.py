"""Rows of what a language run found: each condition's accuracy or perplexity, and what it changed of the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.instability import instability
from analysis.language.perplexity import perplexity, perplexity_ratio
from analysis.statistics import difference_interval, rate_interval
from hostctl.languages.asked import Way
from stability_train.language.answers import log_likelihood, right_by

if TYPE_CHECKING:
    import pandas as pd

    from analysis.statistics import Interval

COLUMNS = (
    *("picture", "scene", "angle", "repeat", "device", "category", "cluster", "labels", "ambiguous", "environment"),
    *("label_1", "score_1", "error", "verdict", "detail"),
)
NORMALISED = ("hellaswag", "piqa")  # of which the harness tells acc_norm

Row = dict[str, Any]


def question_rows(table: pd.DataFrame, found: Sequence[Way], right: Mapping[str, int]) -> list[Row]:
    """One row a kind and condition, as questions.ask_questions says; right: scene -> the place of the right choice."""
    rows = []
    for kind, part in table.groupby("category", sort=True, observed=True):
        for way in found:
            start, mine = _both(part, found[0], way)
            row: Row = {"kind": str(kind), "condition": way.told(found[0])}
            row |= {"questions": len(mine), "failed": _failed(part, way), **_accuracy("acc", mine)}
            row |= {"acc_norm": None}
            if kind in NORMALISED:
                hits = [
                    right_by(detail, right[name], normalised=True)
                    for name, detail in zip(mine.index.astype(str), mine["detail"], strict=True)
                ]
                row |= _rate("acc_norm", np.array(hits, np.float64), mine)
            rows.append(row | (_changes(part, start, mine, found[0], way) if way != found[0] else {}))
    return rows


def text_rows(table: pd.DataFrame, found: Sequence[Way]) -> list[Row]:
    """One row a condition, as texts.read_texts says."""
    rows = []
    for way in found:
        start, mine = _both(table, found[0], way)
        row: Row = {"condition": way.told(found[0]), "tokens": len(mine), "failed": _failed(table, way)}
        if len(mine):
            documents = mine["cluster"].to_numpy(object)
            values, base = (np.array([log_likelihood(one) for one in some["detail"]]) for some in (mine, start))
            own = perplexity(values, documents)
            row |= {
                "documents": own.interval.clusters,
                "perplexity": own.value,
                "perplexity_interval": _ends(own.interval),
            }
            if way != found[0]:
                ratio = perplexity_ratio(values, base, documents)
                row |= {"ratio": ratio.value, "ratio_interval": _ends(ratio.interval)}
        row |= _accuracy("right", mine)
        rows.append(row | (_changes(table, start, mine, found[0], way) if way != found[0] else {}))
    return rows


def _of(table: pd.DataFrame, way: Way) -> pd.DataFrame:
    return table[table["environment"] == way.environment.environment].set_index("scene")


def _both(table: pd.DataFrame, base: Way, way: Way) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The base's and a condition's answers to what both answered, in one order."""
    start, mine = (one[one["error"] == ""] for one in (_of(table, base), _of(table, way)))
    names = start.index[start.index.isin(mine.index)]
    return start.loc[names], mine.loc[names]


def _failed(table: pd.DataFrame, way: Way) -> int:
    return int((_of(table, way)["error"] != "").sum())


def _changes(table: pd.DataFrame, start: pd.DataFrame, mine: pd.DataFrame, base: Way, way: Way) -> Row:
    """What a condition changed: delta (points of accuracy lost), flips (another answer), instability of the two."""
    if not len(mine):
        return {"delta": None, "flips": None, "instability": None}
    before, hits, clusters = _right(start), _right(mine), mine["cluster"].to_numpy(object)
    lost = difference_interval(before, clusters, hits, clusters)
    other = (mine["label_1"].to_numpy(object) != start["label_1"].to_numpy(object)).astype(np.float64)
    two = table[table["environment"].isin([base.environment.environment, way.environment.environment])]
    unstable = instability(two, across="environment")
    return {
        "delta": float(before.mean() - hits.mean()),
        "delta_interval": _ends(lost),
        **_rate("flips", other, mine),
        "instability": unstable.rate,
        "instability_interval": _ends(unstable.interval()),
    }


def _right(table: pd.DataFrame) -> Any:
    return (table["verdict"] == "right").to_numpy(np.float64)


def _accuracy(name: str, table: pd.DataFrame) -> Row:
    return _rate(name, _right(table), table)


def _rate(name: str, values: Any, table: pd.DataFrame) -> Row:
    if not len(values):
        return {name: None}
    return {name: float(values.mean()), f"{name}_interval": _ends(rate_interval(values, table["cluster"]))}


def _ends(found: Interval) -> list[float]:
    return [found.low, found.high]
