"""CODECS: an sRGB picture to the bytes of a picture file.

The same picture and options give the same bytes with the same library versions. Every codec takes a block of EXIF data
(see exif_block), empty by default.
"""

from __future__ import annotations

import io
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput, pick

RGB = NDArray[np.uint8]

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


def _save(rgb: RGB, kind: str, exif: bytes, **options: Any) -> bytes:
    from PIL import Image

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise BadInput(f"expected a picture uint8 (height, width, 3), got {rgb.dtype} {rgb.shape}")
    target = io.BytesIO()
    if exif:
        options["exif"] = exif
    Image.fromarray(rgb).save(target, kind, **options)
    return target.getvalue()


def encode_jpeg(rgb: RGB, *, quality: int, subsampling: str = "4:2:0", exif: bytes = b"") -> bytes:
    """Baseline JPEG by libjpeg-turbo (through Pillow), standard Huffman tables."""
    return _save(rgb, "JPEG", exif, quality=quality, subsampling=subsampling)


def encode_png(rgb: RGB, *, exif: bytes = b"") -> bytes:
    """PNG, lossless; compression level 1 costs two fifths of the default's time and 10 % of size."""
    return _save(rgb, "PNG", exif, compress_level=1)


def encode_webp(rgb: RGB, *, quality: int, exif: bytes = b"") -> bytes:
    """Lossy WebP by libwebp, method 2 (half the default's time)."""
    return _save(rgb, "WEBP", exif, quality=quality, method=2)


def encode_heif(rgb: RGB, *, quality: int, exif: bytes = b"") -> bytes:
    """HEIF with HEVC 4:2:0 by x265 (through pillow-heif).

    Preset ultrafast: phones encode in hardware with few of HEVC's modes, and x265's default preset takes seven times
    as long. One picture is one key frame, so the bytes do not depend on the number of threads.
    """
    import pillow_heif
    from PIL import Image

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise BadInput(f"expected a picture uint8 (height, width, 3), got {rgb.dtype} {rgb.shape}")
    target = io.BytesIO()
    options: dict[str, Any] = {"exif": exif} if exif else {}
    picture = pillow_heif.from_pillow(Image.fromarray(rgb))
    picture.save(target, quality=quality, chroma=420, enc_params={"preset": "ultrafast"}, **options)
    return target.getvalue()


SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "heif": ".heic"}


def suffix_of(codec: str) -> str:
    """The file suffix that goes with a codec's name: "jpeg-85" -> ".jpg". Raises BadInput for an unknown codec."""
    pick(CODECS, codec, what="codec")
    return SUFFIXES[codec.split("-")[0]]


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
    "png": encode_png,
    "webp-80": partial(encode_webp, quality=80),
    "heif-50": partial(encode_heif, quality=50),
    "heif-60": partial(encode_heif, quality=60),
}
