"""Every family with its variants: what each does, the library behind it, and which give identical pixels here.

Which are identical is measured when asked, on a picture made for it: what two packages share today they may not
share tomorrow.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from capture.codecs import CODECS
from capture.isp import ISPS, isp_version
from capture.raw import Raw
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.errors import pick
from device_agents.preprocess import FAILURES, SCALINGS, fingerprint
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import NETWORKS, runtime_version
from device_agents.tasks.families import POSTS
from device_agents.view import VIEWS

if TYPE_CHECKING:
    import pandas as pd

SIDE = 224
# The distributions behind the variants, by the beginning of their names; the longest that fits counts.
LIBRARIES = {
    "": ("instability-kit",),
    "pillow": ("pillow",),
    "opencv": ("opencv-python-headless",),
    "jpeg-": ("simplejpeg",),
    "libjpeg": ("jpeglib",),
    "mozjpeg": ("jpeglib",),
    "ffmpeg": ("av",),
    "tensorflow": ("tensorflow-cpu", "tensorflow"),
    "dali": ("nvidia-dali-cuda120",),
    "rectified-pillow": ("pillow",),
    "rectified-opencv": ("opencv-python-headless",),
    "libraw": ("rawpy",),
    "litert": ("ai-edge-litert",),
    "onnxruntime": ("onnxruntime",),
    "tflite-runtime": ("tflite-runtime",),
    "openvino": ("openvino",),
    "pytorch": ("torch",),
    "keras": ("keras",),
}
CODEC_LIBRARIES = {
    "": ("pillow",),
    "heif": ("pillow-heif",),
    "imagemagick-heif": ("pillow-heif",),
    "jxl": ("pillow-jxl-plugin",),
}


def list_variants(*names: str) -> pd.DataFrame:
    """Give one row a variant of the named families (none: of all): family, variant, available, library, group, help.

    ``group`` numbers the variants of a family that give identical pixels on this machine, on test_picture (as a
    JPEG, 4:2:0, quality 85, for the decoders); 0 where that is not compared. ``help`` is the first
    sentence of the function's documentation, or why the variant is not available here. Raises BadInput for an unknown
    family.
    """
    import pandas as pd

    picture = test_picture()
    jpeg = _jpeg(picture)
    corners = ((20.0, 15.0), (280.0, 30.0), (270.0, 215.0), (30.0, 205.0))
    # One call a family: what a variant makes of the same input, as something to take the fingerprint of.
    families: dict[str, tuple[Mapping[str, Any], Callable[[Any], Any] | None]] = {
        "decoder": (DECODERS, lambda decode: decode(jpeg)),
        "view": (VIEWS, lambda view: view(picture, corners)),
        "colour": (COLOURS, lambda colour: colour(picture)),
        "fit": (FITS, lambda fit: fit(picture, RESIZERS["pillow-bilinear"], SIDE, SIDE)),
        "resizer": (RESIZERS, lambda resize: resize(picture, SIDE, SIDE)),
        "scaling": (SCALINGS, lambda scale: scale(picture)),
        "codec": (CODECS, lambda encode: DECODERS["pillow"](encode(picture))),
        "isp": (ISPS, lambda isp: isp(raw)),
        "runtime": (NETWORKS, None),
        "post": (POSTS, None),
    }
    raw = _raw(picture)
    for name in names:
        pick(families, name, what="family")
    rows: list[dict[str, Any]] = []
    for family in names or families:
        table, make = families[family]
        groups: dict[str, int] = {}
        rows += [_row(family, name, function, make, groups) for name, function in table.items()]
    return pd.DataFrame(rows)


def test_picture() -> RGB:
    """Make a picture that tells variants apart: coloured edges, waves and noise, uint8 (241, 303, 3).

    Its sides are odd on purpose: at an even height FFmpeg's swscale takes a short cut that ignores the chosen filter.
    """
    y, x = np.mgrid[0:241, 0:303]
    waves = [128 + 90 * np.sin(x / 9 + shift) * np.cos(y / 13 - shift) for shift in (0.0, 2.0, 4.0)]
    picture = np.stack(waves, axis=-1) + np.random.default_rng(1).normal(0, 12, (*x.shape, 3))
    picture[((x // 25 + y // 31) % 2 == 0)] += (60, -50, 20)
    picture[(x - 150) ** 2 + (y - 120) ** 2 < 1600] = (220, 30, 40)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _raw(picture: RGB) -> Raw:
    """The same picture as a 12-bit camera sees it that measures CIE XYZ; large enough for RawTherapee."""
    side = np.pad(picture, ((7, 8), (0, 1), (0, 0)), mode="reflect").astype(np.uint16) * 15
    mosaic = side[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = side[::2, ::2, 0], side[1::2, 1::2, 2]
    return Raw(mosaic + np.uint16(64), (64.0,) * 4, 4095, "RGGB", (1.0, 1.0, 1.0), np.eye(3))


def _jpeg(picture: RGB) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85, subsampling="4:2:0")
    return buffer.getvalue()


def _row(
    family: str, name: str, function: Any, make: Callable[[Any], Any] | None, groups: dict[str, int]
) -> dict[str, Any]:
    row = {"family": family, "variant": name, "available": True, "library": _library(family, name), "group": 0}
    try:
        if family == "isp":
            row["library"] = isp_version(name)
        if make is not None:
            mark = fingerprint(np.asarray(make(function)))
            row["group"] = groups.setdefault(mark, len(groups) + 1)
        elif family == "runtime":
            row["library"] = f"{name} {runtime_version(name)}"
    except FAILURES as problem:
        return {**row, "available": False, "help": str(problem).splitlines()[0]}
    return {**row, "help": _help(function)}


def _library(family: str, name: str) -> str:
    known = CODEC_LIBRARIES if family == "codec" else LIBRARIES
    start = max((start for start in known if name.startswith(start)), key=len)
    for distribution in known[start]:
        try:
            return f"{distribution} {importlib.metadata.version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{known[start][0]}, not installed"


def _help(function: Any) -> str:
    """The first sentence of a function's documentation, and the parameters that a named variant fixes.

    Where one of these is a function itself, as the reader of a JPEG decoder, that one says what the variant does.
    """
    fixed: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        fixed = {**function.keywords, **fixed}
        function = function.func
    for value in fixed.values():
        if isinstance(value, functools.partial) or inspect.isfunction(value):
            return _help(value)
    first = (function.__doc__ or "").strip().splitlines()[0].split(". ")[0].replace("``", "'").rstrip(".")
    plain = {key: value for key, value in fixed.items() if isinstance(value, (str, int, float, bool))}
    shown = ", ".join(f"{key}={value}" for key, value in plain.items())
    return f"{first} ({shown})" if shown else first
