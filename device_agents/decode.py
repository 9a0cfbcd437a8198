"""DECODERS: the bytes of an image file -> RGB, upright.

Every decoder gives the same thing: uint8 (height, width, 3), sRGB as stored (no colour management), the EXIF
orientation applied exactly once and by the same code, grey, palette and CMYK turned to RGB, transparency dropped.
``pillow`` and ``opencv`` read every format they know, the others (decode_jpeg.py) JPEG only. A truncated file is an
error in every decoder, and so is a raw file, whose thumbnail is not its picture.
"""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
from functools import partial
from typing import Callable, Dict

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from device_agents.decode_jpeg import JPEG_READERS, JpegReader
from device_agents.decode_jpeg_xl import STARTS as JPEG_XL_STARTS
from device_agents.decode_jpeg_xl import jpeg_xl_size
from device_agents.errors import BadInput, MissingExtra

RGB = npt.NDArray[np.uint8]
Decoder = Callable[[bytes], RGB]

# A 108-megapixel phone photograph passes; a small file that unpacks to more is refused before it is unpacked.
MAX_PIXELS = 128_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # OpenCV reads it once, when it is imported
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # said beside the error that open_image raises

_ORIENTATION = 0x0112
_DNG_VERSION = 50706
# A marker that begins a segment or ends the picture: not a stuffed or filling byte, a restart or a start of image.
_JPEG_SEGMENT = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]", re.DOTALL)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_JPEG_KINDS = ("JPEG", "MPO")
# Modes of TIFF that OpenCV takes for something else: it darkens transparency, and knows another L*a*b*.
_NOT_OPENCVS = ("LA", "LAB", "La", "PA", "RGBA", "RGBa")


def decode_pillow(data: bytes) -> RGB:
    """Decode with Pillow (JPEG: libjpeg-turbo, accurate DCT, smooth chroma), HEIC and JPEG XL through its plugins.

    Gives uint8 (height, width, 3). Raises BadInput (not an image, raw, too large) or OSError (truncated).
    """
    with open_image(data) as image:
        orientation = read_orientation(image)
        pixels = _wide_grey(image) if image.mode.startswith("I") else np.asarray(image.convert("RGB"))
    return turn_upright(pixels, orientation)


def decode_opencv(data: bytes) -> RGB:
    """Decode with OpenCV's imdecode, its own handling of orientation switched off.

    Gives uint8 (height, width, 3). Raises BadInput (not an image, raw, too large, truncated, not OpenCV's format) or
    MissingExtra where OpenCV is absent.
    """
    try:
        import cv2
    except ImportError as problem:
        raise MissingExtra("decoder 'opencv' needs opencv-python-headless; pip install 'instability-kit[host]'") from (
            problem
        )
    with open_image(data) as image:
        orientation, kind = read_orientation(image), image.format
        if (kind == "TIFF" and image.mode in _NOT_OPENCVS) or (kind == "GIF" and "transparency" in image.info):
            raise BadInput(f"OpenCV mixes up {kind} files with transparency or L*a*b*; decode it with 'pillow'")
    cv2.utils.logging.setLogLevel(0)  # silent: the reasons that it logs would stand beside the one that is raised
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as problem:
        raise BadInput(f"OpenCV cannot decode this {kind} file: {problem}") from problem
    if bgr is None:
        raise BadInput(f"OpenCV cannot decode this {kind} file: it is damaged or truncated, or no format of OpenCV's")
    return turn_upright(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), orientation)


def decode_jpeg(data: bytes, *, reader: JpegReader) -> RGB:
    """Decode a JPEG with one of JPEG_READERS.

    Gives uint8 (height, width, 3). Raises BadInput (no JPEG, too large, truncated, damaged) or MissingExtra.
    """
    with open_image(data) as image:
        orientation, kind, mode, size = read_orientation(image), image.format, image.mode, image.size[::-1]
    if kind not in _JPEG_KINDS:
        raise BadInput(f"expected a JPEG, got {kind}; decode it with 'pillow' or 'opencv'")
    pixels = reader(data, mode, size)
    if pixels.shape != (*size, 3):
        raise BadInput(f"expected a JPEG of {size[1]} x {size[0]}, the decoder gives an array of {pixels.shape}")
    return turn_upright(pixels, orientation)


