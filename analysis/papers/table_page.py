"""A paper's table as one HTML page and one CSV file: its numbers, its figures, and why it differs from the paper."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from analysis.pages.answer import VIRTUAL
from analysis.pages.drawing import BLUE, GREEN, GREY, INK, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text
from analysis.papers.printed_table import NUMERIC, Bars, Lines, Part, PrintedTable
from analysis.report import Cell, Table, render_page
from analysis.run_folder.files import write_whole
from device_agents.errors import BadInput

MARKERS = (("o", BLUE), ("s", ORANGE), ("^", GREEN), ("v", GREY), ("P", INK))


def write_table(
    folder: Path, table: PrintedTable, *, provenance: Mapping[str, str], virtual: bool
) -> tuple[Path, Path]:
    """Write NAME.html (no script, nothing loaded) and NAME.csv (its numbers) into a folder; give both paths.

    provenance: heading -> value, shown at the page's end. virtual: whether devices were simulated; the page says so.
    Raises BadInput where a file cannot be written.
    """
    page, numbers = folder / f"{table.name}.html", folder / f"{table.name}.csv"
    text = render_page(
        "table.html",
        table=table,
        parts=[as_shown(part) for part in table.parts],
        aside={part.name for part in table.parts if part.aside},
        plots={f"{table.name}-{number}": draw(one, number) for number, one in enumerate(table.figures)},
        provenance=provenance,
        warning=VIRTUAL if virtual else "",
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(page, text.encode("utf-8"))
        write_whole(numbers, csv_text(table).encode("utf-8"))
    except OSError as problem:
        raise BadInput(f"cannot write the table to {folder}: {problem.strerror}; name another folder") from problem
    return page, numbers


def csv_text(table: PrintedTable) -> str:
    """The part that the table names for it, with numbers in the kit's units: rates 0..1, sizes in bytes."""
    part = next((one for one in table.parts if one.name == table.csv), table.parts[0])
    return part.frame.to_csv(index=False)


def as_shown(part: Part) -> Table:
    """A part as the page's table, all rows, with its own CSV."""
    right = [column.kind in NUMERIC for column in part.columns]
    headings = tuple(Cell(column.heading, at) for column, at in zip(part.columns, right, strict=True))
    rows = tuple(tuple(Cell(text, at) for text, at in zip(row, right, strict=True)) for row in part.cells())
    text = part.frame.to_csv(index=False)
    address = "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")
    return Table(part.name, part.title, part.note, headings, rows, len(part.frame), address)


def draw(figure: Bars | Lines, number: int) -> Plot:
    """Draw a figure of a table; number tells its ids from those of the page's other figures."""
    return _draw_bars(figure, number) if isinstance(figure, Bars) else _draw_lines(figure, number)


def _draw_bars(bars: Bars, number: int) -> Plot:
    frame = bars.frame.dropna(subset=["value"])
    figure, axes = new_axes(rows=max(2, len(frame)), legend=True)
    places = range(len(frame))
    axes.barh(places, frame["value"], height=0.5, color=BLUE, alpha=0.35, label="this run")
    axes.hlines(places, frame["low"], frame["high"], color=BLUE, lw=2)
    axes.plot(frame["value"], places, "o", color=BLUE, ms=4.5)
    if frame["published"].notna().any():
        axes.plot(frame["published"], places, "D", ms=7, mfc="white", mec=ORANGE, mew=1.6, label="published")
    axes.axvline(0, color=INK, lw=0.8)
    name_rows(axes, frame["name"])
    axes.set_xlabel(bars.label)
    axes.grid(True, axis="x")
    add_legend(axes, 2)
    told = "; ".join(f"{row.name} {row.value:.1f}" for row in frame.itertuples(index=False))
    return Plot(bars.title, bars.caption, f"{bars.label}: {told}.", svg_text(figure, f"table-{number}"))


def _draw_lines(lines: Lines, number: int) -> Plot:
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure, axes = new_axes(height_in=3.0, legend=True)
    named = list(lines.frame.groupby("series", sort=False))
    for (name, part), (marker, colour) in zip(named, MARKERS * (1 + len(named) // len(MARKERS)), strict=False):
        axes.vlines(part["size_mb"], part["low"], part["high"], color=colour, lw=1.6, alpha=0.5)
        axes.plot(part["size_mb"], part["value"], marker=marker, color=colour, lw=1.2, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(set(lines.frame["size_mb"].round(1))))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("model file (MB)")
    axes.set_ylabel(lines.label)
    axes.grid(True)
    add_legend(axes, 2)
    alt = f"{lines.label} of {len(named)} series against the size of the model file."
    return Plot(lines.title, lines.caption, alt, svg_text(figure, f"table-{number}"))
