"""DNG files against LibRaw: data, levels, pattern, balance and colours, and the files that cannot be developed."""

import dataclasses
import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import rawpy
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data, metrics

from capture import raw as raws
from capture import tiff_tags
from capture.isp import develop_libraw
from capture.optics import srgb_to_linear
from capture.sensor import mosaic_of
from device_agents.errors import BadInput

MATRIX = np.array([[0.7228, -0.0893, -0.0975], [-0.4792, 1.3481, 0.1381], [-0.1137, 0.2680, 0.5604]])
X_TRANS = "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG"


def noise_raw(pattern="RGGB", **changes):
    mosaic = np.random.default_rng(1).integers(64, 1000, (96, 128)).astype(np.uint16)
    raw = raws.Raw(
        mosaic, (64.0,) * len(pattern), 1023, pattern, (0.55, 1.0, 0.62), MATRIX, (2e-4, 1e-6), "Virtual", "Test"
    )
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
        ({"mosaic": np.zeros((4, 4, 3), np.uint16)}, "mosaic of even height"),
        ({"pattern": ""}, r"picture \(height, width, 3\)"),
        ({"pattern": "RGBG"}, "Bayer pattern"),
        ({"pattern": X_TRANS, "black_levels": (64.0,) * 4}, "36 black levels"),
        ({"orientation": 9}, "orientation"),
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


def test_a_linear_dng_is_read_and_marked():
    data = pack_file("canon_eos_6d_linear.dng")
    raw = raws.read_raw(data)
    assert (raw.mosaic.shape, raw.pattern, len(raw.black_levels)) == ((816, 1224, 3), "", 3)
    assert raw.denoised
    assert raw.source == data
    assert raws.raw_file(raw) is raw.source
    with rawpy.imread(io.BytesIO(data)) as file:
        assert np.array_equal(raw.mosaic, file.raw_image_visible[..., :3])
        np.testing.assert_allclose(raws.camera_to_srgb(raw), file.color_matrix[:, :3], atol=1e-4)


def linear_raw(**changes):
    picture = np.random.default_rng(1).integers(300, 4000, (64, 81, 3)).astype(np.uint16)
    raw = raws.Raw(picture, (256.0, 256.0, 256.0), 4095, "", (0.55, 1.0, 0.62), MATRIX)
    return dataclasses.replace(raw, **changes)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_linear_raw_comes_back_from_its_dng(orientation):
    raw = linear_raw(orientation=orientation)
    back = raws.read_raw(raws.write_dng(raw))
    assert np.array_equal(back.mosaic, raw.mosaic)
    assert (back.pattern, back.black_levels, back.white_level) == ("", raw.black_levels, 4095)
    assert (back.orientation, back.denoised) == (orientation, True)
    assert back.neutral == pytest.approx(raw.neutral, rel=1e-5)


def test_an_x_trans_raw_comes_back_from_its_dng():
    raw = noise_raw(X_TRANS)
    back = raws.read_raw(raws.write_dng(raw))
    assert np.array_equal(back.mosaic, raw.mosaic)
    assert (back.pattern, back.black_levels, back.denoised) == (X_TRANS, raw.black_levels, False)


def with_noise_reduction(raw, applied):
    """A mosaic's DNG that says whether noise was reduced: the NoiseProfile's entry is made that tag."""
    data = bytearray(raws.write_dng(raw))
    place = data.index(struct.pack("<HHI", 51041, 12, 2))
    offset = struct.unpack_from("<I", data, place + 8)[0]
    struct.pack_into("<HHI", data, place, 50935, 5, 1)
    struct.pack_into("<II", data, offset, *applied)
    return bytes(data)


@pytest.mark.parametrize(("applied", "denoised"), [((1, 2), True), ((0, 1), False), ((0, 0), False)])
def test_a_mosaic_that_says_so_is_marked_denoised(applied, denoised):
    data = with_noise_reduction(noise_raw(), applied)
    assert raws.read_raw(data).denoised is denoised


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=200), st.integers(0, 600), st.integers(1, 40))
def test_damaged_tags_never_raise(noise, start, length):
    good = with_noise_reduction(noise_raw(), (1, 2))[:600]
    for bad in (good[:8] + noise, good[:start], good[:start] + noise[:length] + good[start + length :]):
        assert tiff_tags.noise_reduction_applied(bad) in (True, False)
        assert len(tiff_tags.without_orientation(bad)) == len(bad)
        assert len(tiff_tags.with_whole_crop(bad, height=9, width=9)) == len(bad)


def with_default_crop(raw, monkeypatch, kind, values):
    """A raw's DNG that asks for a crop of 60 x 40 from (12, 6) on, in numbers of that type."""
    import tifffile

    write = tifffile.imwrite
    tags = [(tag, kind, 2, pair, True) for tag, pair in zip((50719, 50720), values, strict=True)]
    with monkeypatch.context() as patch:
        patch.setattr(
            tifffile, "imwrite", lambda *data, extratags, **more: write(*data, extratags=extratags + tags, **more)
        )
        return raws.write_dng(raw)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("H", ((12, 6), (60, 40))), ("I", ((12, 6), (60, 40))), ("2I", ((12, 1, 6, 1), (120, 2, 40, 1)))],
)
def test_a_default_crop_is_widened(monkeypatch, kind, values):
    data = with_default_crop(noise_raw(), monkeypatch, kind, values)
    for file, expected in (
        (data, (12, 6, 60, 40)),
        (tiff_tags.with_whole_crop(data, height=94, width=126), (0, 0, 126, 94)),
    ):
        with rawpy.imread(io.BytesIO(file)) as opened:
            sizes = opened.sizes
        crop = (sizes.crop_left_margin, sizes.crop_top_margin, sizes.crop_width, sizes.crop_height)
        assert crop == expected
    assert tiff_tags.with_whole_crop(b"MM", height=1, width=1) == b"MM"


def test_an_orientation_is_taken_away():
    data = raws.write_dng(noise_raw(orientation=6))
    assert raws.read_raw(tiff_tags.without_orientation(data)).orientation == 1
    assert tiff_tags.without_orientation(b"FUJIFILMCCD-RAW") == b"FUJIFILMCCD-RAW"


def test_a_real_mosaic_is_read():
    raw = raws.read_raw(pack_file("nikon_dsc1339_768x512.dng"))
    assert raw.mosaic.shape == (512, 768)
    assert raw.black_levels == (600.0,) * 4
    assert raw.white_level == 15520
    assert raw.neutral == pytest.approx((1 / 1.949, 1.0, 1 / 1.344), rel=1e-3)
    expected = np.frombuffer(pack_file("nikon_dsc1339_768x512_rggb_u16le.raw"), "<u2").reshape(512, 768)
    assert np.array_equal(raw.mosaic, expected)
