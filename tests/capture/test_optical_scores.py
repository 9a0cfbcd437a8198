"""Scores of pictures whose blur, noise, moire and bands are known."""

import cv2
import numpy as np
import pytest

from capture import charts
from capture import optical_scores as scores
from device_agents.errors import BadInput

GAUSS_MTF50 = np.sqrt(np.log(2) / 2) / np.pi  # of a blur of one pixel: exp(-2 pi^2 f^2) = 1/2


def blurred(picture, sigma):
    """Blur in linear light, as a lens does."""
    light = cv2.GaussianBlur(scores._linear(picture.astype(float)), (0, 0), sigma)
    codes = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * codes).astype(np.uint8)


def even(level=128.0, noise=0.0, seed=0, shape=charts.SIZE):
    values = level + np.random.default_rng(seed).normal(0, noise, (*shape, 3)) if noise else np.full((*shape, 3), level)
    return np.rint(values).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.8, 1.0, 1.5, 2.0, 3.0, 4.0])
def test_sharpness_of_a_known_blur(sigma):
    """A pixel is a box of variance 1/12 beside the blur's own."""
    whole = np.hypot(sigma, np.sqrt(1 / 12))
    found = scores.mtf50(charts.FOCUS_EDGES[0].cut(blurred(charts.edges(), sigma)))
    assert found == pytest.approx(GAUSS_MTF50 / whole, rel=0.03)


def test_sharpness_survives_noise_and_a_mirrored_edge():
    picture = blurred(charts.edges(), 1.5).astype(float)
    noisy = np.rint(picture + np.random.default_rng(2).normal(0, 3, picture.shape)).clip(0, 255).astype(np.uint8)
    edge = charts.FOCUS_EDGES[3].cut(noisy)
    wanted = GAUSS_MTF50 / np.hypot(1.5, np.sqrt(1 / 12))
    assert scores.mtf50(edge) == pytest.approx(wanted, rel=0.1)
    assert scores.mtf50(edge[:, ::-1]) == pytest.approx(wanted, rel=0.1)


def test_an_even_field_has_no_edge():
    with pytest.raises(BadInput, match="expected an edge, got an even field"):
        scores.mtf50(even())


@pytest.mark.parametrize("noise", [1.0, 3.0, 6.0])
def test_noise_of_a_known_deviation(noise):
    rounding = np.hypot(noise, np.sqrt(1 / 12))
    shots = [even(noise=noise, seed=seed) for seed in range(3)]
    assert scores.temporal_noise(shots) == pytest.approx(rounding, rel=0.02)
    assert scores.spatial_noise(shots[0]) == pytest.approx(rounding, rel=0.02)


def test_what_stands_still_and_what_changes_as_a_whole_is_no_noise():
    dirt = even(noise=8, seed=5)
    assert scores.temporal_noise([dirt, dirt + np.uint8(4)]) == pytest.approx(0, abs=1e-9)
    with pytest.raises(BadInput, match="two shots"):
        scores.temporal_noise([dirt])


def test_clipping_counts_pixels_with_a_channel_at_an_end():
    field = even()
    field[:72] = 255
    field[72:144, :, 1] = 0
    assert scores.clipped_share(field) == pytest.approx(0.2)


@pytest.mark.parametrize(("amplitude", "cycles"), [(0.02, 5), (0.01, 12.3), (0.03, 60)])
def test_bands_of_known_amplitude(amplitude, cycles):
    wave = amplitude * np.sin(2 * np.pi * cycles * np.arange(720) / 720)
    field = np.rint(160 * (1 + wave[:, None, None]) + np.random.default_rng(1).normal(0, 2, (720, 960, 3)))
    found = scores.banding(field.astype(np.uint8))
    assert found.amplitude == pytest.approx(amplitude, rel=0.05)
    assert found.cycles == pytest.approx(cycles, abs=0.2)
    assert found.along == "rows"
    assert scores.banding(field.astype(np.uint8).swapaxes(0, 1)).along == "columns"


def test_shading_and_noise_are_no_bands():
    y, x = np.mgrid[-1:1:720j, -1:1:960j]
    shaded = 160 * (1 - 0.15 * (x * x + y * y))[..., None] + np.random.default_rng(1).normal(0, 3, (720, 960, 3))
    assert scores.banding(np.rint(shaded).astype(np.uint8)).amplitude < 0.001


@pytest.mark.parametrize("amplitude", [0.02, 0.06])
def test_moire_of_known_amplitude(amplitude):
    """A wave of 120 pixels, of which the blur of 6 leaves exp(-2 pi^2 (6/120)^2) = 0.952, has amplitude / root 2."""
    part = charts.GRID_PARTS[0]
    wave = 1 + amplitude * np.sin(2 * np.pi * np.arange(1280) / 120)
    grid = np.rint(charts.lines() * wave[None, :, None]).clip(0, 255).astype(np.uint8)
    found = scores.moire(part.cut(grid), part.cut(even()), period_px=4)
    left = np.exp(-2 * (np.pi * 6 / 120) ** 2)
    assert found == pytest.approx(amplitude * left / np.sqrt(2), rel=0.06)


def test_a_grid_drawn_well_has_no_moire_and_noise_makes_none():
    part = charts.GRID_PARTS[0]
    noisy = charts.lines() + np.random.default_rng(1).normal(0, 4, (*charts.SIZE, 3))
    grid = np.rint(noisy).clip(0, 255).astype(np.uint8)
    assert scores.moire(part.cut(grid), part.cut(even(noise=4)), period_px=4) < 0.002


def test_contrast_and_balance():
    assert scores.ramp_slope([10 + 0.8 * level for level in charts.RAMP], charts.RAMP) == pytest.approx(0.8)
    field = even()
    field[..., 0], field[..., 2] = 64, 160
    assert scores.balance(field) == pytest.approx((0.5, 1.25))
