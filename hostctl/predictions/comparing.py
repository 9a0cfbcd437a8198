"""What the predictions of several conditions say: accuracy, and what changed against the first, the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.accuracy import accuracy
from analysis.instability import disagreement, instability
from analysis.statistics import difference_interval
from device_agents.preprocess import NOT_AVAILABLE
from hostctl.predictions.conditions import Condition, Variant, changes
from hostctl.predictions.designs import scoring_half

ITEM = ("scene", "angle", "repeat", "device")  # the root picture: what was shown, and the shot that saw it


def compare(table: pd.DataFrame, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Compare each condition with the first, the base, on the same root pictures; one row each, rates 0..1 or None.

    table: predictions with ITEM, condition, cluster, label_1, error and verdict. Keys: environment, isp, codec; changed
    (what differs from the base); accuracy with interval; difference of accuracies with interval (paired by cluster);
    flips (the share of pictures whose first label is another); instability (right in exactly one) with interval;
    failed; not_available (of them, those that this machine cannot do).
    """
    parts = {str(name): part for name, part in table.groupby("condition", sort=False)}
    base = conditions[0]
    before = parts.get(base.name, table.head(0))
    rows = []
    for condition in conditions:
        after = parts.get(condition.name, table.head(0))
        row = {
            "environment": condition.environment.environment,
            "isp": condition.isp,
            "codec": condition.codec,
            "changed": changes(condition, base),
        }
        rows.append(row | _rate(after) | (_against(before, after) if condition != base else _same()) | failures(after))
    return rows


def failures(table: pd.DataFrame) -> dict[str, int]:
    """Count the predictions that failed, and of them those that the machine could not make at all."""
    return {
        "failed": int((table["error"] != "").sum()),
        "not_available": int(table["error"].str.startswith(NOT_AVAILABLE).sum()),
    }


def round_of(condition: Condition, number: int, added: tuple[str, Variant] | None) -> dict[str, Any]:
    """Say which round of a stacked design this is: its number, the family and variant that it added, its condition."""
    family, variant = added or ("", {})
    return {
        "round": number,
        "family": family,
        "variant": variant.get(family, ""),
        "environment": condition.environment.environment,
        "isp": condition.isp,
        "codec": condition.codec,
    }


def scored_round(
    table: pd.DataFrame,
    condition: Condition,
    base: Condition,
    number: int,
    added: tuple[str, Variant] | None = None,
) -> dict[str, Any]:
    """Describe one round of a stacked design: what it added, and its accuracy on either half.

    The difference to the base is on the scoring half, with its interval. table: predictions in both conditions.
    """
    scoring = scoring_half(table["cluster"])
    here, there = table["condition"] == condition.name, table["condition"] == base.name
    return {
        **round_of(condition, number, added),
        "choosing_accuracy": _rate(table[here & ~scoring])["accuracy"],
        **_rate(table[here & scoring]),
        **_difference(table[there & scoring], table[here & scoring]),
    }


def _rate(part: pd.DataFrame) -> dict[str, Any]:
    found = accuracy(part.assign(all="all"), by="all") if len(part) else part
    if not len(found) or not found.iloc[0]["right"] + found.iloc[0]["wrong"]:
        return {"accuracy": None, "interval": None}
    row = found.iloc[0]
    return {"accuracy": float(row["accuracy"]), "interval": [float(row["low"]), float(row["high"])]}


def _same() -> dict[str, Any]:
    """The keys of a comparison, for the base itself."""
    return dict.fromkeys(("difference", "difference_interval", "flips", "instability", "instability_interval"))


def _against(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    both = pd.concat([before, after], ignore_index=True)
    flips = disagreement(both, across="condition", item=ITEM)
    unstable = instability(both, across="condition", item=ITEM)
    interval = unstable.interval() if unstable.items else None
    return {
        **_difference(before, after),
        "flips": flips.rate if flips.items else None,
        "instability": unstable.rate if unstable.items else None,
        "instability_interval": [interval.low, interval.high] if interval else None,
    }


def _difference(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """The difference of two accuracies, after - before."""
    counted = [part[part["verdict"].isin(["right", "wrong"])] for part in (after, before)]
    if not all(len(part) for part in counted):
        return {"difference": None, "difference_interval": None}
    right = [(part["verdict"] == "right").to_numpy(float) for part in counted]
    interval = difference_interval(right[0], counted[0]["cluster"], right[1], counted[1]["cluster"])
    return {
        "difference": float(right[0].mean() - right[1].mean()),
        "difference_interval": [interval.low, interval.high],
    }
