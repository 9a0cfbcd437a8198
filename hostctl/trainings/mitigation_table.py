"""`instability mitigate`: mitigations side by side as one table: for the terminal, a page, CSV, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.files import write_whole
from analysis.store import Run
from hostctl.printing import Progress, silent, table_text
from hostctl.trainings.mitigation_rows import COLUMNS, abstention_curve, make_rows
from hostctl.trainings.mitigations import SHOT, Answers, Asked, answers

if TYPE_CHECKING:
    from analysis.pages.drawing import Plot
    from analysis.papers.printed_table import Part

NAME = "mitigations"
NAN = float("nan")
_SHOWN = ("unseen", "pair", "all", "accuracy", "raws")  # what is asked for comes first
_ENDS = ("rate", "low", "high", "change", "change_low", "change_high", "p", "holm")


def mitigate(
    run: Path, asked: Asked, *, out: Path, raws: Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Train, judge and write OUT/mitigations.html, .csv, .md and .json; give what the last one holds, and the paths.

    Keys: headline, asked, rows (see mitigation_rows.make_rows), curve (abstention), notes, virtual, shown (the rows as
    text), page, csv, markdown and json. Raises BadInput as mitigations.answers does.
    """
    from analysis.pages.answer import VIRTUAL
    from analysis.papers.table_page import as_shown
    from analysis.report import render_page
    from hostctl.runs.reporting import is_virtual

    found = answers(run, asked, out=out, raws=raws, progress=progress)
    rows, curve = make_rows(found, asked), abstention_curve(found, asked)
    with Run.open(run, write=False) as opened:
        virtual = is_virtual(opened)
    told: dict[str, Any] = {"headline": headline(asked, rows), "asked": asdict(asked), "rows": rows, "curve": curve}
    told |= {"notes": notes(found, asked), "virtual": virtual}
    main, abstention = main_part(asked, rows, found), abstention_part(asked, curve)
    page = render_page(
        "mitigations.html",
        told=told,
        parts=[as_shown(main), as_shown(abstention)],
        plot=draw_curve(asked, curve),
        warning=VIRTUAL if virtual else "",
        provenance={"run": run.name, "photographs": f"{len(found.photos):,}", **_told(asked)},
    )
    files = {name: out / f"{NAME}.{suffix}" for name, suffix in _SUFFIXES.items()}
    write_whole(files["page"], page.encode())
    write_whole(files["csv"], main.frame.to_csv(index=False).encode())
    write_whole(files["markdown"], markdown(told, [main, abstention]).encode())
    write_whole(files["json"], (json.dumps(told, indent=2) + "\n").encode())
    seen = [number for number, column in enumerate(main.columns) if not column.aside]
    lines = [{main.columns[number].heading: line[number] for number in seen} for line in main.cells()]
    return told | {"shown": lines, **{name: str(path) for name, path in files.items()}}


def _told(asked: Asked) -> dict[str, str]:
    values = asdict(asked).items()
    return {
        name: ", ".join(str(one) for one in value) if type(value) is tuple else str(value) for name, value in values
    }


_SUFFIXES = {"page": "html", "csv": "csv", "markdown": "md", "json": "json"}


def mitigate_text(result: Mapping[str, Any]) -> str:
    """Lay out what mitigate() gave, for the terminal."""
    from analysis.pages.answer import VIRTUAL

    lines = [VIRTUAL, ""] if result["virtual"] else []
    lines += [result["headline"], "", table_text(result["shown"]), "", *result["notes"]]
    return "\n".join([*lines, *[f"{name:8}  {result[name]}" for name in _SUFFIXES]])


