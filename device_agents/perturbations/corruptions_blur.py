"""ImageNet-C's blurs: defocus, glass, motion, zoom and Gaussian."""

from __future__ import annotations

from typing import Optional

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.perturbations.corruptions_filters import Floats, enlarged, gaussian, levels, motion_blur, outside
from device_agents.perturbations.families import Memory

Indices = npt.NDArray[np.intp]


def defocus_blur(picture: RGB, rng: np.random.Generator, *, radius: int, smooth: float) -> RGB:
    """Average over a disk of ``radius`` pixels, its edge smoothed by a Gaussian of ``smooth``, edges mirrored."""
    cv2 = outside("cv2")
    return levels(cv2.filter2D(picture / 255.0, -1, _disk(radius, smooth)))


def _disk(radius: int, smooth: float) -> Floats:
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    line = np.arange(-reach, reach + 1)
    disk = (line[None, :] ** 2 + line[:, None] ** 2 <= radius**2).astype(np.float32)
    disk /= np.sum(disk)
    blurred: Floats = outside("cv2").GaussianBlur(disk, (taps, taps), sigmaX=smooth)
    return blurred


def glass_blur(picture: RGB, rng: np.random.Generator, *, sigma: float, reach: int, rounds: int) -> RGB:
    """Blur, let every pixel take the colour of one near by ``rounds`` times, and blur again.

    The reference means to swap two pixels, but both sides of its assignment are views of the array, so that the second
    copy reads what the first has written: the pixel takes the other's colour, the other keeps it. Published numbers are
    of that, and so is this.
    """
    blurred = gaussian(picture / 255.0, (sigma, sigma))
    blurred *= 255
    pixels = blurred.astype(np.uint8).reshape(-1, 3)
    height, width = picture.shape[:2]
    for _ in range(rounds):
        pixels = pixels[taken_from(height, width, reach, rng)]
    shuffled = pixels.reshape(picture.shape) / 255.0
    return levels(gaussian(shuffled, (sigma, sigma)))


def taken_from(height: int, width: int, reach: int, rng: np.random.Generator) -> Indices:
    """Give, for each pixel (row by row), the pixel whose colour it has after one round, intp (height * width,).

    Pixels are visited from the last to the first, each takes the colour that its neighbour has by then: of the
    neighbour's own neighbour where that one was visited before. So each pixel points to another until one that was not
    visited before; following all the pointers at once, twice as far each time, finds the ends in a few rounds.
    """
    rows, columns = np.arange(height - reach, reach, -1), np.arange(width - reach, reach, -1)
    ends = np.arange(height * width)
    if not (rows.size and columns.size):
        return ends
    moves = rng.integers(-reach, reach, (rows.size * columns.size, 2))
    visited = (rows[:, None] * width + columns[None, :]).ravel()
    neighbours = visited + moves[:, 1] * width + moves[:, 0]
    turn = np.full(height * width, visited.size, np.intp)
    turn[visited] = np.arange(visited.size)
    earlier = turn[neighbours] < np.arange(visited.size)
    # node i < n: what pixel i has in the end; node n + i: what it had at first, which points to itself
    size = height * width
    points = np.concatenate([ends + size, ends + size])
    points[visited] = np.where(earlier, neighbours, neighbours + size)
    while True:
        further = points[points[:size]]
        if np.array_equal(further, points[:size]):
            return np.asarray(further - size, np.intp)
        points[:size] = further


def motion_blur_picture(picture: RGB, rng: np.random.Generator, *, radius: int, sigma: float) -> RGB:
    """Blur along a line within 45 degrees of the horizontal (motion_blur)."""
    blurred = motion_blur(picture.astype(np.float64), radius=radius, sigma=sigma, angle=rng.uniform(-45, 45))
    return np.clip(blurred, 0, 255, out=blurred).astype(np.uint8)


def zoom_blur(
    picture: RGB, rng: np.random.Generator, *, most: float, step: float, memory: Optional[Memory] = None
) -> RGB:
    """Average the picture with its enlargements of 1 up to ``most`` in steps of ``step`` (numpy.arange's floats).

    A severity whose steps are the former's goes on from there: the sums are the same, in the same order.
    """
    values = (picture / 255.0).astype(np.float32)
    factors = np.arange(1, most, step)
    before, total = (memory or {}).get("enlarged", (factors[:0], np.zeros_like(values)))
    if not np.array_equal(before, factors[: len(before)]):
        before, total = factors[:0], np.zeros_like(values)
    for factor in factors[len(before) :]:
        total = total + enlarged(values, float(factor))
    if memory is not None:
        memory["enlarged"] = factors, total
    return levels((values + total) / np.float32(len(factors) + 1))


def gaussian_blur(picture: RGB, rng: np.random.Generator, *, sigma: float, truncate: float = 4.0) -> RGB:
    """Blur by a Gaussian of ``sigma`` pixels; the edge goes on beyond the edge."""
    return levels(gaussian(picture / 255.0, (sigma, sigma), truncate=truncate))
