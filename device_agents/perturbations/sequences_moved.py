"""ImageNet-P's moved frames: translate, rotate, tilt, scale, shear, cut out of a picture wider than the input.

As the reference does, the viewed picture is resized (by the environment's resizer) until it covers 256/224 of the
model's input with its ratio kept, moved about its own centre, black where nothing was, and the centre is cut. At
224 x 224 there are 16 pixels to spare on each side (more along the longer side): black comes into view in the corners
of rotate and shear, at the first and last four frames of translate of an upright picture, and around the picture in
scale below 87.5 %. Affine matrices are those of torchvision 0.2.1, as old as the reference's code: about the point half
a pixel right of and below the centre.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Callable, Optional, Tuple

import numpy as np
from PIL import Image

from device_agents.decode import MAX_PIXELS, RGB
from device_agents.errors import BadInput
from device_agents.perturbations.corruptions_filters import outside
from device_agents.placed import PLACEMENTS

Resizer = Callable[[RGB, int, int], RGB]
Size = Tuple[int, int]  # rows, columns

_place = PLACEMENTS["torchvision-256-crop"]


def affine(
    picture: RGB,
    upto: Optional[Size] = None,
    *,
    degrees: float = 0.0,
    shear: float = 0.0,
    scale: float = 1.0,
    right: int = 0,
    nearest: bool = False,
) -> RGB:
    """Move the picture right, scale, shear and turn it about its centre; the same size, black where nothing was.

    Read linearly, or ``nearest``, by Pillow. Of the result only ``upto`` (rows, columns) of its upper left are made.
    """
    height, width = picture.shape[:2]
    x, y = width * 0.5 + 0.5, height * 0.5 + 0.5
    turn, lean = math.radians(degrees), math.radians(degrees + shear)
    factor = 1 / scale / (math.cos(lean) * math.cos(turn) + math.sin(lean) * math.sin(turn))
    a, b, c, d = (factor * part for part in (math.cos(lean), math.sin(lean), -math.sin(turn), math.cos(turn)))
    matrix = (a, b, x - a * (x + right) - b * y, c, d, y - c * (x + right) - d * y)
    filtered = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    rows, columns = upto or (height, width)
    return np.asarray(Image.fromarray(picture).transform((columns, rows), Image.Transform.AFFINE, matrix, filtered))


def translate_frame(
    viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, frame: int
) -> RGB:
    """Move by -20 to 20 pixels to the right, one a frame; frame 20 is the picture itself."""
    return _cut(viewed, resizer, height, width, partial(affine, right=frame - 20, nearest=True))


def rotate_frame(
    viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, frame: int
) -> RGB:
    """Turn by -15 to 15 degrees, one a frame."""
    return _cut(viewed, resizer, height, width, partial(affine, degrees=frame - 15))


def scale_frame(viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, frame: int) -> RGB:
    """Scale to 40 % up to 115 %, 2.5 % a frame; frame 24 has the picture's own size."""
    return _cut(viewed, resizer, height, width, partial(affine, scale=(frame * 2.5 + 40) / 100))


def shear_frame(viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, frame: int) -> RGB:
    """Shear by -15 to 15 degrees, one a frame."""
    return _cut(viewed, resizer, height, width, partial(affine, shear=frame - 15))


def tilt_frame(viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, frame: int) -> RGB:
    """Tilt about the horizontal and the vertical axis at once by -15 to 15 degrees, one a frame (OpenCV, linear)."""
    return _cut(viewed, resizer, height, width, partial(_tilted, angle=math.radians(frame - 15)))


def _tilted(wide: RGB, upto: Size, *, angle: float) -> RGB:
    """Look at the picture, turned in space, by a camera as far away as the picture's diagonal is long.

    All of it is made: where OpenCV begins a block of pixels, and so the last bit of a place, goes by the whole width.
    """
    height, width = wide.shape[:2]
    far, cosine, sine = math.hypot(width, height), math.cos(angle), math.sin(angle)
    lifted = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1], [0, 0, 1]])
    about_x = np.array([[1, 0, 0, 0], [0, cosine, -sine, 0], [0, sine, cosine, 0], [0, 0, 0, 1]])
    about_y = np.array([[cosine, 0, -sine, 0], [0, 1, 0, 0], [sine, 0, cosine, 0], [0, 0, 0, 1]])
    away = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, far], [0, 0, 0, 1]])
    seen = np.array([[far, 0, width / 2, 0], [0, far, height / 2, 0], [0, 0, 1, 0]])
    matrix = seen @ away @ about_x @ about_y @ lifted
    return np.asarray(outside("cv2").warpPerspective(wide, matrix, (width, height)), np.uint8)


def _cut(viewed: RGB, resizer: Resizer, height: int, width: int, move: Callable[[RGB, Size], RGB]) -> RGB:
    """Resize to cover 256/224 of (height, width), move, and cut the centre, as torchvision's Resize and CenterCrop."""
    sizes = _place(viewed.shape, height, width)
    if sizes.height * sizes.width > MAX_PIXELS:
        raise BadInput(f"a {viewed.shape[1]} x {viewed.shape[0]} picture is too narrow to resize to its short side")
    moved = move(resizer(viewed, sizes.height, sizes.width), (height - sizes.top, width - sizes.left))
    return np.ascontiguousarray(moved[-sizes.top : height - sizes.top, -sizes.left : width - sizes.left])
