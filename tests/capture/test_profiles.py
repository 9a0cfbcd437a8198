"""The profiles: at least five different devices whose numbers are possible and whose names exist."""

import numpy as np
import pytest

from capture import codecs, isp
from capture.profiles import PROFILES
from capture.sensor import daylight_neutral, srgb_to_camera


def test_there_are_five_different_devices():
    assert len(PROFILES) >= 5
    for part in ("isp", "codec", "sensor", "lens", "mount", "automatics", "model"):
        assert len({getattr(profile, part) for profile in PROFILES.values()}) == len(PROFILES), part
    assert {profile.codec.split("-")[0] for profile in PROFILES.values()} == {"jpeg", "heif"}
    assert any(profile.keep_raw for profile in PROFILES.values())


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_possible(name):
    profile = PROFILES[name]
    sensor = profile.sensor
    assert profile.name == name
    assert profile.isp in isp.ISPS
    assert profile.codec in codecs.CODECS
    assert 1.2e6 <= sensor.width * sensor.height <= 3.1e6
    assert sensor.width % 2 == sensor.height % 2 == 0
    assert sensor.bits in (10, 12)
    assert 0 < sensor.black_level < sensor.white_level / 4
    assert 0.85 <= profile.mount.fill <= 0.90
    assert 0.5 < profile.lens.blur_px < 2.0


@pytest.mark.parametrize("name", PROFILES)
def test_the_colour_matrix_is_a_cameras(name):
    sensor = PROFILES[name].sensor
    red, green, blue = daylight_neutral(sensor)
    # Silicon behind a Bayer filter answers daylight with green first.
    assert green == pytest.approx(1.0)
    assert 0.3 < red < 0.9
    assert 0.4 < blue < 1.0
    # Each camera colour is driven mostly by its own primary, and the matrix can be inverted without much noise.
    balanced = srgb_to_camera(sensor) / np.array([[red], [green], [blue]])
    assert np.array_equal(balanced.argmax(axis=1), [0, 1, 2])
    assert np.linalg.cond(balanced) < 8


def test_published_matrices_are_as_printed():
    assert PROFILES["midrange-sharp"].sensor.xyz_to_camera[0] == 0.7228
    # libcamera's matrix at 5858 K is camera to sRGB: going through XYZ and back gives it again, row sums being 1.
    balanced = srgb_to_camera(PROFILES["board-plain"].sensor) / np.array([[0.5712], [1.0], [0.7017]])
    np.testing.assert_allclose(np.linalg.inv(balanced)[0], [2.32392, -0.88421, -0.43971], atol=1e-4)
