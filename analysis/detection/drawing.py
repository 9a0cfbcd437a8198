"""A detector's boxes drawn on a picture: found, false and missed ones told apart by line and sign, not colour alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.detection.matching import shown
from analysis.detection.objects import SHOWN, places
from analysis.pages.drawing import BLUE, GREEN, ORANGE
from device_agents.tasks.answers import Box, Detections, read_detections

RGB = NDArray[np.uint8]
FOUND, FALSE, MISPLACED, MISSED, TRUTH, PLAIN = "found", "false", "misplaced", "missed", "truth", "plain"
# How each kind is drawn: colour, whether its line is broken, and the sign before its label.
STYLES = {
    FOUND: (GREEN, False, ""),
    FALSE: (ORANGE, False, "+ "),
    MISPLACED: ("#E69F00", False, "~ "),
    MISSED: ("#ffffff", True, "- "),  # Pillow's own font has no minus sign
    TRUTH: ("#ffffff", False, ""),
    PLAIN: (BLUE, False, ""),
}
FONT_PX, DASH_PX = 11, 5


class Drawn(NamedTuple):
    """One box to draw, in fractions of the picture, with its kind (a key of STYLES) and its words."""

    box: Box
    kind: str
    words: str


def draw_answer(picture: RGB, detail: str, truth: str = "") -> RGB:
    """Draw the boxes that are shown on a picture, uint8 (height, width, 3), at the size it has; gives a new one.

    With a truth, boxes are found, misplaced or false and objects without a box are missed; without one they are boxes.
    """
    found = shown(read_detections(detail), score=SHOWN)
    return draw_boxes(picture, marked(found, read_detections(truth)) if truth else plain(found))


def draw_truth(picture: RGB, truth: str) -> RGB:
    """Draw a truth's objects on a picture; those to be ignored are broken."""
    told = read_detections(truth)
    ignored = told.ignored or (False,) * len(told.boxes)
    kinds = [MISSED if out else TRUTH for out in ignored]
    return draw_boxes(picture, [Drawn(*one) for one in zip(told.boxes, kinds, told.labels, strict=True)])


def plain(found: Detections) -> list[Drawn]:
    """Give boxes as they are, the least sure first, so that the surest lie on top."""
    rows = zip(found.boxes, found.labels, found.scores, strict=True)
    return [Drawn(box, PLAIN, f"{label} {_score(score)}") for box, label, score in rows][::-1]


def marked(found: Detections, truth: Detections) -> list[Drawn]:
    """Give boxes (all shown, in falling order of score) by what they are to a truth, and the objects that they miss."""
    judged = places(truth, found)
    kinds = {place: FOUND for seen, place in judged if seen.verdict == "right"}
    kinds |= {place: MISPLACED for seen, place in judged if seen.verdict == "ambiguous" and place not in kinds}
    rows = zip(found.boxes, found.labels, found.scores, strict=True)
    drawn = [
        Drawn(box, kind := kinds.get(place, FALSE), f"{STYLES[kind][2]}{label} {_score(score)}")
        for place, (box, label, score) in enumerate(rows)
    ]
    missed = [
        Drawn(box, MISSED, STYLES[MISSED][2] + label)
        for (seen, _), box, label in zip(judged, truth.boxes, truth.labels, strict=True)
        if seen.verdict == "wrong"
    ]
    return [*missed, *drawn[::-1]]


def draw_boxes(picture: RGB, boxes: list[Drawn]) -> RGB:
    """Draw boxes with their words, later ones over earlier ones; lines have dark edges, to be seen on any ground."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(np.ascontiguousarray(picture))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=FONT_PX)
    for one in boxes:
        colour, broken, _ = STYLES[one.kind]
        corners = _pixels(one.box, image.width, image.height)
        for width, ink in ((4, "#111111"), (2, colour)):
            _outline(pen, corners, ink, width, broken)
    for one in boxes:
        _words(pen, font, one, _pixels(one.box, image.width, image.height), image.width)
    return np.asarray(image)


def _pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, right = (round(min(max(edge, 0.0), 1.0) * (width - 1)) for edge in (box[0], box[2]))
    top, bottom = (round(min(max(edge, 0.0), 1.0) * (height - 1)) for edge in (box[1], box[3]))
    return left, top, right, bottom


def _outline(pen: Any, corners: tuple[int, int, int, int], ink: str, width: int, broken: bool) -> None:
    left, top, right, bottom = corners
    if not broken:
        pen.rectangle(corners, outline=ink, width=width)
        return
    for start in range(left, right, 2 * DASH_PX):
        end = min(start + DASH_PX, right)
        pen.line((start, top, end, top), fill=ink, width=width)
        pen.line((start, bottom, end, bottom), fill=ink, width=width)
    for start in range(top, bottom, 2 * DASH_PX):
        end = min(start + DASH_PX, bottom)
        pen.line((left, start, left, end), fill=ink, width=width)
        pen.line((right, start, right, end), fill=ink, width=width)


def _words(pen: Any, font: Any, one: Drawn, corners: tuple[int, int, int, int], width: int) -> None:
    """Write a box's words above it, or within it at the picture's upper edge, on a ground of its colour."""
    colour = STYLES[one.kind][0]
    x0, y0, x1, y1 = pen.textbbox((0, 0), one.words, font=font)
    left = max(0, min(corners[0], width - round(x1 - x0) - 5))
    high = round(y1 - y0) + 4
    top = corners[1] - high if corners[1] >= high else corners[1]
    pen.rectangle((left, top, left + round(x1 - x0) + 4, top + high), fill=colour)
    ink = "#111111" if colour in ("#ffffff", STYLES[MISPLACED][0]) else "#ffffff"
    pen.text((left + 2 - x0, top + 2 - y0), one.words, font=font, fill=ink)


def _score(score: float) -> str:
    return f"{score:.2f}".removeprefix("0")
