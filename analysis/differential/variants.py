"""Variants of models held against each other: which are far from all others, and what each axis changes on average."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from device_agents.errors import BadInput

AXES = ("framework", "level", "device")
WHAT = ("variant", "model", *AXES)  # what a table of variants tells of each
FAR = 0.5  # of the items: more than half of the first labels changed
MEANS = ("axis", "pairs", "mean", "largest", "a", "b", "slowest", "slowest_a", "slowest_b")


def far_variants(pairs: pd.DataFrame, variants: pd.DataFrame, *, share: float = FAR) -> pd.DataFrame:
    """Name the variants that are far from all others of their model: rows variant, reason, rows, detail.

    pairs: a, b, items, rate (differences.label_differences). A variant is far where its first labels differ from those
    of every other variant of its model on more than ``share`` of the items, and the others are not as far from each
    other; so there must be three variants or more to say which one it is. The columns are those of
    degenerate.degenerate, and both go into one list.
    """
    _check(variants)
    rows = []
    for model, part in variants.groupby("model", sort=False, observed=True):
        names = list(part["variant"])
        rates = _rates(pairs, names)
        for name in names if len(names) > 2 else ():
            others = [rates[name, other] for other in names if other != name and (name, other) in rates]
            rest = [rates[a, b] for a in names for b in names if name not in (a, b) and (a, b) in rates]
            if others and rest and min(others) > share >= min(rest):
                detail = f"labels differ from every other variant of {model} on {100 * min(others):.0f} % or more"
                rows.append({"variant": name, "reason": "far from all others", "rows": len(others), "detail": detail})
    return pd.DataFrame(rows, columns=["variant", "reason", "rows", "detail"])


def axis_means(
    pairs: pd.DataFrame, ratios: pd.DataFrame, variants: pd.DataFrame, *, without: Collection[str] = ()
) -> pd.DataFrame:
    """Average the label differences of pairs within a model by the axis in which they differ: rows MEANS.

    axis: "framework" (on one device, at whatever level), "level" (of one framework on one device), "device" (one
    framework and level), "several", and "all". without: variants to leave out, the degenerate ones. mean, largest: of
    the pairs' rates, 0..1, with the pair of the largest. slowest: the largest of the pairs' time ratios (ratios:
    differential_times.time_ratios), the slower over the faster, slowest_a the slower of that pair.
    """
    _check(variants)
    about = variants.set_index("variant").to_dict("index")
    inside = [row for row in pairs.to_dict("records") if _counts(row, about, without)]
    times = [row for row in ratios.to_dict("records") if _counts(row, about, without)]
    rows = []
    for axis in (*AXES, "several", "all"):
        some = [row for row in inside if axis in ("all", _axis(about[row["a"]], about[row["b"]])) and row["items"]]
        if some:
            worst = max(some, key=lambda row: float(row["rate"]))
            slow = [row for row in times if axis in ("all", _axis(about[row["a"]], about[row["b"]]))]
            mean = float(np.mean([row["rate"] for row in some]))
            told = (axis, len(some), mean, float(worst["rate"]), worst["a"], worst["b"], *_slowest(slow))
            rows.append(dict(zip(MEANS, told, strict=True)))
    return pd.DataFrame(rows, columns=list(MEANS))


def within_models(pairs: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Keep the pairs of which both are variants of one model."""
    model = dict(zip(variants["variant"], variants["model"], strict=True))
    return pairs[pairs["a"].map(model) == pairs["b"].map(model)].reset_index(drop=True)


def _check(variants: pd.DataFrame) -> None:
    absent = [name for name in WHAT if name not in variants.columns]
    if absent:
        raise BadInput(f"expected a table of variants with the columns {absent}, got {list(variants.columns)}")


def _rates(pairs: pd.DataFrame, names: Collection[str]) -> dict[tuple[str, str], float]:
    rates = {}
    for row in pairs.to_dict("records"):
        a, b = str(row["a"]), str(row["b"])
        if a in names and b in names and row["items"]:
            rates[a, b] = rates[b, a] = float(row["rate"])
    return rates


def _counts(row: Mapping[Any, Any], about: Mapping[Any, Mapping[Any, Any]], without: Collection[str]) -> bool:
    a, b = row["a"], row["b"]
    return a not in without and b not in without and about[a]["model"] == about[b]["model"]


def _axis(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> str:
    differ = [axis for axis in AXES if a[axis] != b[axis]]
    if "framework" in differ and "device" not in differ:
        return "framework"
    return differ[0] if len(differ) == 1 else "several"


def _slowest(rows: Collection[Mapping[Any, Any]]) -> tuple[float, str, str]:
    known = [row for row in rows if np.isfinite(row["ratio"])]
    if not known:
        return float("nan"), "", ""
    row = max(known, key=lambda one: abs(np.log(one["ratio"])))
    slower = row["ratio"] >= 1
    return float(row["ratio"] if slower else 1 / row["ratio"]), *(
        (row["b"], row["a"]) if slower else (row["a"], row["b"])
    )
