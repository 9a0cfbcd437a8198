"""FITS: RGB and a resizer -> RGB of the model's input size; what becomes of the aspect ratio, and which part is kept.

A fit calls the resizer at most once. Detection's "keep the ratio within 1333 x 800" is not here: its output has another
size for every picture, and a fit gives the size asked for; `letterbox-...` is the same resizing with the rest filled.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Dict

import numpy as np

from device_agents.decode import MAX_PIXELS, RGB
from device_agents.errors import BadInput
from device_agents.placed import PLACEMENTS, Placement, Sizes, covering_size, place_letterbox

Resizer = Callable[[RGB, int, int], RGB]
Fit = Callable[[RGB, Resizer, int, int], RGB]

__all__ = ["FITS", "Fit", "Resizer", "covering_size"]


def fit_squash(picture: RGB, resizer: Resizer, height: int, width: int) -> RGB:
    """Resize to (height, width), the aspect ratio given up."""
    return resizer(picture, height, width)


def fit_cover_crop(picture: RGB, resizer: Resizer, height: int, width: int, *, placement: Placement) -> RGB:
    """Resize keeping the ratio until (height, width) times a margin is covered, then cut the centre.

    With margin 256/224 and a square input of 224 this is the usual ImageNet rule. How the longer side and the crop's
    offset become whole pixels differs between programs and moves the picture by a pixel: torchvision's Resize(int)
    and CenterCrop take int and round, most others round and floor.
    """
    sizes = placement(picture.shape, height, width)
    if sizes.height * sizes.width > MAX_PIXELS:
        raise BadInput(f"a {picture.shape[1]} x {picture.shape[0]} picture is too narrow to resize to its short side")
    if picture.shape[:2] != (sizes.height, sizes.width):
        picture = resizer(picture, sizes.height, sizes.width)
    return _cut(picture, height, width, sizes)


def fit_squash_crop(picture: RGB, resizer: Resizer, height: int, width: int, *, placement: Placement) -> RGB:
    """Resize to (height, width) times a margin, the aspect ratio given up, then cut the centre."""
    sizes = placement(picture.shape, height, width)
    return _cut(resizer(picture, sizes.height, sizes.width), height, width, sizes)


def fit_letterbox(picture: RGB, resizer: Resizer, height: int, width: int, *, padding: int) -> RGB:
    """Resize keeping the ratio until the whole picture fits, and fill the rest with the level ``padding`` (0 to 255).

    The sides are rounded to whole pixels (at least 1) and the picture lies in the centre, an odd pixel right or below.
    """
    sizes = place_letterbox(picture.shape, height, width)
    boxed = np.full((height, width, 3), padding, np.uint8)
    inner = boxed[sizes.top : sizes.top + sizes.height, sizes.left : sizes.left + sizes.width]
    inner[...] = resizer(picture, sizes.height, sizes.width)
    return boxed


def _cut(picture: RGB, height: int, width: int, sizes: Sizes) -> RGB:
    if sizes.top > 0 or sizes.left > 0:
        raise BadInput(f"expected at least {width} x {height} pixels to cut from, got {picture.shape[:2][::-1]}")
    top, left = -sizes.top, -sizes.left
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _cropping(*names: str) -> Dict[str, Fit]:
    return {name: partial(fit_cover_crop, placement=PLACEMENTS[name]) for name in names}


# 114 is the grey that YOLO's own code pads with; torchvision's newer classification weights ask for 232.
FITS: Dict[str, Fit] = {
    "letterbox-black": partial(fit_letterbox, padding=0),
    "letterbox-grey-114": partial(fit_letterbox, padding=114),
    **_cropping("short-side-256-crop", "short-side-crop"),
    "squash": fit_squash,
    "squash-256-crop": partial(fit_squash_crop, placement=PLACEMENTS["squash-256-crop"]),
    **_cropping("torchvision-232-crop", "torchvision-256-crop"),
}
