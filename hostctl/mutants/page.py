"""The page, table and text of a study of mutants: a heat map of mutant x measure, and what bisection named."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.measures.mutant_measures import MEASURES
from analysis.run_folder.files import make_folder, write_whole
from hostctl.pictures.noise_page import csv_text, data_uri, fill_page
from hostctl.printing import percent, table_text

PALE, FULL = 12, 80  # percent of the colour in the cell of a measure's least and largest value that is seen


def write_page(result: Mapping[str, Any], out: Path) -> dict[str, str]:
    """Write OUT/mutants.html and OUT/mutants.csv of what study_mutants gave; gives their paths as "page" and "csv"."""
    table = csv_text([_csv_row(row) for row in result["rows"]] or [{"mutant": ""}]).encode()
    shades = {name: _shades([row["values"].get(name) for row in result["rows"]]) for name in MEASURES}
    rows = [
        {**row, "cells": [_cell(row, name, shades[name]) for name in MEASURES], "state": _state(row)}
        for row in result["rows"]
    ]
    page = fill_page(
        "mutants.html",
        title=f"Mutants of {result['model']}",
        result=result,
        summary=result["summary"],
        rows=rows,
        measures=MEASURES,
        percent=percent,
        csv=data_uri(table, "text/csv;charset=utf-8"),
    )
    make_folder(out)
    write_whole(out / "mutants.csv", table)
    write_whole(out / "mutants.html", page)
    return {"page": str(out / "mutants.html"), "csv": str(out / "mutants.csv")}


def mutants_text(result: Mapping[str, Any]) -> str:
    """Lay out a study for the terminal: kinds, measures, localisation, and what did not run."""
    found = result["summary"]
    kinds = [row for row in found["kinds"] if row["mutants"]]
    measures = [
        {"measure": row["measure"], "sees": row["seen"], "of": row["of"], "share": _shown(row)}
        for row in found["measures"]
    ]
    lines = [
        f"{found['made']} mutants of {result['model']} on {len(result['pictures'])} pictures: {found['ran']} run, "
        f"{found['changing']} change an output, {len(found['equivalent'])} do not (equivalent here)",
        table_text(kinds),
        "",
        table_text(measures),
        "",
        f"layer named by bisection: {found['one_layer']['seen']} of {found['one_layer']['of']}, "
        f"{_shown(found['one_layer'])}",
    ]
    if found["two_layers"]["of"]:
        lines.append(f"of two layers changed, one named: {found['two_layers']['seen']} of {found['two_layers']['of']}")
    lines += [f"seen by no measure: {', '.join(found['unseen'])}"] if found["unseen"] else []
    lines += [f"layer not named: {', '.join(found['missed'])}"] if found["missed"] else []
    lines += [f"  {row['name']}: {row['problem']}" for row in result["rows"] if row["problem"]]
    absent = [row["kind"] for row in found["kinds"] if not row["mutants"]]
    lines += [f"no layer for: {', '.join(absent)}"] if absent else []
    return "\n".join([*lines, f"page  {result['page']}", f"csv   {result['csv']}"])


def _shown(row: Mapping[str, Any]) -> str:
    return percent(row["rate"], (row["low"], row["high"]))


def _state(row: Mapping[str, Any]) -> str:
    if row["problem"]:
        return str(row["problem"])
    if not row["changes_output"]:
        return "equivalent: no output changes on these pictures"
    return "" if row["hit"] else f"bisection names {row['found']['layer']}"


def _shades(values: Sequence[float | None]) -> tuple[float, float]:
    """The decimal logarithms of a measure's least and largest value above 0."""
    some = [math.log10(value) for value in values if value]
    return (min(some), max(some)) if some else (0.0, 0.0)


def _cell(row: Mapping[str, Any], name: str, ends: tuple[float, float]) -> dict[str, Any]:
    """What a cell of the heat map says, and how strong its colour is: 0 where nothing was seen."""
    value = row["values"].get(name)
    if value is None or not row["seen"][name]:
        return {"text": "" if value is None else "·", "shade": 0, "name": name}
    span = ends[1] - ends[0]
    place = (math.log10(value) - ends[0]) / span if span else 1.0
    return {"text": f"{value:.2g}", "shade": round(PALE + (FULL - PALE) * place), "name": name}


def _csv_row(row: Mapping[str, Any]) -> dict[str, Any]:
    found = row["found"] or {}
    facts = {name: row[name] for name in ("kind", "operator", "layer", "change", "problem", "changes_output")}
    named = {"named_layer": found.get("layer", ""), "looked_at": found.get("looked_at", ""), "named_right": row["hit"]}
    return {"mutant": row["name"], **facts, **named, **{name: row["values"].get(name, "") for name in MEASURES}}
