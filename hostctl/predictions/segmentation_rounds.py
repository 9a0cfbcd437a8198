"""Rounds of a stacked design for a segmentation model: the harm is what mIoU loses, not a picture's first label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hostctl.predictions.comparing import ITEM, round_of
from hostctl.predictions.conditions import Condition, Variant
from hostctl.predictions.designs import scoring_half

if TYPE_CHECKING:
    import pandas as pd


def lowest_miou(table: pd.DataFrame, conditions: Iterable[Condition]) -> Condition | None:
    """Give the condition of lowest mIoU on the choosing half, the first of equals; None where none has one.

    table: predictions with condition, cluster, detail and truth.
    """
    half = table[~scoring_half(table["cluster"])]
    measured = {one: _measured(half, one).get("accuracy") for one in conditions}
    known = {one: value for one, value in measured.items() if value is not None}
    return min(known, key=lambda one: known[one]) if known else None


def miou_round(
    table: pd.DataFrame,
    condition: Condition,
    base: Condition,
    number: int,
    added: tuple[str, Variant] | None = None,
) -> dict[str, Any]:
    """Describe one round: the keys of comparing.scored_round, where accuracy is mIoU.

    The difference is to the base, on the pictures of the scoring half that both answered.
    """
    scoring = scoring_half(table["cluster"])
    return {
        **round_of(condition, number, added),
        "choosing_accuracy": _measured(table[~scoring], condition).get("accuracy"),
        **({"accuracy": None, "interval": None} | _measured(table[scoring], condition)),
        **_difference(table[scoring], condition, base),
    }


def _measured(table: pd.DataFrame, condition: Condition) -> dict[str, Any]:
    """The mIoU of a condition with its interval; empty where it answered no picture with a mask."""
    from analysis.segmentation.measures import confusions
    from analysis.segmentation.scores import mean_iou, metric_interval

    here = table[(table["condition"] == condition.name) & (table["truth"].fillna("") != "")]
    if not (here["detail"].fillna("") != "").any():
        return {}
    found = confusions(here, across="condition", item=ITEM)
    answered = found.answered[0]
    ends = metric_interval(mean_iou, found.counts[0][answered], found.clusters[answered])
    return {"accuracy": mean_iou(found.summed(0, answered)), "interval": [ends.low, ends.high]}


def _difference(table: pd.DataFrame, condition: Condition, base: Condition) -> dict[str, Any]:
    """The difference of two mIoUs, condition - base, with its interval."""
    from analysis.segmentation.measures import confusions
    from analysis.segmentation.scores import mean_iou, metric_interval

    nothing = {"difference": None, "difference_interval": None}
    here = table[table["condition"].isin([base.name, condition.name]) & (table["truth"].fillna("") != "")]
    if here.empty:
        return nothing
    found = confusions(here, across="condition", item=ITEM)
    if not {base.name, condition.name} <= set(found.conditions):
        return nothing
    before, after = found.conditions.index(base.name), found.conditions.index(condition.name)
    both = found.answered[before] & found.answered[after]
    if not both.any():
        return nothing
    counts, clusters = found.counts[:, both], found.clusters[both]
    ends = metric_interval(mean_iou, counts[before], clusters, base=counts[after])
    difference = mean_iou(found.summed(after, both)) - mean_iou(found.summed(before, both))
    return {"difference": difference, "difference_interval": [ends.low, ends.high]}
