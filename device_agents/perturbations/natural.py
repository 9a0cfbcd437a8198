"""NATURAL: what happens to the same part in a factory: light, colour, noise, dead pixels; geometry is in moved.py.

Each takes a picture, uint8 (height, width, 3) sRGB, and a generator, and gives the same size. Only camera noise and
dead pixels draw from the generator, and the draws of a stronger one contain those of a weaker one.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Dict, Iterable

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.noise import gaussian
from device_agents.perturbations.families import Perturbation
from device_agents.perturbations.moved import off_centre, rotate, translate, zoom

Floats = npt.NDArray[np.floating]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601, as noise.saturation has it
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def gain(picture: RGB, rng: np.random.Generator, *, percent: float) -> RGB:
    """Light of ``percent`` of what it was: a factor on linear light, the sRGB curve (IEC 61966-2-1) undone and redone.

    Twice the lamps are twice the photons; a factor on coded values would be another lamp for every tone.
    """
    coded = np.arange(256) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4) * percent / 100
    again = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return _levels(again * 255)[picture]


def offset(picture: RGB, rng: np.random.Generator, *, levels: float) -> RGB:
    """Add ``levels`` of 255 to every coded value: a camera's brightness setting, which acts after its curve."""
    return _levels(picture.astype(np.float32) + np.float32(levels))


def blur(picture: RGB, rng: np.random.Generator, *, sigma: float) -> RGB:
    """Blur by a Gaussian of ``sigma`` pixels, cut at 4 sigma, the edges mirrored (scipy.ndimage's "reflect")."""
    reach = int(4 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    values = picture.astype(np.float32)
    for axis in (0, 1):
        widths = [(reach, reach) if one == axis else (0, 0) for one in range(3)]
        wide = np.moveaxis(np.pad(values, widths, mode="symmetric"), axis, 0)
        size = picture.shape[axis]
        total = np.zeros((size, *wide.shape[1:]), np.float32)
        for place, tap in enumerate(taps):
            total += wide[place : place + size] * tap
        values = np.moveaxis(total, 0, axis)
    return _levels(values)


def camera_noise(picture: RGB, rng: np.random.Generator, *, levels: float) -> RGB:
    """Add independent normal noise of a deviation of ``levels`` of 255 to every coded value, light or dark."""
    return gaussian(picture, rng, strength=levels / 255)


def dead_pixels(picture: RGB, rng: np.random.Generator, *, per_10000: float) -> RGB:
    """Put ``per_10000`` of ten thousand pixels, rounded, at random places, each black or white by even chance."""
    height, width = picture.shape[:2]
    order, white = rng.permutation(height * width), rng.random(height * width) < 0.5
    chosen = order[: round(per_10000 / 10000 * height * width)]
    changed = picture.copy()
    changed.reshape(-1, 3)[chosen] = np.where(white[chosen], 255, 0)[:, None]
    return changed


def hue(picture: RGB, rng: np.random.Generator, *, degrees: float) -> RGB:
    """Turn the hue by ``degrees``, luma kept: a rotation in YIQ, as noise.hue does by chance."""
    angle = np.deg2rad(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = np.linalg.inv(_YIQ) @ turn @ _YIQ
    return _levels(picture.astype(np.float32) @ matrix.T.astype(np.float32))


def saturation(picture: RGB, rng: np.random.Generator, *, percent: float) -> RGB:
    """Stretch each pixel about its luma (BT.601) to ``percent``: 0 is grey, 100 as it is."""
    pixels = picture.astype(np.float32)
    luma = (pixels @ _LUMA)[..., None]
    return _levels(luma + (pixels - luma) * np.float32(percent / 100))


def contrast(picture: RGB, rng: np.random.Generator, *, percent: float) -> RGB:
    """Stretch each channel about its mean to ``percent``: 0 is one colour, 100 as it is."""
    pixels = picture.astype(np.float32)
    mean = pixels.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return _levels(mean + (pixels - mean) * np.float32(percent / 100))


def _levels(values: Floats) -> RGB:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)


def _named(
    family: str,
    change: Callable[..., RGB],
    argument: str,
    numbers: Iterable[int],
    *,
    unit: float = 1,
    moves: bool = False,
) -> Dict[str, Perturbation]:
    """Name a change by its number: "rotate--5" turns by -5 degrees; one stream a family."""
    return {
        f"{family}-{n}": Perturbation(partial(change, **{argument: n * unit}), family, moves=moves) for n in numbers
    }


def _both(most: int) -> Iterable[int]:
    return [n for n in range(-most, most + 1) if n]


def _percent(least: int, most: int) -> Iterable[int]:
    return [n for n in range(least, most + 1) if n != 100]


NATURAL: Dict[str, Perturbation] = {
    **_named("blur", blur, "sigma", range(1, 51), unit=0.1),
    **_named("camera-noise", camera_noise, "levels", range(1, 65)),
    **_named("contrast-by", contrast, "percent", _percent(50, 150)),
    **_named("dead-pixels", dead_pixels, "per_10000", range(1, 101)),
    **_named("gain", gain, "percent", _percent(50, 200)),
    **_named("hue", hue, "degrees", _both(45)),
    **_named("off-centre", off_centre, "percent", range(1, 31), moves=True),
    **_named("offset", offset, "levels", _both(64)),
    **_named("rotate", rotate, "degrees", _both(30), moves=True),
    **_named("saturation", saturation, "percent", _percent(0, 200)),
    **_named("translate", translate, "pixels", _both(32), moves=True),
    **_named("zoom", zoom, "percent", _percent(80, 125), moves=True),
}
