"""Instability and its cuts: the share of items with at least one condition right and at least one clearly wrong.

Everything takes the long predictions table, one row a prediction, and works on whole columns. The denominator is always
the items with at least two *counted* conditions (verdict right or wrong); ambiguous and missing answers do not count,
and items left with fewer than two counted conditions are reported beside the rate as ``uncounted``, never inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics import Interval, difference_interval, rate_interval
from analysis.verdicts import VERDICTS, table_verdict_codes
from device_agents.errors import BadInput

Codes = NDArray[np.int64]
Columns = str | Sequence[str]

ITEM = ("scene", "angle", "repeat")
OBJECT = "object"  # a column of analysis.task_rows: rows are then objects of pictures, and items are too
SPARSE = 32
FIXED = {"repeat": ("scene", "angle", "device"), "angle": ("scene", "repeat", "device")}


@dataclass(frozen=True)
class Result:
    """What was compared, and a table of one row an item.

    table: the item's columns and its cluster and category; ``conditions`` (counted ones), ``right``, ``wrong``,
    ``ambiguous``, ``missing`` (numbers of conditions), ``counted`` (at least two conditions) and ``unstable``.
    A disagreement has no right, wrong and ambiguous.
    """

    item: tuple[str, ...]
    across: tuple[str, ...]
    table: pd.DataFrame

    @property
    def counted(self) -> pd.DataFrame:
        """The rows of the items in the denominator."""
        return self.table[self.table["counted"]]

    @property
    def items(self) -> int:
        """The denominator: items with at least two counted conditions."""
        return int(self.table["counted"].sum())

    @property
    def uncounted(self) -> int:
        """Items that could not be compared, since fewer than two of their conditions counted."""
        return len(self.table) - self.items

    @property
    def unstable(self) -> int:
        """The numerator."""
        return int(self.table["unstable"].sum())

    @property
    def rate(self) -> float:
        """Unstable items over items, 0..1; NaN without items (section 2.2 of the paper)."""
        return self.unstable / self.items if self.items else float("nan")

    def interval(self, *, level: float = 0.95) -> Interval:
        """The interval of the rate, by clusters."""
        return rate_interval(self.counted["unstable"], self.counted["cluster"], level=level)

    def by(self, columns: Columns, *, level: float = 0.95) -> pd.DataFrame:
        """Cut by columns of the table: one row a value with the columns of ROW, sorted by value."""
        rows = []
        names = list(_names(columns))
        for value, part in self.table.groupby(names, sort=True, observed=True):
            cut = Result(self.item, self.across, part)
            rows.append({**dict(zip(names, value, strict=True)), **_row(cut, level)})
        return pd.DataFrame(rows, columns=[*names, *ROW])

    def shares(self, m: int) -> pd.DataFrame:
        """Give the items with m counted conditions or more; ``share`` is the chance that m drawn hold both verdicts.

        share = 1 - (C(right, m) + C(wrong, m)) / C(right + wrong, m), the rarefaction of ecology applied to verdicts.
        """
        if m < 2 or "right" not in self.table.columns:
            raise BadInput(f"expected verdicts and m of 2 or more conditions, got m = {m}")
        enough = self.table[self.table["conditions"] >= m]
        right, wrong = enough["right"].to_numpy(float), enough["wrong"].to_numpy(float)
        alike = _draw_alike(right, right + wrong, m) + _draw_alike(wrong, right + wrong, m)
        return enough.assign(share=np.clip(1 - alike, 0, 1))

    def rarefied(self, m: int) -> float:
        """The instability expected of m conditions, comparable between studies of any size; m = 2: of a random pair."""
        shares = self.shares(m)["share"]
        return float(shares.mean()) if len(shares) else float("nan")


ROW = ("rate", "low", "high", "unstable", "items", "uncounted")


def instability(table: pd.DataFrame, *, across: Columns = "device", item: Columns = ITEM, top_n: int = 1) -> Result:
    """Compare the conditions named by the columns across, with the columns item held fixed.

    table: predictions with those columns and a verdict (or labels to judge by; always judged anew for top_n above 1).
    Raises BadInput for absent columns, for two predictions of the same item and condition (it names the columns in
    which they differ: with several environments one must be chosen or held fixed), and for items of several clusters.
    """
    keys, conditions = held(table, item), _names(across)
    codes, first = _item_codes(table, keys, conditions)
    cells = codes * len(VERDICTS) + _verdict_codes(table, top_n)
    counts = np.bincount(cells, minlength=len(first) * len(VERDICTS)).reshape(-1, len(VERDICTS))
    items = _item_columns(table, keys, codes, first)
    items["conditions"] = counts[:, VERDICTS.index("right")] + counts[:, VERDICTS.index("wrong")]
    items = items.assign(**dict(zip(VERDICTS, counts.T, strict=True)))
    items["counted"] = items["conditions"] >= 2
    items["unstable"] = (items["right"] > 0) & (items["wrong"] > 0)
    return Result(keys, conditions, items)


def disagreement(table: pd.DataFrame, *, across: Columns = "device", item: Columns = ITEM) -> Result:
    """Compare first labels without asking which is right: an item is unstable where the labels given are not all equal.

    Conditions count where there is a label; ambiguous ones do. Instability never exceeds it on the same conditions.
    """
    keys, conditions = held(table, item), _names(across)
    codes, first = _item_codes(table, keys, conditions)
    given = _verdict_codes(table, 1) != VERDICTS.index("missing")
    labels = _factorise(table["label_1"])
    some = codes[given]
    lowest, highest = np.full(len(first), np.iinfo(np.int64).max), np.full(len(first), -1, dtype=np.int64)
    np.minimum.at(lowest, some, labels[given])
    np.maximum.at(highest, some, labels[given])
    items = _item_columns(table, keys, codes, first)
    items["conditions"] = np.bincount(some, minlength=len(first))
    items["missing"] = np.bincount(codes[~given], minlength=len(first))
    items["counted"] = items["conditions"] >= 2
    items["unstable"] = items["counted"] & (lowest != highest)
    return Result(keys, conditions, items)


def within_device(table: pd.DataFrame, *, over: str, top_n: int = 1) -> Result:
    """Compare a device with itself: over "repeat" at a fixed angle, or over "angle" at a fixed repeat (figure 3d)."""
    if over not in FIXED:
        raise BadInput(f"expected over of 'repeat' or 'angle', got '{over}'")
    return instability(table, across=over, item=FIXED[over], top_n=top_n)


@dataclass(frozen=True)
class Excess:
    """How much more two devices differ than one device from itself; every value is of a random pair (m = 2), 0..1."""

    over: str
    cross: float
    within: float
    excess: float
    interval: Interval


def excess(table: pd.DataFrame, *, over: str, top_n: int = 1, level: float = 0.95) -> Excess | None:
    """Subtract within-device from cross-device instability, both of random pairs; None where either cannot be measured.

    Both are rarefied to two conditions: instability grows with their number, so five devices against two repeats
    would show an excess even if all devices were one. docs/metrics.md says what is assumed.
    """
    cross = instability(table, top_n=top_n).shares(2)
    within = within_device(table, over=over, top_n=top_n).shares(2)
    if cross.empty or within.empty:
        return None
    interval = difference_interval(cross["share"], cross["cluster"], within["share"], within["cluster"], level=level)
    two = float(cross["share"].mean()), float(within["share"].mean())
    return Excess(over, two[0], two[1], two[0] - two[1], interval)


def pairs(
    table: pd.DataFrame, *, across: str = "device", item: Columns = ITEM, top_n: int = 1, level: float = 0.95
) -> pd.DataFrame:
    """Compare every two conditions: one row a pair (a before b, in order of appearance) with the columns of ROW."""
    keys = held(table, item)
    codes, first = _item_codes(table, keys, (across,))
    columns, names = pd.factorize(table[across], use_na_sentinel=False)
    matrix = np.full((len(first), len(names)), -1, dtype=np.int8)
    found = _verdict_codes(table, top_n)
    right = found == VERDICTS.index("right")
    counted = right | (found == VERDICTS.index("wrong"))
    matrix[codes[counted], columns[counted]] = right[counted]
    items = _item_columns(table, keys, codes, first)
    rows = []
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            one, two = matrix[:, a], matrix[:, b]
            both = (one >= 0) & (two >= 0)
            result = Result(keys, (across,), items.assign(counted=both, unstable=both & (one != two)))
            rows.append({"a": names[a], "b": names[b], **_row(result, level)})
    return pd.DataFrame(rows, columns=["a", "b", *ROW])


def held(table: pd.DataFrame, item: Columns) -> tuple[str, ...]:
    """Give the columns of an item: those named, and the object where the table's rows are objects of a picture."""
    keys = _names(item)
    return (*keys, OBJECT) if OBJECT in table.columns and OBJECT not in keys else keys


