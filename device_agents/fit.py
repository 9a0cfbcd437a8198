"""FITS: RGB and a resizer -> RGB of the model's input size; what becomes of the aspect ratio, and which part is kept.

A fit calls the resizer at most once. Detection's "keep the ratio within 1333 x 800" is not here: its output has another
size for every picture, and a fit gives the size asked for; `letterbox-...` is the same resizing with the rest filled.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Callable, Dict, Tuple

import numpy as np

from device_agents.decode import MAX_PIXELS, RGB
from device_agents.errors import BadInput

Resizer = Callable[[RGB, int, int], RGB]
Rounding = Callable[[float], int]
Fit = Callable[[RGB, Resizer, int, int], RGB]


def fit_squash(picture: RGB, resizer: Resizer, height: int, width: int) -> RGB:
    """Resize to (height, width), the aspect ratio given up."""
    return resizer(picture, height, width)


def fit_cover_crop(
    picture: RGB,
    resizer: Resizer,
    height: int,
    width: int,
    *,
    margin: float,
    whole_side: Rounding,
    whole_offset: Rounding,
) -> RGB:
    """Resize keeping the ratio until (height, width) times margin is covered, then cut the centre.

    With margin 256/224 and a square input of 224 this is the usual ImageNet rule. How the longer side and the crop's
    offset become whole pixels differs between programs and moves the picture by a pixel: torchvision's Resize(int)
    and CenterCrop take int and round, most others round and floor.
    """
    resized_height, resized_width = covering_size(picture.shape[:2], height, width, margin=margin, whole=whole_side)
    if resized_height * resized_width > MAX_PIXELS:
        raise BadInput(f"a {picture.shape[1]} x {picture.shape[0]} picture is too narrow to resize to its short side")
    if picture.shape[:2] != (resized_height, resized_width):
        picture = resizer(picture, resized_height, resized_width)
    return centre_crop(picture, height, width, whole=whole_offset)


def fit_squash_crop(picture: RGB, resizer: Resizer, height: int, width: int, *, margin: float) -> RGB:
    """Resize to (height, width) times margin, the aspect ratio given up, then cut the centre."""
    squashed = resizer(picture, round(height * margin), round(width * margin))
    return centre_crop(squashed, height, width, whole=math.floor)


def fit_letterbox(picture: RGB, resizer: Resizer, height: int, width: int, *, padding: int) -> RGB:
    """Resize keeping the ratio until the whole picture fits, and fill the rest with the level ``padding`` (0 to 255).

    The sides are rounded to whole pixels (at least 1) and the picture lies in the centre, an odd pixel right or below.
    """
    ratio = min(height / picture.shape[0], width / picture.shape[1])
    inner_height = min(height, max(1, round(picture.shape[0] * ratio)))
    inner_width = min(width, max(1, round(picture.shape[1] * ratio)))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    boxed = np.full((height, width, 3), padding, np.uint8)
    boxed[top : top + inner_height, left : left + inner_width] = resizer(picture, inner_height, inner_width)
    return boxed


def covering_size(size: Tuple[int, ...], height: int, width: int, *, margin: float, whole: Rounding) -> Tuple[int, int]:
    """Give the (height, width) that keeps the ratio of a picture's size and just covers (height, width) times margin.

    ``whole`` brings the longer side to whole pixels.
    """
    target_height, target_width = round(height * margin), round(width * margin)
    if size[0] * width < size[1] * height:  # the picture is wider than the input: height decides
        return target_height, whole(target_height * size[1] / size[0])
    return whole(target_width * size[0] / size[1]), target_width


def centre_crop(picture: RGB, height: int, width: int, *, whole: Rounding) -> RGB:
    """Cut (height, width) from the centre, its offset brought to whole pixels; BadInput for a smaller picture."""
    top, left = whole((picture.shape[0] - height) / 2), whole((picture.shape[1] - width) / 2)
    if top < 0 or left < 0:
        raise BadInput(f"expected at least {width} x {height} pixels to cut from, got {picture.shape[:2][::-1]}")
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


# 114 is the grey that YOLO's own code pads with; torchvision's newer classification weights ask for 232.
FITS: Dict[str, Fit] = {
    "letterbox-black": partial(fit_letterbox, padding=0),
    "letterbox-grey-114": partial(fit_letterbox, padding=114),
    "short-side-256-crop": partial(fit_cover_crop, margin=256 / 224, whole_side=round, whole_offset=math.floor),
    "short-side-crop": partial(fit_cover_crop, margin=1.0, whole_side=round, whole_offset=math.floor),
    "squash": fit_squash,
    "squash-256-crop": partial(fit_squash_crop, margin=256 / 224),
    "torchvision-232-crop": partial(fit_cover_crop, margin=232 / 224, whole_side=int, whole_offset=round),
    "torchvision-256-crop": partial(fit_cover_crop, margin=256 / 224, whole_side=int, whole_offset=round),
}
