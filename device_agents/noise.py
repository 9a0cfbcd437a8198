"""NOISES: a picture and a random generator -> the picture with noise, which training sets beside the clean one.

A noise takes uint8 (height, width, 3) sRGB, a numpy Generator and the keyword ``strength``, whose meaning and default
each function says, and gives uint8 of the same shape; it changes nothing else and keeps no state. Strength 0 is no
noise. Training puts them on the model's input, after resizing.
"""

from __future__ import annotations

import io
from functools import partial
from typing import Callable, Dict, List, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from device_agents.decode import RGB


class Noise(Protocol):
    """A variant of the family."""

    def __call__(self, picture: RGB, rng: np.random.Generator, *, strength: float = ...) -> RGB:
        """Give the picture with noise."""
        ...


def gaussian(
    picture: RGB, rng: np.random.Generator, *, strength: float = 0.04, variance: bool = False, span: float = 255.0
) -> RGB:
    """Add independent normal noise to every value: x'_k = x_k + e, e from N(0, sigma^2); rounded and clipped.

    The papers (Zheng et al. 2016; Cidon et al. 2021, 9.1) say "sigma^2 is the standard deviation", and not on which
    range of pixel values. ``strength`` is the deviation, or with ``variance`` its square; ``span`` is how many of the
    255 levels are 1: 255 where pixels run from 0 to 1, 127.5 where they run from -1 to 1.
    """
    deviation = np.sqrt(strength) if variance else strength
    return _levels(picture + rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(deviation * span))


def patch_gaussian(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0, patch: float = 25 / 32) -> RGB:
    """Gaussian noise in one square patch: Lopes et al. (2019), the deviation uniform up to ``strength`` on [0, 1].

    The patch's side is ``patch`` of the shorter side (25 of 32 pixels in the paper), its centre is uniform over the
    picture, and what hangs over the edge is cut.
    """
    height, width = picture.shape[:2]
    half = max(1.0, patch * min(height, width)) / 2
    y, x = rng.uniform(0, height), rng.uniform(0, width)
    rows = slice(max(0, round(y - half)), min(height, round(y + half)))
    columns = slice(max(0, round(x - half)), min(width, round(x + half)))
    noisy = picture.copy()
    noisy[rows, columns] = gaussian(picture[rows, columns], rng, strength=rng.uniform(0, strength))
    return noisy


