"""What the predictions of several environments say: accuracy, and what changed against the first, the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.accuracy import accuracy
from analysis.instability import disagreement, instability
from analysis.statistics import difference_interval
from device_agents.records import Environment
from hostctl.designs import Variant, changes, scoring_half


def compare(table: pd.DataFrame, environments: Sequence[Environment]) -> list[dict[str, Any]]:
    """Compare each environment with the first, the base, on the same pictures; one row each, rates 0..1 or None.

    table: predictions with picture, environment, cluster, label_1, error and verdict. Keys: environment; changed (what
    differs from the base); accuracy with interval; difference of accuracies with interval (paired by cluster); flips
    (the share of pictures whose first label is another); instability (right in exactly one) with interval; failed.
    """
    parts = {str(name): part for name, part in table.groupby("environment", sort=False)}
    base = environments[0]
    before = parts.get(base.environment, table.head(0))
    rows = []
    for environment in environments:
        after = parts.get(environment.environment, table.head(0))
        row = {"environment": environment.environment, "changed": changes(environment, base)}
        rows.append(row | _rate(after) | (_against(before, after) if environment != base else _same()))
        rows[-1]["failed"] = int((after["error"] != "").sum())
    return rows


def scored_round(
    table: pd.DataFrame,
    environment: Environment,
    base: Environment,
    number: int,
    added: tuple[str, Variant] | None = None,
) -> dict[str, Any]:
    """Describe one round of a stacked design: what it added, and its accuracy on either half.

    The difference to the base is on the scoring half, with its interval. table: predictions in both environments.
    """
    scoring = scoring_half(table["cluster"])
    here, there = table["environment"] == environment.environment, table["environment"] == base.environment
    family, variant = added or ("", {})
    return {
        "round": number,
        "family": family,
        "variant": variant.get(family, ""),
        "environment": environment.environment,
        "choosing_accuracy": _rate(table[here & ~scoring])["accuracy"],
        **_rate(table[here & scoring]),
        **_difference(table[there & scoring], table[here & scoring]),
    }


def describe_changes(environment: Environment, base: Environment) -> str:
    """Say what an environment changes of the base, such as "decoder=opencv resizer=pillow-box"; "base" if nothing."""
    return " ".join(f"{family}={variant}" for family, variant in changes(environment, base).items()) or "base"


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
    flips = disagreement(both, across="environment", item="picture")
    unstable = instability(both, across="environment", item="picture")
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
