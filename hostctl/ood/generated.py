"""GENERATED: pictures that show nothing, uint8 (side, side, 3) each, made again from the same seed.

The noises are ODIN's (Liang, Li and Srikant, ICLR 2018, section 4.2, and testGaussian and testUni of its code): every
channel of every pixel uniform over its range, or normal with mean 0.5 and variance 1, clipped to 0..1. The textures
are our own: colours of three kinds that have structure at every size and no object.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from device_agents.decode import RGB

Array = NDArray[np.float64]
Generated = Callable[[int, np.random.Generator], RGB]
SEED = 0


def uniform_noise(side: int, rng: np.random.Generator) -> RGB:
    """Every channel of every pixel uniform over 0..255."""
    return np.asarray(rng.integers(0, 256, (side, side, 3)), dtype=np.uint8)


def gaussian_noise(side: int, rng: np.random.Generator) -> RGB:
    """Every channel of every pixel normal with mean 0.5 and variance 1 of the range, clipped to it."""
    return _bytes(rng.normal(0.5, 1.0, (side, side, 3)))


def textures(side: int, rng: np.random.Generator) -> RGB:
    """One of three kinds by chance: coloured 1/f noise, a grating between two colours, or overlapping soft blobs."""
    return (_cloud, _grating, _blobs)[int(rng.integers(3))](side, rng)


def generated_picture(name: str, number: int, *, side: int) -> RGB:
    """Give one picture of a set; the same name, number and side always give the same bytes."""
    place = list(GENERATED).index(name)
    return GENERATED[name](side, np.random.default_rng([SEED, place, number]))


def _cloud(side: int, rng: np.random.Generator) -> RGB:
    """Noise whose amplitude falls as 1 / frequency, as natural pictures' does, each channel its own."""
    across, down = np.fft.rfftfreq(side), np.fft.fftfreq(side)
    frequency = np.hypot(down[:, None], across[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(3, side, side))) / frequency
    values = np.fft.irfft2(spectrum, s=(side, side)).transpose(1, 2, 0)
    deviation = values.std(axis=(0, 1)).clip(min=1e-12)
    return _bytes(0.5 + 0.2 * (values - values.mean(axis=(0, 1))) / deviation)


def _grating(side: int, rng: np.random.Generator) -> RGB:
    """A sine grating of 2 to 40 periods in any direction between two colours."""
    first, second = rng.random((2, 3))
    angle, periods, phase = rng.uniform(0, np.pi), rng.uniform(2, 40), rng.uniform(0, 2 * np.pi)
    down, across = np.mgrid[:side, :side] / side
    wave = np.sin(2 * np.pi * periods * (across * np.cos(angle) + down * np.sin(angle)) + phase)
    return _bytes(first + (second - first) * (0.5 + 0.5 * wave[..., None]))


def _blobs(side: int, rng: np.random.Generator) -> RGB:
    """Twelve Gaussian spots of chance colours on a ground of one colour."""
    down, across = np.mgrid[:side, :side] / side
    picture = np.broadcast_to(rng.random(3), (side, side, 3)).copy()
    for _ in range(12):
        x, y, radius, colour = rng.random(), rng.random(), rng.uniform(0.04, 0.2), rng.random(3)
        weight = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * radius**2))[..., None]
        picture += weight * (colour - picture)
    return _bytes(picture)


def _bytes(values: Array) -> RGB:
    return np.asarray(np.round(255 * np.clip(values, 0, 1)), dtype=np.uint8)


GENERATED: dict[str, Generated] = {
    "uniform-noise": uniform_noise,
    "gaussian-noise": gaussian_noise,
    "textures": textures,
}
