"""Augmentations against their definitions: areas, shares, phases, and pictures that stay pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.decode import RGB
from stability_train.remedies.augmentations import (
    apr_sp,
    blend,
    crop_and_flip,
    cutout,
    paste,
    randaugment,
    recombine,
)
from stability_train.remedies.random_network import deepaugment_like


def picture_of(seed: int, height: int = 20, width: int = 24) -> RGB:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_blend_is_the_weighted_mean() -> None:
    one, other = np.full((2, 2, 3), 200, np.uint8), np.full((2, 2, 3), 100, np.uint8)
    assert np.all(blend(one, other, 0.3) == 130)
    assert np.array_equal(blend(one, other, 1.0), one)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_pasted_area_is_what_the_share_says(seed: int, share: float) -> None:
    one, other = np.zeros((20, 24, 3), np.uint8), np.full((20, 24, 3), 255, np.uint8)
    mixed, left = paste(one, other, share, np.random.default_rng(seed))
    assert left == pytest.approx(float((mixed[..., 0] == 0).mean()))
    assert left >= share - 0.06, "a rectangle that is cut at the edge is smaller, never larger but for rounding"


def test_a_rectangle_inside_has_the_area_that_was_drawn() -> None:
    shares = [
        paste(picture_of(0, 200, 200), picture_of(1, 200, 200), 0.75, np.random.default_rng(n))[1] for n in range(40)
    ]
    assert min(shares) == pytest.approx(0.75, abs=0.01), "a side of sqrt(1 - 0.75), half of the picture's"


def test_cutout_paints_one_grey_rectangle() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    areas = [(cutout(picture, np.random.default_rng(seed))[..., 0] == 128).sum() for seed in range(30)]
    assert max(areas) == 16 * 16
    assert not np.any(picture), "the picture itself is left alone"


def test_recombining_a_picture_with_itself_gives_it_back() -> None:
    picture = picture_of(3)
    assert np.allclose(recombine(picture, picture), picture, atol=1e-9)


def test_recombining_keeps_the_phase_of_one_and_the_amplitude_of_the_other() -> None:
    first, second = picture_of(4), picture_of(5)
    found = np.fft.fft2(recombine(first, second), axes=(0, 1))
    phase, amplitude = np.fft.fft2(second, axes=(0, 1)), np.abs(np.fft.fft2(first, axes=(0, 1)))
    assert np.allclose(np.abs(found), amplitude, atol=1e-6)
    assert np.allclose(found / np.abs(found), phase / np.abs(phase), atol=1e-6)


def test_the_unbroken_network_gives_the_picture_back_and_a_broken_one_keeps_its_mean() -> None:
    picture = picture_of(6, 32, 32)
    assert np.array_equal(deepaugment_like(picture, np.random.default_rng(0), strength=0), picture)
    assert np.abs(deepaugment_like(picture, np.random.default_rng(1), strength=1e-4).astype(int) - picture).max() <= 40
    broken = deepaugment_like(picture, np.random.default_rng(0))
    assert not np.array_equal(broken, picture)
    assert np.allclose(broken.mean((0, 1)), picture.mean((0, 1)), atol=12), "clipping moves it a little"


@pytest.mark.parametrize("change", [apr_sp, cutout, randaugment, deepaugment_like, crop_and_flip])
def test_every_change_gives_a_picture_of_the_same_size_and_the_same_one_again(change: object) -> None:
    picture = picture_of(7)
    kept = picture.copy()
    one, again = (change(picture, np.random.default_rng(8)) for _ in range(2))  # type: ignore[operator]
    assert one.shape == picture.shape
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert np.array_equal(picture, kept)


def test_a_whole_crop_is_the_picture_or_its_mirror() -> None:
    picture = picture_of(9)
    found = [crop_and_flip(picture, np.random.default_rng(seed), least=1.0) for seed in range(20)]
    assert all(np.array_equal(one, picture) or np.array_equal(one, picture[:, ::-1]) for one in found)
    assert len({one.tobytes() for one in found}) == 2
