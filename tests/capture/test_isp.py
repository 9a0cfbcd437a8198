"""Every ISP on real photographs of a virtual sensor: grey stays grey, ramps rise, pinned LibRaw agrees with our own."""

import dataclasses

import numpy as np
import pytest
from skimage import data, metrics

from capture import isp
from capture.optics import srgb_to_linear
from capture.profiles import PROFILES
from capture.raw import Raw
from capture.sensor import mosaic_of, srgb_to_camera, xyz_matrix
from device_agents.errors import BadInput

SENSOR = PROFILES["flagship-heif"].sensor
DAYLIGHT = srgb_to_camera(SENSOR).sum(axis=1)


def noiseless_raw(linear, *, exposure=0.9, **changes):
    """What the flagship's sensor would give for linear sRGB light (height, width, 3) without any noise."""
    camera = (linear @ srgb_to_camera(SENSOR).T * exposure).astype(np.float32)
    span = SENSOR.white_level - SENSOR.black_level
    codes = np.rint(SENSOR.black_level + np.clip(mosaic_of(camera, SENSOR.pattern), 0, 1) * span).astype(np.uint16)
    red, green, blue = (DAYLIGHT / DAYLIGHT.max()).tolist()
    raw = Raw(
        codes,
        (float(SENSOR.black_level),) * 4,
        SENSOR.white_level,
        SENSOR.pattern,
        (red, green, blue),
        xyz_matrix(SENSOR),
    )
    return dataclasses.replace(raw, **changes)


@pytest.mark.parametrize("name", isp.ISPS)
def test_a_grey_ramp_rises_and_stays_grey(name):
    steps = np.linspace(0.0, 1.0, 16) ** 2
    ramp = np.repeat(np.broadcast_to(np.repeat(steps, 24), (64, 384))[:, :, None], 3, axis=2)
    developed = isp.ISPS[name](noiseless_raw(ramp)).astype(float)
    assert developed.shape == (64, 384, 3)
    patches = np.stack([developed[16:48, 24 * step + 10 : 24 * step + 14].mean(axis=(0, 1)) for step in range(16)])
    assert np.all(np.diff(patches, axis=0) > 0)
    assert np.ptp(patches, axis=1).max() < 2.5


@pytest.mark.parametrize("name", isp.ISPS)
def test_the_same_raw_develops_to_the_same_picture_and_raw_is_untouched(name):
    raw = noiseless_raw(srgb_to_linear(data.astronaut()[:128, :128] / 255.0))
    before = raw.mosaic.copy()
    assert np.array_equal(isp.ISPS[name](raw), isp.ISPS[name](raw))
    assert np.array_equal(raw.mosaic, before)


def test_plain_and_pinned_libraw_agree_with_the_truth():
    picture = data.astronaut()
    raw = noiseless_raw(srgb_to_linear(picture / 255.0), exposure=1.0)
    plain, libraw = isp.ISPS["plain"](raw), isp.ISPS["libraw-pinned"](raw)
    assert metrics.peak_signal_noise_ratio(picture, plain) > 29.5  # 30.0: Malvar's demosaic, in linear light
    assert metrics.peak_signal_noise_ratio(picture, libraw) > 32.0  # 32.9: AHD's
    for developed in (plain, libraw):
        np.testing.assert_allclose(developed.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.8)


def test_the_looks_differ_from_each_other():
    raw = noiseless_raw(srgb_to_linear(data.astronaut()[:256, :256] / 255.0))
    pictures = {name: develop(raw).astype(float) for name, develop in isp.ISPS.items() if name != "libraw-pinned"}
    names = sorted(pictures)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            assert np.abs(pictures[first] - pictures[second]).mean() > 2.0, (first, second)


def test_orientation_is_applied_once_as_libraw_does():
    linear = srgb_to_linear(data.astronaut()[:128, :192] / 255.0)
    upright = isp.ISPS["plain"](noiseless_raw(linear))
    for orientation in (3, 6, 8):
        raw = noiseless_raw(linear, orientation=orientation)
        ours, theirs = isp.ISPS["plain"](raw), isp.ISPS["libraw-pinned"](raw)
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(float) - theirs).mean() < 3.0
    assert np.array_equal(isp.ISPS["plain"](noiseless_raw(linear, orientation=6)), np.rot90(upright, -1))


def test_an_unknown_stage_is_named():
    with pytest.raises(BadInput, match="unknown demosaic 'nearest'"):
        isp.develop(noiseless_raw(np.zeros((8, 8, 3))), recipe=isp.Recipe(demosaic="nearest"))
