"""PLACEMENTS: where the viewed picture lies in the model's input, for each of FITS; in continuous edge coordinates.

Edges are counted, not pixel centres: a picture of width w reaches from 0 to w. A fit takes its whole sizes and offsets
from here, so that the two cannot differ; the scales are those that the resizer was really asked for, after rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, Tuple

Rounding = Callable[[float], int]
Box = Tuple[float, float, float, float]


@dataclass(frozen=True)
class Placed:
    """Where the viewed picture lies in the model's input: x_input = x_picture * scale_x + left, likewise y with top.

    ``left`` and ``top`` are whole pixels of the input: positive under a letterbox, negative where the picture was cut.
    """

    picture_height: int
    picture_width: int
    scale_x: float
    scale_y: float
    left: float
    top: float

    def to_picture(self, box: Box) -> Box:
        """Give a box (left, top, right, bottom) of the input, in pixels, in fractions of the viewed picture."""
        width, height = self.picture_width * self.scale_x, self.picture_height * self.scale_y
        return (
            (box[0] - self.left) / width,
            (box[1] - self.top) / height,
            (box[2] - self.left) / width,
            (box[3] - self.top) / height,
        )

    def to_input(self, box: Box) -> Box:
        """Give a box in fractions of the viewed picture in pixels of the input."""
        width, height = self.picture_width * self.scale_x, self.picture_height * self.scale_y
        return (
            box[0] * width + self.left,
            box[1] * height + self.top,
            box[2] * width + self.left,
            box[3] * height + self.top,
        )


@dataclass(frozen=True)
class Sizes:
    """What a fit does, in whole pixels: the size it resizes to, and where that lies in the input."""

    height: int
    width: int
    top: int = 0
    left: int = 0


Placement = Callable[[Tuple[int, ...], int, int], Sizes]


def place_squash(size: Tuple[int, ...], height: int, width: int) -> Sizes:
    """Fill the input, the aspect ratio given up."""
    return Sizes(height, width)


def place_cover_crop(
    size: Tuple[int, ...], height: int, width: int, *, margin: float, whole_side: Rounding, whole_offset: Rounding
) -> Sizes:
    """Cover (height, width) times margin keeping the ratio, then cut the centre."""
    covering = covering_size(size, height, width, margin=margin, whole=whole_side)
    return _cut(covering, height, width, whole=whole_offset)


def place_squash_crop(size: Tuple[int, ...], height: int, width: int, *, margin: float) -> Sizes:
    """Fill (height, width) times margin, the aspect ratio given up, then cut the centre."""
    return _cut((round(height * margin), round(width * margin)), height, width, whole=math.floor)


def place_letterbox(size: Tuple[int, ...], height: int, width: int) -> Sizes:
    """Keep the ratio until the whole picture fits; in the centre, an odd pixel right or below; sides at least 1."""
    ratio = min(height / size[0], width / size[1])
    inner_height = min(height, max(1, round(size[0] * ratio)))
    inner_width = min(width, max(1, round(size[1] * ratio)))
    return Sizes(inner_height, inner_width, (height - inner_height) // 2, (width - inner_width) // 2)


def covering_size(size: Tuple[int, ...], height: int, width: int, *, margin: float, whole: Rounding) -> Tuple[int, int]:
    """Give the (height, width) that keeps the ratio of a picture's size and just covers (height, width) times margin.

    ``whole`` brings the longer side to whole pixels.
    """
    target_height, target_width = round(height * margin), round(width * margin)
    if size[0] * width < size[1] * height:  # the picture is wider than the input: height decides
        return target_height, whole(target_height * size[1] / size[0])
    return whole(target_width * size[0] / size[1]), target_width


def placed(size: Tuple[int, ...], height: int, width: int, *, placement: Placement) -> Placed:
    """Say where a viewed picture of ``size`` (height, width) lies in an input of (height, width) pixels."""
    sizes = placement(size, height, width)
    return Placed(size[0], size[1], sizes.width / size[1], sizes.height / size[0], float(sizes.left), float(sizes.top))


def _cut(size: Tuple[int, int], height: int, width: int, *, whole: Rounding) -> Sizes:
    return Sizes(*size, -whole((size[0] - height) / 2), -whole((size[1] - width) / 2))


_LETTERBOX = ("letterbox-black", "letterbox-grey-114")
PLACEMENTS: Dict[str, Placement] = {
    **dict.fromkeys(_LETTERBOX, place_letterbox),
    "short-side-256-crop": partial(place_cover_crop, margin=256 / 224, whole_side=round, whole_offset=math.floor),
    "short-side-crop": partial(place_cover_crop, margin=1.0, whole_side=round, whole_offset=math.floor),
    "squash": place_squash,
    "squash-256-crop": partial(place_squash_crop, margin=256 / 224),
    "torchvision-232-crop": partial(place_cover_crop, margin=232 / 224, whole_side=int, whole_offset=round),
    "torchvision-256-crop": partial(place_cover_crop, margin=256 / 224, whole_side=int, whole_offset=round),
}
