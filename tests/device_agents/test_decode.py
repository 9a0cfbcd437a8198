from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from device_agents import decode
from device_agents.decode import DECODERS, reaches_end, turn_upright
from device_agents.errors import BadInput, KitError, MissingExtra

GENERAL = ("opencv", "pillow")  # the others read JPEG only: test_decode_jpeg.py


def smooth(height: int = 60, width: int = 80) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 3 % 256, y * 4 % 256, (x + y) * 2 % 256], axis=2).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, kind, **options)
    return file.getvalue()


def with_orientation(pixels: np.ndarray, orientation: int, kind: str = "JPEG", **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, kind, exif=exif, **options)


@pytest.mark.parametrize("name", GENERAL)
def test_png_comes_back_exactly(name: str) -> None:
    pixels = smooth()
    decoded = DECODERS[name](encoded(pixels))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_orientation_is_applied_once_as_pillow_does(name: str, orientation: int, kind: str) -> None:
    data = with_orientation(smooth(), orientation, kind)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(DECODERS[name](data), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_opencv_own(orientation: int) -> None:
    data = with_orientation(smooth(), orientation)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(DECODERS["opencv"](data), expected)


def test_orientation_6_by_hand() -> None:
    # Row 0 of the stored picture is the right side of the scene: turned a quarter clockwise.
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    assert turn_upright(stored, 6)[..., 0].tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_senseless_orientation_is_ignored(name: str, orientation: int) -> None:
    data = with_orientation(smooth(), orientation, "PNG")
    np.testing.assert_array_equal(DECODERS[name](data), smooth())


@pytest.mark.parametrize("name", GENERAL)
def test_damaged_exif_is_ignored(name: str) -> None:
    data = encoded(smooth(), "PNG", exif=b"Exif\0\0not a TIFF header at all")
    np.testing.assert_array_equal(DECODERS[name](data), smooth())


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
def test_other_modes_become_rgb(name: str, mode: str) -> None:
    image = Image.fromarray(smooth()).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(DECODERS[name](encoded(image)), expected)


def test_cmyk_jpeg_becomes_rgb_of_about_the_same_colour() -> None:
    flat = np.full((16, 16, 3), (200, 100, 40), np.uint8)
    data = encoded(Image.fromarray(flat).convert("CMYK"), "JPEG", quality=95)
    for name in GENERAL:
        decoder = DECODERS[name]
        assert np.abs(decoder(data).astype(int) - flat).max() <= 3


@pytest.mark.parametrize("name", GENERAL)
def test_sixteen_bit_grey_keeps_the_high_byte(name: str) -> None:
    values = np.array([[0, 255, 256], [32768, 40000, 65535]], np.uint16)
    decoded = DECODERS[name](encoded(values))
    assert decoded[..., 0].tolist() == [[0, 0, 1], [128, 156, 255]]
    assert (decoded[..., 0] == decoded[..., 2]).all()


def test_the_two_decoders_agree_on_jpeg_420() -> None:
    data = encoded(smooth(), "JPEG", quality=85, subsampling="4:2:0")
    np.testing.assert_array_equal(DECODERS["pillow"](data), DECODERS["opencv"](data))


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.97])
def test_truncated_files_are_errors(name: str, options: tuple[str, dict[str, object]], part: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    data = encoded(noise, options[0], **options[1])
    with pytest.raises((KitError, OSError)):
        DECODERS[name](data[: int(len(data) * part)])


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\0" * 64])
def test_what_is_no_image_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(BadInput, match="expected an image file, got"):
        DECODERS[name](data)


@pytest.mark.parametrize("name", GENERAL)
def test_decompression_bomb_is_refused_before_it_unpacks(name: str) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    with pytest.raises(BadInput, match="at most 128000000 pixels"):
        DECODERS[name](data)


@pytest.mark.parametrize("name", GENERAL)
def test_limit_holds_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 60 * 80)
    assert DECODERS[name](encoded(smooth())).shape == (60, 80, 3)
    monkeypatch.setattr(decode, "MAX_PIXELS", 60 * 80 - 1)
    with pytest.raises(BadInput, match="got 80 x 60"):
        DECODERS[name](encoded(smooth()))


