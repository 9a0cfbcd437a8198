"""A paper's table made anew: its numbers, how each column is written, what was found, and what to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

NOTHING = "-"
MB = 1e6


@dataclass(frozen=True)
class Column:
    """A column as people see it: heading, a key of KINDS, and the two columns that hold its interval, if any.

    aside: only on the page, which has more room than a terminal.
    """

    name: str
    heading: str
    kind: str = "text"
    interval: tuple[str, str] | None = None
    aside: bool = False


@dataclass(frozen=True)
class Part:
    """One table of the page: its rows with numbers as the kit has them (rates 0..1, bytes), and its columns.

    aside: only on the page.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    aside: bool = False

    def cells(self) -> list[list[str]]:
        """Every row as written text, in the order of the columns; "-" stands for what could not be worked out."""
        return [[cell_text(row, column) for column in self.columns] for row in records(self.frame)]


@dataclass(frozen=True)
class Bars:
    """A figure: one bar a row, with its interval and the published value as a mark.

    frame: name, value, low, high, published (NaN where there is none), in percent or points as the label says.
    """

    title: str
    label: str
    caption: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Lines:
    """A figure: values against a size, one line a series. frame: series, size_mb, value, low, high."""

    title: str
    label: str
    caption: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class PrintedTable:
    """A paper's table from a run.

    headline: what was found, in a sentence or two. parts: the first is the table itself. notes: how it was worked out.
    reasons: why it cannot agree with what is printed. source: where that is printed. csv: the part for the CSV file
    ("": the first).
    """

    name: str
    title: str
    headline: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    reasons: tuple[str, ...]
    figures: tuple[Bars | Lines, ...] = ()
    source: tuple[str, ...] = ()
    csv: str = ""


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows as dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def cell_text(row: Mapping[str, Any], column: Column) -> str:
    """Write one cell, such as "54.0 [49.8, 58.1]"; "-" for an absent value."""
    value = row[column.name]
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return NOTHING
    write = KINDS[column.kind]
    text = write(value)
    ends = [row[name] for name in column.interval or ()]
    if not ends or any(end is None or math.isnan(end) for end in ends):
        return text
    return f"{text} [{write(ends[0])}, {write(ends[1])}]"


def percent_text(rate: float, interval: Sequence[float] | None = None) -> str:
    """Write a rate 0..1 in percent with its interval, such as "7.6 % [5.1, 10.8]"; "-" for NaN."""
    if math.isnan(rate):
        return NOTHING
    ends = "" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return f"{100 * rate:.1f} %{ends}"


def _signed(value: float) -> str:
    return f"{100 * value:.2f}".replace("-0.00", "0.00")


KINDS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "percent": lambda value: f"{100 * value:.1f}",
    "printed-percent": lambda value: f"{100 * value:.4g}",
    "points": _signed,
    "as-printed": lambda value: f"{value:.2f}",
    "megabytes": lambda value: f"{value / MB:.2f}" if value >= MB / 10 else f"{value / MB:.3f}",
    "share": lambda value: f"{value:.2f}",
    "minutes": lambda value: f"{value:.2f}",
    "number": lambda value: f"{int(value):,}",
    "yes-no": lambda value: "yes" if value else "no",
    "chance": lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}",
}
NUMERIC = frozenset(KINDS) - {"text", "yes-no"}
