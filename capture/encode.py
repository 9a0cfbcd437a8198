"""Encoders: an sRGB picture to the bytes of a JPEG, PNG, WebP, HEIF, AVIF or JPEG XL file.

Each takes uint8 (height, width, 3) and a block of EXIF data (see codecs.exif_block), empty by default, and embeds no
colour profile. The same picture and options give the same bytes with the same library versions. Raises BadInput for
another array, MissingExtra where the library is absent.
"""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput, MissingExtra

RGB = NDArray[np.uint8]


def encode_jpeg(
    rgb: RGB,
    *,
    quality: int,
    subsampling: str = "4:2:0",
    progressive: bool = False,
    optimise: bool = False,
    exif: bytes = b"",
) -> bytes:
    """JPEG by libjpeg-turbo (through Pillow), accurate integer DCT; quality 1 to 100.

    ``subsampling`` is "4:4:4", "4:2:2" or "4:2:0"; ``optimise`` works out the Huffman tables, as progressive files
    always do: a smaller file of the same pixels.
    """
    options = {"quality": quality, "subsampling": subsampling, "progressive": progressive, "optimize": optimise}
    return _save(rgb, "JPEG", exif, **options)


def encode_pagespeed_jpeg(rgb: RGB, *, quality: int = 85, exif: bytes = b"") -> bytes:
    """JPEG as Google's PageSpeed advises to make it with ImageMagick, at its quality of 85 or another.

    "-sampling-factor 4:2:0 -strip -quality 85 -interlace JPEG -colorspace sRGB" (PageSpeed Insights, "Optimize
    images"). Byte for byte what ImageMagick 6.9.11 writes above quality 90, and up to it with -define
    jpeg:dct-method=islow; there its own choice is the fast integer DCT (measured at quality 85: 0.03 dB less PSNR).
    """
    return encode_jpeg(rgb, quality=quality, subsampling="4:2:0", progressive=True, optimise=True, exif=exif)


def encode_imagemagick_jpeg(rgb: RGB, *, quality: int = 92, exif: bytes = b"") -> bytes:
    """JPEG with the defaults of ImageMagick: quality 92, and chroma thinned out only below quality 90.

    From coders/jpeg.c, WriteJPEGImage: "quality=92", then 1x1 factors "if (quality >= 90)", optimised Huffman tables,
    no interlacing. The source of 2014 looked at the quality asked for, 0 where none was, and wrote 4:2:0.
    """
    return encode_jpeg(
        rgb, quality=quality, subsampling="4:4:4" if quality >= 90 else "4:2:0", optimise=True, exif=exif
    )


def encode_png(rgb: RGB, *, level: int = 1, exif: bytes = b"") -> bytes:
    """PNG, lossless; compression level 1 costs two fifths of Pillow's default's time and 10 % of size."""
    return _save(rgb, "PNG", exif, compress_level=level)


def encode_webp(rgb: RGB, *, quality: int = 75, lossless: bool = False, method: int = 2, exif: bytes = b"") -> bytes:
    """WebP by libwebp, method 0 (fast) to 6 (small); 2 takes half the time of libwebp's default of 4.

    ``quality`` is 0 to 100; for a lossless file it is the effort, and no pixel depends on it.
    """
    return _save(rgb, "WEBP", exif, quality=quality, lossless=lossless, method=method)


def encode_heif(rgb: RGB, *, quality: int, preset: str = "ultrafast", exif: bytes = b"") -> bytes:
    """HEIF with HEVC 4:2:0 by x265 (through pillow-heif); quality 0 to 100, preset one of x265's.

    Preset ultrafast: phones encode in hardware with few of HEVC's modes, and "slow", libheif's default, takes five
    times as long. One picture is one key frame, so the bytes do not depend on the number of threads.
    """
    pillow_heif = _import("pillow_heif", codec="heif", package="pillow-heif", extra="host")
    picture = pillow_heif.from_pillow(_image(rgb))
    target = io.BytesIO()
    options: dict[str, Any] = {"exif": exif} if exif else {}
    picture.save(target, quality=quality, chroma=420, enc_params={"preset": preset}, **options)
    return target.getvalue()


def encode_avif(rgb: RGB, *, quality: int, subsampling: str = "4:2:0", speed: int = 8, exif: bytes = b"") -> bytes:
    """AVIF by libaom or what else Pillow was built with; quality 0 to 100, speed 0 (small) to 10 (fast).

    One thread: the bytes depend on the number of threads.
    """
    from PIL import features

    if not features.check("avif"):
        raise MissingExtra("codec 'avif' needs a Pillow built with libavif; pip install --force-reinstall 'pillow>=12'")
    return _save(rgb, "AVIF", exif, quality=quality, subsampling=subsampling, speed=speed, max_threads=1)


def encode_jxl(rgb: RGB, *, quality: int = 90, lossless: bool = False, effort: int = 3, exif: bytes = b"") -> bytes:
    """JPEG XL by libjxl (through pillow-jxl-plugin); quality 0 to 100, effort 1 (fast) to 9 (small)."""
    _import("pillow_jxl", codec="jxl", package="pillow-jxl-plugin", extra="decoders")
    return _save(rgb, "JXL", exif, quality=quality, lossless=lossless, effort=effort, num_threads=1)


def _save(rgb: RGB, kind: str, exif: bytes, **options: Any) -> bytes:
    target = io.BytesIO()
    if exif:
        options["exif"] = exif
    _image(rgb).save(target, kind, **options)
    return target.getvalue()


def _image(rgb: RGB) -> Any:
    from PIL import Image

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise BadInput(f"expected a picture uint8 (height, width, 3), got {rgb.dtype} {rgb.shape}")
    return Image.fromarray(rgb)


def _import(module: str, *, codec: str, package: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise MissingExtra(f"codec '{codec}' needs {package}; pip install 'instability-kit[{extra}]'") from problem
