"""Truths of detection scenes: labelled boxes in pixels as fractions of their picture, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from device_agents.errors import BadInput
from device_agents.records import Scene
from device_agents.tasks.answers import Detections, detections_text, read_detections, read_mask

SLACK_PX = 1.0  # how far a box may lie outside its picture: VOC counts its pixels from 1, and COCO rounds
ORIENTATION = 274  # the EXIF tag; from 5 on a picture's sides are swapped


class Box(NamedTuple):
    """A box around something, in pixels of its picture from the top left corner's outer edge, as COCO counts.

    ignored: it counts neither as found nor as missed (COCO's iscrowd, VOC's difficult).
    """

    label: str
    left: float
    top: float
    width: float
    height: float
    ignored: bool = False


def box_of(label: str, edges: Iterable[float], *, ignored: bool = False) -> Box:
    """Make a box of its left, top, width and height."""
    left, top, width, height = edges
    return Box(label, left, top, width, height, ignored)


class Boxed(NamedTuple):
    """A picture's labelled boxes: the words that tell where, its file, boxes (None for a label without one), size.

    size: (height, width), None where the annotations do not tell; then the file is asked.
    """

    where: str
    file: Path
    boxes: Sequence[Box | None]
    size: tuple[int, int] | None = None


def truth_texts(pictures: Iterable[Boxed]) -> tuple[list[str], list[str]]:
    """Give the text form of each picture's truth and everything that is wrong.

    A truth is "" where an object has no box, so that not all are known, or where nothing tells the picture's size.
    Boxes of no area and boxes that reach outside their picture by more than SLACK_PX are mistakes; what lies
    within it is cut off.
    """
    texts, mistakes = [], []
    for one in pictures:
        boxes = [box for box in one.boxes if box is not None]
        size = (one.size or picture_size(one.file)) if boxes and len(boxes) == len(one.boxes) else None
        if size is None:
            texts.append("")
            continue
        wrong = [said for box in boxes if (said := _mistake(box, *size))]
        mistakes += [f"{one.where}: {said}" for said in wrong]
        texts.append("" if wrong else detections_text(_truth(boxes, *size)))
    return texts, mistakes


def picture_size(file: Path) -> tuple[int, int] | None:
    """Read a picture's (height, width) as it is seen, upright, from its head; None where it is no picture."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(ORIENTATION, 1) >= 5
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # found out where it is decoded
        return None
    return (width, height) if turned else (height, width)


def check_truth(text: str) -> None:
    """Raise BadInput for a text that is neither boxes nor a mask."""
    try:
        read_detections(text)
    except BadInput as problem:
        try:
            read_mask(text)
        except BadInput:
            raise problem from None


def strange_classes(scenes: Iterable[Scene], known: Collection[str]) -> list[str]:
    """Say in a line for each class of the truths' boxes that a model does not have, in how many pictures it is."""
    counts: Counter[str] = Counter()
    for scene in scenes:
        counts.update(truth_labels(scene.truth))
    known = set(known)
    return [
        f"the model has no class '{label}' ({number} picture{'s' if number > 1 else ''})"
        for label, number in counts.items()
        if label not in known
    ]


def truth_labels(text: str) -> tuple[str, ...]:
    """Give the classes of a truth's boxes, each once; none for another truth, or where there is none."""
    return tuple(dict.fromkeys(read_detections(text).labels)) if text.startswith('{"boxes"') else ()


def mapped_truth(text: str, labels: Mapping[str, str]) -> str:
    """Give a truth with other names for its classes; objects of classes without one are left out."""
    truth = read_detections(text)
    ignored = truth.ignored or (False,) * len(truth.boxes)
    kept = [at for at, label in enumerate(truth.labels) if label in labels]
    return detections_text(
        Detections(
            tuple(truth.boxes[at] for at in kept),
            tuple(labels[truth.labels[at]] for at in kept),
            (1.0,) * len(kept),
            tuple(ignored[at] for at in kept),
        )
    )


def _mistake(box: Box, height: int, width: int) -> str:
    if box.width <= 0 or box.height <= 0:
        return f"expected a box with an area, got {_told(box)}"
    right, bottom = box.left + box.width, box.top + box.height
    outside = min(box.left, box.top, width - right, height - bottom) < -SLACK_PX
    return f"{_told(box)} lies outside its picture of {width} x {height} pixels" if outside else ""


def _told(box: Box) -> str:
    return f"the box of '{box.label}' at {box.left:g}, {box.top:g}, {box.width:g} x {box.height:g}"


def _truth(boxes: Sequence[Box], height: int, width: int) -> Detections:
    edges = [
        (
            min(max(box.left / width, 0.0), 1.0),
            min(max(box.top / height, 0.0), 1.0),
            min(max((box.left + box.width) / width, 0.0), 1.0),
            min(max((box.top + box.height) / height, 0.0), 1.0),
        )
        for box in boxes
    ]
    marks = tuple(box.ignored for box in boxes)
    return Detections(tuple(edges), tuple(box.label for box in boxes), (1.0,) * len(boxes), marks if any(marks) else ())
