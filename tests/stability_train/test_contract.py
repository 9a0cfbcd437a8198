from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from device_agents.decode import DECODERS
from device_agents.preprocess import SCALINGS, fingerprint, to_tensor
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import Sidecar
from stability_train.contract import golden_picture, write_contract
from stability_train.contract_code import RESIZERS_IN_CODE, SAME_BUT_ROUNDING, SCALES, write_code

COMPILER = shutil.which("g++")


def sidecar(**changes: Any) -> Sidecar:
    values = {
        "name": "a model",
        "input_height": 224,
        "input_width": 224,
        "layout": "nhwc",
        "colour_order": "rgb",
        "fit": "torchvision-256-crop",
        "resizer": "pillow-bilinear",
        "scaling": "imagenet",
        "outputs": "logits",
    }
    return Sidecar(**{**values, **changes})


def compiled(folder: Path, wanted: Sidecar) -> Path:
    if COMPILER is None:
        pytest.skip("g++ is not installed: the generated C++ cannot be compiled")
    source, program = folder / "preprocess.cpp", folder / "preprocess"
    source.write_text(write_code(wanted, decoder="pillow")["preprocess.cpp"])
    flags = ["-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-DPREPROCESS_MAIN"]
    command = [COMPILER, *flags, str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, picture: np.ndarray, wanted: Sidecar) -> tuple[np.ndarray, np.ndarray]:
    command = [str(program), str(picture.shape[0]), str(picture.shape[1])]
    given = subprocess.run(command, input=picture.tobytes(), capture_output=True, timeout=60, check=True).stdout
    size = wanted.input_height * wanted.input_width * 3
    fitted = np.frombuffer(given[:size], np.uint8).reshape(wanted.input_height, wanted.input_width, 3)
    return fitted, np.frombuffer(given[size:], np.uint8 if wanted.scaling == "bytes" else np.float32)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


# Each resizer and each fit once, the other settings shared out between them.
CASES = [
    dict(resizer=resizer, scaling=scaling, layout=layout, colour_order=order, fit=fit)
    for (resizer, scaling, layout, order, fit) in zip(
        RESIZERS_IN_CODE,
        [sorted(SCALINGS)[number % len(SCALINGS)] for number in range(len(RESIZERS_IN_CODE))],
        ["nhwc", "nchw", "nchw"] * 6,
        ["rgb", "bgr"] * 9,
        [sorted(FITS)[number % len(FITS)] for number in range(len(RESIZERS_IN_CODE))],
        strict=False,
    )
]


QUICK = ("pillow-bilinear", "opencv-linear", "half-pixel-bilinear-antialias")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case["resizer"] in QUICK else pytest.mark.slow) for case in CASES],
    ids=lambda case: case["resizer"],
)
def test_the_compiled_cpp_gives_the_kits_tensor(case: dict[str, str], tmp_path: Path) -> None:
    wanted = sidecar(**case)
    program = compiled(tmp_path, wanted)
    for picture in (golden_picture(), noise(683, 1024), noise(97, 61), noise(224, 224)):
        fitted, tensor = run(program, picture, wanted)
        expected = FITS[wanted.fit](picture, RESIZERS[wanted.resizer], 224, 224)
        apart = np.abs(fitted.astype(int) - expected)
        if wanted.resizer in SAME_BUT_ROUNDING:
            assert apart.max() <= 1
            assert np.mean(apart > 0) <= 0.02
        else:
            assert apart.max() == 0, f"{picture.shape}: {np.mean(apart > 0):.4%} of the bytes differ"
        settings = {"scaling": wanted.scaling, "layout": wanted.layout, "colour_order": wanted.colour_order}
        np.testing.assert_array_equal(tensor, to_tensor(fitted, **settings).ravel())


def test_every_fit_and_scaling_is_among_the_cases() -> None:
    assert {case["fit"] for case in CASES} == set(FITS)
    assert {case["scaling"] for case in CASES} == set(SCALINGS)


def test_scales_are_those_of_the_kit_bit_for_bit() -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    for name, (divisor, means, deviations) in SCALES.items():
        made = (levels.astype(np.float32) / np.float32(divisor) - np.float32(means)) / np.float32(deviations)
        np.testing.assert_array_equal(made, SCALINGS[name](levels))
    assert set(SCALES) | {"bytes"} == set(SCALINGS)


def test_a_contract_holds_golden_vectors_that_its_picture_gives(tmp_path: Path) -> None:
    contract = write_contract(tmp_path, sidecar(), decoder="opencv")
    assert contract == json.loads((tmp_path / "contract.json").read_text())
    picture = DECODERS["opencv"]((tmp_path / "golden.png").read_bytes())
    resized = FITS["torchvision-256-crop"](picture, RESIZERS["pillow-bilinear"], 224, 224)
    tensor = to_tensor(resized, scaling="imagenet", layout="nhwc", colour_order="rgb")
    assert contract["golden"]["decoded"]["sha256"] == fingerprint(picture)
    assert contract["golden"]["tensor"]["sha256"] == fingerprint(tensor)
    assert contract["golden"]["tensor"]["first_values"] == [float(value) for value in tensor.ravel()[:12]]
    assert contract["code"] == ["preprocess.cpp", "preprocess.kt", "preprocess.swift"]
    assert contract["code_tolerance"] == 0


@pytest.mark.parametrize(("changes", "reason"), [({"resizer": "tensorflow-lanczos5"}, "resizer"), ({}, "colour")])
def test_what_the_code_cannot_do_is_said(changes: dict[str, str], reason: str, tmp_path: Path) -> None:
    contract = write_contract(tmp_path, sidecar(**changes), colour="rgb" if changes else "bt601-float")
    assert contract["code"] == []
    assert reason in contract["code_missing"]
    assert not (tmp_path / "preprocess.cpp").exists()


def test_differences_between_an_app_and_its_contract_are_named(tmp_path: Path) -> None:
    identified = {
        "answer": "exact", "decoder": ["pillow", "opencv"], "orientation": ["applied"], "colour": ["rgb"],
        "fit": ["squash"], "resizer": ["opencv-linear"], "scaling": "imagenet", "layout": "nhwc", "colour_order": "bgr",
    }  # fmt: skip
    contract = write_contract(tmp_path, sidecar(), identified=identified)
    assert contract["differences"] == [
        "fit: expected torchvision-256-crop, the app does squash",
        "resizer: expected pillow-bilinear, the app does opencv-linear",
        "colour_order: expected rgb, the app does bgr",
    ]


@pytest.mark.parametrize("name", ["preprocess.kt", "preprocess.swift"])
def test_code_that_nobody_compiled_says_so(name: str) -> None:
    for resizer in RESIZERS_IN_CODE:
        for fit in FITS:
            text = write_code(sidecar(resizer=resizer, fit=fit), decoder="pillow")[name]
            assert "nobody has compiled" in "\n".join(text.splitlines()[:4])
            assert "{{" not in text
            assert "//[" not in text
            assert text.count("{") == text.count("}")
            assert text.count("(") == text.count(")")


def test_golden_picture_is_a_png_of_its_own_bytes(tmp_path: Path) -> None:
    picture = golden_picture()
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    np.testing.assert_array_equal(DECODERS["pillow"](file.getvalue()), picture)
