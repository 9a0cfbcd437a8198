"""SENSORS: a raw picture and a generator -> the raw as another exposure, or another sensor, would have recorded it.

The noise of a sample x (0 = black, 1 = saturated) has the variance S x + O: photons' noise and read noise, as a DNG's
NoiseProfile states it (DNG 1.4, 51041; EMVA 1288). Noise that is in a raw cannot be taken out of it: these add what is
lacking. The picture itself stands for the light; its own noise is part of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from capture.profiles import PROFILES, Profile
from capture.raw import Raw
from capture.virtual_camera import resting_exposure
from device_agents.errors import BadInput

Samples = NDArray[np.float32]
Sensor = Callable[[Raw, np.random.Generator], Raw]


def shoot_again(raw: Raw, rng: np.random.Generator) -> Raw:
    """Add as much noise as the raw's own, drawn afresh: the variance is then twice that of one shot."""
    return _noisy(raw, rng, stated_noise(raw))


def less_light(raw: Raw, rng: np.random.Generator, *, stops: float) -> Raw:
    """Give the raw of a 2^stops times shorter exposure whose gain was raised to the same brightness.

    A share f of the light makes the variance S x / f + O / f^2; what that is more than S x + O is added.
    """
    slope, constant = stated_noise(raw)
    share = 2.0**-stops
    return _noisy(raw, rng, (slope * (1 / share - 1), constant * (1 / share**2 - 1)))


def other_exposure(raw: Raw, rng: np.random.Generator, *, stops: float) -> Raw:
    """Give the raw of an exposure 2^stops times as long at the same gain: brighter or darker, cut at saturation.

    A darker one gets the noise that it has more of, in proportion; a brighter one keeps more than it should have.
    """
    slope, constant = stated_noise(raw)
    factor = 2.0**stops
    # Wanted is S f x + O; scaling leaves f^2 (S x + O). Both in terms of the scaled sample f x.
    extra = slope * (1 - factor), constant * (1 - factor**2)
    return _noisy(raw, rng, (max(0.0, extra[0]), max(0.0, extra[1])), factor=factor)


def as_profile(raw: Raw, rng: np.random.Generator, *, profile: Profile) -> Raw:
    """Give the raw the noise of a virtual camera's sensor at its resting exposure, where that is more than its own."""
    slope, constant = stated_noise(raw)
    full_scale_e = profile.sensor.full_well_e / resting_exposure(profile).gain
    wanted = 1.0 / full_scale_e, (profile.sensor.read_noise_e / full_scale_e) ** 2
    return _noisy(raw, rng, (max(0.0, wanted[0] - slope), max(0.0, wanted[1] - constant)))


def stated_noise(raw: Raw) -> tuple[float, float]:
    """Give (S, O) of a mosaic that states its noise; raises BadInput for others."""
    if not raw.pattern:
        raise BadInput("expected a raw with a mosaic, got one that the camera has demosaiced: its noise is not known")
    if raw.noise_profile == (0.0, 0.0):
        raise BadInput("expected a raw that states its noise (DNG tag NoiseProfile), got none; leave the sensors out")
    return raw.noise_profile


def _noisy(raw: Raw, rng: np.random.Generator, noise: tuple[float, float], *, factor: float = 1.0) -> Raw:
    """Scale the samples x and add normal noise of the variance S x + O; codes are rounded and cut."""
    period = math.isqrt(len(raw.pattern))
    height, width = raw.mosaic.shape
    cells = np.array(raw.black_levels, np.float32).reshape(period, period)
    black = np.tile(cells, (-(-height // period), -(-width // period)))[:height, :width]
    span = np.float32(raw.white_level) - black
    samples: Samples = (raw.mosaic - black) / span * np.float32(factor)
    slope, constant = (np.float32(value) for value in noise)
    deviation = np.sqrt(slope * np.clip(samples, 0, 1) + constant)
    samples += deviation * rng.standard_normal(samples.shape, dtype=np.float32)
    codes = np.clip(np.rint(samples * span + black), 0, raw.white_level).astype(np.uint16)
    return replace(raw, mosaic=codes, source=b"")


SENSORS: Mapping[str, Sensor] = {
    "fresh-noise": shoot_again,
    "one-stop-less-light": partial(less_light, stops=1.0),
    "two-stops-less-light": partial(less_light, stops=2.0),
    "third-stop-brighter": partial(other_exposure, stops=1 / 3),
    "third-stop-darker": partial(other_exposure, stops=-1 / 3),
    **{name: partial(as_profile, profile=profile) for name, profile in PROFILES.items()},
}
