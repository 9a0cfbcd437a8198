"""Boxes of two conditions compared without a truth: which stay, appear, vanish or switch class, how far they move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.detection.matching import overlaps, pair_up, same_labels, shown
from analysis.detection.objects import FOUND, SHOWN, details
from analysis.instability import ITEM, group_codes
from analysis.statistics import rate_interval
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections, read_detections

KINDS = ("stays", "class", "vanishes", "appears")
MOVED = 0.9  # an overlap below it is a box that moved
COUNTED = (
    *("objects", *KINDS, "faded", "changed", "rate", "low", "high"),
    *(
        "class_rate",
        "vanish_rate",
        "appear_rate",
        "moved_rate",
        "overlap",
        "overlap_worst",
        "pictures",
        "pictures_changed",
    ),
)


@dataclass(frozen=True)
class Change:
    """One object of two answers: its kind out of KINDS, its place in either (-1 where it has none), and the overlap.

    faded: the side that shows no box has it still, below the score from which boxes are shown.
    """

    kind: str
    a: int
    b: int
    overlap: float
    faded: bool = False


def changes(
    a: Detections, b: Detections, *, score: float = SHOWN, overlap: float = FOUND
) -> tuple[Detections, Detections, list[Change]]:
    """Compare two answers about one picture: the boxes shown of either, and one Change an object, by its place.

    Boxes of one class are paired first, one to one at the overlap or more and as many as possible; what is left is
    paired whatever its class (a class switch); what is still left is only on one side. Turning the sides round turns
    vanishes and appears round and nothing else.
    """
    one, two = shown(a, score=score), shown(b, score=score)
    if _key(two) < _key(one):  # so that equal sums are settled alike from both sides
        second, first, found = changes(b, a, score=score, overlap=overlap)
        return first, second, [_turned(change) for change in found]
    ious, alike = overlaps(one.boxes, two.boxes), same_labels(one.labels, two.labels)
    stays = pair_up(np.where(alike, ious, 0.0), at_least=overlap)
    left = np.where(alike, 0.0, ious)
    left[[row for row, _ in stays]] = 0.0
    left[:, [column for _, column in stays]] = 0.0
    switched = pair_up(left, at_least=overlap)
    found = [Change("stays", row, column, float(ious[row, column])) for row, column in stays]
    found += [Change("class", row, column, float(ious[row, column])) for row, column in switched]
    taken = [{pair[side] for pair in (*stays, *switched)} for side in (0, 1)]
    alone_a = [place for place in range(len(one.boxes)) if place not in taken[0]]
    alone_b = [place for place in range(len(two.boxes)) if place not in taken[1]]
    faded_a = _faded(one, alone_a, b, score, overlap)
    faded_b = _faded(two, alone_b, a, score, overlap)
    found += [Change("vanishes", place, -1, 0.0, faded) for place, faded in zip(alone_a, faded_a, strict=True)]
    found += [Change("appears", -1, place, 0.0, faded) for place, faded in zip(alone_b, faded_b, strict=True)]
    return one, two, found


def change_table(
    table: pd.DataFrame,
    *,
    across: str = "device",
    item: Sequence[str] = ITEM,
    score: float = SHOWN,
    only_first: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare every two conditions (or all with the first): one row a pair, a, b and COUNTED.

    objects: those that either shows; rate: the share that changed, that is vanishes, appears or has another class, with
    an interval by clusters; overlap: the mean of the pairs that stay or switch, moved_rate: the share of those below
    MOVED; faded: of vanished and appeared ones, those that the other side still holds below the score. Pictures without
    an answer on both sides are left out. Raises BadInput where a condition answered an item twice.
    """
    found = pair_changes(table, across=across, item=item, score=score, only_first=only_first)
    rows = [{"a": a, "b": b} | _counts(part, pictures, level) for (a, b), (part, pictures) in found.items()]
    return pd.DataFrame(rows, columns=["a", "b", *COUNTED])


