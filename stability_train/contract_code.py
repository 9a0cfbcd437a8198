"""A sidecar to C++, Kotlin and Swift that do what the kit does after decoding, from the templates beside this file.

A template's lines between "//[NAME" and "//]" are kept where the sidecar needs that part; {{WORD}} stands for a value.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from device_agents.fit import FITS
from device_agents.placed import PLACEMENTS
from device_agents.sidecar import Sidecar

_TEMPLATES = Path(__file__).parent / "templates"
_PART = re.compile(r"^//\[(?P<name>[a-z-]+)\n(?P<text>.*?)^//\]\n", re.MULTILINE | re.DOTALL)
NOT_COMPILED = "nobody has compiled or run this file: check it with golden.png before trusting it."
COMPILED = "the kit's tests compile such files with g++ and compare every byte and value."
LANGUAGES: Mapping[str, str] = {
    "preprocess.cpp": COMPILED,
    "preprocess.kt": NOT_COMPILED,
    "preprocess.swift": NOT_COMPILED,
}

# Measured: at most 1 % of the values move, by 1.
SAME_BUT_ROUNDING: Mapping[str, str] = {
    "opencv-cubic": "half-pixel-bicubic",
    "tensorflow-bicubic-antialias": "half-pixel-bicubic-antialias",
    "tensorflow-bilinear": "half-pixel-bilinear",
    "tensorflow-bilinear-antialias": "half-pixel-bilinear-antialias",
}

# Pillow's kernels (Resample.c) and how far they reach; x is not negative. Written alike in all three. Hamming's
# constants are 32-bit floats there.
_PILLOW: Mapping[str, tuple[str, str]] = {
    "pillow-bilinear": ("1.0", "return x < 1.0 ? 1.0 - x : 0.0;"),
    "pillow-bicubic": (
        "2.0",
        "if (x < 1.0) { return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1.0; } "
        "if (x < 2.0) { return (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5; } return 0.0;",
    ),
    "pillow-lanczos": (
        "3.0",
        "if (x >= 3.0) { return 0.0; } if (x == 0.0) { return 1.0; } "
        "return SIN(x * kPi) / (x * kPi) * (SIN(x / 3.0 * kPi) / (x / 3.0 * kPi));",
    ),
    "pillow-hamming": (
        "1.0",
        "if (x == 0.0) { return 1.0; } if (x >= 1.0) { return 0.0; } "
        "return SIN(x * kPi) / (x * kPi) * (0.5400000214576721 + 0.46000000834465027 * COS(x * kPi));",
    ),
}
_FLOAT: Mapping[str, str] = {
    "half-pixel-bilinear": "linear(MAX((INDEX + 0.5) * ratio - 0.5, 0.0), before)",
    "asymmetric-bilinear": "linear(INDEX * ratio, before)",
    "align-corners-bilinear": "linear(INDEX * CORNERS, before)",
    "half-pixel-bicubic": "sampledCubic((INDEX + 0.5) * ratio - 0.5, before)",
    "half-pixel-bilinear-antialias": "filtered(NUMBER, before, after, TRIANGLE, 1)",
    "half-pixel-bicubic-antialias": "filtered(NUMBER, before, after, KEYS, 2)",
}
_NEAREST = "opencv-nearest"
RESIZERS_IN_CODE = ("opencv-linear", _NEAREST, *_FLOAT, *_PILLOW, *SAME_BUT_ROUNDING)

# Divisor, means and deviations so that (x / divisor - mean) / deviation is bit for bit what preprocess.py computes.
_IMAGENET = (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SCALES: Mapping[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = {
    "caffe": (1.0, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),
    "imagenet": _IMAGENET,
    "imagenet-swapped": _IMAGENET,
    "lite": (1.0, (127.0,) * 3, (128.0,) * 3),
    "minus-one-one": (1.0, (127.5,) * 3, (127.5,) * 3),
    "zero-one": (255.0, (0.0,) * 3, (1.0,) * 3),
}

_WORDS: Mapping[str, Mapping[str, str]] = {
    "cpp": {
        "INDEX": "i", "NUMBER": "i", "SIN": "std::sin", "COS": "std::cos", "MAX": "std::max", "TRIANGLE": "triangle",
        "KEYS": "[](double x) { return cubic(x, -0.5); }",
        "CORNERS": "(after > 1 ? (before - 1.0) / (after - 1) : ratio)",
        "round": "std::nearbyint", "floor": "std::floor", "int": "std::trunc",
    },
    "kt": {
        "INDEX": "i", "NUMBER": "i", "SIN": "sin", "COS": "cos", "MAX": "max", "TRIANGLE": "::triangle",
        "KEYS": "{ x -> cubic(x, -0.5) }",
        "CORNERS": "(if (after > 1) (before - 1.0) / (after - 1) else ratio)",
        "round": "round", "floor": "floor", "int": "truncate",
    },
    "swift": {
        "INDEX": "Double(number)", "NUMBER": "number", "SIN": "sin", "COS": "cos", "MAX": "max", "TRIANGLE": "triangle",
        "KEYS": "{ cubic($0, -0.5) }",
        "CORNERS": "(after > 1 ? Double(before - 1) / Double(after - 1) : ratio)",
        "round": "rint", "floor": "floor", "int": "trunc",
    },
}  # fmt: skip


def write_code(sidecar: Sidecar, *, decoder: str) -> dict[str, str]:
    """Give the text of each file in LANGUAGES; raises BadInput for a resizer that the templates do not know."""
    resizer = SAME_BUT_ROUNDING.get(sidecar.resizer, sidecar.resizer)
    if resizer not in RESIZERS_IN_CODE:
        raise BadInput(
            f"no code for the resizer '{sidecar.resizer}'; there is for {', '.join(sorted(RESIZERS_IN_CODE))}"
        )
    made = {}
    for name, checked in LANGUAGES.items():
        language = name.rpartition(".")[2]
        values = _values(sidecar, resizer, language) | {
            "CHECKED": checked,
            "DECODER": f"what the kit calls '{decoder}'",
            "TITLE": f"Preprocessing of {' '.join(sidecar.name.split())}: {sidecar.fit}, {resizer}, {sidecar.scaling}",
        }
        text = (_TEMPLATES / name).read_text(encoding="utf-8")
        kept = _parts(sidecar, resizer)
        made[name] = _filled(text, kept, values)
    return made


def _filled(text: str, kept: set[str], values: Mapping[str, str]) -> str:
    text = _PART.sub(lambda part: part["text"] if part["name"] in kept else "", text)
    return re.sub(r"\{\{([A-Z_]+)\}\}", lambda word: values[word[1]], text)


def _parts(sidecar: Sidecar, resizer: str) -> set[str]:
    engine = (
        "pillow"
        if resizer in _PILLOW
        else "float"
        if resizer in _FLOAT
        else "nearest"
        if resizer == _NEAREST
        else resizer
    )
    fit = _fit(sidecar.fit)
    scaled = "bytes" if sidecar.scaling == "bytes" else "scaled"
    return {engine, f"fit-{fit}", scaled, *(("crop",) if fit in ("cover", "squash-crop") else ())}


def _fit(name: str) -> str:
    return {"squash": "squash", "squash-256-crop": "squash-crop"}.get(
        name, "letterbox" if name.startswith("letterbox") else "cover"
    )


def _fixed(variant: object) -> dict[str, Any]:
    """What a variant of a family was given beforehand."""
    return dict(variant.keywords) if isinstance(variant, functools.partial) else {}


def _values(sidecar: Sidecar, resizer: str, language: str) -> dict[str, str]:
    words = _WORDS[language]
    fixed = {**_fixed(FITS[sidecar.fit]), **_fixed(PLACEMENTS[sidecar.fit])}
    roundings = {round: words["round"], math.floor: words["floor"], int: words["int"]}
    divisor, means, deviations = SCALES.get(sidecar.scaling, (1.0, (0.0,) * 3, (1.0,) * 3))
    swapped = (sidecar.scaling == "imagenet-swapped") != (sidecar.colour_order == "bgr")
    support, kernel = _PILLOW.get(resizer, ("", ""))
    return {
        "HEIGHT": str(sidecar.input_height),
        "WIDTH": str(sidecar.input_width),
        "TARGET_HEIGHT": str(round(sidecar.input_height * fixed.get("margin", 1.0))),
        "TARGET_WIDTH": str(round(sidecar.input_width * fixed.get("margin", 1.0))),
        "WHOLE_SIDE": roundings[fixed.get("whole_side", round)],
        "WHOLE_OFFSET": roundings[fixed.get("whole_offset", math.floor)],
        "PADDING": str(fixed.get("padding", 0)),
        "PILLOW_SUPPORT": support,
        "PILLOW_KERNEL": _in(language, _replaced(kernel, words)),
        "FLOAT_TAPS": _replaced(_FLOAT.get(resizer, ""), words),
        "MEANS": ", ".join(_real(value, language) for value in means),
        "DEVIATIONS": ", ".join(_real(value, language) for value in deviations),
        "DIVISOR": str(divisor),
        "FROM": "2, 1, 0" if swapped else "0, 1, 2",
        "MEAN_OF": "2 - c" if sidecar.colour_order == "bgr" else "c",
        "PLACE": _places(language)[sidecar.layout],
        "LAYOUT": "channels last" if sidecar.layout == "nhwc" else "channels first",
        "CPP_TYPE": "uint8_t" if sidecar.scaling == "bytes" else "float",
    }


def _real(value: float, language: str) -> str:
    return str(value) if language == "swift" else f"{value}f"


def _replaced(text: str, words: Mapping[str, str]) -> str:
    return re.sub("|".join(word for word in words if word.isupper()), lambda found: words[found[0]], text)


def _in(language: str, kernel: str) -> str:
    # The one thing that Kotlin writes otherwise is the conditional value.
    return re.sub(r"return (.*) \? (.*) : (.*);", r"return if (\1) \2 else \3", kernel) if language == "kt" else kernel


def _places(language: str) -> dict[str, str]:
    if language == "cpp":
        return {
            "nhwc": "(static_cast<size_t>(y) * kWidth + x) * 3 + c",
            "nchw": "(static_cast<size_t>(c) * kHeight + y) * kWidth + x",
        }
    return {"nhwc": "(y * kWidth + x) * 3 + c", "nchw": "(c * kHeight + y) * kWidth + x"}
