"""COLOURS: RGB -> RGB round trips through another colour space, as hardware makes them between decoder and model.

Each is a function of uint8 (height, width, 3) to the same shape. "bt601-float" and "bt601-integer" are the equations of
the SysNoise paper (Wang et al., "SysNoise: Exploring and Benchmarking Training-Deployment System Inconsistency", MLSys
2023), which are BT.601 with Y in 16..235 and U, V in 16..240, all at full resolution (4:4:4). The others are yuv.py's:
"full" is Y in 0..255, "nv12" 4:2:0. A frame of NV21 or I420 holds the same samples as one of NV12 in another order, so
that its variant would give the same pixels under another name; yuv.py has the layouts, and a test shows it.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Dict

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.yuv import round_trip

Colour = Callable[[RGB], RGB]

# Equation 5: rows Y, U, V; columns R, G, B.
_TO_YUV = np.array([[0.256788, 0.504129, 0.097906], [-0.148223, -0.290993, 0.439216], [0.439216, -0.367788, -0.071427]])
_OFFSETS = np.array([16, 128, 128])
# Equation 6: rows R, G, B; columns Y - 16, U - 128, V - 128.
_TO_RGB = np.array([[1.164383, 0.0, 1.596027], [1.164383, -0.391762, -0.812968], [1.164383, 2.017232, 0.0]])
# Equation 7: the same in integers, times 256; hardware shifts instead of dividing.
_TO_RGB_256 = np.array([[298, 0, 409], [298, -100, -208], [298, 516, 0]])

# Rows worked on at a time, so that a 12-megapixel photograph does not need ten times its size in float64.
_ROWS = 128


def rgb_as_is(picture: RGB) -> RGB:
    """Give the picture unchanged."""
    return picture


def bt601_float(picture: RGB) -> RGB:
    """Go to BT.601 YUV (equation 5, rounded to integers) and back with real numbers (equation 6, rounded, clipped)."""
    return _by_rows(picture, lambda rows: np.rint((to_yuv(rows) - _OFFSETS) @ _TO_RGB.T))


def bt601_integer(picture: RGB) -> RGB:
    """Go to BT.601 YUV (equation 5, rounded to integers) and back in integers (equation 7, a shift by 8)."""
    return _by_rows(picture, lambda rows: ((to_yuv(rows) - _OFFSETS) @ _TO_RGB_256.T + 128) >> 8)


def to_yuv(picture: RGB) -> npt.NDArray[np.int64]:
    """Give Y, U, V as int64 (height, width, 3), rounded to the nearest integer (equation 5)."""
    return np.asarray(np.rint(picture.astype(np.float64) @ _TO_YUV.T).astype(np.int64) + _OFFSETS)


def _by_rows(picture: RGB, convert: Callable[[RGB], npt.NDArray[np.generic]]) -> RGB:
    result = np.empty_like(picture)
    for top in range(0, picture.shape[0], _ROWS):
        result[top : top + _ROWS] = np.clip(convert(picture[top : top + _ROWS]), 0, 255)
    return result


COLOURS: Dict[str, Colour] = {
    "bt601-float": bt601_float,
    "bt601-full-444": partial(round_trip, standard="bt601", full_range=True, subsampling="4:4:4"),
    "bt601-full-nv12-bilinear": partial(round_trip, standard="bt601", full_range=True),
    "bt601-full-nv12-nearest": partial(round_trip, standard="bt601", full_range=True, upsampling="nearest"),
    "bt601-integer": bt601_integer,
    "bt601-nv12-bilinear": partial(round_trip, standard="bt601"),
    "bt601-nv12-bilinear-left": partial(round_trip, standard="bt601", siting="left"),
    # OpenCV's way: one pixel of four gives the chroma, which is then repeated, in integers.
    "bt601-nv12-corner": partial(
        round_trip, standard="bt601", siting="corner", upsampling="nearest", arithmetic="integer"
    ),
    "bt601-nv12-nearest": partial(round_trip, standard="bt601", upsampling="nearest"),
    "bt601-nv12-nearest-integer": partial(round_trip, standard="bt601", upsampling="nearest", arithmetic="integer"),
    "bt709-444": partial(round_trip, standard="bt709", subsampling="4:4:4"),
    "bt709-full-444": partial(round_trip, standard="bt709", full_range=True, subsampling="4:4:4"),
    "bt709-nv12-bilinear": partial(round_trip, standard="bt709"),
    "bt709-nv12-bilinear-left": partial(round_trip, standard="bt709", siting="left"),
    "bt709-nv12-nearest": partial(round_trip, standard="bt709", upsampling="nearest"),
    "rgb": rgb_as_is,
}
