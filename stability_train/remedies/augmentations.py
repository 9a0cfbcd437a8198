"""Pictures changed while training: each a function of a uint8 RGB picture and a generator, the same size out.

AugMix, its chains and Patch Gaussian are those of device_agents.noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from device_agents.decode import RGB
from device_agents.noise import random_chain

Floats = npt.NDArray[np.floating[Any]]
LEAST_AREA = 0.8  # of a crop: enough to move the subject, too little to lose it


def crop_and_flip(picture: RGB, rng: np.random.Generator, *, least: float = LEAST_AREA) -> RGB:
    """Cut ``least`` to all of the area at a random place, resize it back (Pillow bilinear), and mirror half of them.

    It is done before every remedy, and to plain fine-tuning too.
    """
    height, width = picture.shape[:2]
    side = np.sqrt(rng.uniform(least, 1.0))
    tall, wide = max(1, round(side * height)), max(1, round(side * width))
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    cut = picture[top : top + tall, left : left + wide]
    cut = cut[:, ::-1] if rng.random() < 0.5 else cut
    resized = Image.fromarray(np.ascontiguousarray(cut)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def blend(picture: RGB, other: RGB, share: float) -> RGB:
    """Give share * picture + (1 - share) * other, rounded: mixup, Zhang et al. (2018), equation 1."""
    return _levels(np.float32(share) * picture + np.float32(1 - share) * other)


def paste(picture: RGB, other: RGB, share: float, rng: np.random.Generator) -> tuple[RGB, float]:
    """Put a rectangle of about 1 - share of the area of ``other`` into the picture, at the same place; and its share.

    CutMix, Yun et al. (2019), algorithm 1: the centre is uniform and the rectangle is cut at the edges. The share that
    is given back is what is left of the picture, by area: 1 - area of the rectangle.
    """
    height, width = picture.shape[:2]
    top, bottom, left, right = _rectangle(height, width, np.sqrt(1 - share), rng)
    mixed = picture.copy()
    mixed[top:bottom, left:right] = other[top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def cutout(picture: RGB, rng: np.random.Generator, *, side: float = 0.4, level: int = 128) -> RGB:
    """Paint a grey square of ``side`` of the picture's, its centre anywhere: Cutout, DeVries and Taylor (2017).

    The authors use half of the side with ten classes of CIFAR, and a quarter with a hundred.
    """
    height, width = picture.shape[:2]
    top, bottom, left, right = _rectangle(height, width, side, rng)
    painted = picture.copy()
    painted[top:bottom, left:right] = level
    return painted


def randaugment(picture: RGB, rng: np.random.Generator, *, operations: int = 2, strength: float = 9.0) -> RGB:
    """Apply ``operations`` random operations in turn: RandAugment, Cubuk et al. (2020), N = 2.

    The operations are AugMix's nine: of RandAugment's fourteen those that no test corruption contains (no brightness,
    contrast, colour and sharpness). Their size is uniform up to ``strength`` of 10, not fixed.
    """
    for _ in range(operations):
        picture = random_chain(picture, rng, strength=strength, longest=1)
    return picture


def apr_sp(picture: RGB, rng: np.random.Generator, *, strength: float = 5.0, chance: float = 0.5) -> RGB:
    """Give the picture's phase another amplitude: APR-SP, Chen et al. (2021), section 3.2.

    With ``chance`` the amplitude is that of an augmented copy of the same picture, else the augmented copy is what is
    given, as the authors' code does; the copy is one random chain of operations.
    """
    copy = random_chain(picture, rng, strength=strength)
    if rng.random() >= chance:
        return copy
    return _levels(recombine(copy, picture))


def recombine(amplitude: RGB, phase: RGB) -> Floats:
    """Give the picture with one picture's amplitude spectrum and another's phase, by channel; float64 (h, w, 3)."""
    spectrum = np.abs(np.fft.fft2(amplitude.astype(np.float64), axes=(0, 1)))
    angle = np.angle(np.fft.fft2(phase.astype(np.float64), axes=(0, 1)))
    found = np.fft.ifft2(spectrum * np.exp(1j * angle), axes=(0, 1))
    return np.asarray(found.real, np.float64)


def _rectangle(height: int, width: int, side: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A rectangle of this share of both sides around a uniform centre, cut at the edges: top, bottom, left, right."""
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    top, bottom = (int(np.clip(round(y + sign * side * height / 2), 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(round(x + sign * side * width / 2), 0, width)) for sign in (-1, 1))
    return top, bottom, left, right


def _levels(values: Floats) -> RGB:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)
