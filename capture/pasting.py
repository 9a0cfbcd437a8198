"""An object cut out of one picture and pasted into another, at places along lines: the pictures of the elephant test.

"The Elephant in the Room" (Rosenfeld, Zemel and Tsotsos 2018) moves a transplanted object through a scene and watches
what a detector makes of it and of everything else. A grey patch of the same shape, the control, hides the same pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_agents.decode import RGB, open_image
from device_agents.errors import BadInput

GREY = 128
Fractions = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Cut:
    """An object: rgb uint8 (height, width, 3), and alpha float32 (height, width), 1 where it covers what is behind."""

    rgb: RGB
    alpha: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse what is no object."""
        if self.rgb.dtype != np.uint8 or self.rgb.shape != (*self.alpha.shape, 3) or not (self.alpha > 0).any():
            raise BadInput(
                f"expected an object as uint8 (height, width, 3) with an alpha that is not 0 everywhere, got "
                f"{self.rgb.dtype} {self.rgb.shape} and alpha {self.alpha.shape}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.alpha.shape
        return height, width


class Place(NamedTuple):
    """Where an object's top left corner is put, in whole pixels, and on which of the lines it slides along."""

    line: int
    left: int
    top: int


def cut_box(picture: RGB, box: Fractions) -> Cut:
    """Cut a box (left, top, right, bottom, fractions) out of a picture, uint8 (height, width, 3), with all in it.

    Edges are rounded to whole pixels. Raises BadInput where less than a pixel is left.
    """
    height, width = picture.shape[:2]
    left, right = (round(min(max(edge, 0.0), 1.0) * width) for edge in (box[0], box[2]))
    top, bottom = (round(min(max(edge, 0.0), 1.0) * height) for edge in (box[1], box[3]))
    if right <= left or bottom <= top:
        raise BadInput(f"expected a box of a pixel or more, got {box} in a picture of {width} x {height}")
    rgb = np.ascontiguousarray(picture[top:bottom, left:right])
    return Cut(rgb, np.ones(rgb.shape[:2], dtype=np.float32))


def read_cut(file: Path) -> Cut:
    """Read an object with its transparency from an RGBA file (PNG, WebP); cut to what is not wholly transparent.

    Raises BadInput for a file that is no picture, or without transparency.
    """
    try:
        image = open_image(file.read_bytes())
    except OSError as problem:
        raise BadInput(f"expected an object's picture, cannot read {file}: {problem}") from problem
    if "A" not in image.getbands() and "transparency" not in image.info:
        raise BadInput(f"{file}: expected transparency around the object (RGBA), got {image.mode}; or give its box")
    pixels = np.asarray(image.convert("RGBA"))
    rows, columns = (np.flatnonzero(pixels[..., 3].any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise BadInput(f"{file}: expected an object, got a picture that is wholly transparent")
    pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Cut(np.ascontiguousarray(pixels[..., :3]), np.asarray(pixels[..., 3] / 255, dtype=np.float32))


def resize_cut(cut: Cut, *, height: int) -> Cut:
    """Resize an object to a height in pixels, keeping its ratio (Pillow's Lanczos); its own height changes nothing."""
    from PIL import Image

    if height < 1:
        raise BadInput(f"expected an object's height of 1 pixel or more, got {height}")
    if height == cut.size[0]:
        return cut
    size = max(1, round(cut.size[1] * height / cut.size[0])), height
    rgb = np.asarray(Image.fromarray(cut.rgb).resize(size, Image.Resampling.LANCZOS))
    alpha = np.asarray(Image.fromarray(cut.alpha).resize(size, Image.Resampling.BILINEAR))
    return Cut(rgb, np.clip(alpha, 0, 1).astype(np.float32))


def grey_patch(cut: Cut, *, value: int = GREY) -> Cut:
    """Give a patch of the object's shape in one grey: it hides the same pixels and shows nothing."""
    return replace(cut, rgb=np.full_like(cut.rgb, value))


def paste(picture: RGB, cut: Cut, *, left: int, top: int) -> RGB:
    """Put an object into a copy of a picture, uint8 (height, width, 3); what reaches outside is cut off.

    out = alpha * object + (1 - alpha) * picture on sRGB values, rounded; pixels that it does not cover stay.
    """
    height, width = picture.shape[:2]
    top_in, left_in = max(0, -top), max(0, -left)
    bottom_in, right_in = min(cut.size[0], height - top), min(cut.size[1], width - left)
    result = picture.copy()
    if top_in >= bottom_in or left_in >= right_in:
        return result
    alpha = cut.alpha[top_in:bottom_in, left_in:right_in, None]
    under = result[top + top_in : top + bottom_in, left + left_in : left + right_in]
    blend = alpha * cut.rgb[top_in:bottom_in, left_in:right_in] + (1 - alpha) * under
    under[...] = np.where(alpha > 0, np.rint(blend), under).astype(np.uint8)
    return result


def slide_places(picture: tuple[int, int], cut: tuple[int, int], *, step_px: int, lines: int = 3) -> list[Place]:
    """Give the places of an object of (height, width) ``cut`` that slides through a ``picture`` from left to right.

    It moves by step_px, wholly inside, along so many lines, evenly spaced from the top edge to the bottom one (one
    line: the middle). Raises BadInput where the object is larger than the picture, or step and lines are below 1.
    """
    room = picture[0] - cut[0], picture[1] - cut[1]
    if min(room) < 0 or step_px < 1 or lines < 1:
        raise BadInput(
            f"expected an object that fits, a step and lines of 1 or more; got an object of {cut[1]} x {cut[0]} pixels "
            f"in a picture of {picture[1]} x {picture[0]}, step {step_px}, lines {lines}"
        )
    tops = [round(room[0] * at / (lines - 1)) for at in range(lines)] if lines > 1 else [room[0] // 2]
    return [
        Place(line, left, top)
        for line, top in enumerate(dict.fromkeys(tops))
        for left in range(0, room[1] + 1, step_px)
    ]


def place_box(place: Place, cut: Cut, picture: RGB) -> Fractions:
    """Give where an object's covering pixels lie, as a box in fractions of the picture."""
    height, width = picture.shape[:2]
    rows, columns = (np.flatnonzero((cut.alpha >= 0.5).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        rows, columns = np.arange(cut.size[0]), np.arange(cut.size[1])
    return (
        (place.left + int(columns[0])) / width,
        (place.top + int(rows[0])) / height,
        (place.left + int(columns[-1]) + 1) / width,
        (place.top + int(rows[-1]) + 1) / height,
    )
