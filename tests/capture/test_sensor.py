"""The sensor against the photon-transfer curve, its read noise, its limits and its colour matrix."""

import dataclasses
import math

import numpy as np
import pytest

from capture import sensor as sensors

MATRIX = (0.7228, -0.0893, -0.0975, -0.4792, 1.3481, 0.1381, -0.1137, 0.2680, 0.5604)
IDEAL = sensors.Sensor(
    width=256,
    height=192,
    pattern="RGGB",
    bits=12,
    black_level=256,
    pixel_um=1.4,
    responsivity_e=1500.0,
    full_well_e=5000.0,
    read_noise_e=3.0,
    prnu=0.0,
    dark_e_per_s=0.0,
    hot_share=0.0,
    hot_e_per_s=0.0,
    readout_s=0.02,
    xyz_to_camera=MATRIX,
)


def shoot(mean_e, *, sensor=IDEAL, gain=1.0, seed=0, device="one", exposure_s=0.01):
    field = np.full((sensor.height, sensor.width), mean_e, np.float32)
    return sensors.expose(
        field, sensor, device=device, exposure_s=exposure_s, gain=gain, rng=np.random.default_rng(seed)
    )


@pytest.mark.parametrize("gain", [0.5, 1.0, 4.0])
def test_photon_transfer_curve_has_the_system_gain_as_slope(gain):
    means, variances = [], []
    for step, mean_e in enumerate(np.linspace(60, 0.8 * 5000 / max(gain, 1), 10)):
        codes = shoot(mean_e, gain=gain, seed=step).astype(np.float64)
        means.append(codes.mean() - 256)
        variances.append(codes.var())
    slope, offset = np.polyfit(means, variances, 1)
    assert slope == pytest.approx(IDEAL.codes_per_e(gain), rel=0.03)
    # EMVA 1288: variance at the dark end = K^2 read^2 + 1 / 12 of the quantiser.
    dark = shoot(0.0, gain=gain).astype(np.float64).var()
    assert dark == pytest.approx((IDEAL.codes_per_e(gain) * 3.0) ** 2 + 1 / 12, rel=0.03)
    assert offset == pytest.approx(dark, abs=0.03 * max(variances))


@pytest.mark.parametrize("mean_e", [0.3, 5.0, 49.0, 51.0, 400.0])
def test_photon_noise_is_poisson_at_every_level(mean_e):
    mean = np.full((300, 400), mean_e, np.float32)
    noisy = sensors.noisy_electrons(mean, read_noise_e=0.0, rng=np.random.default_rng(2)).astype(np.float64)
    sigma = math.sqrt(mean_e / noisy.size)
    assert abs(noisy.mean() - mean_e) < 5 * sigma
    assert noisy.var() == pytest.approx(mean_e, rel=0.03)
    if mean_e < 50:
        assert np.array_equal(noisy, np.rint(noisy))


def test_read_noise_floor():
    noisy = sensors.noisy_electrons(np.zeros((300, 400), np.float32), read_noise_e=2.5, rng=np.random.default_rng(3))
    assert noisy.std() == pytest.approx(2.5, rel=0.02)
    assert abs(noisy.mean()) < 0.05


def test_black_level_and_saturation():
    assert shoot(0.0).mean() == pytest.approx(256, abs=0.2)
    assert shoot(9000.0).min() == 4095
    assert shoot(5000.0 / 4 * 1.5, gain=4.0).min() == 4095
    assert IDEAL.white_level == 4095
    # Half of the full well: half way between black and white.
    assert shoot(2500.0).mean() == pytest.approx(256 + (4095 - 256) / 2, rel=2e-3)


def test_same_generator_same_codes_other_generator_other_noise():
    assert np.array_equal(shoot(500.0, seed=7), shoot(500.0, seed=7))
    assert not np.array_equal(shoot(500.0, seed=7), shoot(500.0, seed=8))


def test_fixed_pattern_belongs_to_the_device_and_not_to_the_shot():
    noisy = dataclasses.replace(IDEAL, prnu=0.01, dark_e_per_s=10.0, hot_share=1e-3, hot_e_per_s=50_000.0)
    sensitivity, dark = sensors.fixed_pattern(noisy, "one")
    assert sensitivity.std() == pytest.approx(0.01, rel=0.05)
    assert np.count_nonzero(dark == 50_000.0) == round(1e-3 * dark.size)
    other, _ = sensors.fixed_pattern(noisy, "two")
    assert not np.array_equal(sensitivity, other)
    codes = shoot(100.0, sensor=noisy, exposure_s=0.02)
    hot = codes[dark == 50_000.0].mean()
    assert hot == pytest.approx(256 + 1100 * noisy.codes_per_e(1.0), rel=0.02)
    # Averaging shots removes the noise and leaves the pattern.
    mean = np.mean([shoot(2000.0, sensor=noisy, seed=seed) for seed in range(30)], axis=0)
    cold = dark < 100
    assert np.corrcoef(mean[cold], sensitivity[cold])[0, 1] > 0.9


def test_mosaic_keeps_the_filters_colour():
    colours = np.empty((4, 6, 3), np.float32)
    colours[...] = (1, 2, 3)
    np.testing.assert_array_equal(sensors.mosaic_of(colours, "GBRG")[:2, :2], [[2, 3], [1, 2]])
    np.testing.assert_array_equal(sensors.mosaic_of(colours, "RGGB")[2:, 4:], [[1, 2], [2, 3]])


def test_colour_response_to_white_by_hand():
    # The D65 white of sRGB is XYZ (0.950456, 1, 1.088754): matrix times it, over green.
    x, y, z = 0.950456, 1.0, 1.088754
    rows = [MATRIX[3 * row] * x + MATRIX[3 * row + 1] * y + MATRIX[3 * row + 2] * z for row in range(3)]
    assert sensors.daylight_neutral(IDEAL) == pytest.approx((rows[0] / rows[1], 1.0, rows[2] / rows[1]), rel=1e-5)


def test_electrons_of_a_screen_by_hand():
    # E = pi * 0.9 / (4 * 4) = 0.17671 lx for each cd/m2; times 1500 e / (lx s um2) and 1.96 um2 = 519.5 e a second.
    assert sensors.electrons_per_cd_m2_s(IDEAL, f_number=2.0, transmission=0.9) == pytest.approx(519.54, rel=1e-4)
