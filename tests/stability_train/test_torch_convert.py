"""PyTorch files to ONNX and TFLite; where torch is absent, that this is said."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agents.errors import BadInput, MissingExtra
from stability_train.torch_convert import TORCH_CONVERSIONS, torch_to_onnx, torch_to_tflite

HERE = importlib.util.find_spec("torch") is not None
with_torch = pytest.mark.skipif(
    not HERE, reason="torch is not installed: it is the extra 'torch', not a test dependency"
)
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's, about its own internals
SIDE = 16


def tiny() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU6(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 5)).eval()


def save(model: Any, path: Path) -> Path:
    import torch

    picture = torch.zeros(1, 3, SIDE, SIDE)
    if path.suffix == ".pt2":
        torch.export.save(torch.export.export(model, (picture,)), path)
    else:
        torch.jit.save(torch.jit.trace(model, picture), path)
    return path


@with_torch
@pytest.mark.parametrize("suffix", [".pt2", ".pt"])
def test_onnx_gives_torchs_scores(tmp_path: Path, suffix: str) -> None:
    import torch

    from device_agents.runtimes import RUNTIMES

    model, target = tiny(), tmp_path / "model.onnx"
    assert torch_to_onnx(save(model, tmp_path / f"model{suffix}"), target, height=SIDE, width=SIDE) < 1e-5
    picture = np.random.default_rng(3).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    found = RUNTIMES["onnxruntime"](target, 1)(picture)
    assert found == pytest.approx(model(torch.from_numpy(picture)).detach().numpy()[0], abs=1e-5)


@with_torch
def test_tflite_gives_torchs_scores_or_says_what_it_needs(tmp_path: Path) -> None:
    source, target = save(tiny(), tmp_path / "model.pt2"), tmp_path / "model.tflite"
    if importlib.util.find_spec("litert_torch") is None:
        with pytest.raises(MissingExtra, match=r"litert-torch, in a virtual environment of its own"):
            torch_to_tflite(source, target, height=SIDE, width=SIDE)
    else:
        assert torch_to_tflite(source, target, height=SIDE, width=SIDE) < 1e-4


@with_torch
def test_weights_alone_and_other_sizes_are_refused(tmp_path: Path) -> None:
    import torch

    torch.save(tiny().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(BadInput, match="expected a model with its graph, got weights or a pickle"):
        torch_to_onnx(tmp_path / "weights.pt", tmp_path / "x.onnx", height=SIDE, width=SIDE)
    source = save(tiny(), tmp_path / "model.pt2")
    with pytest.raises(BadInput, match="does not take"):
        torch_to_onnx(source, tmp_path / "x.onnx", height=2 * SIDE, width=SIDE)
    assert not (tmp_path / "x.onnx").exists()


@with_torch
def test_what_is_no_pytorch_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"not a zip")
    with zipfile.ZipFile(tmp_path / "other.pt2", "w") as archive:
        archive.writestr("a", "b")
    for name, message in (
        ("model.pt", "got weights"),
        ("other.pt2", "cannot read it"),
        ("no.pt", "expected a PyTorch"),
    ):
        with pytest.raises(BadInput, match=message):
            torch_to_onnx(tmp_path / name, tmp_path / "x.onnx", height=SIDE, width=SIDE)


@pytest.mark.skipif(HERE, reason="torch is installed: what is said without it cannot be seen")
@pytest.mark.parametrize("kind", sorted(TORCH_CONVERSIONS))
def test_without_torch_the_extra_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'instability-kit\[torch\]'"):
        TORCH_CONVERSIONS[kind](tmp_path / "model.pt2", tmp_path / "out", height=SIDE, width=SIDE)