def pair_changes(
    table: pd.DataFrame, *, across: str, item: Sequence[str], score: float = SHOWN, only_first: bool = False
) -> dict[tuple[str, str], tuple[pd.DataFrame, int]]:
    """Give for every two conditions their objects, and how many pictures were compared.

    Columns: item, cluster, kind, overlap, faded. An item's number is its place in order of appearance.
    """
    items, conditions = group_codes(table, item), group_codes(table, [across])
    names = [str(name) for name in pd.unique(table[across])]
    texts = details(table)
    cells = dict(zip(zip(items.tolist(), conditions.tolist(), strict=True), texts, strict=True))
    if len(cells) < len(table):
        raise BadInput(f"expected one answer for each of {tuple(item)} and {across}, got some twice; choose one")
    clusters = table["cluster" if "cluster" in table.columns else item[0]].astype(str)
    cluster = dict(zip(items.tolist(), clusters, strict=True))
    read = {text: read_detections(text) for text in set(texts) if text}
    known: dict[tuple[str, str], list[Change]] = {}
    result = {}
    for a, b in combinations(range(len(names)), 2):
        if only_first and a:
            continue
        rows, pictures = list[tuple[Any, ...]](), 0
        for number, name in cluster.items():
            two = cells.get((number, a), ""), cells.get((number, b), "")
            if not all(two):
                continue
            pictures += 1
            if two not in known:
                known[two] = changes(read[two[0]], read[two[1]], score=score)[2]
            rows += [(number, name, one.kind, one.overlap, one.faded) for one in known[two]]
        part = pd.DataFrame(rows, columns=["item", "cluster", "kind", "overlap", "faded"])
        result[names[a], names[b]] = part, pictures
    return result


def _counts(part: pd.DataFrame, pictures: int, level: float) -> dict[str, Any]:
    kinds = {kind: int((part["kind"] == kind).sum()) for kind in KINDS}
    changed = (part["kind"] != "stays").to_numpy()
    interval = rate_interval(changed, part["cluster"], level=level)
    both = part["overlap"][part["kind"].isin(["stays", "class"])].to_numpy(dtype=np.float64)
    objects = len(part)
    shares = {
        f"{name}_rate": _share(kinds[kind], objects)
        for name, kind in zip(("class", "vanish", "appear"), KINDS[1:], strict=True)
    }
    return {
        "objects": objects,
        **kinds,
        "faded": int(part["faded"].sum()),
        "changed": int(changed.sum()),
        "rate": _share(int(changed.sum()), objects),
        "low": interval.low,
        "high": interval.high,
        **shares,
        "moved_rate": _share(int((both < MOVED).sum()), len(both)),
        "overlap": float(both.mean()) if both.size else float("nan"),
        "overlap_worst": float(both.min()) if both.size else float("nan"),
        "pictures": pictures,
        "pictures_changed": int(part.loc[changed, "item"].nunique()),
    }


def _faded(
    one: Detections, places: Sequence[int], other: Detections, score: float, overlap: float
) -> NDArray[np.bool_]:
    """Whether the other side holds a box of the same class in the same place that it does not show."""
    hidden = [at for at, value in enumerate(other.scores) if value < score]
    boxes, labels = [other.boxes[at] for at in hidden], [other.labels[at] for at in hidden]
    ious = overlaps([one.boxes[at] for at in places], boxes)
    near = (ious >= overlap) & same_labels([one.labels[at] for at in places], labels)
    return np.asarray(near.any(axis=1))


def _turned(one: Change) -> Change:
    kinds = {"vanishes": "appears", "appears": "vanishes"}
    return Change(kinds.get(one.kind, one.kind), one.b, one.a, one.overlap, one.faded)


def _key(found: Detections) -> tuple[Any, ...]:
    return found.scores, found.labels, found.boxes


def _share(some: int, all_: int) -> float:
    return some / all_ if all_ else float("nan")
