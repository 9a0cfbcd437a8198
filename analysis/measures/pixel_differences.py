"""Where two equally large pictures differ, made visible and measured: by channel, and against the edges of the base.

After figure 5 of the SysNoise paper (Wang et al. 2023), whose differences are drawn with their maximum at 255 and said
to follow the edges, and figure 1 of the instability paper (Cidon et al. 2021), a map of pixels off by more than 5 %.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.differences import VISIBLE
from device_agents.errors import BadInput

RGB = NDArray[np.uint8]
Plane = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
MARK = np.array([213, 94, 0], np.uint8)  # vermilion, told from grey by every eye (Okabe and Ito)


class Facts(NamedTuple):
    """What a difference is like.

    max_difference, mean_difference: of |variant - base|, in levels 0..255, over all pixels and channels
    share_different: share (0..1) of pixels of which a channel differs; share_visible: by more than 5 % of 255
    red_green, red_blue, green_blue: correlation (-1..1) of the signed difference between two channels
    edges: correlation (-1..1) of |difference|, averaged over the channels, with the base's edge_strength
    A correlation is NaN where one of its sides does not vary: no difference, a flat base.
    """

    max_difference: int
    mean_difference: float
    share_different: float
    share_visible: float
    red_green: float
    red_blue: float
    green_blue: float
    edges: float


def measure(base: RGB, variant: RGB) -> Facts:
    """Measure the difference of two pictures, uint8 (height, width, 3); raises BadInput unless they are equally large.

    Correlations are Pearson's, over the pixels.
    """
    signed = _signed(base, variant)
    distance = np.abs(signed)
    red, green, blue = (signed[..., channel].ravel() for channel in range(3))
    return Facts(
        max_difference=int(distance.max()),
        mean_difference=float(distance.mean()),
        share_different=float(distance.any(axis=2).mean()),
        share_visible=float(visible_pixels(base, variant).mean()),
        red_green=correlation(red, green),
        red_blue=correlation(red, blue),
        green_blue=correlation(green, blue),
        edges=correlation(distance.mean(axis=2), edge_strength(base)),
    )


def scaled_difference(base: RGB, variant: RGB) -> RGB:
    """Draw |variant - base| for each pixel and channel, scaled so that the largest is 255; black where all are equal.

    Pictures: uint8 (height, width, 3), equally large. The result has their shape.
    """
    distance = np.abs(_signed(base, variant))
    return np.asarray(np.rint(distance * (255 / max(1, int(distance.max())))), np.uint8)


def visible_pixels(base: RGB, variant: RGB, *, threshold: float = VISIBLE) -> NDArray[np.bool_]:
    """Say of each pixel, bool (height, width), whether a channel is off by more than threshold x 255."""
    return np.asarray((np.abs(_signed(base, variant)) > 255 * threshold).any(axis=2))


def draw_map(base: RGB, marked: NDArray[np.bool_]) -> RGB:
    """Draw the base, uint8 (height, width, 3), grey and pale, with the marked pixels, bool (height, width), on it."""
    pale = 140 + 0.45 * (base @ LUMA)
    drawn = np.repeat(np.rint(pale).astype(np.uint8)[..., None], 3, axis=2)
    drawn[marked] = MARK
    return drawn


def edge_strength(picture: RGB) -> Plane:
    """Give the Sobel magnitude of a picture's luma (BT.601), float64 (height, width), 0 where it is flat.

    Kernels [1, 2, 1] x [-1, 0, 1] and its transpose, not normalised: a step of one level gives 4. Beyond the border
    the outermost pixels are repeated.
    """
    luma = np.pad(picture @ LUMA, 1, mode="edge")
    down = luma[:-2] + 2 * luma[1:-1] + luma[2:]
    along = luma[:, :-2] + 2 * luma[:, 1:-1] + luma[:, 2:]
    return np.asarray(np.hypot(down[:, 2:] - down[:, :-2], along[2:] - along[:-2]))


def correlation(one: NDArray[np.generic], two: NDArray[np.generic]) -> float:
    """Pearson's correlation of two equally large arrays of numbers, -1..1; NaN where one of them does not vary."""
    a, b = (np.asarray(side, np.float64).ravel() for side in (one, two))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def _signed(base: RGB, variant: RGB) -> NDArray[np.int16]:
    for picture in (base, variant):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise BadInput(f"expected a picture, uint8 (height, width, 3), got {picture.dtype} {picture.shape}")
    if base.shape != variant.shape:
        raise BadInput(f"expected two equally large pictures, got {base.shape[:2]} and {variant.shape[:2]}")
    return variant.astype(np.int16) - base.astype(np.int16)
