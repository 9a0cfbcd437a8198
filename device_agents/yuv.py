"""YUV round trips: BT.601 and BT.709, full and limited range, 4:4:4 and 4:2:0, in float or in hardware's integers.

The equations are those of ITU-R BT.601-7 (2.5.1 to 2.5.4) and BT.709-6 (section 3); full range is that of JFIF 1.02 and
ITU-T T.871. Chroma is worked out at full resolution and rounded to 8 bits before it is thinned out.
"""

from __future__ import annotations

from typing import Callable, Dict, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.errors import BadInput, pick

Plane = npt.NDArray[np.uint8]
Planes = Tuple[Plane, Plane, Plane]
Matrix = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

# The shares of red and blue in luma.
_STANDARDS: Dict[str, Tuple[float, float]] = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}

# Where a chroma sample lies in its square of 2 x 2 pixels, as (across, down): "middle" between the two, "first" on the
# first. "centre" is JPEG's (T.871), "left" MPEG-2's and the default of H.264 and H.265, "corner" BT.2020's.
_SITINGS: Dict[str, Tuple[str, str]] = {
    "centre": ("middle", "middle"),
    "left": ("first", "middle"),
    "corner": ("first", "first"),
}

# Rounds to nearest, halves up. The standards' coefficients do land on halves, where processors' last bits would decide;
# the billionth is far above those bits and far below what tells colours apart.
_HALF = 0.5 + 1e-9

# Rows worked on at a time, so that a 12-megapixel photograph does not need ten times its size in float64.
_ROWS = 128


def round_trip(
    picture: RGB,
    *,
    standard: str,
    full_range: bool = False,
    subsampling: str = "4:2:0",
    layout: str = "nv12",
    siting: str = "centre",
    upsampling: str = "bilinear",
    arithmetic: str = "float",
) -> RGB:
    """Take a picture to 8-bit YUV and back, uint8 (height, width, 3) both ways.

    ``standard`` is "bt601" or "bt709"; ``full_range`` says whether Y takes 0..255 or 16..235. With ``subsampling``
    "4:2:0" the chroma passes through a frame of ``layout`` "nv12", "nv21" or "i420", which order the same samples in
    other ways: no pixel depends on it. ``siting`` is "centre", "left" or "corner", ``upsampling`` "nearest" or
    "bilinear", ``arithmetic`` of the way back "float" or "integer" (equation 7's: 256ths and a shift). "4:4:4" uses
    neither layout, siting nor upsampling. Raises BadInput for an unknown name.
    """
    backward = pick(_BACKWARD, arithmetic, what="arithmetic")
    planes = split_yuv(picture, standard=standard, full_range=full_range)
    if subsampling == "4:2:0":
        height, width = picture.shape[:2]
        luma, blue, red = planes
        frame = pack_420((luma, thin_out(blue, siting=siting), thin_out(red, siting=siting)), layout=layout)
        luma, blue, red = unpack_420(frame, layout=layout)
        planes = (luma, spread(blue, siting=siting, how=upsampling), spread(red, siting=siting, how=upsampling))
        planes = (luma[:height, :width], planes[1][:height, :width], planes[2][:height, :width])
    elif subsampling != "4:4:4":
        raise BadInput(f"expected the subsampling '4:4:4' or '4:2:0', got '{subsampling}'")
    matrix, offsets = yuv_matrix(standard=standard, full_range=full_range)
    inverse = np.asarray(np.linalg.inv(matrix), np.float64)
    result = np.empty_like(picture)
    for rows in _blocks(picture.shape[0]):
        yuv = np.stack([plane[rows] for plane in planes], axis=-1).astype(np.int64) - offsets
        result[rows] = np.clip(backward(yuv, inverse), 0, 255)
    return result


def yuv_matrix(*, standard: str, full_range: bool) -> Tuple[Matrix, Numbers]:
    """Give the 3 x 3 matrix from R, G, B in 0..255 to Y, U, V less their offsets, and those offsets.

    U is (B - Y) / (2 (1 - Kb)) and V (R - Y) / (2 (1 - Kr)); limited range takes 219/255 of Y and 224/255 of U and V.
    """
    red, blue = pick(_STANDARDS, standard, what="YUV standard")
    luma = np.array([red, 1 - red - blue, blue])
    rows = np.stack([luma, (np.array([0, 0, 1]) - luma) / (2 - 2 * blue), (np.array([1, 0, 0]) - luma) / (2 - 2 * red)])
    scale = np.ones(3) if full_range else np.array([219, 224, 224]) / 255
    return rows * scale[:, None], np.array([0 if full_range else 16, 128, 128])


def split_yuv(picture: RGB, *, standard: str, full_range: bool) -> Planes:
    """Give the planes Y, U, V of a picture, uint8 (height, width) each, rounded (halves up) and clipped to 0..255."""
    matrix, offsets = yuv_matrix(standard=standard, full_range=full_range)
    planes = np.empty((3, *picture.shape[:2]), np.uint8)
    for rows in _blocks(picture.shape[0]):
        yuv = np.floor(picture[rows].astype(np.float64) @ matrix.T + _HALF) + offsets
        planes[:, rows] = np.clip(yuv, 0, 255).transpose(2, 0, 1)
    return planes[0], planes[1], planes[2]


