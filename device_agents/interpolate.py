"""Interpolation written out in numpy: the resizers of frameworks and phones that no library on the host offers.

Each takes uint8 (height, width, 3), the new height and width, and gives uint8. An axis is described by its taps: for
each new pixel the old pixels it reads (integers, count x taps) and their weights, which sum to 1; the two axes are done
one after the other in float32 and rounded once.
"""

from __future__ import annotations

from typing import Callable, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.int64]
Taps = Tuple[Integers, Floats]
Kernel = Callable[[Floats], Floats]


def half_pixel_bilinear(picture: RGB, height: int, width: int) -> RGB:
    """Bilinear, pixel centres at halves, no antialiasing: torch's interpolate(align_corners=False), TF 2's resize."""
    return _resize(picture, _sampled(picture.shape[0], height), _sampled(picture.shape[1], width))


def half_pixel_bilinear_antialias(picture: RGB, height: int, width: int) -> RGB:
    """Bilinear whose triangle grows with the reduction: torch's interpolate(antialias=True) of real numbers."""
    return _resize(
        picture, _filtered(picture.shape[0], height, _triangle, 1), _filtered(picture.shape[1], width, _triangle, 1)
    )


def half_pixel_bicubic(picture: RGB, height: int, width: int) -> RGB:
    """Bicubic with a = -0.75, edge pixels repeated, no antialiasing: torch's interpolate(mode="bicubic")."""
    return _resize(picture, _cubic_sampled(picture.shape[0], height), _cubic_sampled(picture.shape[1], width))


def half_pixel_bicubic_antialias(picture: RGB, height: int, width: int) -> RGB:
    """Bicubic with a = -0.5 that grows with the reduction: torch's interpolate(mode="bicubic", antialias=True)."""
    return _resize(picture, _filtered(picture.shape[0], height, _keys, 2), _filtered(picture.shape[1], width, _keys, 2))


def asymmetric_bilinear(picture: RGB, height: int, width: int) -> RGB:
    """Bilinear with the first pixels' corners aligned: TensorFlow 1's default, new pixel i read at i * old / new."""
    vertical = _linear(np.arange(height) * (picture.shape[0] / height), picture.shape[0])
    return _resize(picture, vertical, _linear(np.arange(width) * (picture.shape[1] / width), picture.shape[1]))


def align_corners_bilinear(picture: RGB, height: int, width: int) -> RGB:
    """Bilinear with the centres of the four corner pixels aligned: new pixel i read at i * (old - 1) / (new - 1)."""
    vertical = _linear(np.arange(height) * _between_corners(picture.shape[0], height), picture.shape[0])
    horizontal = _linear(np.arange(width) * _between_corners(picture.shape[1], width), picture.shape[1])
    return _resize(picture, vertical, horizontal)


def android_bitmap(picture: RGB, height: int, width: int) -> RGB:
    """Bitmap.createScaledBitmap(filter=true) as Skia draws it on the processor: a software model, checked on no phone.

    Android draws the bitmap through a scaling matrix with bilinear filtering and no mipmaps. Skia (src/core:
    SkBitmapProcState_matrixProcs.cpp, SkBitmapProcState_filter.h; the path of opaque 32-bit bitmaps) maps pixel
    centres, keeps 16 binary places, weighs with the first 4 of them, so by sixteenths, and cuts off the sum's 8 low
    bits. Newer Skia and drawing on the graphics processor may weigh more finely.
    """
    top, bottom, y = _sixteenths(picture.shape[0], height)
    left, right, x = _sixteenths(picture.shape[1], width)
    upper, lower = picture[top].astype(np.int32), picture[bottom].astype(np.int32)
    y, x = y[:, None, None], x[None, :, None]
    total = upper[:, left] * ((16 - y) * (16 - x)) + upper[:, right] * ((16 - y) * x)
    total += lower[:, left] * (y * (16 - x)) + lower[:, right] * (y * x)
    return (total >> 8).astype(np.uint8)


def _resize(picture: RGB, vertical: Taps, horizontal: Taps) -> RGB:
    rows = _blend(picture, vertical)
    columns = _blend(rows.swapaxes(0, 1), horizontal).swapaxes(0, 1)
    return np.ascontiguousarray(np.rint(columns).clip(0, 255).astype(np.uint8))


def _blend(lines: npt.NDArray[np.generic], taps: Taps) -> npt.NDArray[np.float32]:
    positions, weights = taps
    total = np.zeros((len(positions), *lines.shape[1:]), np.float32)
    for position, weight in zip(positions.T, weights.T.astype(np.float32)):
        total += lines[position] * weight[:, None, None]
    return total


def _sampled(old: int, new: int) -> Taps:
    return _linear(np.maximum(_centres(old, new) - 0.5, 0), old)


def _linear(at: Floats, old: int) -> Taps:
    low = np.minimum(np.floor(at).astype(np.int64), old - 1)
    part = np.where(low < old - 1, at - low, 0)
    return np.stack([low, np.minimum(low + 1, old - 1)], axis=1), np.stack([1 - part, part], axis=1)


def _cubic_sampled(old: int, new: int) -> Taps:
    at = _centres(old, new) - 0.5
    positions = np.floor(at).astype(np.int64)[:, None] + np.arange(-1, 3)
    return positions.clip(0, old - 1), _cubic(at[:, None] - positions, -0.75)


def _filtered(old: int, new: int, kernel: Kernel, radius: int) -> Taps:
    # As Pillow's Resample.c, which torch follows: what lies outside the picture is left out and the rest weighs more.
    stretch = max(old / new, 1.0)
    centres = _centres(old, new)[:, None]
    first = np.floor(centres - radius * stretch + 0.5).astype(np.int64)
    positions = first + np.arange(int(np.ceil(2 * radius * stretch)) + 1)
    weights = kernel((positions + 0.5 - centres) / stretch)
    weights = np.where((positions >= 0) & (positions < old), weights, 0)
    return positions.clip(0, old - 1), weights / weights.sum(axis=1, keepdims=True)


def _sixteenths(old: int, new: int) -> Tuple[Integers, Integers, npt.NDArray[np.int32]]:
    fixed = np.floor((_centres(old, new) - 0.5) * 65536).astype(np.int64)
    low = fixed >> 16
    return low.clip(0, old - 1), (low + 1).clip(0, old - 1), ((fixed >> 12) & 15).astype(np.int32)


def _centres(old: int, new: int) -> Floats:
    return np.asarray((np.arange(new) + 0.5) * (old / new))


def _between_corners(old: int, new: int) -> float:
    return (old - 1) / (new - 1) if new > 1 else old / new


def _triangle(distance: Floats) -> Floats:
    return np.asarray(np.maximum(1 - np.abs(distance), 0))


def _keys(distance: Floats) -> Floats:
    return _cubic(distance, -0.5)


def _cubic(distance: Floats, a: float) -> Floats:
    # Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981, its a left free.
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
