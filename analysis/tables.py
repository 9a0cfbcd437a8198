"""Every table of a study, worked out once from its predictions: a summary for JSON, and named DataFrames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.accuracy import accuracy, confident_flips, score_groups, top_n_curve
from analysis.environments import as_devices, count_conditions
from analysis.instability import (
    FIXED,
    ITEM,
    OBJECT,
    ROW,
    Result,
    disagreement,
    excess,
    instability,
    pairs,
    verdict_column,
    within_device,
)
from analysis.statistics import rate_interval
from device_agents.errors import BadInput
from device_agents.records import is_labelled

NEEDED = (*ITEM, "device", "picture", "label_1", "score_1", "labels", "ambiguous")


@dataclass(frozen=True)
class Study:
    """One environment's predictions with everything that is told about them.

    summary: numbers ready for JSON. frames: the tables, by the names that make_frames gives them. scores: the four
    groups of figure 4, float64 0..1. table: the predictions of the environment, with a verdict column.
    """

    summary: dict[str, Any]
    frames: dict[str, pd.DataFrame]
    scores: dict[str, Any]
    table: pd.DataFrame


def study(predictions: pd.DataFrame, *, environment: str | None = None, level: float = 0.95) -> Study:
    """Work out all tables for one environment: the named one, or else the one with the most predictions.

    predictions: the long table of a run. It is told of the pictures as they were shot; where nothing else was
    predicted, of those that the commonest ISP and codec made of them. With one device, several conditions and no
    environment named, the conditions (environments, ISPs, codecs) stand in the place of the devices: the summary's
    "compared" is then "environment", and the first condition the one that would have been chosen. Raises BadInput
    where the table is empty, lacks columns or has no such environment.
    """
    absent = [name for name in NEEDED if name not in predictions.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(predictions.columns)}")
    if predictions.empty:
        raise BadInput("expected predictions, got none: nothing has been predicted in this run yet")
    judged = predictions.reset_index(drop=True).assign(verdict=verdict_column(predictions))
    alike = judged[_made_alike(judged)] if {"isp", "codec"} <= set(judged.columns) else judged
    chosen, name = _choose(alike, environment)
    by_environment = environment is None and judged["device"].nunique() == 1 and count_conditions(judged) > 1
    if by_environment:
        known = judged["environment"] == name if name else pd.Series(True, index=judged.index)
        chosen = as_devices(judged, known & judged.index.isin(alike.index))
    frames = make_frames(chosen, level=level)
    frames["environments"] = _environments(alike.head(0) if by_environment else alike, level)
    left_out = count_conditions(judged) - chosen["device"].nunique() if by_environment else 0
    summary = {"compared": "environment" if by_environment else "device", "conditions_left_out": left_out}
    summary |= _summary(chosen, name, frames, level)
    return Study(summary, frames, score_groups(chosen), chosen)


def make_frames(table: pd.DataFrame, *, level: float = 0.95) -> dict[str, pd.DataFrame]:
    """Give the tables of one environment's predictions.

    accuracy, classes, angles (with accuracy and instability), within (a device against itself, over repeats and over
    angles; pair_ columns are for a random pair), excess, pairs, top_n, scenes (the most unstable first), flips, and
    uncounted (items that could not be compared).
    """
    across = instability(table)
    return {
        "accuracy": accuracy(table, level=level),
        "classes": _cut(table, across, "category", level),
        "angles": _cut(table, across, "angle", level),
        "within": _within(table, level),
        "excess": _excess(table, level),
        "pairs": pairs(table, level=level),
        "top_n": top_n_curve(table, level=level),
        "scenes": scenes(across),
        "flips": confident_flips(table),
        "uncounted": across.table[~across.table["counted"]].drop(columns=["counted", "unstable"]),
    }


def scenes(result: Result) -> pd.DataFrame:
    """Give each scene's items, unstable items, verdicts and ``pair_share``, the chance that two random devices differ.

    Sorted: the highest pair_share first, then the share of unstable items, then the name.
    """
    shares = result.shares(2).groupby("scene", observed=True)["share"].mean().rename("pair_share")
    sums = {name: (name, "sum") for name in ("unstable", "right", "wrong", "ambiguous", "missing")}
    held = {name: (name, "first") for name in ("category", "cluster") if name in result.table.columns}
    table = result.table.groupby("scene", observed=True).agg(**held, items=("counted", "sum"), **sums)
    table = table.join(shares).reset_index()
    rate = table["unstable"] / table["items"].clip(lower=1)
    order = table.assign(rate=rate).sort_values(["pair_share", "rate", "scene"], ascending=[False, False, True])
    first = ["scene", *held, "pair_share", "unstable", "items"]
    return order[[*first, "right", "wrong", "ambiguous", "missing"]].reset_index(drop=True)


def to_json(value: Any) -> Any:
    """Turn numbers, arrays, records and tables into what the json module writes; NaN and infinity become None."""
    if isinstance(value, pd.DataFrame):
        return [to_json(row) for row in value.to_dict("records")]
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | pd.Series):
        return to_json(value.tolist())
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Sequence | set | frozenset):
        return [to_json(part) for part in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, int) else str(value)


def _made_alike(predictions: pd.DataFrame) -> pd.Series[bool]:
    """Mark the pictures as they were shot, or else those of the commonest ISP and codec."""
    made = predictions["isp"].astype(str) + "|" + predictions["codec"].astype(str)
    chosen = "|" if (made == "|").any() else made.value_counts(sort=False).idxmax()
    return made == chosen


def _choose(predictions: pd.DataFrame, environment: str | None) -> tuple[pd.DataFrame, str]:
    if "environment" not in predictions.columns:
        if environment is not None:
            raise BadInput(f"expected a column environment to choose '{environment}' from, got none")
        return predictions, ""
    known = predictions["environment"].value_counts(sort=False)
    name = str(known.idxmax()) if environment is None else environment
    if name not in known.index:
        raise BadInput(f"unknown environment '{name}'; known: {', '.join(map(str, known.index))}")
    return predictions[predictions["environment"] == name].reset_index(drop=True), name


def _cut(table: pd.DataFrame, across: Result, column: str, level: float) -> pd.DataFrame:
    """Instability and accuracy by one column of the items; empty where the items have no such column."""
    if column not in across.table.columns:
        return pd.DataFrame(columns=[column, *ROW, "accuracy", "accuracy_low", "accuracy_high"])
    right = accuracy(table, by=column, level=level).rename(columns={"low": "accuracy_low", "high": "accuracy_high"})
    right = right[[column, "accuracy", "accuracy_low", "accuracy_high"]]
    return across.by(column, level=level).merge(right, on=column, how="left")


def _within(table: pd.DataFrame, level: float) -> pd.DataFrame:
    parts = []
    for over in FIXED:
        result = within_device(table, over=over)
        if result.items:
            parts.append(result.by("device", level=level).assign(over=over).merge(_pair_shares(result, level)))
    names = ["device", "over", "pair_share", "pair_low", "pair_high", *ROW]
    if not parts:
        return pd.DataFrame(columns=names)
    place = {device: number for number, device in enumerate(table["device"].unique())}
    order = [part.sort_values("device", key=lambda column: column.map(place)) for part in parts]
    return pd.concat(order, ignore_index=True)[names]


def _pair_shares(result: Result, level: float) -> pd.DataFrame:
    rows = []
    for device, part in result.shares(2).groupby("device", observed=True):
        interval = rate_interval(part["share"], part["cluster"], level=level)
        rows.append({"device": device, "pair_share": part["share"].mean()})
        rows[-1] |= {"pair_low": interval.low, "pair_high": interval.high}
    return pd.DataFrame(rows, columns=["device", "pair_share", "pair_low", "pair_high"])


def _excess(table: pd.DataFrame, level: float) -> pd.DataFrame:
    found = [excess(table, over=over, level=level) for over in FIXED]
    rows = [
        {"over": one.over, "cross": one.cross, "within": one.within, "excess": one.excess}
        | {"low": one.interval.low, "high": one.interval.high}
        for one in found
        if one is not None
    ]
    return pd.DataFrame(rows, columns=["over", "cross", "within", "excess", "low", "high"])


def _environments(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """One row an environment: its fields where known, accuracy over all devices, instability across them."""
    fields = [name for name in ("model", "decoder", "view", "resizer", "runtime", "machine") if name in table.columns]
    rows = []
    for name, part in table.groupby("environment", sort=False, observed=True) if "environment" in table.columns else ():
        right = accuracy(part.assign(all="all"), by="all", level=level)["accuracy"]
        result = instability(part)
        interval = result.interval(level=level)
        first = part.iloc[0]
        numbers = {"accuracy": float(right.iloc[0]), "items": result.items, "rate": result.rate}
        rows.append({"environment": name} | {field: first[field] for field in fields} | numbers)
        rows[-1] |= {"low": interval.low, "high": interval.high}
    return pd.DataFrame(rows, columns=["environment", *fields, "accuracy", "items", "rate", "low", "high"])


def _summary(table: pd.DataFrame, environment: str, frames: dict[str, pd.DataFrame], level: float) -> dict[str, Any]:
    across, differ = instability(table), disagreement(table)
    columns = {name: int(table[name].nunique()) for name in ("scene", "device", "angle", "repeat", "picture")}
    verdicts = table["verdict"].value_counts()
    overall = accuracy(table.assign(all="all"), by="all", level=level).iloc[0]
    whole = {f"within_device_over_{over}": within_device(table, over=over) for over in FIXED}
    summary = {
        "environment": environment,
        "level": level,
        "scenes": columns["scene"],
        "clusters": int(across.table["cluster"].nunique()),
        "devices": columns["device"],
        "angles": columns["angle"],
        "repeats": columns["repeat"],
        "pictures": columns["picture"],
        "predictions": len(table),
        "missing": int(verdicts.get("missing", 0)),
        "ambiguous": int(verdicts.get("ambiguous", 0)),
        "not_predicted": len(across.table) * columns["device"] - len(table),
        "accuracy": {
            row["device"]: {name: row[name] for name in ("accuracy", "low", "high")}
            for row in frames["accuracy"].to_dict("records")
        },
        "accuracy_overall": {name: overall[name] for name in ("accuracy", "low", "high")},
        "instability": _told(across, level) | {"of_random_pairs": across.rarefied(2)},
        "disagreement": _told(differ, level),
        **{name: _told(one, level) | {"of_random_pairs": one.rarefied(2)} for name, one in whole.items()},
        "excess_over_within": frames["excess"].set_index("over").to_dict("index"),
    }
    if OBJECT in table.columns:
        summary["unit"] = "object"
    elif unlabelled := int(table.loc[~table["labels"].map(is_labelled), "scene"].nunique()):
        summary["unlabelled"] = unlabelled
    told: dict[str, Any] = to_json(summary)
    return told


def _told(result: Result, level: float) -> dict[str, Any]:
    numbers = {"rate": result.rate, "items": result.items, "unstable": result.unstable, "uncounted": result.uncounted}
    return numbers | {name: part for name, part in asdict(result.interval(level=level)).items() if name != "level"}
