"""DNG files against LibRaw: data, levels, pattern, balance and colours, and the files that cannot be developed."""

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest
import rawpy
from skimage import data, metrics

from capture import raw as raws
from capture.isp import develop_libraw
from capture.optics import srgb_to_linear
from capture.sensor import mosaic_of
from device_agents.errors import BadInput

MATRIX = np.array([[0.7228, -0.0893, -0.0975], [-0.4792, 1.3481, 0.1381], [-0.1137, 0.2680, 0.5604]])


def noise_raw(pattern="RGGB", **changes):
    mosaic = np.random.default_rng(1).integers(64, 1000, (96, 128)).astype(np.uint16)
    raw = raws.Raw(mosaic, (64.0,) * 4, 1023, pattern, (0.55, 1.0, 0.62), MATRIX, (2e-4, 1e-6), "Virtual", "Test")
    return dataclasses.replace(raw, **changes)


def pack_file(name):
    root = os.environ.get("INSTABILITY_DATA")
    if not root:
        pytest.skip("INSTABILITY_DATA is not set")
    return (Path(root) / "raw" / name).read_bytes()


@pytest.mark.parametrize("pattern", raws.PATTERNS)
def test_libraw_reads_what_was_written(pattern):
    raw = noise_raw(pattern, black_levels=(64.0, 65.0, 66.0, 63.0))
    with rawpy.imread(io.BytesIO(raws.write_dng(raw))) as file:
        assert np.array_equal(file.raw_image_visible, raw.mosaic)
        names = file.color_desc.decode()
        assert "".join(names[index] for index in file.raw_pattern.ravel()) == pattern
        assert [file.black_level_per_channel[index] for index in file.raw_pattern.ravel()] == [64, 65, 66, 63]
        assert file.white_level == 1023
        np.testing.assert_allclose(file.camera_whitebalance[:3], [1 / 0.55, 1, 1 / 0.62], rtol=1e-5)


def test_the_matrix_is_the_one_libraw_develops_with():
    raw = noise_raw()
    with rawpy.imread(io.BytesIO(raws.write_dng(raw))) as file:
        np.testing.assert_allclose(raws.camera_to_srgb(raw), file.color_matrix[:, :3], atol=1e-4)
    np.testing.assert_allclose(raws.camera_to_srgb(raw).sum(axis=1), 1.0)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_read_gives_back_what_was_written(orientation):
    raw = noise_raw("GRBG", orientation=orientation)
    back = raws.read_raw(raws.write_dng(raw))
    assert np.array_equal(back.mosaic, raw.mosaic)
    assert (back.black_levels, back.white_level, back.pattern) == (raw.black_levels, 1023, "GRBG")
    assert back.orientation == orientation
    assert back.neutral == pytest.approx(raw.neutral, rel=1e-5)
    np.testing.assert_allclose(back.xyz_to_camera, MATRIX, atol=1e-4)


def test_the_same_raw_gives_the_same_bytes():
    assert raws.write_dng(noise_raw()) == raws.write_dng(noise_raw())


def test_tags_say_what_dng_demands():
    import tifffile

    with tifffile.TiffFile(io.BytesIO(raws.write_dng(noise_raw()))) as file:
        tags = file.pages[0].tags
        assert tags["DNGVersion"].value == bytes((1, 4, 0, 0))
        assert tags["Make"].value == "Virtual"
        assert tags["NoiseProfile"].value == pytest.approx((2e-4, 1e-6))
        assert tags["CalibrationIlluminant1"].value == 21


def test_libraw_develops_our_colours_right():
    picture = data.astronaut()
    linear = srgb_to_linear(picture / 255.0)
    camera = linear @ (MATRIX @ raws.SRGB_TO_XYZ).T
    neutral = (MATRIX @ raws.SRGB_TO_XYZ).sum(axis=1)
    # The largest of the neutral's colours is what saturates first.
    mosaic = mosaic_of((camera / neutral.max()).astype(np.float32), "RGGB")
    codes = np.rint(256 + np.clip(mosaic, 0, 1) * (4095 - 256)).astype(np.uint16)
    red, green, blue = (neutral / neutral.max()).tolist()
    raw = raws.Raw(codes, (256.0,) * 4, 4095, "RGGB", (red, green, blue), MATRIX)
    developed = develop_libraw(raw)
    # Means: no colour cast, no wrong exposure. PSNR: what demosaicing loses (34 dB here).
    np.testing.assert_allclose(developed.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=0.7)
    assert metrics.peak_signal_noise_ratio(picture, developed) > 32.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mosaic": np.zeros((4, 4), np.uint8)}, "uint16 mosaic"),
        ({"mosaic": np.zeros((5, 4), np.uint16)}, "even height"),
        ({"pattern": "RGBG"}, "Bayer pattern"),
        ({"black_levels": (64.0, 64.0, 64.0, 2000.0)}, "black level < white level"),
        ({"neutral": (0.0, 1.0, 1.0)}, "positive neutral"),
        ({"xyz_to_camera": np.zeros((4, 3))}, "3 x 3 matrix"),
    ],
)
def test_impossible_raws_are_refused(changes, message):
    with pytest.raises(BadInput, match=message):
        noise_raw(**changes)


@pytest.mark.parametrize("content", [b"", b"not a raw file at all", b"\xff\xd8\xff\xe0" + bytes(200)])
def test_other_files_are_refused(content):
    with pytest.raises(BadInput, match="expected a raw file"):
        raws.read_raw(content)


def test_a_linear_dng_is_refused_in_plain_words():
    with pytest.raises(BadInput, match="already demosaiced"):
        raws.read_raw(pack_file("canon_eos_6d_linear.dng"))


def test_a_real_mosaic_is_read():
    raw = raws.read_raw(pack_file("nikon_dsc1339_768x512.dng"))
    assert raw.mosaic.shape == (512, 768)
    assert raw.black_levels == (600.0,) * 4
    assert raw.white_level == 15520
    assert raw.neutral == pytest.approx((1 / 1.949, 1.0, 1 / 1.344), rel=1e-3)
    expected = np.frombuffer(pack_file("nikon_dsc1339_768x512_rggb_u16le.raw"), "<u2").reshape(512, 768)
    assert np.array_equal(raw.mosaic, expected)
