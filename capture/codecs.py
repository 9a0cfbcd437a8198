"""CODECS: an sRGB picture to the bytes of a picture file.

The same picture and options give the same bytes with the same library versions. Every codec takes a block of EXIF data
(see exif_block), empty by default, and embeds no colour profile. "pagespeed-jpeg-*" and "imagemagick-*" are the
settings of the instability paper (Cidon et al. 2021), tables 2 and 3.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Protocol

from capture.encode import (
    RGB,
    encode_avif,
    encode_heif,
    encode_imagemagick_jpeg,
    encode_jpeg,
    encode_jxl,
    encode_pagespeed_jpeg,
    encode_png,
    encode_webp,
)
from device_agents.errors import pick

EXIF_MAKE, EXIF_MODEL, EXIF_IFD, EXIF_TIME_TAKEN = 0x010F, 0x0110, 0x8769, 0x9003


class Codec(Protocol):
    """A variant of the family: uint8 (height, width, 3) sRGB to bytes."""

    def __call__(self, rgb: RGB, *, exif: bytes = b"") -> bytes:
        """Encode a picture; exif is a block made by exif_block, or empty."""
        ...


def exif_block(*, make: str, model: str, taken: datetime | None = None) -> bytes:
    """Minimal EXIF: maker, model and, if given, the local time of the shot (Exif 2.32, tags 271, 272 and 36867)."""
    from PIL import Image

    exif = Image.Exif()
    exif[EXIF_MAKE], exif[EXIF_MODEL] = make, model
    if taken is not None:
        exif.get_ifd(EXIF_IFD)[EXIF_TIME_TAKEN] = taken.strftime("%Y:%m:%d %H:%M:%S")
    return exif.tobytes()


SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "heif": ".heic", "avif": ".avif", "jxl": ".jxl"}


def suffix_of(codec: str) -> str:
    """The file suffix that goes with a codec's name: "jpeg-85" -> ".jpg". Raises BadInput for an unknown codec."""
    pick(CODECS, codec, what="codec")
    return next(SUFFIXES[word] for word in codec.split("-") if word in SUFFIXES)


# The defaults of ImageMagick 6.9 and 7 are those of its coders/*.c. JPEG and WebP (libwebp's quality 75, method 4) come
# out byte for byte as ImageMagick 6.9.11 writes them, PNG (quality 75: zlib level 7, adaptive filters) with the same
# pixels. HEIF has libheif's quality 50 and preset slow, and bytes that change with the version of x265.
CODECS: dict[str, Codec] = {
    "jpeg-50": partial(encode_jpeg, quality=50),
    "jpeg-75": partial(encode_jpeg, quality=75),
    "jpeg-85": partial(encode_jpeg, quality=85),
    "jpeg-90": partial(encode_jpeg, quality=90),
    "jpeg-92": partial(encode_jpeg, quality=92),
    "jpeg-93": partial(encode_jpeg, quality=93),
    "jpeg-95": partial(encode_jpeg, quality=95),
    "jpeg-100": partial(encode_jpeg, quality=100),
    "jpeg-85-444": partial(encode_jpeg, quality=85, subsampling="4:4:4"),
    "jpeg-85-422": partial(encode_jpeg, quality=85, subsampling="4:2:2"),
    "jpeg-85-progressive": partial(encode_jpeg, quality=85, progressive=True),
    "pagespeed-jpeg-50": partial(encode_pagespeed_jpeg, quality=50),
    "pagespeed-jpeg-85": encode_pagespeed_jpeg,
    "pagespeed-jpeg-100": partial(encode_pagespeed_jpeg, quality=100),
    "imagemagick-jpeg": encode_imagemagick_jpeg,
    "imagemagick-png": partial(encode_png, level=7),
    "imagemagick-webp": partial(encode_webp, quality=75, method=4),
    "imagemagick-heif": partial(encode_heif, quality=50, preset="slow"),
    "png": encode_png,
    "webp-80": partial(encode_webp, quality=80),
    "webp-lossless": partial(encode_webp, lossless=True),
    "heif-50": partial(encode_heif, quality=50),
    "heif-60": partial(encode_heif, quality=60),
    "heif-85": partial(encode_heif, quality=85),
    "avif-50": partial(encode_avif, quality=50),
    "avif-75": partial(encode_avif, quality=75),
    "jxl-75": partial(encode_jxl, quality=75),
    "jxl-90": partial(encode_jxl, quality=90),
    "jxl-lossless": partial(encode_jxl, lossless=True),
}
