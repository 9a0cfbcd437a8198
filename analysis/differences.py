"""Differences between two pictures of one scene: made visible, and put into numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

RGB = NDArray[np.uint8]

GAINS = (1, 2, 4, 8, 16, 32)
VISIBLE = 0.05


def difference_picture(a: RGB, b: RGB, *, gain: float) -> RGB:
    """Show |a - b| for each pixel and channel, times gain, clipped to 255: black where the two are equal.

    a, b: uint8 (height, width, 3), sRGB; brought to one size first (see to_one_size). The result has that size.
    """
    return np.asarray(np.clip(gain * _distance(a, b), 0, 255).round(), dtype=np.uint8)


def gain_for(a: RGB, b: RGB) -> int:
    """Choose the largest of GAINS that leaves 99 % of the channel values of the difference picture unclipped."""
    high = float(np.percentile(_distance(a, b), 99))
    return max([gain for gain in GAINS if gain * high <= 255], default=GAINS[0])


def share_visible(a: RGB, b: RGB, *, threshold: float = VISIBLE) -> float:
    """Give the share (0..1) of pixels with a channel off by more than threshold x 255 (5 %: the paper's figure 1)."""
    return float((_distance(a, b) > 255 * threshold).any(axis=2).mean())


def to_one_size(a: RGB, b: RGB) -> tuple[RGB, RGB]:
    """Reduce both to the smaller height and width of the two (Pillow bilinear, which averages as it shrinks)."""
    from PIL import Image

    for one in (a, b):
        if one.dtype != np.uint8 or one.ndim != 3 or one.shape[2] != 3:
            raise BadInput(f"expected RGB pictures, uint8 (height, width, 3), got {one.dtype} {one.shape}")
    height, width = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])

    def reduce(picture: RGB) -> RGB:
        if picture.shape[:2] == (height, width):
            return picture
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))

    return reduce(a), reduce(b)


def _distance(a: RGB, b: RGB) -> NDArray[np.int16]:
    one, two = to_one_size(a, b)
    return np.abs(one.astype(np.int16) - two.astype(np.int16))
