"""Scenes from a folder, a CSV file or COCO annotations, every mistake reported at once; and written as a CSV file."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from capture.box_files import box_rows, has_boxes
from capture.mask_files import has_masks, read_mask_scenes
from capture.scene_layouts import SUFFIXES, Row, folder_rows, index_rows, listing, read_coco
from capture.scene_truth import check_truth, strange_classes
from device_agents.errors import BadInput
from device_agents.records import Scene

LABEL_COLUMNS = ("labels", "label", "wnid", "class_name")  # the first one that the file has
COLUMNS = ("file", "name", "labels", "ambiguous", "cluster", "category")
CSV_HELP = (
    "a CSV file with the columns file and labels (several joined by |; label, wnid or class_name do too), "
    "and optionally name, ambiguous, cluster, category"
)
MOST_SHOWN = 20
SURPLUS = "|"  # the key of fields beyond the header's; no column is called so


def read_scenes(
    path: Path,
    *,
    known_labels: Collection[str] | None = None,
    suffixes: Sequence[str] = SUFFIXES,
    class_labels: Sequence[str] = (),
    empty_files: bool = False,
) -> list[Scene]:
    """Read scenes in the order of the CSV file or the annotations, or of the sorted file names of a folder.

    In a folder a sub-folder's name is the label of all pictures in it (ImageNet's layout), unless `instability dataset`
    wrote it: then its own list counts. A CSV file names its pictures relative to itself. COCO annotations (.json) are
    read as read_coco says, lists of FILE CLASS (.txt) as index_rows does with ``class_labels``. A scene is called by
    its ``name`` or else by its file without the suffix. With ``known_labels`` (a model's label list) other labels are
    mistakes; ``suffixes`` are those of the files that count in a folder; ``empty_files``
    are let pass where a file that is no picture is a record of its own. Raises BadInput that lists every mistake with
    its row.
    """
    if has_masks(path):
        return read_mask_scenes(path, known_labels=known_labels)
    source = (listing(path) if path.is_dir() else None) or path
    if source.is_dir():
        rows, mistakes = folder_rows(source, suffixes=suffixes, otherwise=CSV_HELP)
    elif source.is_file() and source.suffix.lower() == ".json":
        rows, _, _, _, mistakes = read_coco(source)
    elif source.is_file() and source.suffix.lower() == ".txt":
        rows, mistakes = index_rows(source, class_labels=class_labels)
    elif has_boxes(source):
        rows, mistakes = box_rows(source)
    elif source.is_file():
        rows, mistakes = _csv_rows(source)
    else:
        others = "a folder of scenes, COCO annotations (.json), a list of FILE CLASS (.txt)"
        raise BadInput(f"{source}: there is no such file or folder; expected {others} or {CSV_HELP}")
    mistakes += _repeated_names(rows)
    scenes = []
    for row in rows:
        wrong = _row_mistakes(row, known_labels, empty_files)
        mistakes += [f"{row.where}: {mistake}" for mistake in wrong]
        if not wrong:
            scenes.append(_scene(row))
    mistakes += strange_classes(scenes, known_labels) if known_labels is not None else []
    if mistakes:
        raise BadInput(_list_mistakes(path, mistakes))
    if not scenes:
        raise BadInput(f"{path}: expected at least one scene, got none")
    return scenes


def write_scenes(scenes: Sequence[Scene], path: Path) -> None:
    """Write scenes as a CSV file that read_scenes reads back; pictures are named relative to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        truths = any(scene.truth for scene in scenes)
        writer.writerow((*COLUMNS, "truth") if truths else COLUMNS)
        for scene in scenes:
            relative = Path(os.path.relpath(scene.file, path.parent)).as_posix()
            joined = "|".join(scene.labels), "|".join(scene.ambiguous)
            told = (relative, scene.scene, *joined, scene.cluster, scene.category)
            writer.writerow((*told, scene.truth) if truths else told)
    os.replace(part, path)


def _csv_rows(path: Path) -> tuple[list[Row], list[str]]:
    """Read the rows of a CSV file; columns that nobody knows are left alone."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=SURPLUS, restval="")
            columns = [str(column).strip() for column in reader.fieldnames or ()]
            reader.fieldnames = columns
            label_column = next((column for column in LABEL_COLUMNS if column in columns), None)
            if "file" not in columns or label_column is None:
                return [], [f"expected {CSV_HELP}; got the columns {', '.join(columns) or 'none'}"]
            lines = [(reader.line_num, values) for values in reader]
    except (UnicodeDecodeError, csv.Error) as problem:
        return [], [f"expected a CSV file in UTF-8: {problem}"]
    surplus = [f"row {line}: expected {len(columns)} fields, got more" for line, values in lines if SURPLUS in values]
    return [_csv_row(path, line, values, label_column) for line, values in lines], surplus


def _csv_row(path: Path, line: int, values: dict[str, str], label_column: str) -> Row:
    """Turn one row of the CSV file into words; whether they are right is checked later."""
    file = values["file"].strip()
    name = values.get("name", "").strip() or Path(file).with_suffix("").as_posix() if file else ""
    whole = label_column == "class_name"  # a class's name is one label, whatever stands in it
    labels = (values[label_column].strip(),) if whole else _split(values[label_column])
    return Row(
        where=f"row {line} ({file or 'no file'})",
        file=path.parent / file if file else Path(),
        name=name,
        labels=tuple(label for label in labels if label),
        ambiguous=_split(values.get("ambiguous", "")),
        cluster=values.get("cluster", "").strip(),
        category=values.get("category", "").strip() or values.get("class_name", "").strip(),
        truth=values.get("truth", "").strip(),
    )


def _split(joined: str) -> tuple[str, ...]:
    """Split "wine bottle|red wine" into its labels."""
    return tuple(dict.fromkeys(part.strip() for part in joined.split("|") if part.strip()))


def _row_mistakes(row: Row, known_labels: Collection[str] | None, empty_files: bool) -> list[str]:
    """Say everything that is wrong with one row."""
    mistakes = []
    if row.file == Path():
        mistakes.append("expected a picture's name in the column file, got nothing")
    elif not row.file.is_file():
        mistakes.append(f"there is no file {row.file}")
    elif not empty_files and row.file.stat().st_size == 0:
        mistakes.append(f"the file {row.file} is empty")
    if row.truth:
        try:
            check_truth(row.truth)
        except BadInput as problem:
            mistakes.append(f"the truth: {problem}")
    if "|" in row.name:
        mistakes.append(f"the name '{row.name}' has a | in it: give another one in the column name")
    if not row.labels:
        mistakes.append("expected at least one accepted label, got none")
    both = sorted(set(row.labels) & set(row.ambiguous))
    if both:
        mistakes.append(f"accepted and ambiguous at once: {', '.join(both)}")
    if row.truth:  # its classes are named once for all pictures
        return mistakes
    strangers = [label for label in row.labels if known_labels is not None and label not in known_labels]
    if strangers:
        mistakes.append(f"the model has no label {', '.join(strangers)}")
    return mistakes


def _repeated_names(rows: Sequence[Row]) -> list[str]:
    """Say which names stand more than once, with their rows."""
    counts = Counter(row.name for row in rows if row.name)
    repeated = [name for name, count in counts.items() if count > 1]
    return [
        f"the name '{name}' stands {counts[name]} times ({', '.join(row.where for row in rows if row.name == name)}): "
        "give each its own in the column name"
        for name in repeated
    ]


def _scene(row: Row) -> Scene:
    with row.file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Scene(row.name, str(row.file), digest, row.labels, row.ambiguous, row.cluster, row.category, row.truth)


def _list_mistakes(path: Path, mistakes: Sequence[str]) -> str:
    shown = [f"  {mistake}" for mistake in mistakes[:MOST_SHOWN]]
    more = [f"  and {len(mistakes) - MOST_SHOWN} more"] if len(mistakes) > MOST_SHOWN else []
    plural = "mistake" if len(mistakes) == 1 else "mistakes"
    return "\n".join([f"{path}: {len(mistakes)} {plural} in the scenes", *shown, *more])
