"""Scenes whose truth is boxes in a CSV file: a row a box, several rows a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from capture.scene_layouts import Row
from capture.scene_truth import Box, Boxed, truth_texts

EDGES = ("xmin", "ymin", "xmax", "ymax")
LABELS = ("class_name", "label")
BOXES_HELP = (
    f"a CSV file with the columns file, class_name (or label), {', '.join(EDGES)} (pixels, from the picture's edge) "
    "and optionally difficult, cluster"
)


def has_boxes(path: Path) -> bool:
    """Whether a file is a CSV file whose header names the four edges of boxes."""
    if not path.is_file() or path.suffix.lower() != ".csv":
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        return set(EDGES) <= {name.strip() for name in next(csv.reader(lines), [])}


def box_rows(path: Path) -> tuple[list[Row], list[str]]:
    """Read a row of scenes for each picture of a CSV file of boxes, in order of appearance, and every mistake.

    Pictures are named relative to the file or to the folder images/ beside it. difficult (1) marks what counts neither
    as found nor as missed. A scene's labels are its classes, in order of appearance.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            lines = [(reader.line_num, values) for values in reader]
    except (UnicodeDecodeError, csv.Error) as problem:
        return [], [f"expected a CSV file in UTF-8: {problem}"]
    label = next((name for name in LABELS if name in reader.fieldnames), None)
    if "file" not in reader.fieldnames or label is None:
        return [], [f"expected {BOXES_HELP}; got the columns {', '.join(reader.fieldnames)}"]
    pictures: dict[str, list[Box]] = {}
    rows: dict[str, Row] = {}
    mistakes = []
    for number, values in lines:
        name = values["file"].strip()
        box, wrong = _box(values, label)
        if wrong or not name or box is None:
            mistakes.append(f"row {number} ({name or 'no file'}): {wrong or 'expected the name of a picture'}")
            continue
        pictures.setdefault(name, []).append(box)
        rows.setdefault(name, _row(path, number, name, values.get("cluster", "").strip()))
    labelled = [
        rows[name]._replace(labels=tuple(dict.fromkeys(box.label for box in boxes))) for name, boxes in pictures.items()
    ]
    boxed = [Boxed(row.where, row.file, pictures[name]) for row, name in zip(labelled, pictures, strict=True)]
    truths, more = truth_texts(boxed)
    return [row._replace(truth=text) for row, text in zip(labelled, truths, strict=True)], mistakes + more


def _box(values: dict[str, str], label: str) -> tuple[Box | None, str]:
    """Give a row's box, or what is wrong with it."""
    if not values[label].strip():
        return None, f"expected a class in the column {label}, got nothing"
    try:
        left, top, right, bottom = (float(values[edge]) for edge in EDGES)
        if not all(map(math.isfinite, (left, top, right, bottom))):
            raise ValueError
    except (TypeError, ValueError):
        return None, f"expected numbers in {', '.join(EDGES)}, got {[values[edge] for edge in EDGES]}"
    difficult = (values.get("difficult") or "").strip()
    if difficult not in ("", "0", "1"):
        return None, f"expected difficult as 0 or 1, got '{difficult}'"
    return Box(values[label].strip(), left, top, right - left, bottom - top, difficult == "1"), ""


def _row(path: Path, number: int, name: str, cluster: str) -> Row:
    places = (path.parent / name, path.parent / "images" / name)
    file = next((place for place in places if place.is_file()), places[0])
    return Row(f"row {number} ({name})", file, Path(name).with_suffix("").as_posix(), (), cluster=cluster)
