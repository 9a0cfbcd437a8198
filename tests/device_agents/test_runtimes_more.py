"""OpenVINO at other precisions here; PyTorch where it is installed (a virtual environment of its own)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from device_agents import runtime_libraries
from device_agents.errors import BadInput, MissingExtra
from device_agents.runtimes import NETWORKS, runtime_for
from device_agents.runtimes_more import load_torch
from stability_train.cache import cache_folder
from tests.device_agents.tiny_models import CLASSES, write_onnx

FLOATS = np.linspace(-1, 1, CLASSES, dtype=np.float32).reshape(1, 2, 2, 3)
openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
torch_here = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


def computed_in(name: str, path: Path) -> np.ndarray | str:
    """The first output, or why this processor cannot give it."""
    try:
        return NETWORKS[name](path, 1)(FLOATS)[0]
    except MissingExtra as problem:
        return str(problem)


@openvino
def test_a_precision_is_computed_or_refused_but_never_replaced(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "tiny.onnx")
    np.testing.assert_array_equal(computed_in("openvino", path), FLOATS.reshape(1, CLASSES))
    for name in ("bf16", "f16"):
        found = computed_in(f"openvino-{name}", path)
        if isinstance(found, str):
            assert f"on this processor where {name} is asked for" in found
        else:
            np.testing.assert_allclose(found, FLOATS.reshape(1, CLASSES), rtol=2**-8)


@openvino
def test_bfloat16_moves_mobilenets_scores_by_more_than_rounding_does() -> None:
    path = cache_folder() / "models" / "mobilenet-v2" / "mobilenet-v2.onnx"
    if not path.is_file():
        pytest.skip("no mobilenet-v2 in the cache: run `instability models get mobilenet-v2`")
    tensor = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    whole = NETWORKS["openvino"](path, 1)(tensor)[0]
    try:
        half = NETWORKS["openvino-bf16"](path, 1)(tensor)[0]
    except MissingExtra as problem:
        pytest.skip(str(problem))
    apart = np.linalg.norm(half - whole) / np.linalg.norm(whole)
    assert 1e-4 < apart < 0.3


def test_a_precision_that_became_another_is_not_given_out_as_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SimpleNamespace(
        inputs=[1], outputs=[1], get_property=lambda name: SimpleNamespace(get_type_name=lambda: "bf16")
    )
    core = SimpleNamespace(compile_model=lambda *given: model, read_model=lambda path: path)
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: core))
    with pytest.raises(MissingExtra, match="computes in bf16 on this processor where f16 is asked for"):
        NETWORKS["openvino-f16"](write_onnx(tmp_path / "tiny.onnx"), 1)


def test_torch_that_is_absent_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"runtime 'pytorch' needs torch .*instability-kit\[torch\]"):
        load_torch(tmp_path / "model.pt2", 1)


def test_suffixes_of_torch_and_what_is_no_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {runtime_for(Path(f"m{suffix}")) for suffix in (".pt2", ".pt", ".ts")} == {"pytorch"}
    assert {"pytorch", "pytorch-compiled"} <= set(runtime_libraries.LIBRARIES)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())
    path = tmp_path / "weights.pt"
    path.write_bytes(b"\x80\x02 a pickle")
    with pytest.raises(BadInput, match="expected a graph with its weights, got weights or a pickle"):
        load_torch(path, 1)
    with pytest.raises(BadInput, match="cannot read the model file"):
        load_torch(tmp_path / "absent.pt2", 1)


@torch_here
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torch_graphs_give_what_torch_computes(tmp_path: Path) -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 2), torch.nn.ReLU(), torch.nn.Flatten()).eval()
    picture = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32))
    with torch.inference_mode():
        expected = model(picture).numpy()
    torch.export.save(torch.export.export(model, (picture,)), tmp_path / "m.pt2")
    torch.jit.save(torch.jit.trace(model, picture), tmp_path / "m.pt")
    for name, file in (("pytorch", "m.pt2"), ("pytorch", "m.pt"), ("pytorch-compiled", "m.pt2")):
        network = NETWORKS[name](tmp_path / file, 1)
        assert network.outputs == 1
        np.testing.assert_allclose(network(picture.numpy())[0], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(BadInput, match=r"torch.compile takes a .pt2 file, got TorchScript"):
        NETWORKS["pytorch-compiled"](tmp_path / "m.pt", 1)
    with pytest.raises(BadInput, match="the sidecar's scaling gives uint8"):
        NETWORKS["pytorch"](tmp_path / "m.pt2", 1)(np.zeros((1, 3, 4, 4), np.uint8))
