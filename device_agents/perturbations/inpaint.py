"""Fills what is unknown of a picture from its neighbourhood, round by round, as Azulay and Weiss fill a background."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.errors import BadInput

REACH = 5  # pixels either way: the kernel is (1, 1) with itself ten times, 11 taps

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
    planes = np.zeros((4, *known.shape), np.float32)  # red, green, blue, and 1 where they are known
    planes[:3] = np.where(known, np.moveaxis(picture, 2, 0), 0)
    planes[3] = known
    while not planes[3].all():
        near = planes[:, _around(planes[3], 0), _around(planes[3], 1)]
        mean = _blurred(near)
        new = (near[3] == 0) & (mean[3] > 0)
        near[:3, new] = mean[:3, new] / mean[3, new]
        near[3, new] = 1
    filled = np.moveaxis(np.rint(planes[:3]).clip(0, 255).astype(np.uint8), 0, 2)
    return np.where(known[..., None], picture, filled)


def _around(weights: Floats, axis: int) -> slice:
    """The rows (axis 0) or columns (1) that a round can reach."""
    known = np.flatnonzero(weights.any(axis=1 - axis))
    return slice(max(0, int(known[0]) - REACH), int(known[-1]) + REACH + 1)


def _blurred(planes: Floats) -> Floats:
    """Weigh the neighbours of (planes, height, width) binomially along both axes; there is nothing beyond the edges."""
    planes = np.pad(planes, ((0, 0), (REACH, REACH), (REACH, REACH)))
    for _ in range(2 * REACH):
        planes = planes[:, 1:] + planes[:, :-1]
    for _ in range(2 * REACH):
        planes = planes[..., 1:] + planes[..., :-1]
    return planes
