"""A detection run's precision by condition: mAP with intervals by clusters, its change, and precision by class."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.detection.objects import details
from analysis.detection.precision import Precision, mean_precisions
from analysis.detection.resampling import DRAWS, Draws, draw_weights, percentiles
from analysis.instability import ITEM, group_codes
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections, read_detections

COLUMNS = (
    *("ap50", "ap50_low", "ap50_high", "ap", "ap_low", "ap_high"),
    *("ap50_change", "ap50_change_low", "ap50_change_high", "pictures", "objects"),
)


def condition_precisions(
    table: pd.DataFrame,
    *,
    across: str = "device",
    item: Collection[str] = ITEM,
    labels: Collection[str] | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, dict[str, Precision]]:
    """Give each condition's mAP@0.5 and mAP@0.5:0.95, and pycocotools' precision by condition.

    table: the long table with detail and truth, one prediction an item and condition; scenes without a truth are left
    out. One row a condition, in order of appearance: across and COLUMNS; change: ap50 less the first condition's.
    Intervals are the percentiles of ``draws`` bootstrap samples of clusters, the same samples for all
    conditions. labels: the classes that count, all of the truths by default. Raises BadInput where no scene has a truth
    or an item has two answers.
    """
    known = table[table["truth"].fillna("") != ""].reset_index(drop=True) if "truth" in table.columns else table.head(0)
    if known.empty:
        raise BadInput("expected scenes with a truth (boxes), got none: precision needs labelled objects")
    items, conditions = group_codes(known, item), group_codes(known, [across])
    names = [str(name) for name in pd.unique(known[across])]
    rows = np.full((len(names), int(items.max()) + 1), -1, dtype=np.int64)
    rows[conditions, items] = np.arange(len(known))
    if int((rows >= 0).sum()) < len(known):
        raise BadInput(f"expected one answer for each of {tuple(item)} and {across}, got some twice; choose one")
    first = np.unique(items, return_index=True)[1]
    truths = _read(known["truth"].iloc[first])
    found = _read(details(known))
    answers = {name: [found[row] if row >= 0 else None for row in rows[at]] for at, name in enumerate(names)}
    clusters = known["cluster" if "cluster" in known.columns else "scene"].iloc[first].astype(str)
    drawn = Draws(draw_weights(clusters, draws=draws, rng=rng))
    precisions = mean_precisions([one or EMPTY for one in truths], answers, labels=labels, watch=drawn.watch)
    counted = _counted(truths, labels)
    lines = []
    for name, given in answers.items():
        here = np.array([one is not None for one in given])
        numbers = _numbers(precisions, drawn, name, names[0], level)
        lines.append({across: name} | numbers | {"pictures": int(here.sum()), "objects": int(counted[here].sum())})
    return pd.DataFrame(lines, columns=[across, *COLUMNS]), precisions


def class_precisions(precisions: dict[str, Precision]) -> pd.DataFrame:
    """Give each class's average precision at 0.5 in every condition: class, one column a condition, spread.

    Sorted by the spread between conditions, the largest first.
    """
    found = pd.DataFrame(
        {name: {label: ap50 for label, (ap50, _) in one.by_class().items()} for name, one in precisions.items()}
    )
    spread = found.max(axis=1) - found.min(axis=1)
    table = found.assign(spread=spread).rename_axis("category").reset_index()
    return table.sort_values(["spread", "category"], ascending=[False, True], ignore_index=True)


EMPTY = Detections((), (), ())


def _numbers(precisions: dict[str, Precision], drawn: Draws, name: str, base: str, level: float) -> dict[str, float]:
    values, one = drawn.values(name), precisions[name]
    numbers: dict[str, float] = {}
    changes = values[:, 0] - drawn.values(base)[:, 0]
    change = one.ap50 - precisions[base].ap50
    for key, value, some in (
        ("ap50", one.ap50, values[:, 0]),
        ("ap", one.ap, values[:, 1]),
        ("ap50_change", change, changes),
    ):
        low, high = percentiles(some, level=level)
        numbers |= {key: value, f"{key}_low": low, f"{key}_high": high}
    return numbers


def _read(texts: Collection[str]) -> list[Detections | None]:
    known = {text: read_detections(text) for text in set(texts) if text}
    return [known.get(text) for text in texts]


def _counted(
    truths: list[Detections | None], labels: Collection[str] | None
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many objects count in each picture."""
    numbers = []
    for truth in truths:
        marks = zip(truth.labels, truth.ignored or (False,) * len(truth.labels), strict=True) if truth else ()
        numbers.append(sum(not out and (labels is None or label in labels) for label, out in marks))
    return np.array(numbers, dtype=np.int64)
