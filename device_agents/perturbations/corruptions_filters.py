"""What several corruptions are made of: levels, Gaussian and motion blur, enlarging about the centre, plasma.

Each follows the reference's definition so closely (order of additions, kind of rounding) that results are equal to its
results but for the last bits of a float. Reference: corruptions.py of imagecorruptions 1.1.2 (Michaelis et al. 2019),
which takes pictures of any size and is made after that of Hendrycks and Dietterich (2019).
"""

from __future__ import annotations

import importlib
import math
from typing import Any, List, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.errors import MissingExtra

BLOCK = 32

Floats = npt.NDArray[np.floating[Any]]


def levels(values: Floats) -> RGB:
    """Give uint8 of values of 0 to 1, clipped; the fraction of a level is cut off, as the reference does."""
    scaled = np.clip(values, 0, 1)
    scaled *= 255
    return scaled.astype(np.uint8)


def outside(library: str) -> Any:
    """Import scipy.ndimage or cv2; raises MissingExtra where it is absent."""
    try:
        return importlib.import_module(library)
    except ImportError as problem:
        raise MissingExtra(f"this perturbation needs {library}; pip install 'instability-kit[host]'") from problem


def gaussian(values: Floats, sigma: Tuple[float, float], *, truncate: float = 4.0, mode: str = "nearest") -> Floats:
    """Blur rows and columns (not channels) by a Gaussian of ``sigma`` pixels down and across; the same type of float.

    scipy.ndimage's, cut at ``truncate`` sigma; ``mode`` is its name for what lies beyond the edges ("nearest": the edge
    goes on, which scikit-image has by default). Raises MissingExtra.
    """
    ndimage = outside("scipy.ndimage")
    for axis in (0, 1):
        values = ndimage.gaussian_filter1d(values, sigma[axis], axis=axis, mode=mode, truncate=truncate)
    return values


def motion_blur(values: Floats, *, radius: int, sigma: float, angle: float) -> Floats:
    """Blur along a line that starts at the pixel: half a Gaussian of ``sigma`` on 2 radius + 1 taps, float64.

    ``angle`` is in degrees; values are (height, width) or (height, width, channels). The edge goes on beyond the edge.
    As in the reference (after ImageMagick's MotionBlurImage) taps lie at whole pixels, and where the line is longer
    than the picture the rest of it is left out, so that a very small picture gets darker.
    """
    height, width = values.shape[:2]
    taps = 2 * radius + 1
    weights = np.exp(-(np.arange(taps) ** 2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    weights = weights / np.sum(weights)
    places = _line(taps, angle)
    short = [number for number, (dy, dx) in enumerate(places) if abs(dy) >= height or abs(dx) >= width]
    places = places[: short[0]] if short else places
    down, right = max(abs(dy) for dy, _ in places), max(abs(dx) for _, dx in places)
    edges = [(down, down), (right, right)] + [(0, 0)] * (values.ndim - 2)
    wide = np.pad(values, edges, mode="edge")
    total = np.zeros(values.shape)
    for block in range(0, height, BLOCK):  # a few rows at a time stay in the processor's cache
        part = total[block : block + BLOCK]
        term = np.empty(part.shape)
        for weight, (dy, dx) in zip(weights, places):
            top, left = block + down - dy, right - dx
            np.multiply(wide[top : top + len(part), left : left + width], weight, out=term)
            part += term
    return total


def _line(taps: int, angle: float) -> List[Tuple[int, int]]:
    """Give how far the picture is moved (down, right) for each tap."""
    y, x = taps * np.sin(np.deg2rad(angle)), taps * np.cos(np.deg2rad(angle))
    length = math.hypot(y, x)
    return [(-math.ceil(tap * y / length - 0.5), -math.ceil(tap * x / length - 0.5)) for tap in range(taps)]


def enlarged(values: Floats, factor: float, *, centred: bool = False, whole: bool = False) -> Floats:
    """Cut the centre out of (height, width, channels) and enlarge it ``factor`` times, linearly; the same type.

    The cut is rounded up to whole pixels, so that the result may be larger than asked for; what is too much is cut off
    right and below, with ``centred`` on all sides, and with ``whole`` not at all. First pixels lie on first and last on
    last (scipy.ndimage.zoom).
    """
    for axis in (0, 1):
        values = _enlarged_along(values, axis, factor, centred=centred, whole=whole)
    return values


def _enlarged_along(values: Floats, axis: int, factor: float, *, centred: bool, whole: bool) -> Floats:
    size = values.shape[axis]
    cut = int(np.ceil(size / float(factor)))
    start = (size - cut) // 2
    large = round(cut * factor)
    first = (large - size) // 2 if centred else 0
    step = (cut - 1) / (large - 1) if large > 1 else 0.0
    places = np.arange(0, large)[first : None if whole else first + size] * step
    below = np.minimum(places.astype(np.intp), cut - 1)
    share = (places - below).reshape((-1, 1, 1) if axis == 0 else (-1, 1))
    result = values.take(start + below, axis=axis) * (1 - share)
    result += values.take(start + np.minimum(below + 1, cut - 1), axis=axis) * share
    return np.asarray(result, values.dtype)


def plasma(side: int, rng: np.random.Generator, *, decay: float) -> Floats:
    """Give a height map of 0 to 1 by diamond-square, (side, side) float64, ``side`` a power of two of at least 2.

    Each round halves the step; the random part of a round is uniform within +-100^2 / decay^(2 round).
    """
    heights = np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        total = corners + np.roll(corners, -1, axis=0)
        total += np.roll(total, -1, axis=1)
        heights[half::step, half::step] = centres = _wobbled(total, wobble, rng)
        across = corners + np.roll(corners, -1, axis=1)
        heights[::step, half::step] = _wobbled(centres + np.roll(centres, 1, axis=0) + across, wobble, rng)
        down = corners + np.roll(corners, -1, axis=0)
        heights[half::step, ::step] = _wobbled(centres + np.roll(centres, 1, axis=1) + down, wobble, rng)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def _wobbled(total: Floats, wobble: float, rng: np.random.Generator) -> Floats:
    return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)
