"""Every kind of picture: the general decoders give the same RGB, or refuse it in one clear line; JPEG XL's size."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from device_agents import decode
from device_agents.decode import DECODERS
from device_agents.decode_jpeg_xl import jpeg_xl_size
from device_agents.errors import BadInput

HEIGHT, WIDTH = 40, 61


def picture() -> Image.Image:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.stack([x * 4, y * 6, (x + y) * 2], axis=2).clip(0, 255).astype(np.uint8)
    pixels[5:15, 5:20] = (220, 30, 40)
    return Image.fromarray(pixels)


def clear() -> Image.Image:
    """The picture, partly transparent."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, :30], alpha[10:20] = 0, 100
    made = picture()
    made.putalpha(Image.fromarray(alpha))
    return made


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def moving(kind: str, **options: object) -> bytes:
    second = Image.fromarray(255 - np.asarray(picture()))
    return saved(picture(), kind, save_all=True, append_images=[second], **options)


def wide_png(channels: int) -> bytes:
    """A PNG of 16 bits a channel, whose high byte is the picture's."""
    kinds = {1: (0, "L"), 2: (4, "LA"), 3: (2, "RGB"), 4: (6, "RGBA")}
    colour_type, mode = kinds[channels]
    high = np.asarray((clear() if mode.endswith("A") else picture()).convert(mode)).reshape(HEIGHT, WIDTH, channels)
    low = np.random.default_rng(0).integers(0, 256, high.shape)
    rows = (high.astype(np.uint16) * 256 + low).astype(">u2")
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def grey(kind: type) -> np.ndarray:
    return np.asarray(picture().convert("L")).astype(kind)


# Each file with the picture that it holds, as Pillow knows it.
EXACT = {
    "png one bit": lambda: (saved(picture().convert("1"), "PNG"), picture().convert("1")),
    "png grey": lambda: (saved(picture().convert("L"), "PNG"), picture().convert("L")),
    "png grey, transparent": lambda: (saved(clear().convert("LA"), "PNG"), picture().convert("L")),
    "png palette": lambda: (saved(picture().quantize(32), "PNG"), picture().quantize(32)),
    "png palette, transparent": lambda: (saved(picture().quantize(32), "PNG", transparency=3), picture().quantize(32)),
    "png transparent": lambda: (saved(clear(), "PNG"), picture()),
    "png one colour transparent": lambda: (saved(picture(), "PNG", transparency=(220, 30, 40)), picture()),
    "png moving": lambda: (moving("PNG"), picture()),
    "png 16 bit": lambda: (wide_png(3), picture()),
    "png 16 bit, transparent": lambda: (wide_png(4), picture()),
    "png 16 bit grey": lambda: (wide_png(1), picture().convert("L")),
    "png 16 bit grey, transparent": lambda: (wide_png(2), clear().convert("LA").convert("L")),
    "gif": lambda: (saved(picture().quantize(32), "GIF"), picture().quantize(32)),
    "gif moving": lambda: (moving("GIF"), None),
    "webp lossless": lambda: (saved(picture(), "WEBP", lossless=True), picture()),
    "webp transparent": lambda: (saved(clear(), "WEBP", lossless=True, exact=True), picture()),
    "webp moving": lambda: (moving("WEBP", lossless=True), picture()),
    "webp lossy": lambda: (saved(picture(), "WEBP", quality=80), None),
    "avif": lambda: (saved(picture(), "AVIF", quality=90), None),
    "avif transparent": lambda: (saved(clear(), "AVIF", quality=90), None),
    "avif moving": lambda: (moving("AVIF", quality=90), None),
    "tiff": lambda: (saved(picture(), "TIFF"), picture()),
    "tiff cmyk": lambda: (saved(picture().convert("CMYK"), "TIFF"), picture()),
    "tiff palette": lambda: (saved(picture().quantize(32), "TIFF"), picture().quantize(32)),
    "tiff one bit": lambda: (saved(picture().convert("1"), "TIFF"), picture().convert("1")),
    "tiff white is zero": lambda: (tiff(255 - grey(np.uint8), photometric="miniswhite"), picture().convert("L")),
    "tiff 16 bit": lambda: (tiff(np.asarray(picture()).astype(np.uint16) * 257, photometric="rgb"), picture()),
    "tiff 16 bit grey": lambda: (tiff(grey(np.uint16) * 257), picture().convert("L")),
    "tiff of two pages": lambda: (moving("TIFF"), picture()),
    "bmp": lambda: (saved(picture(), "BMP"), picture()),
    "bmp palette": lambda: (saved(picture().quantize(32), "BMP"), picture().quantize(32)),
    "bmp transparent": lambda: (saved(clear(), "BMP"), picture()),
    "ppm": lambda: (saved(picture(), "PPM"), picture()),
    "pgm 16 bit": lambda: (saved(Image.fromarray(grey(np.uint16) * 257), "PPM"), picture().convert("L")),
    "jpeg 2000": lambda: (saved(picture(), "JPEG2000"), picture()),
}


