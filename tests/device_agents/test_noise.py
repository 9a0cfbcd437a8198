"""Noises: what they add, that a seed makes them again, and that strength 0 adds nothing."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from device_agents.noise import NOISES, contrast, gaussian, hue, patch_gaussian, saturation

GREY = np.full((64, 96, 3), 128, np.uint8)
PHOTO = np.random.default_rng(0).integers(40, 200, (24, 32, 3)).astype(np.uint8)


class Fixed(np.random.Generator):
    """A generator whose uniform numbers are the upper end: every distortion at its largest."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low=0.0, high=1.0, size=None):  # type: ignore[no-untyped-def,override]
        return high


@pytest.mark.parametrize("name", NOISES)
@settings(deadline=None, max_examples=5)
@given(
    picture=hnp.arrays(np.uint8, st.tuples(st.integers(2, 20), st.integers(2, 20), st.just(3))), seed=st.integers(0, 99)
)
def test_a_noise_keeps_shape_and_type_leaves_its_input_alone_and_follows_its_seed(
    name: str, picture: np.ndarray, seed: int
) -> None:
    before = picture.copy()
    first = NOISES[name](picture, np.random.default_rng(seed))
    again = NOISES[name](picture, np.random.default_rng(seed))
    assert first.shape == picture.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("name", NOISES)
def test_strength_zero_is_no_noise_and_the_default_is_some(name: str) -> None:
    assert np.array_equal(NOISES[name](PHOTO, np.random.default_rng(1), strength=0.0), PHOTO)
    changed = [not np.array_equal(NOISES[name](PHOTO, np.random.default_rng(seed)), PHOTO) for seed in range(3)]
    assert any(changed) == (name != "none")


@pytest.mark.parametrize(
    ("name", "strength", "levels"),
    [
        ("gaussian", 0.04, 0.04 * 255),
        ("gaussian-variance", 0.04, 0.2 * 255),
        ("gaussian-symmetric", 0.04, 0.04 * 127.5),
        ("gaussian-symmetric-variance", 0.025, 0.025**0.5 * 127.5),
    ],
)
def test_the_readings_of_sigma(name: str, strength: float, levels: float) -> None:
    noise = NOISES[name](GREY, np.random.default_rng(2), strength=strength).astype(float) - 128
    # 18,432 values: the deviation is known to about 0.5 %; rounding adds 1/12 to the variance.
    assert noise.std() == pytest.approx((levels**2 + 1 / 12) ** 0.5, rel=0.03)
    assert abs(noise.mean()) < 4 * levels / noise.size**0.5


def test_gaussian_noise_is_clipped_and_not_wrapped() -> None:
    white = np.full((32, 32, 3), 255, np.uint8)
    assert gaussian(white, np.random.default_rng(0), strength=0.04).min() > 150


def test_patch_gaussian_leaves_the_rest_alone() -> None:
    noisy = patch_gaussian(GREY, np.random.default_rng(3), patch=0.25)
    rows, columns = np.nonzero((noisy != GREY).any(axis=2))
    assert 0 < rows.max() - rows.min() + 1 <= 16
    assert 0 < columns.max() - columns.min() + 1 <= 16


def test_a_full_turn_of_contrast_and_saturation_by_hand() -> None:
    two = np.array([[[100, 100, 100], [140, 140, 140]]], np.uint8)
    assert contrast(two, Fixed())[0, :, 0].tolist() == [round(120 - 20 * np.exp(0.5)), round(120 + 20 * np.exp(0.5))]
    assert np.array_equal(saturation(two, Fixed()), two), "grey has no saturation to change"
    assert NOISES["brightness"](two, Fixed())[0, :, 0].tolist() == [132, 172]


def test_hue_turns_by_about_its_angle_and_keeps_luma_and_greys() -> None:
    colour = np.array([[[150, 100, 90]]], np.uint8)
    turned = hue(colour, Fixed())
    before, after = (colorsys.rgb_to_hls(*(pixel[0, 0] / 255))[0] for pixel in (colour, turned))
    assert 5 < abs((after - before + 0.5) % 1 - 0.5) * 360 < 35
    weights = np.array([0.299, 0.587, 0.114])
    assert (turned[0, 0] @ weights) == pytest.approx(colour[0, 0] @ weights, abs=1)
    assert np.abs(hue(GREY, Fixed()).astype(int) - 128).max() <= 1
