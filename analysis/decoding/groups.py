"""Who decodes alike: executors grouped by fingerprints and by scores, and their instability on JPEG and on PNG.

The table that everything here takes has one row for each executor, format ("jpeg" or "png") and scene, with the columns
NEEDED: ``pixels``, ``resized`` and ``tensor`` are fingerprint numbers, 0 where a stage was not reached.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import instability
from analysis.run_folder.parts import LABELS, SCORES
from analysis.statistics import difference_interval, rate_interval
from device_agents.errors import BadInput

JPEG, PNG = "jpeg", "png"
FORMATS = (JPEG, PNG)
STAGES = ("pixels", "resized", "tensor")
NEEDED = ("executor", "format", "scene", "cluster", "verdict", *STAGES, *LABELS, *SCORES)
TOLERANCE = 1e-5  # float32 sums in another order move MobileNetV2's scores by up to 4e-6
EXACT = "korn-graubard"  # Clopper and Pearson's interval where every item stands alone

Groups = list[tuple[str, ...]]


@dataclass(frozen=True)
class Rate:
    """Instability of one format: ``unstable`` of ``items``, the rate and its exact 95 % interval, all 0..1 or NaN."""

    unstable: int
    items: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """JPEG against PNG on the same items; ``difference`` is JPEG - PNG, ``p`` an exact two-sided McNemar test's."""

    jpeg: Rate
    png: Rate
    difference: float
    low: float
    high: float
    jpeg_only: int
    png_only: int
    p: float