@pytest.mark.parametrize("kind", EXACT)
def test_pillow_and_opencv_give_the_same_rgb(kind: str) -> None:
    data, expected = EXACT[kind]()
    decoded = DECODERS["pillow"](data)
    np.testing.assert_array_equal(DECODERS["opencv"](data), decoded)
    assert decoded.shape == (HEIGHT, WIDTH, 3)
    if expected is not None:
        np.testing.assert_array_equal(decoded, np.asarray(expected.convert("RGB")))
    else:
        assert np.abs(decoded.astype(int) - np.asarray(picture())).mean() < 10  # the first picture of a moving one


OTHERWISE = {
    "gif transparent": lambda: saved(picture().quantize(32), "GIF", transparency=3),
    "tiff transparent": lambda: saved(clear(), "TIFF"),
    "tiff grey, transparent": lambda: saved(clear().convert("LA"), "TIFF"),
    "tiff lab": lambda: saved(picture().convert("LAB"), "TIFF"),
}


@pytest.mark.parametrize("kind", OTHERWISE)
def test_what_opencv_takes_for_something_else_is_left_to_pillow(kind: str) -> None:
    data = OTHERWISE[kind]()
    mean = 12 if kind.startswith("gif") else 80 if "grey" in kind else 2
    assert np.abs(DECODERS["pillow"](data).astype(int) - np.asarray(picture())).mean() < mean
    with pytest.raises(BadInput, match=r"OpenCV mixes up .* decode it with 'pillow'"):
        DECODERS["opencv"](data)


@pytest.mark.parametrize("name", ["pillow", "opencv"])
@pytest.mark.parametrize("kind", [np.uint32, np.int32, np.int16, np.float32])
def test_numbers_that_are_no_picture_are_refused(name: str, kind: type) -> None:
    with pytest.raises(BadInput, match="expected whole numbers of 8 or 16 bits, got a TIFF"):
        DECODERS[name](tiff(grey(kind)))


@pytest.mark.parametrize("name", ["ICO", "TGA", "HEIF", "JXL"])
def test_formats_that_opencv_has_not_are_refused(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    with pytest.raises(BadInput, match=f"OpenCV cannot decode this {name} file"):
        DECODERS["opencv"](saved(picture(), name))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("side", [12_000, 30_000])
@pytest.mark.parametrize("name", sorted(set(DECODERS) - {"dali"}))
def test_twice_too_large_and_much_too_large_are_refused_alike(name: str, side: int) -> None:
    data = bytearray(saved(picture(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    with pytest.raises(BadInput, match="expected at most 128000000 pixels"):
        DECODERS[name](bytes(data))


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (9, 16), (255, 257), (300, 400), (1080, 1920), (1, 3000), (1025, 2)])
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"lossless": True, "use_container": True}])
def test_the_size_of_a_jpeg_xl_is_read_from_its_header(size: tuple[int, int], options: dict[str, object]) -> None:
    pytest.importorskip("pillow_jxl")
    data = saved(Image.new("RGB", size[::-1]), "JXL", **options)
    assert jpeg_xl_size(data) == size
    assert jpeg_xl_size(data[:64]) == size


def test_the_size_of_a_jpeg_xl_made_of_a_jpeg_is_read_past_its_other_boxes(tmp_path) -> None:
    pytest.importorskip("pillow_jxl")
    (tmp_path / "whole.jpg").write_bytes(saved(picture(), "JPEG"))
    with Image.open(tmp_path / "whole.jpg") as image:
        assert jpeg_xl_size(saved(image, "JXL", lossless_jpeg=True)) == (HEIGHT, WIDTH)


def test_no_jpeg_xl_has_no_size() -> None:
    container = b"\0\0\0\x0cJXL \r\n\x87\n"
    junk = [b"", b"\xff", container, container + b"\0\0\0\x04jxlc", container + b"\0\0\0\0jxlc"]
    assert {jpeg_xl_size(data) for data in junk} == {(0, 0)}


def test_a_jpeg_xl_bomb_is_refused_before_the_plugin_unpacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = pytest.importorskip("pillow_jxl")
    data = saved(picture(), "JXL")
    monkeypatch.setattr(decode, "MAX_PIXELS", HEIGHT * WIDTH - 1)
    monkeypatch.setattr(plugin.JpegXLImagePlugin, "Decoder", lambda **options: pytest.fail("unpacked"))
    with pytest.raises(BadInput, match="got 61 x 40"):
        DECODERS["pillow"](data)
