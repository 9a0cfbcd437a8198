"""The page of repeat shots: answers by lag, variance components, agreement of labels, and how much more is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.pages.drawing import BLUE, ORANGE, Plot, add_legend, name_rows, new_axes, svg_text
from analysis.pages.section_plots import plot_components
from analysis.run_folder.files import make_folder, write_whole
from hostctl.pictures.noise_page import data_uri, fill_page
from hostctl.printing import percent
from hostctl.repeats.measuring import Measured
from hostctl.repeats.text import (
    advice_sentence,
    change_row,
    component_row,
    grr_sentence,
    headline,
    kappa_rows,
    lag_row,
    remarks,
    size_row,
)

PAGE = "repeats.html"
Table = tuple[str, str, Sequence[Mapping[str, Any]]]


def write_page(measured: Measured, folder: Path) -> dict[str, str]:
    """Write FOLDER/repeats.html and the CSV of all pairs of shots; gives their paths as "page" and "csv"."""
    result = measured.result
    csv = measured.pairs.to_csv(index=False, lineterminator="\n").encode()
    plots = {"lags": plot_lags(result)}
    if measured.gage is not None:
        plots |= plot_components(measured.gage)
    page = fill_page(
        "repeats.html",
        title="Repeat shots",
        headline=headline(result),
        remarks=remarks(result),
        plots=plots,
        tables=[table for table in _tables(result) if table[2]],
        result=result,
        csv=data_uri(csv, "text/csv;charset=utf-8"),
    )
    make_folder(folder)
    write_whole(folder / "repeats.csv", csv)
    write_whole(folder / PAGE, page)
    return {"page": str(folder / PAGE), "csv": str(folder / "repeats.csv")}


def plot_lags(result: Mapping[str, Any]) -> Plot:
    """P(top-1 changes) of the same device by lag, in all, and of another device."""
    rows = [*result["lags"], *result["other"]]
    figure, axes = new_axes(rows=len(rows), legend=True)
    drawn = [
        (ORANGE, "o", "rate", "low", "high", "top-1 changes"),
        (BLUE, "s", "score_change", "score_low", "score_high", "mean change of score"),
    ]
    for number, (colour, mark, value, low, high, name) in enumerate(drawn):
        places = [row + 0.24 * number - 0.12 for row in range(len(rows))]
        middle = [100 * row[value] for row in rows]
        reach = [[max(0.0, 100 * (row[value] - row[low])) for row in rows]]
        reach += [[max(0.0, 100 * (row[high] - row[value])) for row in rows]]
        axes.errorbar(middle, places, xerr=reach, fmt=mark, color=colour, ms=6, lw=1.6, label=name)
    name_rows(axes, [row["lag"] for row in rows])
    axes.set_xlim(left=0)
    axes.set_xlabel("pairs of shots; points of score (%)")
    axes.grid(True, axis="x")
    add_legend(axes, 2)
    told = ", ".join(f"{row['lag']} {percent(row['rate'])}" for row in rows)
    caption = "Two shots of a scene by the time between them. Lines are 95 % intervals by object."
    return Plot("The same again", caption, f"Top-1 changes: {told}.", svg_text(figure, "lags"))


def _tables(result: Mapping[str, Any]) -> list[Table]:
    found, advice = result["gage"], result["advice"]
    lags = [lag_row(row) for row in [*result["lags"], *result["other"]]]
    tables: list[Table] = [
        ("By the time between two shots", "Every two shots of a scene; intervals by object.", lags),
        (
            "By device",
            "A device against itself, over all times.",
            [lag_row(row, "device") for row in result["devices"]],
        ),
    ]
    if found:
        components = [component_row(row) for row in found["components"]]
        tables.append(("Repeatability and reproducibility", f"{grr_sentence(found)}.", components))
        tables.append(
            ("Analysis of variance", "Of the margin; p against no effect.", [_anova(one) for one in found["anova"]])
        )
    if result["agreement"]:
        note = (
            "Do labels repeat on a device, and agree between devices, beyond chance? docs/metrics.md says when which."
        )
        tables.append(("Agreement of labels", note, kappa_rows(result["agreement"])))
    tables.append(
        ("How many more scenes", _capital(advice_sentence(result)), [change_row(row) for row in advice["changes"]])
    )
    note = "The interval of %GRR to expect; with few devices it is wide whatever the number of scenes."
    return [*tables, ("How many more devices", note, [size_row(row) for row in advice["grr"]])]


def _anova(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {"source": "source", "df": "df", "ss": "sum of squares", "ms": "mean square", "f": "F", "p": "p"}
    cells = {told: row[name] for name, told in names.items()}
    return {
        name: "–" if cell is None else cell if isinstance(cell, str) else f"{cell:.4g}" for name, cell in cells.items()
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
