"""The glass blur without a loop against the loop, and blurs that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from device_agents.perturbations.corruptions_blur import defocus_blur, glass_blur, taken_from, zoom_blur


def looped(pixels, reach, moves):
    """The reference's round: both sides are views, so that the first copy changes what the second one reads."""
    changed, moves = pixels.copy(), iter(moves)
    height, width = pixels.shape[:2]
    for row in range(height - reach, reach, -1):
        for column in range(width - reach, reach, -1):
            right, down = next(moves)
            there = row + down, column + right
            changed[row, column], changed[there] = changed[there], changed[row, column]
    return changed


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_following_the_pointers_is_the_loop(height, width, reach, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    visits = max(0, height - 2 * reach) * max(0, width - 2 * reach)
    moves = np.random.default_rng(seed).integers(-reach, reach, (visits, 2)) if visits else []
    ends = taken_from(height, width, reach, np.random.default_rng(seed))
    assert np.array_equal(pixels.reshape(-1, 3)[ends].reshape(pixels.shape), looped(pixels, reach, moves))


def test_a_colour_may_travel_far_in_one_round():
    class Down:
        def integers(self, low, high, size):
            return np.tile([0, -1], (size[0], 1))  # each takes the colour of the pixel above

    ends = taken_from(6, 4, 1, Down()).reshape(6, 4)
    # rows 5 to 2 and columns 3 to 2 are visited, the last row first: each has its upper neighbour's first colour
    assert np.array_equal(ends[2:, 2], [1 * 4 + 2, 2 * 4 + 2, 3 * 4 + 2, 4 * 4 + 2])

    class Right:
        def integers(self, low, high, size):
            return np.tile([-1, 0], (size[0], 1))

    assert np.array_equal(taken_from(4, 6, 1, Right()).reshape(4, 6)[2], [12, 13, 13, 14, 15, 16])


def test_glass_blur_is_blur_loop_blur():
    picture = np.random.default_rng(1).integers(0, 256, (20, 26, 3)).astype(np.uint8)
    draws = np.random.default_rng(9)

    def blurred(values):
        return ndimage.gaussian_filter(values, (1, 1, 0), mode="nearest")

    expected = (blurred(picture / 255.0) * 255).astype(np.uint8)
    for _ in range(3):
        expected = looped(expected, 2, draws.integers(-2, 2, (16 * 22, 2)))
    expected = (np.clip(blurred(expected / 255.0), 0, 1) * 255).astype(np.uint8)
    got = glass_blur(picture, np.random.default_rng(9), sigma=1, reach=2, rounds=3)
    assert np.array_equal(got, expected)


def test_defocus_of_a_point_is_a_disk():
    picture = np.zeros((41, 41, 3), np.uint8)
    picture[20, 20] = 255
    got = defocus_blur(picture, np.random.default_rng(0), radius=3, smooth=0.1)
    y, x = np.mgrid[-20:21, -20:21]
    disk = x**2 + y**2 <= 9
    assert disk.sum() == 29
    assert got[disk].min() == got[disk].max() == 8  # 255 / 29 = 8.79
    assert got[~disk].max() == 0


@pytest.mark.parametrize("level", [0, 100, 255])
def test_zoom_blur_keeps_a_constant(level):
    picture = np.full((30, 40, 3), level, np.uint8)
    got = zoom_blur(picture, np.random.default_rng(0), most=1.11, step=0.01)
    assert np.abs(got.astype(int) - level).max() <= 1