@pytest.mark.parametrize("name", GENERAL)
def test_raw_file_is_not_read_as_its_thumbnail(name: str) -> None:
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, smooth(), photometric="rgb", extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
    with pytest.raises(BadInput, match="raw file"):
        DECODERS[name](file.getvalue())


def test_heic_is_decoded_through_pillow_heif() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    flat = np.full((64, 64, 3), (200, 100, 40), np.uint8)
    decoded = DECODERS["pillow"](encoded(flat, "HEIF", quality=90))
    assert decoded.shape == (64, 64, 3)
    assert np.abs(decoded.astype(int) - flat).max() <= 6


def test_absent_library_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtra, match="opencv-python-headless"):
        DECODERS["opencv"](encoded(smooth()))
    with pytest.raises(MissingExtra, match="pillow-heif"):
        DECODERS["pillow"](b"\0\0\0\x18ftypheic" + bytes(40))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_jpeg_end_is_found_past_thumbnails_and_before_trailers(options: dict[str, object]) -> None:
    inner = encoded(smooth(20, 20), "JPEG")
    whole = encoded(smooth(), "JPEG", **options)
    # An application segment that holds a whole JPEG, end marker and all, as EXIF thumbnails do.
    nested = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(inner) + 2) + inner + whole[2:]
    for good in (whole, nested, whole[:-2] + b"\xff\xff\xd9", whole + b"\xff\xda trailer of a phone"):
        assert reaches_end(good, "JPEG")
    assert not any(reaches_end(nested[:size], "JPEG") for size in range(4, len(nested)))


def test_png_end_is_found() -> None:
    whole = encoded(smooth(), "PNG")
    assert reaches_end(whole, "PNG")
    assert reaches_end(whole + b"trailer", "PNG")
    assert not any(reaches_end(whole[:size], "PNG") for size in range(8, len(whole)))


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_even_the_last_byte_counts(name: str, kind: str) -> None:
    with pytest.raises(BadInput, match=r"image file is truncated: .* without its end marker"):
        DECODERS[name](encoded(smooth(), kind)[:-1])


def test_data_pack_photographs_decode_alike(data_pack: Path) -> None:
    files = sorted((data_pack / "imagenet").glob("*.JPEG"))[::40]
    for file in files:
        data = file.read_bytes()
        np.testing.assert_array_equal(DECODERS["pillow"](data), DECODERS["opencv"](data))


def test_data_pack_heic_is_not_turned_by_its_exif(data_pack: Path) -> None:
    # HEIF keeps the turning in the container (none here); its EXIF says 6 and is for information only.
    decoded = DECODERS["pillow"]((data_pack / "raw" / "iphone_7.heic").read_bytes())
    assert decoded.shape == (3024, 4032, 3)


def test_data_pack_dng_is_refused(data_pack: Path) -> None:
    with pytest.raises(BadInput, match="raw file"):
        DECODERS["pillow"]((data_pack / "raw" / "canon_eos_6d_linear.dng").read_bytes())


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(
    ("name", "kind"), [("pillow", "WEBP"), ("opencv", "WEBP"), ("pillow", "AVIF"), ("opencv", "AVIF")]
)
def test_webp_and_avif_are_turned_once(name: str, kind: str, orientation: int) -> None:
    data = with_orientation(smooth(), orientation, kind, quality=95)
    expected = turn_upright(smooth(), orientation)
    decoded = DECODERS[name](data)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 6


def test_jpeg_xl_is_decoded_through_its_plugin() -> None:
    pytest.importorskip("pillow_jxl")
    expected = turn_upright(smooth(), 6)
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg_xl = encoded(smooth(), "JXL", lossless=True, exif=exif.tobytes())
    decoded = DECODERS["pillow"](jpeg_xl)
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_absent_jpeg_xl_plugin_is_a_missing_extra(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(MissingExtra, match="pillow-jxl-plugin.*decoders"):
        DECODERS["pillow"](start + bytes(40))


def test_damaged_jpeg_xl_is_one_clear_error() -> None:
    pytest.importorskip("pillow_jxl")
    data = encoded(smooth(), "JXL", quality=90)
    with pytest.raises(BadInput, match="expected an image file"):
        DECODERS["pillow"](data[: len(data) // 2])
