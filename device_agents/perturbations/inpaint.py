"""Fills what is unknown of a picture from its neighbourhood, round by round, as Azulay and Weiss fill a background."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.errors import BadInput

HALVINGS = 10  # of the kernel (1, 1) / 2 with itself: 11 taps, five pixels either way

Floats = npt.NDArray[np.float32]


def inpaint(picture: RGB, known: npt.NDArray[np.bool_]) -> RGB:
    """Give the picture, uint8 (height, width, 3), with its unknown pixels replaced by averages of known ones near by.

    known: bool (height, width). Each round gives every unknown pixel with a known one within five pixels (rows and
    columns) the average of those, weighted binomially (11 taps each way); it is known in the next round. Known pixels
    stay. The paper says "a weighted average of the non black pixels in its neighborhood"; its code has 12 taps, which
    lie half a pixel off, and takes black for unknown within the picture too. Additions only, so that every machine
    gives the same. Raises BadInput where no pixel is known.
    """
    if not known.any():
        raise BadInput("expected a picture with a known pixel to fill the others from, got none")
    values = np.where(known[..., None], picture, 0).astype(np.float32)
    weights = known.astype(np.float32)
    while not weights.all():
        near = _blurred(np.concatenate([values, weights[..., None]], axis=2))
        new = (weights == 0) & (near[..., 3] > 0)
        values[new] = near[new, :3] / near[new, 3:]
        weights[new] = 1
    filled = np.rint(values).clip(0, 255).astype(np.uint8)
    return np.where(known[..., None], picture, filled)


def _blurred(planes: Floats) -> Floats:
    """Weigh the neighbours of (height, width, planes) binomially along both axes; there is nothing beyond the edges."""
    reach = HALVINGS // 2
    for axis in (0, 1):
        widths = [(reach, reach) if one == axis else (0, 0) for one in range(3)]
        planes = np.moveaxis(np.pad(planes, widths), axis, 0)
        for _ in range(HALVINGS):
            planes = planes[1:] + planes[:-1]
        planes = np.moveaxis(planes, 0, axis)
    return planes
