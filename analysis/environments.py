"""Conditions that are environments, or ISPs and codecs: named by what they change, and compared as devices are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.differences import grid, label_differences
from analysis.instability import ITEM, group_codes
from analysis.run_folder.homes import LATER

# The order in which a name tells what differs; model_sha256 and runtime_version are told only where they alone differ.
FIELDS = (
    *("isp", "codec", "model", "decoder", "view", "colour", "fit", "resizer", "perturbation", "scaling", "runtime"),
    *("post", "threads"),
    *("model_sha256", "runtime_version"),
)
BASE = "base"
SHOT = "as shot"
MOST_CONDITIONS = 40


def name_conditions(table: pd.DataFrame) -> pd.Series[str]:
    """Name each row's condition by the fields of FIELDS in which it differs from the first row: "resizer=opencv-area".

    A field that the table lacks does not count. What equals the first row in all of them is called "base".
    """
    fields = [name for name in FIELDS if name in table.columns and len(table)]
    codes = group_codes(table, fields)
    firsts = table[fields].iloc[np.unique(codes, return_index=True)[1]].to_dict("records")
    told = [_named(row, firsts[0]) for row in firsts]
    # Several variants of a model's file may run in one runtime other than the base's: they are told apart by file.
    told = [_named(row, firsts[0], whole=told.count(name) > 1) for row, name in zip(firsts, told, strict=True)]
    names = pd.Series(told or [BASE], dtype="str")
    return pd.Series(names.to_numpy()[codes], index=table.index, dtype="str")


def as_devices(table: pd.DataFrame, first: pd.Series[bool]) -> pd.DataFrame:
    """Put each row's condition in the place of its device, so that conditions are compared as devices are.

    first: marks the rows of the base, which stand first. Of one photograph a condition has one prediction. Above
    MOST_CONDITIONS those with the fewest predictions are left out, since pairs grow with the square of their number.
    """
    ordered = pd.concat([table[first], table[~first]], ignore_index=True)
    named = ordered.assign(device=name_conditions(ordered))
    counts = named["device"].value_counts(sort=False)
    rest = counts.drop(named["device"].iloc[0]).sort_values(ascending=False, kind="stable")
    kept = [named["device"].iloc[0], *rest.index[: MOST_CONDITIONS - 1]]
    return named[named["device"].isin(kept)].reset_index(drop=True) if len(counts) > len(kept) else named


def count_conditions(table: pd.DataFrame) -> int:
    """How many conditions there are, devices aside."""
    fields = [name for name in FIELDS if name in table.columns]
    return int(group_codes(table, fields).max(initial=-1)) + 1


def condition_differences(table: pd.DataFrame, *, level: float = 0.95) -> tuple[pd.DataFrame, int]:
    """Compare first labels in every two conditions of each photograph (N x N), rows as label_differences gives them.

    The second value is how many conditions were left out: above MOST_CONDITIONS, those with the fewest predictions.
    Raises BadInput where a photograph has two predictions in one condition.
    """
    named = table.assign(condition=name_conditions(table))
    counts = named["condition"].value_counts(sort=False)
    kept = counts.sort_values(ascending=False, kind="stable").head(MOST_CONDITIONS).index
    found = grid(
        named[named["condition"].isin(kept)].reset_index(drop=True), across="condition", item=(*ITEM, "device")
    )
    return label_differences(found, level=level), len(counts) - len(kept)


def _told(field: str, variant: Any) -> str:
    if "sha" in field:
        return str(variant)[:12]
    return str(variant) or ("none" if field in LATER else SHOT)


def _named(row: Mapping[Any, Any], base: Mapping[Any, Any], *, whole: bool = False) -> str:
    differ = [str(name) for name in row if row[name] != base[name]]
    left_out = ("runtime_version",) if whole else ("model_sha256", "runtime_version")
    plain = [name for name in differ if name not in left_out]
    told = [f"{name}={_told(name, row[name])}" for name in plain or differ]
    return " ".join(told).replace("model_sha256=", "model file ").replace("runtime_version=", "runtime ") or BASE
