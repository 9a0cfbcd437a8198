"""Turning pictures upright, and cutting every ISP's picture to the area of the sensor that all of them share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from capture.raw import Raw
from device_agents.errors import BadInput

RGB = NDArray[np.uint8]

BORDER_PX = 4  # what RawTherapee leaves out at each side, the most of all; cut from LibRaw's visible area
FARTHEST_PX = 256  # a crop or margin larger than this is not an ISP's doing
LEAST_RESPONSE = 0.1  # of the phase correlation; two looks of one raw gave 0.4 to 1, unrelated pictures under 0.03
LARGEST_REST_PX = 0.6

# EXIF orientation: rows and columns exchanged first, then top and bottom, then left and right.
TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def turn_upright(picture: RGB, orientation: int) -> RGB:
    """Turn a picture as the sensor saw it, (height, width, 3), as its EXIF orientation 1 to 8 says."""
    exchange, rows, columns = TURNS[orientation]
    turned = picture.swapaxes(0, 1) if exchange else picture
    return np.ascontiguousarray(turned[:: -1 if rows else 1, :: -1 if columns else 1])


def turn_back(picture: RGB, orientation: int) -> RGB:
    """Turn an upright picture back to how the sensor saw it: the inverse of turn_upright."""
    exchange, rows, columns = TURNS[orientation]
    turned = picture[:: -1 if rows else 1, :: -1 if columns else 1]
    return np.ascontiguousarray(turned.swapaxes(0, 1) if exchange else turned)


def cut_to_shared(
    picture: RGB, raw: Raw, *, crop_px: int, reference: Callable[[Raw], RGB], what: str, border_px: int = BORDER_PX
) -> RGB:
    """Cut an upright picture of a raw to the sensor's visible area without border_px on each side, upright again.

    crop_px: what the program leaves out at each side, as far as is known. A picture whose size that does not explain
    (a maker's or a DNG's own crop) is laid on the reference's picture by phase correlation. ``what`` names the ISP in
    messages. Raises BadInput if the picture fits nowhere or lacks a part of the area.
    """
    seen = turn_back(picture, raw.orientation)
    height, width = raw.mosaic.shape[:2]
    # An odd last row or column, which the mosaic has not, may be there or not.
    known = all(side - got - 2 * crop_px in (0, -1) for side, got in zip((height, width), seen.shape, strict=False))
    top, left = (crop_px, crop_px) if known else _place(seen, turn_back(reference(raw), raw.orientation), what)
    first_row, first_column = border_px - top, border_px - left
    rows, columns = height - 2 * border_px, width - 2 * border_px
    cut = seen[max(first_row, 0) : first_row + rows, max(first_column, 0) : first_column + columns]
    if min(rows, columns) < 1 or cut.shape[:2] != (rows, columns):
        raise BadInput(
            f"{what}: expected a picture of all but {border_px} pixels a side of {width} x {height}, "
            f"got {seen.shape[1]} x {seen.shape[0]} beginning at ({left}, {top})"
        )
    return turn_upright(cut, raw.orientation)


def _place(seen: RGB, whole: RGB, what: str) -> tuple[int, int]:
    """Row and column of the reference at which a picture begins (negative where it begins outside).

    Phase correlation: Kuglin and Hines, The phase correlation image alignment method, 1975. Two rounds: the second, on
    the overlap that the first found, must leave less than a pixel and answer clearly.
    """
    top = left = 0
    for _ in range(2):
        there, here = whole[max(top, 0) :, max(left, 0) :], seen[max(-top, 0) :, max(-left, 0) :]
        height, width = (min(one, other) for one, other in zip(there.shape[:2], here.shape[:2], strict=True))
        if min(height, width) < 16:
            break
        shift_x, shift_y, response = _shift(there[:height, :width], here[:height, :width])
        if max(abs(shift_x), abs(shift_y)) <= LARGEST_REST_PX and response >= LEAST_RESPONSE:
            return top, left
        top, left = top - round(shift_y), left - round(shift_x)
        if max(abs(top), abs(left)) > FARTHEST_PX:
            break
    raise BadInput(
        f"{what}: expected a picture that lies on LibRaw's {whole.shape[1]} x {whole.shape[0]}, "
        f"got {seen.shape[1]} x {seen.shape[0]} pixels that fit nowhere on it"
    )


def _shift(there: RGB, here: RGB) -> tuple[float, float, float]:
    """By how much the second picture's content lies right of and below the first's, in pixels, and the response."""
    import cv2

    luma = [cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY).astype(np.float32) for part in (there, here)]
    window = cv2.createHanningWindow((there.shape[1], there.shape[0]), cv2.CV_32F)
    (shift_x, shift_y), response = cv2.phaseCorrelate(luma[0], luma[1], window)
    return shift_x, shift_y, response