def brightness(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Add one level, uniform within +-32 x strength of 255, to the whole picture (tf.image.random_brightness)."""
    return _levels(picture.astype(np.float32) + np.float32(32 * strength * rng.uniform(-1, 1)))


def contrast(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Stretch each channel about its mean by a factor whose logarithm is uniform within +-0.5 x strength."""
    pixels = picture.astype(np.float32)
    mean = pixels.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return _levels(mean + (pixels - mean) * _factor(rng, strength))


def saturation(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Stretch each pixel about its luma (BT.601) by a factor whose logarithm is uniform within +-0.5 x strength."""
    pixels = picture.astype(np.float32)
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return _levels(luma[..., None] + (pixels - luma[..., None]) * _factor(rng, strength))


def hue(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Turn the hue by an angle that is uniform within +-18 degrees x strength, luma kept: a rotation in YIQ."""
    angle = np.deg2rad(18.0 * strength * rng.uniform(-1, 1))
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = np.linalg.inv(_YIQ) @ turn @ _YIQ
    return _levels(picture.astype(np.float32) @ matrix.T.astype(np.float32))


def jpeg(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Code and decode as JPEG (Pillow, 4:2:0) at a quality that is uniform in 100 - 50 x strength .. 100."""
    if strength == 0:
        return picture
    lowest = int(np.clip(round(100 - 50 * strength), 1, 100))
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=int(rng.integers(lowest, 101)))
    return np.asarray(Image.open(stream).convert("RGB"))


def distortion(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Distort as a phone's image processing might: random hue, contrast, brightness, saturation, then JPEG quality.

    Cidon et al. (2021), 9.1, who do not print their ranges; these are the functions above at the same strength.
    """
    for part in (hue, contrast, brightness, saturation, jpeg):
        picture = part(picture, rng, strength=strength)
    return picture


def augmix(picture: RGB, rng: np.random.Generator, *, strength: float = 3.0) -> RGB:
    """Mix three chains of one to three operations with each other and with the picture: AugMix.

    Hendrycks et al. (2020), algorithm 1: chain weights from Dirichlet(1, 1, 1), the share of the mixture from
    Beta(1, 1), depth 1 to 3, operations of AutoAugment that no test corruption contains. ``strength`` is the authors'
    severity, 1 to 10.
    """
    if strength == 0:
        return picture
    weights, share = rng.dirichlet([1.0] * 3), rng.beta(1.0, 1.0)
    mixed = np.zeros(picture.shape, np.float32)
    for weight in weights:
        mixed += np.float32(weight) * random_chain(picture, rng, strength=strength)
    return _levels(np.float32(1 - share) * picture + np.float32(share) * mixed)


def random_chain(picture: RGB, rng: np.random.Generator, *, strength: float = 3.0, longest: int = 3) -> RGB:
    """Apply one to ``longest`` operations of AugMix in turn, each of a random size up to ``strength`` of 10."""
    if strength == 0:
        return picture
    image = Image.fromarray(picture)
    for _ in range(int(rng.integers(1, longest + 1))):
        operation = _OPERATIONS[int(rng.integers(len(_OPERATIONS)))]
        image = operation(image, rng.uniform(0.1, max(strength, 0.1)) / 10, rng)
    return np.asarray(image.convert("RGB"))


def none(picture: RGB, rng: np.random.Generator, *, strength: float = 0.0) -> RGB:
    """Give the picture as it is."""
    return picture


Operation = Callable[[Image.Image, float, np.random.Generator], Image.Image]
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def _levels(values: npt.NDArray[np.floating]) -> RGB:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)


def _factor(rng: np.random.Generator, strength: float) -> np.float32:
    return np.float32(np.exp(0.5 * strength * rng.uniform(-1, 1)))


# AugMix's operations, each of a size 0..1: the authors' ranges at their level 10.
def _autocontrast(image: Image.Image, size: float, rng: np.random.Generator) -> Image.Image:
    return ImageOps.autocontrast(image)


def _equalize(image: Image.Image, size: float, rng: np.random.Generator) -> Image.Image:
    return ImageOps.equalize(image)


def _posterize(image: Image.Image, size: float, rng: np.random.Generator) -> Image.Image:
    return ImageOps.posterize(image, 4 - int(4 * size) or 1)


def _solarize(image: Image.Image, size: float, rng: np.random.Generator) -> Image.Image:
    return ImageOps.solarize(image, 256 - int(256 * size))


def _rotate(image: Image.Image, size: float, rng: np.random.Generator) -> Image.Image:
    return image.rotate(_sign(rng) * 30 * size, resample=Image.Resampling.BILINEAR)


def _affine(
    image: Image.Image, size: float, rng: np.random.Generator, *, place: int, most: float, of_side: bool = False
) -> Image.Image:
    matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    side = (image.width if place == 2 else image.height) if of_side else 1
    matrix[place] = _sign(rng) * most * size * side
    return image.transform(image.size, Image.Transform.AFFINE, tuple(matrix), resample=Image.Resampling.BILINEAR)


def _sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


_OPERATIONS: List[Operation] = [
    _autocontrast,
    _equalize,
    _posterize,
    _rotate,
    _solarize,
    partial(_affine, place=1, most=0.3),
    partial(_affine, place=3, most=0.3),
    partial(_affine, place=2, most=1 / 3, of_side=True),
    partial(_affine, place=5, most=1 / 3, of_side=True),
]

NOISES: Dict[str, Noise] = {
    "augmix": augmix,
    "brightness": brightness,
    "contrast": contrast,
    "distortion": distortion,
    "gaussian": gaussian,
    "gaussian-symmetric": partial(gaussian, span=127.5),
    "gaussian-symmetric-variance": partial(gaussian, variance=True, span=127.5),
    "gaussian-variance": partial(gaussian, variance=True),
    "hue": hue,
    "jpeg": jpeg,
    "none": none,
    "patch-gaussian": patch_gaussian,
    "random-chain": random_chain,
    "saturation": saturation,
}