def verdict_column(table: pd.DataFrame, *, top_n: int = 1) -> NDArray[np.object_]:
    """Give the verdicts of a predictions table: its own column for the first label, judged anew for more labels."""
    return np.array(VERDICTS, dtype=object)[_verdict_codes(table, top_n)]


def group_codes(table: pd.DataFrame, columns: Iterable[str]) -> Codes:
    """Number the rows by equal values in the columns: (rows,) int64, numbered by first appearance."""
    codes = np.zeros(len(table), dtype=np.int64)
    for place, column in enumerate(columns):
        values = _factorise(table[column])
        codes = _factorise(codes * (int(values.max(initial=0)) + 1) + values) if place else values
    return codes


def _verdict_codes(table: pd.DataFrame, top_n: int) -> NDArray[np.int8]:
    """The verdicts of verdict_column as places in VERDICTS: (rows,)."""
    if top_n != 1 or "verdict" not in table.columns:
        return table_verdict_codes(table, top_n=top_n)
    codes, names = pd.factorize(table["verdict"], use_na_sentinel=False)
    unknown = set(names) - set(VERDICTS)
    if unknown:
        raise BadInput(f"expected verdicts out of {VERDICTS}, got {sorted(map(str, unknown))}")
    places = np.array([VERDICTS.index(name) for name in names], dtype=np.int8)
    return places[codes]