def thin_out(chroma: Plane, *, siting: str) -> Plane:
    """Give one chroma sample for each 2 x 2 pixels, uint8 (ceil(height / 2), ceil(width / 2)).

    Between two pixels a sample is their mean, on a pixel across from "left" the mean (1, 2, 1) / 4 around it (the
    filters that keep the sample where its siting says); "corner" takes the pixel itself, as OpenCV does. Halves round
    up; edges repeat.
    """
    across, _ = pick(_SITINGS, siting, what="chroma siting")
    wide = _even(chroma).astype(np.uint16)
    if siting == "corner":
        return np.ascontiguousarray(wide[::2, ::2].astype(np.uint8))
    if across == "middle":
        summed = 2 * (wide[:, ::2] + wide[:, 1::2])
    else:
        summed = np.concatenate([wide[:, :1], wide[:, 1:-1:2]], axis=1) + 2 * wide[:, ::2] + wide[:, 1::2]
    return np.asarray(((summed[::2] + summed[1::2] + 4) >> 3).astype(np.uint8))


def spread(chroma: Plane, *, siting: str, how: str) -> Plane:
    """Give chroma at twice the height and width, uint8.

    "nearest" repeats each sample, whatever the siting. "bilinear" weighs the two samples about each pixel by their
    distance: (3, 1) / 4 between samples in the middle, (1, 1) / 2 between samples on the pixels; halves round up.
    """
    across, down = pick(_SITINGS, siting, what="chroma siting")
    if how == "nearest":
        return chroma.repeat(2, axis=0).repeat(2, axis=1)
    if how != "bilinear":
        raise BadInput(f"expected the upsampling 'nearest' or 'bilinear', got '{how}'")
    tall = _spread_rows(chroma.astype(np.uint16), down)
    return np.asarray(((_spread_rows(tall.T, across).T + 8) >> 4).astype(np.uint8))


def pack_420(planes: Planes, *, layout: str) -> Plane:
    """Lay Y (height, width) and the half-size U and V in one uint8 frame (3 * height / 2, width), sizes made even.

    "i420" holds all of U, then all of V; "nv12" U and V by turns, "nv21" V and U by turns.
    """
    luma, blue, red = _even(planes[0]), planes[1], planes[2]
    order = pick(_LAYOUTS, layout, what="YUV layout")
    if order == "planes":
        chroma = np.concatenate([blue.ravel(), red.ravel()])
    else:
        chroma = np.stack([blue, red] if order == "blue first" else [red, blue], axis=-1).ravel()
    return np.concatenate([luma, chroma.reshape(-1, luma.shape[1])])


def unpack_420(frame: Plane, *, layout: str) -> Planes:
    """Give Y (height, width) and U and V (height / 2, width / 2) of a frame made by pack_420."""
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    order = pick(_LAYOUTS, layout, what="YUV layout")
    if order == "planes":
        blue, red = frame[height:].reshape(2, height // 2, width // 2)
    else:
        pairs = frame[height:].reshape(height // 2, width // 2, 2)
        blue, red = (pairs[..., 0], pairs[..., 1]) if order == "blue first" else (pairs[..., 1], pairs[..., 0])
    return frame[:height], blue, red


def _float_backward(yuv: Numbers, inverse: Matrix) -> Numbers:
    return np.asarray(np.floor(yuv @ inverse.T + _HALF).astype(np.int64))


def _integer_backward(yuv: Numbers, inverse: Matrix) -> Numbers:
    # For BT.601 in limited range these are the numbers of equation 7: 298, 409, 100, 208, 516.
    return np.asarray((yuv @ np.rint(256 * inverse.T).astype(np.int64) + 128) >> 8)


def _spread_rows(samples: npt.NDArray[np.uint16], place: str) -> npt.NDArray[np.uint16]:
    # Gives four times the value, so that two passes can be rounded once.
    before = np.concatenate([samples[:1], samples[:-1]])
    after = np.concatenate([samples[1:], samples[-1:]])
    between = (3 * samples + before, 3 * samples + after)
    pair = between if place == "middle" else (4 * samples, 2 * samples + 2 * after)
    return np.stack(pair, axis=1).reshape(-1, samples.shape[1])


def _even(plane: Plane) -> Plane:
    height, width = plane.shape
    return np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else plane


def _blocks(height: int) -> Tuple[slice, ...]:
    return tuple(slice(top, top + _ROWS) for top in range(0, height, _ROWS))


_LAYOUTS: Dict[str, str] = {"i420": "planes", "nv12": "blue first", "nv21": "red first"}
_BACKWARD: Dict[str, Callable[[Numbers, Matrix], Numbers]] = {
    "float": _float_backward,
    "integer": _integer_backward,
}