def complete(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep what can be compared, and say why the rest cannot: {executor or scene: reason}.

    An executor without any answer in a format is left out; then every scene that one of the others lacks an answer to,
    in either format. Rows come back by executor, format and scene. Raises BadInput for absent columns, and where an
    executor answers a picture twice.
    """
    absent = [name for name in NEEDED if name not in table.columns]
    if absent:
        raise BadInput(f"expected a table with the columns {absent}, got {list(table.columns)}")
    if table.duplicated(["executor", "format", "scene"]).any():
        raise BadInput("expected one answer of an executor to a picture, got two")
    good = table[table["verdict"] != "missing"]
    reasons: dict[str, str] = {}
    for executor in dict.fromkeys(table["executor"]):
        lacking = [one for one in FORMATS if not ((good["executor"] == executor) & (good["format"] == one)).any()]
        if lacking:
            reasons[str(executor)] = f"it answered no picture as {' and none as '.join(lacking)}"
    good = good[~good["executor"].isin(list(reasons))]
    wanted = good["executor"].nunique() * len(FORMATS)
    counts = good.groupby("scene", sort=False).size()
    for scene in dict.fromkeys(table["scene"]):
        if wanted and counts.get(scene, 0) < wanted:
            reasons[str(scene)] = f"{wanted - int(counts.get(scene, 0))} of {wanted} answers are missing"
    kept = good[~good["scene"].isin(list(reasons))]
    order = {name: number for number, name in enumerate(dict.fromkeys(table["executor"]))}
    places = kept["executor"].map(order).to_numpy(np.int64)
    sorting = np.lexsort((kept["scene"].astype(str), kept["format"].astype(str), places))
    return kept.iloc[sorting].reset_index(drop=True), reasons


def groups_overall(table: pd.DataFrame, *, format: str, stage: str) -> Groups:
    """Group executors that are equal at a stage (of STAGES, or "scores") on every picture of a format.

    table: as complete gives it. Groups and their members stand in the order of the executors; largest group first.
    """
    part = table[table["format"] == format]
    found: dict[tuple[Hashable, ...], list[str]] = {}
    for executor, rows in part.groupby("executor", sort=False):
        found.setdefault(tuple(_values(rows, stage)), []).append(str(executor))
    return _largest_first(found.values())


def groups_within(table: pd.DataFrame, *, format: str, tolerance: float = TOLERANCE) -> Groups:
    """Group executors whose first labels are equal and whose scores differ by ``tolerance`` at most, rank by rank.

    On every picture of a format, and each member with every other of its group (an executor joins the first group that
    it fits). Scores are 0..1.
    """
    part = table[table["format"] == format]
    each = {
        str(name): (rows["label_1"].to_numpy(object), rows[list(SCORES)].to_numpy(np.float64))
        for name, rows in part.groupby("executor", sort=False)
    }
    groups: list[list[str]] = []
    for name in each:
        fitting = (one for one in groups if all(_near(each[name], each[member], tolerance) for member in one))
        group = next(fitting, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return _largest_first(groups)


def partitions(table: pd.DataFrame, *, format: str, stage: str) -> pd.DataFrame:
    """Count how pictures group the executors: one row a partition, the commonest first.

    Columns: groups (how many), partition ("host chromium | legacy"), pictures, example (a scene).
    """
    part = table[table["format"] == format]
    rows = []
    for scene, of_scene in part.groupby("scene", sort=True):
        found: dict[Hashable, list[str]] = {}
        for executor, value in zip(of_scene["executor"], _values(of_scene, stage), strict=True):
            found.setdefault(value, []).append(str(executor))
        groups = _largest_first(found.values())
        rows.append({"groups": len(groups), "partition": written(groups), "example": str(scene)})
    frame = pd.DataFrame(rows, columns=["groups", "partition", "example"])
    counted = frame.groupby(["groups", "partition"], sort=False).agg(
        pictures=("example", "size"), example=("example", "first")
    )
    return counted.reset_index().sort_values(["pictures", "partition"], ascending=[False, True], ignore_index=True)


def written(groups: Sequence[Sequence[str]]) -> str:
    """Write groups: "host chromium | legacy-tflite"."""
    return " | ".join(" ".join(group) for group in groups)


def compare_formats(table: pd.DataFrame, *, level: float = 0.95) -> tuple[Comparison, pd.DataFrame]:
    """Compare instability across executors on JPEG with that on PNG, over the items that count in both.

    The second value has a row an item: scene, cluster, jpeg and png (unstable or not). Intervals are Clopper and
    Pearson's where every item has a cluster of its own, at Korn and Graubard's effective size else.
    """
    tables = {}
    for name in FORMATS:
        found = instability(table[table["format"] == name], across="executor", item=("scene",))
        tables[name] = found.counted.set_index("scene")[["cluster", "unstable"]]
    both = tables[JPEG].join(tables[PNG]["unstable"].rename("png"), how="inner").rename(columns={"unstable": JPEG})
    items = both.reset_index()
    jpeg, png = (_rate(items, name, level) for name in FORMATS)
    jpeg_only, png_only = int((items[JPEG] & ~items[PNG]).sum()), int((items[PNG] & ~items[JPEG]).sum())
    if items.empty:
        return Comparison(jpeg, png, float("nan"), float("nan"), float("nan"), 0, 0, float("nan")), items
    ends = difference_interval(items[JPEG], items["cluster"], items[PNG], items["cluster"], level=level)
    p = mcnemar(jpeg_only, png_only)
    return Comparison(jpeg, png, jpeg.rate - png.rate, ends.low, ends.high, jpeg_only, png_only, p), items


def mcnemar(first: int, second: int) -> float:
    """Give the exact two-sided p of McNemar's test: discordant pairs fall on either side like a coin's."""
    from scipy.stats import binomtest

    return float(binomtest(first, first + second, 0.5).pvalue) if first + second else 1.0


def score_differences(table: pd.DataFrame, *, format: str) -> pd.DataFrame:
    """Give for every two executors a, b: pictures, other_label (first labels differ), score (largest difference)."""
    part = table[table["format"] == format]
    each = {str(name): rows for name, rows in part.groupby("executor", sort=False)}
    names, rows = list(each), []
    for number, a in enumerate(names):
        for b in names[number + 1 :]:
            apart = np.abs(each[a][list(SCORES)].to_numpy(float) - each[b][list(SCORES)].to_numpy(float))
            other = each[a]["label_1"].to_numpy(object) != each[b]["label_1"].to_numpy(object)
            most = float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0
            rows.append({"a": a, "b": b, "pictures": len(other), "other_label": int(other.sum()), "score": most})
    return pd.DataFrame(rows, columns=["a", "b", "pictures", "other_label", "score"])


def _rate(items: pd.DataFrame, name: str, level: float) -> Rate:
    marks = items[name].to_numpy(bool)
    ends = rate_interval(marks, items["cluster"], level=level, method=EXACT)
    return Rate(int(marks.sum()), len(marks), float(marks.mean()) if len(marks) else float("nan"), ends.low, ends.high)


def _values(rows: pd.DataFrame, stage: str) -> list[Hashable]:
    if stage == "scores":
        cells = rows[[*LABELS, *SCORES]].astype(object).where(rows[[*LABELS, *SCORES]].notna(), None)
        return list(cells.itertuples(index=False, name=None))
    return list(rows[stage])


Answers = tuple[NDArray[np.object_], NDArray[np.float64]]


def _near(one: Answers, other: Answers, tolerance: float) -> bool:
    apart = np.abs(one[1] - other[1])
    return bool((one[0] == other[0]).all()) and not bool((apart > tolerance).any())


def _largest_first(groups: Any) -> Groups:
    return sorted((tuple(group) for group in groups), key=len, reverse=True)


def by_member(groups: Groups) -> Mapping[str, int]:
    """The number of each executor's group."""
    return {name: number for number, group in enumerate(groups) for name in group}
