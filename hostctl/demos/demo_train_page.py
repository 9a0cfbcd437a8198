"""What the training demo found: each scheme's instability between devices, paired tests, and the page with pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.intervals.accuracy_tests import sign_flip
from analysis.pages.answer import VIRTUAL
from analysis.papers.printed_table import Column, Part, percent_text, records
from analysis.run_folder.files import write_whole
from analysis.statistics import difference_interval, rate_interval
from hostctl.demos.demo_train import CLEAN, HELD_OUT, NAMES, PARTNER, SCHEMES, SEEDS, Judged
from hostctl.printing import table_text

if TYPE_CHECKING:
    from stability_train.photos import Photo

PAIRS = ((CLEAN, PARTNER), (CLEAN, HELD_OUT), (PARTNER, HELD_OUT))
MOST_SHOWN = 8
SURE = 0.05
Marks = NDArray[np.float64]


def write_result(out: Path, judged: Judged, photos: Sequence[Photo]) -> dict[str, Any]:
    """Write the page, result.json and their folder's name; gives headline, notes, parts, page and run."""
    from analysis.papers.table_page import as_shown
    from analysis.tables import to_json
    from hostctl.pictures.noise_page import fill_page

    parts = [_schemes(judged), _tests(judged)]
    said = headline(parts[0].frame, parts[1].frame)
    notes = _notes(judged)
    page = fill_page(
        "demo_train.html",
        headline=said,
        notes=notes,
        parts=[as_shown(part) for part in parts],
        cards=_cards(judged, photos),
        warning=VIRTUAL,
    )
    write_whole(out / "index.html", page)
    told = {"headline": said, "notes": notes, "page": str(out / "index.html"), "run": str(out / "run")}
    shown = {
        part.name: {
            "title": part.title,
            "rows": to_json(part.frame),
            "headings": [column.heading for column in part.columns],
            "shown": part.cells(),
        }
        for part in parts
    }
    write_whole(out / "result.json", (json.dumps(told | {"parts": shown}, indent=2) + "\n").encode())
    return told | {"parts": shown}


def train_text(result: dict[str, Any]) -> str:
    """Lay the result out for the terminal."""
    lines = [result["headline"], ""]
    for part in result["parts"].values():
        rows = [dict(zip(part["headings"], row, strict=True)) for row in part["shown"]]
        lines += [part["title"], table_text(rows), ""]
    return "\n".join([*lines, *result["notes"], "", f"run     {result['run']}", f"report  {result['page']}"])


def unstable(right: NDArray[np.bool_], pair: tuple[str, str]) -> Marks:
    """Whether exactly one of two devices is right: (..., objects) of right (..., objects, devices)."""
    a, b = (NAMES.index(name) for name in pair)
    return np.asarray(right[..., a] != right[..., b], dtype=np.float64)


def headline(schemes: pd.DataFrame, tests: pd.DataFrame) -> str:
    """Say by how much the instability on the device never trained on fell, and whether that is sure."""
    column = _pair(CLEAN, HELD_OUT)
    rows = {row["scheme"]: row for row in records(schemes)}
    test = next(row for row in records(tests) if row["against"] == SCHEMES[0].name and row["pair"] == column)
    before, after = (
        percent_text(rows[name][column], (rows[name][f"{column}_low"], rows[name][f"{column}_high"]))
        for name in (SCHEMES[0].name, SCHEMES[-1].name)
    )
    moved = "falls" if test["change"] < 0 else "does not fall"
    sure = (
        f"The paired test is sure of it (p = {test['p']:.3f})."
        if test["p"] < SURE and test["change"] < 0
        else f"The paired test is not sure of that (p = {test['p']:.2f}): so few objects cannot show a small change."
    )
    return (
        f"On {HELD_OUT}, a device that no training saw, instability against {CLEAN} {moved} from {before} after plain "
        f"training to {after} after stability training. {sure}"
    )


def _pair(a: str, b: str) -> str:
    return f"{a} and {b}"


