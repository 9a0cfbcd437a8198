"""Re-exposed raws: the noise that is added has the variance that the formula says, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capture.raw import SRGB_TO_XYZ, Raw, read_raw, write_dng
from capture.reexposure import SENSORS, other_exposure, stated_noise
from device_agents.errors import BadInput

BLACK, WHITE, SIDE = 64, 4095, 512
NOISE = (0.002, 4e-5)


def flat(level: float, *, noise: tuple[float, float] = NOISE) -> Raw:
    """A raw without noise of its own, all samples ``level`` of 0..1."""
    codes = np.full((SIDE, SIDE), round(BLACK + level * (WHITE - BLACK)), np.uint16)
    matrix = np.linalg.inv(SRGB_TO_XYZ)
    return Raw(codes, (float(BLACK),) * 4, WHITE, "RGGB", (1.0, 1.0, 1.0), matrix, noise, source=b"as it was")


def samples(raw: Raw) -> np.ndarray:
    return (raw.mosaic.astype(np.float64) - BLACK) / (WHITE - BLACK)


# Hand calculation: S x + O is 0.00104 at 0.5 (x 1); twice the noise of half the light, S x + 3 O; and so on.
@pytest.mark.parametrize(
    ("sensor", "variance"),
    [
        ("fresh-noise", 0.002 * 0.5 + 4e-5),
        ("one-stop-less-light", 0.002 * 0.5 + 3 * 4e-5),
        ("two-stops-less-light", 3 * 0.002 * 0.5 + 15 * 4e-5),
    ],
)
def test_noise_is_added_as_the_profile_says_and_the_mean_stays(sensor: str, variance: float) -> None:
    made = SENSORS[sensor](flat(0.5), np.random.default_rng(1))
    assert samples(made).var() == pytest.approx(variance, rel=0.02)
    assert samples(made).mean() == pytest.approx(0.5, abs=5e-4)
    again = SENSORS[sensor](flat(0.5), np.random.default_rng(1))
    assert np.array_equal(made.mosaic, again.mosaic)
    assert made.source == b"", "the file is no longer what it was"


def test_a_darker_exposure_has_the_noise_of_its_own_light() -> None:
    made = other_exposure(flat(0.5), np.random.default_rng(1), stops=-1.0)
    assert samples(made).mean() == pytest.approx(0.25, abs=5e-4)
    # The input has no noise, so the whole of what f (1 - f) S x + (1 - f^2) O asks for is to be found.
    assert samples(made).var() == pytest.approx(0.002 * 0.25 * 0.5 + 0.75 * 4e-5, rel=0.02)
    brighter = other_exposure(flat(0.9), np.random.default_rng(1), stops=1.0)
    assert samples(brighter).max() == samples(brighter).min() == 1.0, "cut at saturation"


def test_another_sensor_adds_only_what_is_lacking() -> None:
    from capture.profiles import PROFILES
    from capture.virtual_camera import resting_exposure

    profile = PROFILES["old-noisy"]
    full_scale_e = profile.sensor.full_well_e / resting_exposure(profile).gain
    made = SENSORS["old-noisy"](flat(0.5, noise=(1e-6, 1e-9)), np.random.default_rng(2))
    expected = 0.5 / full_scale_e + (profile.sensor.read_noise_e / full_scale_e) ** 2
    assert samples(made).var() == pytest.approx(expected, rel=0.02)
    noisier = flat(0.5, noise=(0.5, 0.1))
    assert np.array_equal(SENSORS["old-noisy"](noisier, np.random.default_rng(2)).mosaic, noisier.mosaic)


def test_a_dng_states_its_noise_and_others_are_refused() -> None:
    assert read_raw(write_dng(flat(0.5))).noise_profile == pytest.approx(NOISE)
    with pytest.raises(BadInput, match="expected a raw that states its noise"):
        stated_noise(flat(0.5, noise=(0.0, 0.0)))
    linear = replace(flat(0.5), mosaic=np.full((4, 4, 3), 100, np.uint16), pattern="", black_levels=(64.0,) * 3)
    with pytest.raises(BadInput, match="demosaiced"):
        SENSORS["fresh-noise"](linear, np.random.default_rng(0))
