"""Scenes whose truth is a mask: pictures beside single-channel mask files, and what each value in these stands for.

Two layouts: a CSV file with the columns file and mask (and name, cluster, category as ever), or a folder with images/
and masks/ whose files are called alike. Beside the CSV, or in the folder, mask-classes.csv has the columns value, label
and, where a model has other classes, accepts: the model's labels that are right for it, joined by "|". An empty label
is what does not count.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capture.scene_layouts import SUFFIXES
from device_agents.errors import BadInput
from device_agents.records import Scene
from device_agents.tasks.answers import MOST_MASK_PIXELS, NO_CLASS, Mask, mask_text

CLASSES_FILE = "mask-classes.csv"
CLASSES_HELP = f"{CLASSES_FILE} with the columns value, label and optionally accepts (labels joined by |)"
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")  # lossless: a JPEG's values are no classes
_ORIENTATION = 274  # the EXIF tag; from 5 on a picture's sides are swapped
_MOST_LISTED = 20


@dataclass(frozen=True, eq=False)
class MaskClasses:
    """What the values of mask files stand for: labels, and codes uint8 (256,) from value to class; 254 is unknown.

    A label that accepts several of a model's is "tree|vegetation|terrain", its own name first.
    """

    labels: tuple[str, ...]
    codes: np.ndarray[Any, np.dtype[np.uint8]]


_UNKNOWN = 254


def has_masks(path: Path) -> bool:
    """Whether scenes at this path have masks: a folder with images/ and masks/, or a CSV file with the column mask."""
    if path.is_dir():
        return (path / CLASSES_FILE).is_file() or all((path / part).is_dir() for part in ("images", "masks"))
    if not path.is_file() or path.suffix.lower() != ".csv":
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        return "mask" in [name.strip() for name in next(csv.reader(lines), [])]


def read_mask_scenes(path: Path, *, known_labels: Collection[str] | None = None) -> list[Scene]:
    """Read scenes with their masks as truth; a scene's labels are the classes in its mask by falling share.

    known_labels: the model's, one of which at least must be accepted. Raises BadInput that lists every mistake.
    """
    classes = read_mask_classes((path if path.is_dir() else path.parent) / CLASSES_FILE)
    names = {name for label in classes.labels for name in label.split("|")}
    if known_labels is not None and not names & set(known_labels):
        raise BadInput(
            f"{path}: expected masks of the model's classes ({', '.join(list(known_labels)[:5])}, ...), got "
            f"{', '.join(sorted(names)[:5])}, ...; name the model's classes in {CLASSES_FILE}, column accepts"
        )
    rows = _folder_rows(path) if path.is_dir() else _csv_rows(path)
    scenes, mistakes, taken = list[Scene](), list[str](), set[str]()
    for row in rows:
        try:
            scene = _scene(row, classes)
            if scene.scene in taken:
                raise BadInput(f"the name '{scene.scene}' stands twice: give each its own in the column name")
            taken.add(scene.scene)
            scenes.append(scene)
        except BadInput as problem:
            mistakes.append(f"  {row['file'] or 'no file'}: {problem}")
    if mistakes or not scenes:
        more = [f"  and {len(mistakes) - _MOST_LISTED} more"] if len(mistakes) > _MOST_LISTED else []
        said = [f"{path}: {len(mistakes)} mistakes in the scenes and masks", *mistakes[:_MOST_LISTED], *more]
        raise BadInput("\n".join(said) if mistakes else f"{path}: expected pictures with masks, got none")
    return scenes


def read_mask_classes(path: Path) -> MaskClasses:
    """Read what values stand for; raises BadInput for an unreadable file, a value beyond 0..255 and one told twice."""
    if not path.is_file():
        raise BadInput(f"expected {CLASSES_HELP}, got no file at {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            if not {"value", "label"} <= set(reader.fieldnames or ()):
                raise BadInput(f"{path}: expected {CLASSES_HELP}, got the columns {reader.fieldnames}")
            rows = [{name: (text or "").strip() for name, text in row.items() if name} for row in reader]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"{path}: expected a CSV file in UTF-8: {problem}") from problem
    codes = np.full(256, _UNKNOWN, np.uint8)
    labels: dict[str, int] = {}
    for row in rows:
        if not row["value"].isascii() or not row["value"].isdigit() or int(row["value"]) > NO_CLASS:
            raise BadInput(f"{path}: expected values 0..255, got '{row['value']}'")
        value = int(row["value"])
        if codes[value] != _UNKNOWN:
            raise BadInput(f"{path}: the value {value} stands there twice")
        words = dict.fromkeys(part.strip() for part in (row["label"] + "|" + row.get("accepts", "")).split("|"))
        label = "|".join(word for word in words if word)
        codes[value] = labels.setdefault(label, len(labels)) if row["label"] else NO_CLASS
    if not labels or len(labels) > _UNKNOWN:
        raise BadInput(f"{path}: expected 1..{_UNKNOWN} labels, got {len(labels)}")
    return MaskClasses(tuple(labels), codes)


def read_mask_file(file: Path, classes: MaskClasses) -> Mask:
    """Read a mask file of one channel (8 bits or 1) or of palette indices; it covers its whole picture.

    Raises BadInput for a file of colours, for values without a class, and for a mask where no pixel counts.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            mode, (width, height) = image.mode, image.size
            if mode not in ("L", "P", "1") or width * height > MOST_MASK_PIXELS:
                raise BadInput(
                    f"the mask {file.name}: expected one channel of values 0..255 or a palette, at most "
                    f"{MOST_MASK_PIXELS} pixels, got {mode} of {width} x {height}; write class numbers, not colours"
                )
            values = np.asarray(image, np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise BadInput(f"the mask {file.name}: expected a picture file: {str(problem)[:200]}") from problem
    found = classes.codes[values]
    strange = np.unique(values[found == _UNKNOWN])
    if strange.size:
        raise BadInput(f"the mask {file.name} has values without a class in {CLASSES_FILE}: {strange[:8].tolist()}")
    if (found == NO_CLASS).all():
        raise BadInput(f"the mask {file.name}: expected a pixel that counts, got none")
    return Mask(height, width, found, classes.labels)


def _scene(row: dict[str, str], classes: MaskClasses) -> Scene:
    file, mask_file = Path(row["file"]), Path(row["mask"])
    for what, one in (("picture", file), ("mask", mask_file)):
        if not one.is_file():
            raise BadInput(f"expected its {what}, there is no file {one}")
    if "|" in row["name"]:
        raise BadInput(f"the name '{row['name']}' has a | in it: give another one in the column name")
    mask = read_mask_file(mask_file, classes)
    _check_size(file, mask)
    counts = np.bincount(mask.classes[mask.classes != NO_CLASS], minlength=1)
    order = [int(place) for place in np.argsort(-counts, kind="stable") if counts[place]]
    labels = tuple(mask.labels[place].split("|", 1)[0] for place in order)
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    more = row.get("cluster", ""), row.get("category", "")
    return Scene(row["name"], str(file), digest, labels, (), *more, mask_text(mask))


def _check_size(file: Path, mask: Mask) -> None:
    """Refuse a mask of another shape than its picture; one of another size alone covers the same ground."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            width, height = image.size
            swapped = image.getexif().get(_ORIENTATION, 1) >= 5
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return  # a raw, or a picture that will fail as such
    width, height = (height, width) if swapped else (width, height)
    if abs(mask.width * height - mask.height * width) > max(width, height):  # more than a pixel of the picture
        raise BadInput(
            f"expected a mask of its picture's shape ({width} x {height} upright), got {mask.width} x {mask.height}"
        )


def _folder_rows(folder: Path) -> list[dict[str, str]]:
    """Pair images/a/b.jpg with masks/a/b.png; a picture without a mask is a row whose mask is not there."""
    images, masks = folder / "images", folder / "masks"
    files = _listed(images, SUFFIXES)
    if not files:
        raise BadInput(f"{folder}: expected pictures in images/ and their masks in masks/, got no picture")
    found = {one.relative_to(masks).with_suffix("").as_posix(): one for one in _listed(masks, MASK_SUFFIXES)}
    rows = []
    for file in files:
        name = file.relative_to(images).with_suffix("").as_posix()
        rows.append({"file": str(file), "mask": str(found.get(name, masks / f"{name}.png")), "name": name})
    return rows


def _listed(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.suffix.lower() in suffixes and one.is_file())


def _csv_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            reader.fieldnames = [str(name).strip() for name in reader.fieldnames or ()]
            rows = [{name: (text or "").strip() for name, text in row.items() if name} for row in reader]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"{path}: expected a CSV file in UTF-8: {problem}") from problem
    if "file" not in reader.fieldnames:
        raise BadInput(f"{path}: expected the columns file and mask, got {', '.join(reader.fieldnames)}")
    for row in rows:
        row["name"] = row.get("name", "") or Path(row["file"]).with_suffix("").as_posix()
        row["file"], row["mask"] = str(path.parent / row["file"]), str(path.parent / row["mask"])
    return rows