def _schemes(judged: Judged) -> Part:
    """Accuracy on each device and instability between each two, of every scheme; objects are the evidence."""
    clusters = np.tile(np.array(judged.objects, dtype=object), SEEDS)
    rows = []
    for scheme, right in zip(SCHEMES, judged.right, strict=True):
        row: dict[str, Any] = {"scheme": scheme.name}
        for place, name in enumerate(NAMES):
            row[name] = right[..., place].mean()
        for pair in PAIRS:
            marks = unstable(right, pair).ravel()
            ends = rate_interval(marks, clusters)
            row |= {_pair(*pair): marks.mean(), f"{_pair(*pair)}_low": ends.low, f"{_pair(*pair)}_high": ends.high}
        rows.append(row)
    columns = (
        Column("scheme", "training"),
        *(Column(name, f"right on {name} (%)", "percent") for name in NAMES),
        *(
            Column(name := _pair(*pair), f"instability, {name} (%)", "percent", (f"{name}_low", f"{name}_high"))
            for pair in PAIRS
        ),
    )
    note = f"{len(judged.objects)} objects, each held out once in each of {SEEDS} seeds; {HELD_OUT} is in no training."
    return Part("schemes", "Each way to train", note, pd.DataFrame(rows), columns)


def _tests(judged: Judged) -> Part:
    """The stability scheme against each other one: change of instability, paired by object."""
    clusters = np.tile(np.array(judged.objects, dtype=object), SEEDS)
    rows = []
    for pair in PAIRS:
        stable = unstable(judged.right[-1], pair)
        for scheme, right in zip(SCHEMES[:-1], judged.right[:-1], strict=True):
            other = unstable(right, pair)
            ends = difference_interval(stable.ravel(), clusters, other.ravel(), clusters)
            changes = (stable - other).sum(axis=0)  # an object's seeds are no evidence of their own
            rows.append(
                {
                    **{"pair": _pair(*pair), "against": scheme.name, "change": stable.mean() - other.mean()},
                    **{"low": ends.low, "high": ends.high, "p": sign_flip(np.rint(changes))},
                    **{"steadier": int((changes < 0).sum()), "less": int((changes > 0).sum())},
                }
            )
    columns = (
        Column("pair", "devices"),
        Column("against", f"{SCHEMES[-1].name} against"),
        Column("change", "change (points)", "points", ("low", "high")),
        Column("p", "p", "chance"),
        Column("steadier", "objects steadier", "number"),
        Column("less", "less steady", "number"),
    )
    note = "Below 0 is steadier. p: exact, of the objects' signs, two-sided; not corrected for the number of rows."
    return Part("tests", "Stability training against the others", note, pd.DataFrame(rows), columns)


def _notes(judged: Judged) -> list[str]:
    return [
        f"The objects are {len(judged.objects)} drawn garments of six classes, on a virtual screen.",
        f"Stability training compares each photograph by {CLEAN} with the same object's by {PARTNER}; plain training "
        f"sees {CLEAN} only, and in the second row the photographs of both with their labels.",
        "The weight of the stability loss and the epochs were chosen on other drawings (seed 78), not on these.",
    ]


def _cards(judged: Judged, photos: Sequence[Photo]) -> list[dict[str, Any]]:
    """The objects whose answers differ most between the first and the last scheme, in both directions."""
    from analysis.pages.gallery import thumbnail
    from device_agents.decode import DECODERS
    from device_agents.view import VIEWS

    change = sum(unstable(judged.right[-1], pair) - unstable(judged.right[0], pair) for pair in PAIRS[:2])
    total = np.asarray(change).sum(axis=0)
    order = [int(place) for place in np.argsort(-np.abs(total), kind="stable") if total[place]][:MOST_SHOWN]
    by_step = {(photo.scene, photo.device): photo for photo in photos}
    cards = []
    for place in order:
        answers = []
        for column, name in enumerate(NAMES):
            photo = by_step[judged.objects[place], name]
            view = VIEWS["rectified-pillow" if photo.corners else "whole"]
            scene = view(DECODERS["pillow"](photo.file.read_bytes()), photo.corners)
            said = [
                {
                    "scheme": scheme.name,
                    "label": str(judged.labels[number, 0, place, column]),
                    "right": bool(judged.right[number, 0, place, column]),
                }
                for number, scheme in enumerate(SCHEMES)
            ]
            answers.append({"device": name, "thumbnail": thumbnail(scene), "said": said})
        cards.append({"name": judged.objects[place], "label": photo.label, "steadier": total[place] < 0, "of": answers})
    return cards
