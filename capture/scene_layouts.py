"""Layouts that labelled pictures come in: ImageNet's folders, COCO's annotations, and data sets that the kit wrote.

Each is read to rows and to the list of everything that is wrong with it; scenes.py checks the rows themselves. COCO's
is written here too, with the boxes where a fit has put them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from capture.scene_truth import Box as Box
from capture.scene_truth import Boxed, box_of, truth_texts
from device_agents.decode import RGB
from device_agents.errors import BadInput
from device_agents.records import Scene
from device_agents.resize import FITS

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif")
MANIFEST, MANIFEST_KIND = "manifest.json", "instability-dataset"
PLAIN = " ()+,=@!~'&;"  # kept in file names beside letters, digits and _.-
SPLITS = {"train", "training", "val", "valid", "validation", "test"}
COCO_HELP = "COCO annotations: a JSON object with the lists images, annotations and categories"


class Row(NamedTuple):
    """One scene as it was written down, and the words that tell where."""

    where: str
    file: Path
    name: str
    labels: tuple[str, ...]
    ambiguous: tuple[str, ...] = ()
    cluster: str = ""
    category: str = ""
    truth: str = ""


class Coco(NamedTuple):
    """Annotations as read: rows, and by a row's name its boxes and its picture's (height, width) where it is given."""

    rows: list[Row]
    boxes: dict[str, list[Box]]
    sizes: dict[str, tuple[int, int]]
    category_ids: dict[str, int]
    mistakes: list[str]


def folder_rows(folder: Path, *, suffixes: Sequence[str] = SUFFIXES, otherwise: str) -> tuple[list[Row], list[str]]:
    """List the pictures of a folder: label/anything/picture; a picture outside any sub-folder has no label.

    suffixes: of the files that count; otherwise: in words, what else would do. Sub-folders that are called train, val,
    ... and hold folders themselves are taken for splits, not for labels: one of them is to be given.
    """
    rows, loose, deep = [], [], []
    for file in sorted(entry for entry in folder.rglob("*") if entry.suffix.lower() in suffixes and entry.is_file()):
        relative = file.relative_to(folder)
        if len(relative.parts) == 1:
            loose.append(relative.name)
        else:
            rows.append(Row(relative.as_posix(), file, relative.with_suffix("").as_posix(), (relative.parts[0],)))
            deep.append(len(relative.parts) > 2)
    found = sorted({row.labels[0] for row in rows})
    if loose:
        named = ", ".join(loose[:3]) + (f" and {len(loose) - 3} more" if len(loose) > 3 else "")
        tables = ", ".join(sorted(table.name for table in folder.glob("*.csv")))
        hint = f" (there is {tables}: give that)" if tables else ""
        return rows, [f"expected pictures in sub-folders named after their labels, or {otherwise}{hint}; got {named}"]
    if not rows:
        return rows, [f"expected pictures ({' '.join(suffixes)}) in sub-folders, got none"]
    if set(found) <= SPLITS and all(deep):
        return rows, [f"expected sub-folders named after labels, got {', '.join(found)}; give one: {folder / found[0]}"]
    return rows, []


def read_coco(path: Path) -> Coco:
    """Read COCO annotations, such as instances_val2017.json: a picture's labels are its categories' names, in order.

    Pictures are looked for beside the file and where COCO keeps them (../images, or ../val2017 for
    instances_val2017.json). A picture without annotations has no accepted label and is left out: COCO has some in every
    split. Every entry that is not as it should be is a mistake; the others are read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        return Coco([], {}, {}, {}, [f"expected {COCO_HELP}: {problem}"])
    lists = [values.get(key) if isinstance(values, dict) else None for key in ("images", "annotations", "categories")]
    if not all(isinstance(part, list) for part in lists):
        got = ", ".join(map(str, values)) if isinstance(values, dict) else type(values).__name__
        return Coco([], {}, {}, {}, [f"expected {COCO_HELP}; got {got or 'an empty object'}"])
    images, mistakes = _entries(lists[0] or [], "image", "file_name")
    categories, more = _entries(lists[2] or [], "category", "name")
    names = {key: str(entry["name"]) for key, entry in categories.items()}
    found, wrong = _annotations(lists[1] or [], images, names)
    folders = _picture_folders(path)
    rows = [_coco_row(key, images[key], boxes, folders) for key, boxes in found.items()]
    labelled = zip(rows, found.items(), strict=True)
    boxed = [
        Boxed(row.where, row.file, [box for _, box in boxes], _size(images[key])) for row, (key, boxes) in labelled
    ]
    truths, outside = truth_texts(boxed)
    rows = [row._replace(truth=text) for row, text in zip(rows, truths, strict=True)]
    by_name = dict(zip((row.name for row in rows), found, strict=True))
    return Coco(
        rows=rows,
        boxes={name: [box for label, box in found[key] if box is not None] for name, key in by_name.items()},
        sizes={name: size for name, key in by_name.items() if (size := _size(images[key])) is not None},
        category_ids={name: key for key, name in reversed(names.items())},
        mistakes=mistakes + more + wrong + outside,
    )


