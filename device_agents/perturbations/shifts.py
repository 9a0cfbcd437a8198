"""SHIFTS: the same picture a pixel to the side or larger, as Azulay and Weiss and the BlurPool paper move it.

Each takes the viewed picture, uint8 (height, width, 3), the environment's resizer, the model's input height and width
and a generator, and gives uint8 (height, width, 3). Draws come first and are the same for every shift of a stream, so
that one generator gives one place. Raises BadInput where a picture leaves no room for the shift.

Sources: Azulay and Weiss, "Why do deep convolutional networks generalize so poorly to small image transformations?",
JMLR 20 (2019); Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, and its code. What they leave
open, and where the former's code does otherwise than its text: docs/shifts.md.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Callable, Dict, Tuple

import numpy as np

from device_agents.decode import RGB
from device_agents.errors import BadInput
from device_agents.fit import FITS
from device_agents.perturbations.families import VIEWED, Perturbation
from device_agents.perturbations.inpaint import inpaint

Resizer = Callable[[RGB, int, int], RGB]
Size = Tuple[int, ...]

MOST = 32  # pixels of shift or growth that every place leaves room for, where the picture is large enough
LEAST_AREA = 0.08  # of the picture's, Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 6
SIDE, OF_INPUT = 100, 224  # the shorter side of the embedded picture, in an input of this side
MARGIN = 256 / 224  # consistency: the side that is cut from, over the model's input


def shift_crop(viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, shift: int) -> RGB:
    """Translation-Cropping: a random square of the viewed picture, moved right and down, resized to the input.

    Its area is uniform from 8 % of the picture's up to the largest that leaves room, its place uniform. For an input
    that is no square it has the input's ratio. ``shift`` is in pixels of the viewed picture, before resizing.
    """
    top, left, rows, columns, room = _square(viewed.shape, height, width, rng)
    if shift > room:
        size = f"{viewed.shape[1]} x {viewed.shape[0]}"
        raise BadInput(f"expected a picture with room for a shift of {shift} pixels; {size} leaves {room}")
    cut = viewed[top + shift : top + shift + rows, left + shift : left + shift + columns]
    return resizer(np.ascontiguousarray(cut), height, width)


def shift_black(
    viewed: RGB,
    resizer: Resizer,
    height: int,
    width: int,
    rng: np.random.Generator,
    *,
    shift: int = 0,
    side: int = SIDE,
) -> RGB:
    """Translation- and Scale-Embedding-Black: the whole picture small, at a random place on black, moved or grown.

    Its shorter side is ``side`` of 224 pixels (other inputs: 100 in their proportion, and as much larger as ``side`` is
    than 100). It is moved right and down; grown, its upper left corner stays.
    """
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns, small = _embedded(viewed, resizer, height, width, rng, shift=shift, side=side)
    canvas[rows, columns] = small
    return canvas


def shift_inpaint(
    viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, shift: int
) -> RGB:
    """Translation-Embedding-Inpainting: as shift_black, the black filled from the picture (inpaint) after the move."""
    canvas, known = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    rows, columns, small = _embedded(viewed, resizer, height, width, rng, shift=shift, side=SIDE)
    canvas[rows, columns] = small
    known[rows, columns] = True
    return inpaint(canvas, known)


def consistency_crop(
    viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, number: int
) -> RGB:
    """Shift consistency: the shorter side resized to 256 and the centre 256 x 256 cut; of it a random 224 x 224.

    Rows and columns are drawn apart, each 0 to 31, as the paper's code draws them; ``number`` says which draw. Another
    input of side s is cut from round(256 / 224 x s), its offsets from 0 to one less than the difference.
    """
    tall, wide = round(height * MARGIN), round(width * MARGIN)
    covering = FITS["short-side-crop"](viewed, resizer, tall, wide)
    offsets = rng.integers(0, [max(1, tall - height), max(1, wide - width)], size=(MOST + 1, 2))
    top, left = offsets[number]
    return np.ascontiguousarray(covering[top : top + height, left : left + width])


def _square(size: Size, height: int, width: int, rng: np.random.Generator) -> Tuple[int, int, int, int, int]:
    """Draw (top, left, rows, columns) of a crop with the input's ratio, and say how far it may be moved.

    It leaves 32 pixels to the right and below, or an eighth of a shorter side below 256.
    """
    room = min(MOST, min(size[:2]) // 8)
    most_rows = min(size[0] - room, (size[1] - room) * height / width)
    most = most_rows * most_rows * width / height / (size[0] * size[1])
    share, down, right = rng.random(3)
    area = (min(LEAST_AREA, most) + share * (most - min(LEAST_AREA, most))) * size[0] * size[1]
    rows = max(1, int(math.sqrt(area * height / width)))
    columns = max(1, min(round(rows * width / height), size[1] - room))
    return int(down * (size[0] - room - rows + 1)), int(right * (size[1] - room - columns + 1)), rows, columns, room


def _embedded(
    viewed: RGB, resizer: Resizer, height: int, width: int, rng: np.random.Generator, *, shift: int, side: int
) -> Tuple[slice, slice, RGB]:
    """Resize a picture to be embedded, and draw where: rows and columns of the input.

    The place leaves room for the picture at its largest, 32 pixels more on the shorter side, where the input has it.
    """
    usual = round(SIDE * min(height, width) / OF_INPUT)
    rows, columns = _shorter(viewed.shape, usual + side - SIDE)
    widest = _shorter(viewed.shape, usual + MOST)
    down, right = rng.random(2)
    top = int(down * (max(0, height - widest[0]) + 1)) + shift
    left = int(right * (max(0, width - widest[1]) + 1)) + shift
    if top + rows > height or left + columns > width:
        raise BadInput(
            f"expected a picture that fits into {width} x {height} where it is embedded; one of {viewed.shape[1]} x "
            f"{viewed.shape[0]} takes {columns} x {rows} at ({left}, {top})"
        )
    small = resizer(viewed, rows, columns)
    return slice(top, top + rows), slice(left, left + columns), small


def _shorter(size: Size, side: int) -> Tuple[int, int]:
    """Give the (height, width) of a picture whose shorter side is ``side``, the ratio kept."""
    shorter = min(size[:2])
    return max(1, round(size[0] * side / shorter)), max(1, round(size[1] * side / shorter))


_UP_TO = range(MOST + 1)
_EMBEDDED = "embedded"  # one place for black, inpainted and grown

SHIFTS: Dict[str, Perturbation] = {
    **{f"shift-crop-{d}": Perturbation(partial(shift_crop, shift=d), "shift-crop", VIEWED) for d in _UP_TO},
    **{f"shift-black-{d}": Perturbation(partial(shift_black, shift=d), _EMBEDDED, VIEWED) for d in _UP_TO},
    **{f"shift-inpaint-{d}": Perturbation(partial(shift_inpaint, shift=d), _EMBEDDED, VIEWED) for d in _UP_TO},
    **{f"scale-black-{SIDE + d}": Perturbation(partial(shift_black, side=SIDE + d), _EMBEDDED, VIEWED) for d in _UP_TO},
    **{f"consistency-{k}": Perturbation(partial(consistency_crop, number=k), "consistency", VIEWED) for k in _UP_TO},
}
