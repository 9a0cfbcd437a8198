"""Light, colour, noise and dead pixels: by hand, against scipy and against the noises by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.noise import NOISES
from device_agents.perturbations.natural import NATURAL


def picture(*, seed=0, size=(24, 31)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def done(name, shown, *, seed=0):
    return NATURAL[name].apply(shown, np.random.default_rng(seed))


class Scripted:
    """A generator whose one uniform number is known."""

    def __init__(self, number):
        self.number = number

    def uniform(self, low, high):
        return self.number


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(NATURAL)), st.integers(0, 5))
def test_every_one_keeps_size_and_type_and_repeats(name, seed):
    shown = picture(size=(17, 23))
    kept = shown.copy()
    changed = done(name, shown, seed=seed)
    assert changed.shape == shown.shape
    assert changed.dtype == np.uint8
    assert (shown == kept).all()
    assert (done(name, shown, seed=seed) == changed).all()


def test_the_names_that_suites_use_are_there():
    asked = "rotate--5 rotate-10 zoom-101 gain-80 offset--16 blur-5 camera-noise-4 dead-pixels-1 off-centre-5 hue--10"
    assert set(f"{asked} saturation-120 contrast-by-90 translate-1".split()) <= set(NATURAL)
    assert all(one.of == "resized" for one in NATURAL.values())


def test_gain_is_in_linear_light():
    """sRGB 188 is 0.5029 of white's light; half of that is code 137.45; twice is over white."""
    shown = np.array([[[188, 0, 255]]], np.uint8)
    assert done("gain-50", shown).tolist() == [[[137, 0, 188]]]
    assert done("gain-200", shown)[0, 0, 0] == 255


def test_offset_adds_levels_and_clips():
    assert done("offset-16", np.array([[[0, 100, 250]]], np.uint8)).tolist() == [[[16, 116, 255]]]
    assert done("offset--16", np.array([[[0, 100, 250]]], np.uint8)).tolist() == [[[0, 84, 234]]]


@pytest.mark.parametrize("tenths", [3, 10, 25])
def test_blur_is_scipys_gaussian(tenths):
    from scipy.ndimage import gaussian_filter

    shown = picture()
    expected = gaussian_filter(shown.astype(np.float64), sigma=(tenths / 10, tenths / 10, 0), mode="reflect")
    assert np.abs(done(f"blur-{tenths}", shown) - np.rint(expected)).max() <= 1  # a half rounds either way
    assert (done(f"blur-{tenths}", shown) == np.rint(expected)).mean() > 0.99


def test_camera_noise_has_its_deviation_and_grows_in_place():
    grey = np.full((200, 200, 3), 128, np.uint8)
    little, much = (done(f"camera-noise-{n}", grey).astype(float) - 128 for n in (4, 8))
    assert little.std() == pytest.approx(4, rel=0.03)
    assert np.corrcoef(little.ravel(), much.ravel())[0, 1] > 0.98


def test_dead_pixels_are_counted_nested_and_of_both_kinds():
    grey = np.full((100, 100, 3), 128, np.uint8)
    few, many = (done(f"dead-pixels-{n}", grey) for n in (5, 100))
    changed = (few != 128).any(axis=2)
    assert changed.sum() == 5
    assert (many[changed] == few[changed]).all()
    assert ((many != 128).any(axis=2)).sum() == 100
    assert set(np.unique(many)) == {0, 128, 255}


def test_hue_turns_as_the_noise_of_that_angle_does():
    """noise.hue's angle is 18 degrees x strength x a number from -1 to 1."""
    shown = picture()
    for degrees in (9, -18):
        by_chance = NOISES["hue"](shown, Scripted(degrees / 18), strength=1.0)
        assert (done(f"hue-{degrees}", shown) == by_chance).all()


def test_saturation_and_contrast_stretch_as_the_noises_do():
    """The noises' factor is exp(0.5 x strength x a number)."""
    shown = picture()
    number = 2 * np.log(1.2)
    assert np.abs(done("saturation-120", shown).astype(int) - NOISES["saturation"](shown, Scripted(number))).max() <= 1
    assert np.abs(done("contrast-by-120", shown).astype(int) - NOISES["contrast"](shown, Scripted(number))).max() <= 1


def test_no_saturation_is_grey_and_contrast_keeps_the_mean():
    grey = done("saturation-0", picture())
    assert np.ptp(grey.astype(int), axis=2).max() == 0
    shown = picture().clip(60, 190)
    assert done("contrast-by-50", shown).mean(axis=(0, 1)) == pytest.approx(shown.mean(axis=(0, 1)), abs=0.5)


def test_what_moves_the_picture_is_told_apart():
    moving = {name.rstrip("0123456789").rstrip("-") for name, one in NATURAL.items() if one.moves}
    assert moving == {"off-centre", "rotate", "translate", "zoom"}
