"""Writes what explains a flip: a page for each, the two ways side by side at each stage, and one page for all flips."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.bisect import BLAMED, ELSEWHERE, FRAGILE, INTERACTION, LEVEL, NOTHING, UNTESTED, chance
from analysis.differences import to_one_size
from analysis.run_folder.files import write_whole
from device_agents.decode import RGB
from hostctl.causes.explained import Explained, stage_rows, swap_rows
from hostctl.causes.flips import shown_item
from hostctl.pictures.noise_page import csv_text, data_uri, fill_page, image_uri
from hostctl.predictions.label_names import read_names

LONGEST_PX = 360
QUALITY = 88


def write_page(out: Path, found: Explained, folder: Path) -> Path:
    """Write one flip's page into the folder out and give its path; folder is the run's, for the words of its labels."""
    out.mkdir(parents=True, exist_ok=True)
    flip, names = found.flip, read_names(folder)
    sides = []
    for side, answer in zip((flip.a, flip.b), found.answers, strict=True):
        top = zip(answer.labels, answer.chances, strict=True)
        answers = [{"label": names.get(label, label), "chance": chance} for label, chance in top]
        label = str(side.recorded["label_1"])
        recorded = {"label": names.get(label, label), "verdict": side.recorded["verdict"]}
        sides.append({"name": side.name, "answers": answers, **recorded, "score": side.recorded["score_1"]})
    page = fill_page(
        "flip.html",
        title=f"{shown_item(flip.item)}: {flip.a.name} / {flip.b.name}",
        headline=headline(found),
        item=shown_item(flip.item),
        accepted=[names.get(label, label) for label in flip.accepted],
        sides=sides,
        notes=remarks(found),
        stages=stage_rows(found),
        swaps=swap_rows(found.tested),
        growth=found.growth,
        pictures=_pictures(found),
        layers=found.layers,
        level=LEVEL,
        a_name=flip.a.name,
        b_name=flip.b.name,
    )
    path = out / f"{_file_name(flip.item, flip.a.name, flip.b.name)}.html"
    write_whole(path, page)
    return path


def write_index(
    out: Path,
    rows: Sequence[Mapping[str, Any]],
    table: Sequence[Mapping[str, Any]],
    failed: Sequence[str],
    folder: Path,
    rule: Mapping[str, Any],
) -> Path:
    """Write the page of all flips, with the table of stages and a link to each flip's page, and give its path."""
    out.mkdir(parents=True, exist_ok=True)
    shown = [row for row in table if row["blamed"] or row["shared"] or row["differs"]]
    csv = data_uri(csv_text(shown).encode(), "text/csv;charset=utf-8") if shown else ""
    named = [{**row, "item": shown_item(row["item"]), "file": Path(row["page"]).name} for row in rows]
    values = {"rows": named, "table": shown, "failed": failed, "rule": rule, "csv": csv}
    page = fill_page("flips.html", title=f"Flips of {folder.name}", names=read_names(folder), **values)
    write_whole(out / "index.html", page)
    return out / "index.html"


def headline(found: Explained) -> str:
    """Give the answer for one flip in a sentence."""
    cause = found.cause
    what = " or ".join(" together with ".join(swap) for swap in cause.swaps)
    tests = [one for one in found.tested if one.swap in cause.swaps and one.blamed]
    rarely = f"; of random changes of that size {round(100 * tests[0].share)} % do the same" if tests else ""
    by_chance = any(chance(one.same, one.draws) > LEVEL for one in found.tested if one.draws)
    too = "so do random changes of the same size" if by_chance else "it bears no random change of that size either"
    sentences = {
        BLAMED: f"Swapping {what} alone turns the answer over{rarely}",
        INTERACTION: f"No stage alone turns the answer over; {what} does{rarely}",
        FRAGILE: f"This picture is fragile: swaps turn the answer over, and {too}",
        UNTESTED: "Swaps turn the answer over, but their change could not be compared with random ones",
        NOTHING: "No swap of stages that was tried turns the answer over",
        ELSEWHERE: "This host does not get the answer that was recorded, so its stages cannot be swapped here",
    }
    return sentences[cause.kind]


def remarks(found: Explained) -> list[str]:
    """Say what else a reader must know: what could not be swapped, was recorded otherwise, was not searched."""
    lines = []
    if found.first:
        same = "the same file" if found.first != "file" else "other files"
        lines.append(f"The two ways start from {same}; the first thing that differs is: {found.first}.")
    for key, again in zip("AB", found.again, strict=True):
        if again["differs"]:
            lines.append(f"{key}: what was recorded is not what this host computes, from its {again['differs']} on.")
    if found.fixed:
        lines.append(f"Not swappable on this host, being of other machines or versions: {', '.join(found.fixed)}.")
    if found.layers_note:
        lines.append(f"The layers could not be compared: {found.layers_note}.")
    for direction, search in found.searches.items():
        if search.complete_to < len([stage for stage in found.stages if stage not in found.fixed]):
            lines.append(f"{direction}: searched completely up to swaps of {search.complete_to} stages at once.")
    return lines


def _pictures(found: Explained) -> list[dict[str, Any]]:
    """What both ways look like after decoding (as the view and colour give it) and at the model's input."""
    one, two = found.pictures
    return [
        _pair("what the model is shown", one.seen, two.seen, exact=False),
        _pair("at the model's input size", one.resized, two.resized, exact=True),
    ]


def _pair(name: str, a: RGB, b: RGB, *, exact: bool) -> dict[str, Any]:
    here, there = to_one_size(a, b)
    gap = np.abs(here.astype(np.int16) - there.astype(np.int16))
    largest = int(gap.max(initial=0))
    gain = 255 / largest if largest else 0.0
    drawn = np.rint(gap * gain).astype(np.uint8)
    sizes = [f"{one.shape[1]} × {one.shape[0]}" for one in (a, b)]
    facts = {"largest": largest, "mean": float(gap.mean()), "reduced": a.shape != b.shape, "gain": gain}
    show = image_uri if exact else _jpeg
    return {"name": name, "a": show(a), "b": show(b), "gap": show(drawn) if largest else "", "sizes": sizes, **facts}


def _jpeg(picture: RGB) -> str:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _file_name(*names: str) -> str:
    """A file's name that any system takes, and that no other flip has."""
    text = "|".join(names)
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', text)[:80].strip('-.')}-{zlib.crc32(text.encode()):08x}"