def _row(result: Result, level: float) -> dict[str, Any]:
    interval = result.interval(level=level)
    numbers = (result.rate, interval.low, interval.high, result.unstable, result.items, result.uncounted)
    return dict(zip(ROW, numbers, strict=True))


def _draw_alike(some: NDArray[np.float64], all_: NDArray[np.float64], m: int) -> NDArray[np.float64]:
    """C(some, m) / C(all, m) as a product of m quotients, which neither overflows nor needs factorials."""
    share = np.ones(len(some))
    for taken in range(m):
        share = share * np.maximum(some - taken, 0) / (all_ - taken)
    return share


def _names(columns: Columns) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _factorise(values: Any) -> Codes:
    codes, _ = pd.factorize(values, use_na_sentinel=False)
    return np.asarray(codes, dtype=np.int64)


def _item_codes(table: pd.DataFrame, item: tuple[str, ...], across: tuple[str, ...]) -> tuple[Codes, Codes]:
    """Number each row's item, and find each item's first row."""
    absent = [name for name in (*item, *across) if name not in table.columns]
    if absent or set(item) & set(across):
        raise BadInput(f"cannot hold {item} fixed and compare across {across}: {absent or 'a column is in both'}")
    codes = group_codes(table, item)
    if _any_twice(codes, group_codes(table, across)):
        raise BadInput(_twice(table, item, across))
    highest = np.maximum.accumulate(codes)  # items are numbered by first appearance: a new one is above all before it
    return codes, np.flatnonzero(np.diff(highest, prepend=-1)).astype(np.int64)


def _any_twice(items: Codes, conditions: Codes) -> bool:
    """Whether a pair of item and condition is there twice; on a bit map of all pairs unless nearly all are absent."""
    width = int(conditions.max(initial=0)) + 1
    cells, size = items * width + conditions, (int(items.max(initial=0)) + 1) * width
    if size > SPARSE * len(cells):
        return bool(pd.Series(cells).duplicated().any())
    there = np.zeros(size, dtype=bool)
    there[cells] = True
    return int(np.count_nonzero(there)) < len(cells)


def _twice(table: pd.DataFrame, item: tuple[str, ...], across: tuple[str, ...]) -> str:
    cells = pd.Series(group_codes(table, (*item, *across)))
    same = table[(cells == cells[cells.duplicated()].iloc[0]).to_numpy()].head(2)
    where = ", ".join(f"{name}={same[name].iloc[0]}" for name in (*item, *across))
    known = ("environment", "isp", "codec", "suffix", "parent", "device", "angle", "repeat", "scene", "picture")
    varying = [name for name in known if name in same.columns and same[name].nunique() > 1]
    varying = varying or ["nothing known: the row is there twice"]
    return (
        f"expected one prediction for each item and condition, got two for {where}; "
        f"they differ in {', '.join(varying)}: name it in item or across, or choose one"
    )


def _item_columns(table: pd.DataFrame, item: tuple[str, ...], codes: Codes, first: Codes) -> pd.DataFrame:
    """The items' own columns, their cluster (the scene, or the item itself, where there is none) and category."""
    items = table[list(item)].iloc[first].reset_index(drop=True)
    for name in ("cluster", "category"):
        if name in table.columns and name not in item:
            values = _factorise(table[name])
            alike = bool((values == values[first][codes]).all())
            if not alike and name == "cluster":
                raise BadInput(
                    f"expected items within one cluster, but {item} spans several; hold scene or cluster fixed"
                )
            if alike:
                items[name] = table[name].iloc[first].to_numpy()
    if "cluster" not in items.columns:
        items["cluster"] = items["scene"] if "scene" in items.columns else np.arange(len(items))
    return items