def headline(asked: Asked, rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which ways change the instability against the phone held out beyond chance, and that of the first row."""
    base = rows[0]["unseen"]
    judged = [row for row in rows if row["unseen"] and row["unseen"]["holm"] is not None]
    sure = (row for row in judged if row["unseen"]["holm"] < 0.05 and row["same_question"])
    good = sorted(sure, key=lambda row: row["unseen"]["change"])
    said = "; ".join(f"{one['name']} {100 * one['unseen']['change']:+.1f} points" for one in good) or "none"
    return (
        f"{asked.device} against {asked.unseen}, which no head was trained on: instability "
        f"{100 * base['rate']:.1f} % [{100 * base['low']:.1f}, {100 * base['high']:.1f}] with a fine-tuned head and "
        "nothing else. Ways that change it beyond chance with one answer to every photograph (5 %, Holm over "
        f"{len(judged)} ways): {said}."
    )


def notes(found: Answers, asked: Asked) -> list[str]:
    """Say how the table was worked out, and what its rows are not."""
    objects = len({one.cluster for one, source in zip(found.photos, found.sources, strict=True) if source == SHOT})
    alphas = ", ".join(f"{one:g}" for one in asked.alphas)
    lines = [
        f"{objects} objects, {asked.folds} folds by object, {asked.seeds} seeds: every photograph is judged by heads "
        "that never saw its object. The backbone is frozen: each way trains a linear head on kept features.",
        "Instability of two devices: right on one and wrong on the other, the same scene, angle and repeat. "
        f"{asked.unseen} is in no training and no choice. Over all devices: right on some and wrong on others, which "
        "grows with their number.",
        f"alpha is chosen in each fold on validation objects out of {alphas}: the lowest instability of the two phones "
        "trained on at an accuracy at most 1 point below the first row's. Thresholds of abstention are chosen on the "
        "same objects.",
        "Top n counts another question, and abstention answers fewer: their gain is not a model's. Both are read off "
        "the first row's heads, as is the burst.",
        "Training seconds are the median of a head's, with the time to compute the features of its views; inference "
        "is the frozen network's time over the first row's, times the photographs of a burst.",
    ]
    if any(source != SHOT for source in found.sources):
        lines.append(f"One ISP is {asked.isp}, stored as {asked.codec}; its own time is not in the inference factor.")
    else:
        lines.append("One consistent ISP was left out: the run has no raws of two devices developed by one ISP.")
    return lines


def main_part(asked: Asked, rows: Sequence[Mapping[str, Any]], found: Answers) -> Part:
    """Lay the rows out as a table; numbers stay in its frame."""
    import pandas as pd

    from analysis.papers.printed_table import Column, Part

    flat = [_flat(row) for row in rows]
    sources = zip(found.photos, found.sources, strict=True)
    raws = " - ".join(sorted({one.device for one, source in sources if source != SHOT}))
    heads = {
        "accuracy": f"right on {asked.device}, %",
        "pair": f"{asked.device} - {asked.partner}, %",
        "unseen": f"{asked.device} - {asked.unseen} (unseen), %",
        "all": "over all devices, %",
        "raws": f"{raws}, %",
    }
    columns = [Column("name", "way"), Column("what", "what it is", aside=True)]
    for name in _SHOWN if raws else _SHOWN[:-1]:
        ends = (f"{name}_change_low", f"{name}_change_high")
        columns.append(Column(f"{name}_rate", heads[name], "percent", (f"{name}_low", f"{name}_high")))
        columns.append(Column(f"{name}_change", "change, points", "points", ends, aside=name != "unseen"))
        columns.append(Column(f"{name}_holm", "p (Holm)", "chance", aside=name != "unseen"))
    columns += [Column("coverage", "coverage, %", "percent"), Column("seconds", "training, s", "as-printed")]
    columns += [Column("factor", "inference, x", "share"), Column("alphas", "alpha by fold", aside=True)]
    note = (
        "Changes are against the first row; for the devices with raws, against their own JPEGs, and there the accuracy "
        f"is {asked.partner}'s."
    )
    return Part(NAME, "All ways", note, pd.DataFrame(flat), tuple(columns))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    one = {name: row[name] for name in ("name", "what", "against", "seconds", "factor")}
    one["coverage"] = NAN if row["coverage"] is None else row["coverage"]
    one["alphas"] = ", ".join(f"{alpha:g}" for alpha in row["alphas"])
    for column in COLUMNS:
        cell = row[column] or {}
        one |= {f"{column}_{end}": NAN if cell.get(end) is None else cell[end] for end in _ENDS}
    return one


def abstention_part(asked: Asked, curve: Sequence[Mapping[str, float]]) -> Part:
    """Lay the curve of abstention out as a table."""
    import pandas as pd

    from analysis.papers.printed_table import Column, Part

    names = {"pair": f"{asked.device} - {asked.partner}, %", "unseen": f"{asked.device} - {asked.unseen} (unseen), %"}
    frame = pd.DataFrame([{name: one.get(name, NAN) for name in ("wanted", "coverage", *names)} for one in curve])
    columns = (
        Column("wanted", "coverage wanted, %", "percent"),
        Column("coverage", "coverage, %", "percent"),
        *(Column(name, heading, "percent") for name, heading in names.items()),
    )
    return Part("abstention", "Abstention", "", frame, columns)


def draw_curve(asked: Asked, curve: Sequence[Mapping[str, float]]) -> Plot:
    """Draw instability against coverage."""
    from analysis.pages.drawing import BLUE, ORANGE, Plot, add_legend, new_axes, svg_text

    figure, axes = new_axes(height_in=3.0, legend=True)
    for name, device, colour, marker in (("pair", asked.partner, BLUE, "o"), ("unseen", asked.unseen, ORANGE, "s")):
        there = [(100 * one["coverage"], 100 * one[name]) for one in curve if name in one]
        axes.plot(*zip(*there, strict=True), marker=marker, color=colour, lw=1.2, label=f"{asked.device} - {device}")
    axes.set_xlabel(f"pairs of {asked.device} and {asked.partner} that are both answered, %")
    axes.set_ylabel("instability, %")
    axes.set_ylim(bottom=0)
    axes.grid(True)
    add_legend(axes, 2)
    caption = "The plain head, silent below a score that was chosen on validation objects."
    alt = "Instability against coverage: " + "; ".join(
        f"{100 * one['coverage']:.0f} %: {100 * one['pair']:.1f} %" for one in curve if "pair" in one
    )
    return Plot("Instability against coverage", caption, alt, svg_text(figure, "mitigations"))


def markdown(told: Mapping[str, Any], parts: Sequence[Part]) -> str:
    """Write the whole as Markdown."""
    lines = ["# Mitigations side by side", "", told["headline"], ""]
    for part in parts:
        heads = [column.heading for column in part.columns]
        lines += [f"## {part.title}", "", part.note, "", *_grid(heads, part.cells()), ""]
    return "\n".join([*lines, "## How it was worked out", "", *[f"- {note}" for note in told["notes"]], ""])


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows)]
