"""A small image-to-image network with broken weights: what DeepAugment does, without networks trained for it.

Hendrycks et al., "The Many Faces of Robustness" (2021), section 4: a picture goes through an autoencoder or a
super-resolution network whose weights and activations are broken at random. Those networks' weights are in no package
registry. Here the network is two layers that together are the identity, so that unbroken it gives the picture back;
broken it shifts colours, edges and textures. That makes it a likeness, nearer to random convolutions (Xu et al. 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB

Floats = npt.NDArray[np.float32]
HIDDEN, KERNEL = 12, 3


def deepaugment_like(picture: RGB, rng: np.random.Generator, *, strength: float = 1.0) -> RGB:
    """Send a picture through the network, its weights broken by a random amount up to ``strength``; 0: unchanged.

    The result keeps the mean and the deviation of each channel, so that it stays a picture that a camera could take.
    """
    if strength == 0:
        return picture
    first, second = identity_weights()
    size = np.float32(strength * rng.uniform(0.1, 1.0))
    first, second = (_broken(weights, size, rng) for weights in (first, second))
    values = picture.astype(np.float32) / np.float32(255)
    hidden = _convolve(np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="reflect"), first)
    hidden = _activation(hidden, rng)
    found = _convolve(np.pad(hidden, ((1, 1), (1, 1), (0, 0)), mode="reflect"), second)
    return np.asarray(np.rint(255 * _like(found, values)).clip(0, 255), np.uint8)


def identity_weights() -> tuple[Floats, Floats]:
    """Give both layers' weights (kernel, kernel, in, out) that pass a picture through: copies, then their mean."""
    first = np.zeros((KERNEL, KERNEL, 3, HIDDEN), np.float32)
    second = np.zeros((KERNEL, KERNEL, HIDDEN, 3), np.float32)
    for unit in range(HIDDEN):
        first[1, 1, unit % 3, unit] = 1
        second[1, 1, unit, unit % 3] = np.float32(3 / HIDDEN)
    return first, second


def _broken(weights: Floats, size: np.float32, rng: np.random.Generator) -> Floats:
    """Add noise to all weights, scale each unit, and silence some units."""
    spread = size / np.sqrt(np.float32(weights.shape[0] * weights.shape[1] * weights.shape[2]))
    noisy = weights + rng.normal(0, spread, weights.shape).astype(np.float32)
    scaled = 1 + size * rng.uniform(-0.5, 0.5, weights.shape[2])
    units = np.where(rng.random(weights.shape[2]) < 0.15 * size, 0, scaled)  # some are silent
    return np.asarray(noisy * units[:, None], np.float32)


def _activation(hidden: Floats, rng: np.random.Generator) -> Floats:
    choice = int(rng.integers(3))
    if choice == 0:
        return np.maximum(hidden, 0)
    return np.tanh(hidden) if choice == 1 else hidden


def _convolve(padded: Floats, weights: Floats) -> Floats:
    """Convolve (h + 2, w + 2, in) with (3, 3, in, out): (h, w, out), as nine products of matrices."""
    height, width = padded.shape[0] - KERNEL + 1, padded.shape[1] - KERNEL + 1
    total: npt.NDArray[Any] = np.zeros((height, width, weights.shape[3]), np.float32)
    for y in range(KERNEL):
        for x in range(KERNEL):
            total += padded[y : y + height, x : x + width] @ weights[y, x]
    return total


def _like(found: Floats, picture: Floats) -> Floats:
    """Give each channel the picture's mean and deviation."""
    mean, deviation = found.mean((0, 1)), found.std((0, 1))
    scaled = (found - mean) / np.maximum(deviation, np.float32(1e-4)) * picture.std((0, 1)) + picture.mean((0, 1))
    return np.asarray(scaled, np.float32)
