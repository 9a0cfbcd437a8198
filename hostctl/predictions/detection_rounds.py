"""Rounds of a stacked design for a detector: the harm is what mean average precision loses, not a picture's label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hostctl.predictions.comparing import ITEM, round_of
from hostctl.predictions.conditions import Condition, Variant
from hostctl.predictions.designs import scoring_half

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 200


def lowest_precision(
    table: pd.DataFrame, conditions: Iterable[Condition], *, labels: Sequence[str] | None = None
) -> Condition | None:
    """Give the condition of lowest mAP@0.5:0.95 on the choosing half, the first of equals; None where none has one.

    table: predictions with condition, cluster, detail and truth. labels: the model's classes; all of the truths by
    default.
    """
    wanted = list(conditions)
    half = table[~scoring_half(table["cluster"])]
    names = [one.name for one in wanted]
    found = _precisions(half[half["condition"].isin(names)], names, labels)
    known = {one: found[one.name]["ap"] for one in wanted if found.get(one.name, {}).get("ap") is not None}
    return min(known, key=lambda one: known[one]) if known else None


def precision_round(
    table: pd.DataFrame,
    condition: Condition,
    base: Condition,
    number: int,
    added: tuple[str, Variant] | None = None,
    *,
    labels: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Describe one round: the keys of comparing.scored_round, where accuracy is mAP@0.5:0.95, and map50 beside it.

    The difference is to the base, on the scoring half, with the interval of the same drawn pictures.
    """
    scoring = scoring_half(table["cluster"])
    names = list(dict.fromkeys([base.name, condition.name]))
    choosing, scored = (_precisions(table[part], names, labels).get(condition.name, {}) for part in (~scoring, scoring))
    return {
        **round_of(condition, number, added),
        "choosing_accuracy": choosing.get("ap"),
        "accuracy": scored.get("ap"),
        "interval": _ends(scored, "ap"),
        "difference": scored.get("change"),
        "difference_interval": _ends(scored, "change"),
        "map50": scored.get("ap50"),
    }


def _precisions(table: pd.DataFrame, names: Sequence[str], labels: Sequence[str] | None) -> dict[str, dict[str, float]]:
    """Each condition's ap, ap50 and change of ap to the first name, with ap_low, ... ; empty without objects."""
    from analysis.detection.objects import details
    from analysis.detection.precision import mean_precisions
    from analysis.detection.resampling import Draws, draw_weights, percentiles
    from device_agents.tasks.answers import read_detections

    table = table[table["truth"].fillna("") != ""]
    if table.empty:
        return {}
    first = table.drop_duplicates(list(ITEM))
    items = first.set_index(list(ITEM)).index
    truths = [read_detections(text) for text in first["truth"]]
    if not any(set(one.labels) & set(labels or one.labels) for one in truths):
        return {}
    answers: dict[str, list[Any]] = {}
    for name, part in table.groupby("condition", sort=False):
        cells: list[Any] = [None] * len(items)
        places = items.get_indexer(part.set_index(list(ITEM)).index)
        for place, text in zip(places, details(part), strict=True):
            cells[place] = read_detections(text) if text else None
        answers[str(name)] = cells
    drawn = Draws(draw_weights(first["cluster"], draws=DRAWS, rng=np.random.default_rng(0)))
    found = mean_precisions(truths, answers, labels=labels, watch=drawn.watch)
    told = {}
    for name, one in found.items():
        parts = drawn.values(name)[:, 1]
        base = drawn.values(names[0])[:, 1] if names[0] in found else np.full(len(parts), np.nan)
        low, high = percentiles(parts)
        told[name] = {"ap": one.ap, "ap50": one.ap50, "ap_low": low, "ap_high": high}
        if names[0] in found:
            low, high = percentiles(parts - base)
            told[name] |= {"change": one.ap - found[names[0]].ap, "change_low": low, "change_high": high}
    return told


def _ends(found: dict[str, float], name: str) -> list[float] | None:
    return [found[f"{name}_low"], found[f"{name}_high"]] if f"{name}_low" in found else None
