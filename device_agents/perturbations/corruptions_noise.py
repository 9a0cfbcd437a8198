"""ImageNet-C's noise: Gaussian, shot, impulse and speckle, on values of 0 to 1, the fraction of a level cut off.

They differ from noise.gaussian, which training uses: that one rounds and draws single precision.
"""

from __future__ import annotations

import numpy as np

from device_agents.decode import RGB
from device_agents.perturbations.corruptions_filters import levels


def gaussian_noise(picture: RGB, rng: np.random.Generator, *, deviation: float) -> RGB:
    """Add independent normal noise of ``deviation`` of the range to every value."""
    noisy = rng.normal(0.0, deviation, picture.shape)
    noisy += picture / 255.0
    return levels(noisy)


def shot_noise(picture: RGB, rng: np.random.Generator, *, photons: float) -> RGB:
    """Count photons: Poisson about value x ``photons``, so that a white value has ``photons`` on the average."""
    counts = rng.poisson(picture / 255.0 * photons, picture.shape)
    return levels(counts / float(photons))


def impulse_noise(picture: RGB, rng: np.random.Generator, *, amount: float) -> RGB:
    """Put ``amount`` of all values (each channel of a pixel by itself) to black or white, by even chance."""
    changed = rng.random(picture.shape) <= amount
    white = rng.random(picture.shape) <= 0.5
    # as levels(picture / 255) would give: 1 / 255 times 255 is 1 again for every level
    return np.where(changed, np.where(white, np.uint8(255), np.uint8(0)), picture)


def speckle_noise(picture: RGB, rng: np.random.Generator, *, deviation: float) -> RGB:
    """Add normal noise whose deviation is ``deviation`` of the value itself."""
    values = picture / 255.0
    noisy = rng.normal(0.0, deviation, picture.shape)
    noisy *= values
    noisy += values
    return levels(noisy)
