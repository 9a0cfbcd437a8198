"""Filters against scipy and hand calculation."""

import numpy as np
import pytest
from scipy import ndimage

from device_agents.errors import MissingExtra
from device_agents.perturbations import corruptions_filters
from device_agents.perturbations.corruptions_filters import enlarged, gaussian, levels, motion_blur, outside, plasma


def test_levels_are_cut_off_and_clipped():
    assert levels(np.array([-1.0, 0.0, 0.999 / 255, 1.999 / 255, 1.0, 2.0])).tolist() == [0, 0, 0, 1, 255, 255]


def test_gaussian_is_scipys_and_leaves_the_channels_apart():
    values = np.random.default_rng(1).random((12, 15, 3))
    assert np.allclose(gaussian(values, (1.3, 0.7)), ndimage.gaussian_filter(values, (1.3, 0.7, 0), mode="nearest"))


@pytest.mark.parametrize("factor", [1.0, 1.03, 1.5, 2.5, 4.5])
def test_enlarged_is_scipys_zoom_of_the_centre(factor):
    values = np.random.default_rng(1).random((23, 31, 2))
    cuts = [int(np.ceil(size / factor)) for size in (23, 31)]
    top, left = (23 - cuts[0]) // 2, (31 - cuts[1]) // 2
    part = values[top : top + cuts[0], left : left + cuts[1]]
    expected = ndimage.zoom(part, (factor, factor, 1), order=1)
    assert np.allclose(enlarged(values, factor, whole=True), expected)
    assert np.allclose(enlarged(values, factor), expected[:23, :31])
    up, aside = (expected.shape[0] - 23) // 2, (expected.shape[1] - 31) // 2
    assert np.allclose(enlarged(values, factor, centred=True), expected[up : up + 23, aside : aside + 31])


def test_motion_blur_of_a_point_is_half_a_gaussian_to_one_side():
    values = np.zeros((9, 21))
    values[4, 10] = 1.0
    got = motion_blur(values, radius=3, sigma=2.0, angle=0.0)
    weights = np.exp(-(np.arange(7) ** 2) / 8)
    weights /= weights.sum()
    assert np.allclose(got[4, 4:11], weights[::-1])  # a tap reads to the right: the point is drawn out to the left
    assert np.allclose(got.sum(), 1)
    upright = motion_blur(values, radius=3, sigma=2.0, angle=90.0)
    assert np.allclose(upright[:5, 10], weights[4::-1])


def test_motion_blur_keeps_a_constant_and_leaves_out_what_is_longer_than_the_picture():
    assert np.allclose(motion_blur(np.full((50, 60, 3), 0.5), radius=10, sigma=3, angle=30.0), 0.5)
    alone = motion_blur(np.ones((1, 1)), radius=1, sigma=1.0, angle=0.0)
    weights = np.exp([0, -0.5, -2])
    assert np.allclose(alone, weights[0] / weights.sum())


def test_plasma_is_of_the_whole_range_and_smoother_with_more_decay():
    rough, smooth = (plasma(64, np.random.default_rng(3), decay=decay) for decay in (1.4, 3.0))
    for heights in (rough, smooth):
        assert (heights.shape, heights.min(), heights.max()) == ((64, 64), 0.0, 1.0)
    assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(rough)).mean()


def test_plasmas_first_round_by_hand():
    class Ones:
        def uniform(self, low, high, size):
            return np.full(size, high)

    # corner 0; centre 0 / 4 + 100 x 100; each edge (two centres, which are one, and two corners) / 4 + 10,000
    assert np.allclose(plasma(2, Ones(), decay=2.0) * 15000, [[0, 15000], [15000, 10000]])


def test_a_missing_library_says_what_brings_it(monkeypatch):
    def refuse(name, *others):
        raise ImportError(name)

    monkeypatch.setattr(corruptions_filters.importlib, "import_module", refuse)
    with pytest.raises(MissingExtra, match=r"needs cv2; pip install 'instability-kit\[host\]'"):
        outside("cv2")