def index_rows(path: Path, *, class_labels: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Read a list of lines "FILE CLASS", as Caffe's val.txt and the sets that SysNoise published have them.

    A class that is a number is a place in ``class_labels``, from 0, where these are given; otherwise it is the label.
    Files are looked for beside the list, above it, and in the folders beside it; with .npy added where there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as problem:
        return [], [f"expected lines FILE CLASS in UTF-8: {problem}"]
    here, above = path.parent, path.parent.parent
    folders = [here, above, *sorted(entry for entry in above.iterdir() if entry.is_dir() and entry != here)]
    rows, mistakes = [], []
    for number, line in enumerate(lines, 1):
        file, _, label = line.strip().rpartition(" ")
        known = not class_labels or not label.isdecimal() or int(label) < len(class_labels)
        if not (file and known) and line.strip():
            mistakes.append(
                f"line {number}: expected FILE CLASS, got {_short(line)}" + ("" if known else ": no such class")
            )
        elif line.strip():
            label = class_labels[int(label)] if class_labels and label.isdecimal() else label
            places = [folder / (file.strip() + end) for end in ("", ".npy") for folder in folders]
            found = next((place for place in places if place.is_file()), places[0])
            name = Path(file.strip().removesuffix(".npy")).with_suffix("").as_posix()
            rows.append(Row(f"line {number} ({file})", found, name, (label,)))
    return rows, mistakes


def picture_names(scenes: Sequence[Scene], *, layout: str) -> list[str]:
    """Name each scene's PNG in a layout ("imagenet": LABEL/NAME.png, "coco": images/NAME.png), relative to its folder.

    Characters that a file system minds are percent-encoded. Raises BadInput where two names meet.
    """
    names = []
    for scene in scenes:
        folder = _plain(scene.labels[0]) if layout == "imagenet" else "images"
        parts = [_plain(part) for part in scene.scene.split("/")]
        if layout == "imagenet" and len(parts) > 1 and parts[0] == folder:
            parts = parts[1:]  # a scene of an ImageNet folder carries its label already
        names.append("/".join([folder, *parts]) + ".png")
    counts = Counter(name.lower() for name in names)  # some file systems do not tell A from a
    twice = [f"{one.scene} ({name})" for one, name in zip(scenes, names, strict=True) if counts[name.lower()] > 1]
    if twice:
        raise BadInput(f"expected scenes with file names of their own, got the same for {', '.join(twice[:6])}")
    return names


def _plain(part: str) -> str:
    text = quote(part, safe=PLAIN)
    return text if text.strip(".") else text.replace(".", "%2E") or "%20"


def coco_annotations(
    scenes: Sequence[Scene], entries: Mapping[str, Mapping[str, Any]], *, category_ids: Mapping[str, int]
) -> dict[str, Any]:
    """Write scenes as COCO annotations: a category a label, on the whole image where there is no box of that label.

    entries: by scene its file below images/, height, width and boxes (label, left, top, width, height in pixels).
    category_ids: of labels that have one already; the others get the next free ones in alphabetical order. The keys
    scene, cluster, category and ambiguous of an image are not COCO's; read_coco reads them back.
    """
    ids = dict(category_ids)
    for label in sorted({label for scene in scenes for label in scene.labels} - set(ids)):
        ids[label] = max(ids.values(), default=0) + 1
    images, annotations = [], list[dict[str, Any]]()
    for number, scene in enumerate(scenes, 1):
        entry = entries[scene.scene]
        names = {"scene": scene.scene, "cluster": scene.cluster, "category": scene.category}
        size = {"height": entry["height"], "width": entry["width"]}
        file = entry["file"].removeprefix("images/")
        images.append({"id": number, "file_name": file, **size, **names, "ambiguous": list(scene.ambiguous)})
        boxes = [Box(*box) for box in entry["boxes"]]
        for label in scene.labels:
            about = {"image_id": number, "category_id": ids[label], "iscrowd": 0}
            here = [box for box in boxes if box.label == label]
            for box in here:
                area = {"area": round(box.width * box.height, 3), "iscrowd": int(box.ignored)}
                annotations.append({**about, "bbox": list(box[1:5]), **area})
            annotations += [] if here else [about]
    numbered = [{"id": number, **one} for number, one in enumerate(annotations, 1)]
    categories = [{"id": key, "name": name, "supercategory": ""} for name, key in ids.items()]
    return {"images": images, "annotations": numbered, "categories": sorted(categories, key=lambda one: one["id"])}


def place_boxes(boxes: Iterable[Box], *, fit: str, size: int, source: tuple[int, int]) -> list[Box]:
    """Carry boxes from a picture of (height, width) ``source`` to where a fit to size x size puts them, in pixels.

    What a crop cuts off is cut off the boxes too, and a box of which nothing is left is gone. Where a fit puts things
    is asked of the fit itself, by pictures whose pixels say where they came from.
    """
    (scale_x, left), (scale_y, top) = (_axis(fit, size, source, axis) for axis in (1, 0))
    placed = []
    for box in boxes:
        x0, x1 = (min(max(x * scale_x + left, 0), size) for x in (box.left, box.left + box.width))
        y0, y1 = (min(max(y * scale_y + top, 0), size) for y in (box.top, box.top + box.height))
        if x1 > x0 and y1 > y0:
            edges = (round(value, 3) for value in (x0, y0, x1 - x0, y1 - y0))
            placed.append(box_of(box.label, edges, ignored=box.ignored))
    return placed


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Give the manifest of a data set that `instability dataset` wrote into a folder, or None where it is none.

    Raises BadInput for one that is damaged or was not finished.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise BadInput(f"{path}: expected the manifest of a data set, got what is no JSON: {problem}") from problem
    if not isinstance(values, dict) or values.get("kind") != MANIFEST_KIND:
        return None
    if not isinstance(values.get("scenes"), str) or not isinstance(values.get("variant"), dict):
        raise BadInput(f"{path}: expected scenes and variant in the manifest; write the data set again")
    return values


def listing(folder: Path) -> Path | None:
    """Give the file that lists the scenes of a data set that the kit wrote into a folder; None for other folders."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    if not manifest.get("complete"):
        raise BadInput(f"{folder}: expected a finished data set; run the `instability dataset` that began it again")
    return folder / str(manifest["scenes"])


def _axis(fit: str, size: int, source: tuple[int, int], axis: int) -> tuple[float, int]:
    """Give by how much a fit scales along an axis (0 down, 1 along), and where it then puts the first pixel."""
    scaled_to = [source[axis]]

    def ask(picture: RGB, height: int, width: int) -> RGB:
        scaled_to[0] = (height, width)[axis]
        return _numbered(height, width, axis)

    placed = FITS[fit](_numbered(*source, axis), ask, size, size).astype(int)
    at = tuple(np.argwhere(placed[..., 2] == 1)[0])  # padding is grey: 0 or 114, never 1
    return scaled_to[0] / source[axis], int(at[axis] - (placed[at][0] * 256 + placed[at][1]))


def _numbered(height: int, width: int, axis: int) -> RGB:
    """A picture whose pixels say their place along an axis: its high byte, its low byte, and a 1."""
    place = np.arange((height, width)[axis])
    line = np.stack([place >> 8, place & 255, np.ones_like(place)], axis=-1).astype(np.uint8)
    return np.broadcast_to(line[:, None] if axis == 0 else line[None], (height, width, 3))


def _entries(items: Sequence[Any], kind: str, text: str) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Put images or categories under their ids; each needs a whole number as id and its text (a name or a file)."""
    found: dict[int, dict[str, Any]] = {}
    mistakes = []
    for number, item in enumerate(items, 1):
        key = item.get("id") if isinstance(item, dict) else None
        if not isinstance(key, int) or isinstance(key, bool):
            mistakes.append(f"{kind} number {number}: expected an object with a whole number as id, got {_short(item)}")
        elif not isinstance(item.get(text), str) or not item[text].strip():
            mistakes.append(f"{kind} {key}: expected its {text}, got {_short(item.get(text))}")
        elif key in found:
            mistakes.append(f"{kind} {key}: the id stands twice, for {found[key][text]} and {item[text]}")
        else:
            found[key] = item
    return found, mistakes


def _annotations(
    items: Sequence[Any], images: Mapping[int, Any], names: Mapping[int, str]
) -> tuple[dict[int, list[tuple[str, Box | None]]], list[str]]:
    """Give each annotated image's labels with their boxes, None where there is none, in the order of the images."""
    found: dict[int, list[tuple[str, Box | None]]] = {key: [] for key in images}
    mistakes = []
    for number, item in enumerate(items, 1):
        values: dict[str, Any] = item if isinstance(item, dict) else {}
        image, category, box = values.get("image_id"), values.get("category_id"), values.get("bbox")
        wrong = [
            f"there is no {kind} {_short(key)}"
            for kind, key, table in (("image", image, images), ("category", category, names))
            if not isinstance(key, int) or key not in table
        ]
        if box and not _is_box(box):
            wrong.append(f"expected bbox as left, top, width, height, got {_short(box)}")
        mistakes += [f"annotation number {number}: {one}" for one in wrong]
        if isinstance(image, int) and isinstance(category, int) and not wrong:
            label = names[category]
            crowd = bool(values.get("iscrowd"))
            found[image].append((label, box_of(label, map(float, box), ignored=crowd) if box else None))
    return {key: labels for key, labels in found.items() if labels}, mistakes


def _coco_row(key: int, entry: Mapping[str, Any], found: Iterable[tuple[str, Box | None]], folders: list[Path]) -> Row:
    """The row of one image; scene, ambiguous, cluster and category are what the kit's own sets add to COCO's keys."""
    file = entry["file_name"].strip()
    here = next((folder / file for folder in folders if (folder / file).is_file()), folders[0] / file)
    ambiguous = entry.get("ambiguous")
    return Row(
        where=f"image {key} ({file})",
        file=here,
        name=_text(entry, "scene") or Path(file).with_suffix("").as_posix(),
        labels=tuple(dict.fromkeys(label for label, _ in found)),
        ambiguous=tuple(map(str, ambiguous)) if isinstance(ambiguous, list) else (),
        cluster=_text(entry, "cluster"),
        category=_text(entry, "category"),
    )


def _picture_folders(path: Path) -> list[Path]:
    split = path.stem.rpartition("_")[2]  # instances_val2017.json goes with val2017/
    here, above = path.parent, path.parent.parent
    return [above / "images", here / "images", above / split, here / split, above / "images" / split, here, above]


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _is_box(box: Any) -> bool:
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(one, int | float) for one in box)
    return numbers and all(math.isfinite(one) for one in box) and box[2] >= 0 and box[3] >= 0


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:60]
