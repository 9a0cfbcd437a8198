"""The library and the version behind each codec: the same ones give the same bytes of the same picture."""

from __future__ import annotations

import importlib.metadata

import numpy as np

from capture.codecs import CODECS, suffix_of
from device_agents.errors import pick

PROBE = np.full((16, 16, 3), 128, np.uint8)


def codec_version(codec: str) -> str:
    """Give what encodes: "Pillow 13.0.0, libjpeg-turbo 3.2.0".

    Raises BadInput for an unknown codec, MissingExtra where its library is absent.
    """
    pick(CODECS, codec, what="codec")(PROBE)
    suffix = suffix_of(codec)
    if suffix == ".heic":
        return _heif()
    if suffix == ".jxl":
        return f"pillow-jxl-plugin {importlib.metadata.version('pillow-jxl-plugin')}"
    return f"Pillow {importlib.metadata.version('pillow')}, {_of_pillow(suffix)}"


def _heif() -> str:
    import pillow_heif

    information = pillow_heif.libheif_info()
    return f"libheif {information['libheif']}, {information['HEIF']}"


def _of_pillow(suffix: str) -> str:
    """The library that Pillow was built with for a suffix."""
    from PIL import features

    if suffix == ".jpg":
        turbo = features.version("libjpeg_turbo")
        return f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    if suffix == ".png":
        new = features.version("zlib_ng")
        return f"zlib-ng {new}" if new else f"zlib {features.version('zlib')}"
    return f"{ {'.webp': 'libwebp', '.avif': 'libavif'}[suffix] } {features.version(suffix.lstrip('.'))}"