def open_image(data: bytes) -> Image.Image:
    """Open an image file's bytes with Pillow, its pixels not yet read; the caller closes it.

    Raises BadInput for what is no image, a raw file, a truncated one, and more than MAX_PIXELS pixels; MissingExtra for
    HEIC without pillow-heif and JPEG XL without pillow-jxl-plugin.
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        _register_heif()
    if data.startswith(JPEG_XL_STARTS):
        _register_jpeg_xl()
        _refuse_bomb(*jpeg_xl_size(data))
    try:
        image = Image.open(io.BytesIO(data))
    except (UnidentifiedImageError, RuntimeError) as problem:  # the JPEG XL plugin raises RuntimeError
        raise BadInput(f"expected an image file, got {len(data)} bytes that start with {data[:8]!r}") from problem
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise BadInput(f"expected at most {MAX_PIXELS} pixels: {problem}") from problem
    except (OSError, ValueError) as problem:  # ValueError: a PNG whose notes unpack to megabytes
        raise BadInput(f"image file is truncated or damaged: {problem}") from problem
    try:
        _refuse_bomb(image.height, image.width)
        _refuse_unfit(image, data)
    except BadInput:
        image.close()
        raise
    return image


def read_orientation(image: Image.Image) -> int:
    """Read the EXIF orientation of an opened image: 1 to 8, and 1 where there is none or it makes no sense."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):
        # Viewers and the other decoders show a picture with damaged EXIF as it is stored; so do we.
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def turn_upright(pixels: npt.NDArray[np.uint8], orientation: int) -> RGB:
    """Turn stored pixels (height, width, 3) upright; orientation 1 to 8 as in EXIF 2.3, tag 0x0112.

    The tag says where the stored row 0 and column 0 belong: 6 is "row 0 is the right side, column 0 the top".
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def reaches_end(data: bytes, kind: str) -> bool:
    """Say whether a JPEG or PNG stream reaches its end marker; other kinds are taken to do so.

    Walks the segments (ITU T.81 Annex B, ISO 15948 clause 5), so that thumbnails inside and bytes after the end
    (trailers of phones, a second picture) do not matter.
    """
    if kind in _JPEG_KINDS:
        found = _JPEG_SEGMENT.search(data, 2)
        while found and found[0] != b"\xff\xd9":
            length = int.from_bytes(data[found.end() : found.end() + 2], "big")
            found = _JPEG_SEGMENT.search(data, found.end() + length)
        return found is not None
    if kind == "PNG":
        at = 8
        while data[at + 4 : at + 8] not in (b"IEND", b""):
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        return at + 12 <= len(data)
    return True


def _refuse_bomb(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise BadInput(f"expected at most {MAX_PIXELS} pixels, got {width} x {height}")


def _refuse_unfit(image: Image.Image, data: bytes) -> None:
    if image.format == "TIFF" and _DNG_VERSION in getattr(image, "tag_v2", {}):
        raise BadInput("expected a finished picture, got a raw file (DNG); develop it first")
    if image.format == "EPS":
        raise BadInput("expected a picture, got a PostScript program, which Pillow would have Ghostscript run")
    if image.mode == "F" or (image.format == "TIFF" and image.mode == "I"):
        raise BadInput(f"expected whole numbers of 8 or 16 bits, got a {image.format} of signed, wide or real ones")
    # Pillow lets a missing last row pass, and OpenCV before 5 fills what is missing of a JPEG with grey.
    if not reaches_end(data, image.format or ""):
        raise BadInput(f"image file is truncated: {len(data)} bytes of {image.format} without its end marker")


def _wide_grey(image: Image.Image) -> RGB:
    # Pillow clips 16-bit grey at 255 when it converts; the high byte is what every other decoder takes.
    high = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
    return np.repeat(high[:, :, None], 3, axis=2)


def _register_heif() -> None:
    try:
        import pillow_heif
    except ImportError as problem:
        raise MissingExtra("HEIC files need pillow-heif; pip install 'instability-kit[host]'") from problem
    pillow_heif.register_heif_opener()


def _register_jpeg_xl() -> None:
    try:
        import pillow_jxl
    except ImportError as problem:
        raise MissingExtra("JPEG XL files need pillow-jxl-plugin; pip install 'instability-kit[decoders]'") from problem
    del pillow_jxl  # importing it is what registers it


DECODERS: Dict[str, Decoder] = {
    "opencv": decode_opencv,
    "pillow": decode_pillow,
    **{name: partial(decode_jpeg, reader=reader) for name, reader in JPEG_READERS.items()},
}
