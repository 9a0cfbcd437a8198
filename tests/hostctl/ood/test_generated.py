"""Generated pictures: as their sources define them, and the same every time."""

import numpy as np
import pytest

from hostctl.ood.generated import GENERATED, gaussian_noise, generated_picture, uniform_noise


def test_the_noises_are_odins():
    rng = np.random.default_rng(0)
    uniform = uniform_noise(128, rng)
    assert uniform.mean() == pytest.approx(127.5, abs=1)
    assert uniform.std() == pytest.approx(255 / np.sqrt(12), abs=1)
    gaussian = gaussian_noise(128, rng) / 255
    for end in (0, 1):  # mean 0.5, variance 1: 30.9 % on either side is clipped
        assert np.mean(gaussian == end) == pytest.approx(0.3085, abs=0.01)
    assert abs(np.corrcoef(gaussian[:-1].ravel(), gaussian[1:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("name", GENERATED)
def test_a_picture_is_made_again_and_is_no_other(name):
    first, again, other = (generated_picture(name, number, side=40) for number in (3, 3, 4))
    assert first.shape == (40, 40, 3)
    assert first.dtype == np.uint8
    assert first.std() > 2
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_textures_have_structure_and_noises_none():
    def roughness(name):
        pictures = [generated_picture(name, number, side=48) / 255 for number in range(12)]
        return np.median([np.abs(np.diff(one, axis=0)).mean() / one.std() for one in pictures])

    assert roughness("textures") < 0.5 * roughness("uniform-noise")
