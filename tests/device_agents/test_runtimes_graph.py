from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from device_agents import runtime_libraries
from device_agents.errors import BadInput, MissingExtra
from device_agents.runtimes import RUNTIMES, is_installed, runtime_version
from stability_train.cache import cache_folder
from tests.device_agents.tiny_models import CLASSES, write_onnx, write_tflite

LEVELS = {
    "onnxruntime": "ORT_ENABLE_ALL",
    "onnxruntime-none": "ORT_DISABLE_ALL",
    "onnxruntime-basic": "ORT_ENABLE_BASIC",
    "onnxruntime-extended": "ORT_ENABLE_EXTENDED",
}
PROVIDERS = {
    "onnxruntime-coreml": "CoreMLExecutionProvider",
    "onnxruntime-nnapi": "NnapiExecutionProvider",
    "onnxruntime-qnn": "QNNExecutionProvider",
}
FLOATS = np.linspace(-1, 1, CLASSES, dtype=np.float32).reshape(1, 2, 2, 3)
BYTES = np.arange(0, 252, 21, dtype=np.uint8).reshape(1, 2, 2, 3)


def mobilenet(suffix: str) -> Path:
    path = cache_folder() / "models" / "mobilenet-v2" / f"mobilenet-v2{suffix}"
    if not path.is_file():
        pytest.skip("no mobilenet-v2 in the cache: run `instability models get mobilenet-v2`")
    return path


@pytest.mark.parametrize("name", LEVELS)
def test_each_level_gives_the_tiny_models_scores(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(RUNTIMES[name](write_onnx(tmp_path / "tiny.onnx"), 1)(FLOATS), FLOATS.ravel())


@pytest.mark.parametrize(("name", "level"), LEVELS.items())
def test_each_level_is_the_one_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, level: str
) -> None:
    asked = []
    session = onnxruntime.InferenceSession

    def noting(model: bytes, options: Any, **rest: Any) -> Any:
        asked.append((options.graph_optimization_level, options.intra_op_num_threads, rest["providers"]))
        return session(model, options, **rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noting)
    RUNTIMES[name](write_onnx(tmp_path / "tiny.onnx"), 2)
    assert asked == [(getattr(onnxruntime.GraphOptimizationLevel, level), 2, ["CPUExecutionProvider"])]


def test_levels_move_mobilenets_last_bits_and_no_label() -> None:
    tensor = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    scores = {name: RUNTIMES[name](mobilenet(".onnx"), 1)(tensor) for name in LEVELS}
    whole = scores["onnxruntime"]
    for name, other in scores.items():
        assert other.argmax() == whole.argmax(), name
        # Logits; 1.6e-5 measured with onnxruntime 1.31.
        np.testing.assert_allclose(other, whole, atol=1e-4, err_msg=name)
    assert len({other.tobytes() for other in scores.values()}) > 1


def test_kernels_of_litert_move_mobilenets_last_bits_and_no_label() -> None:
    tensor = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    xnnpack, builtin = (RUNTIMES[name](mobilenet(".tflite"), 1)(tensor) for name in ("litert", "litert-builtin"))
    assert xnnpack.argmax() == builtin.argmax()
    np.testing.assert_allclose(xnnpack, builtin, atol=1e-4)
    assert (xnnpack != builtin).any()


@pytest.mark.parametrize(("name", "provider"), PROVIDERS.items())
def test_an_absent_provider_is_refused_with_those_that_are_there(tmp_path: Path, name: str, provider: str) -> None:
    said = rf"'{name}' needs an onnxruntime built with {provider}, this one has .*CPUExecutionProvider"
    with pytest.raises(MissingExtra, match=said):
        RUNTIMES[name](write_onnx(tmp_path / "tiny.onnx"), 1)
    with pytest.raises(MissingExtra, match=said):
        runtime_version(name)
    assert is_installed(name)


def fake_session(started: list[str]) -> Any:
    class Session:
        def __init__(self, model: bytes, options: Any, *, providers: list[str]) -> None:
            self.asked = providers

        def get_providers(self) -> list[str]:
            return [name for name in self.asked if name in started]

        def get_inputs(self) -> list[Any]:
            return [SimpleNamespace(name="input", shape=["n", 2, 2, 3], type="tensor(float)")]

        def get_outputs(self) -> list[str]:
            return ["scores"]

        def run(self, outputs: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            assert outputs is None
            return [feed["input"].reshape(1, -1) + len(self.asked)]

    return Session


def test_a_provider_that_is_there_is_used_before_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, model = "QNNExecutionProvider", write_onnx(tmp_path / "tiny.onnx")
    both = [provider, "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(onnxruntime, "InferenceSession", fake_session(both))
    assert runtime_version("onnxruntime-qnn") == onnxruntime.__version__
    np.testing.assert_array_equal(RUNTIMES["onnxruntime-qnn"](model, 1)(FLOATS), FLOATS.ravel() + 2)
    # ONNX Runtime goes on without a provider that fails to start; the record would name one that did nothing.
    monkeypatch.setattr(onnxruntime, "InferenceSession", fake_session(["CPUExecutionProvider"]))
    with pytest.raises(MissingExtra, match=f"'onnxruntime-qnn': {provider} did not start here; use 'onnxruntime'"):
        RUNTIMES["onnxruntime-qnn"](model, 1)


def test_an_absent_delegate_is_refused(tmp_path: Path) -> None:
    model = write_tflite(tmp_path / "tiny.tflite")
    with pytest.raises(MissingExtra, match=r"'litert-gpu' needs the delegate libtensorflowlite_gpu_delegate\.so"):
        RUNTIMES["litert-gpu"](model, 1)
    with pytest.raises(MissingExtra, match="which is not here .*; run it on a device that has it, or use 'litert'"):
        runtime_version("litert-gpu")


def test_a_delegate_that_does_not_start_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_edge_litert import interpreter

    def failing(library: str) -> None:
        raise ValueError(f"Failed to load delegate from {library}")

    monkeypatch.setattr(runtime_libraries.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(interpreter, "load_delegate", failing)
    with pytest.raises(MissingExtra, match=r"did not start here \(Failed to load delegate.*; use 'litert'"):
        RUNTIMES["litert-gpu"](write_tflite(tmp_path / "tiny.tflite"), 1)


class Size:
    """A size of OpenVINO's PartialShape; None for one left open."""

    def __init__(self, length: int | None) -> None:
        self.is_static = length is not None
        self._length = length

    def get_length(self) -> int:
        assert self._length is not None
        return self._length


class FakeCore:
    """Stands in for OpenVINO, which is no extra of the kit's, with what is used of its interface."""

    settings: dict[str, Any]

    def read_model(self, path: str) -> bytes:
        content = Path(path).read_bytes()
        if content == b"broken":
            raise RuntimeError("Exception from src/core.cpp:84:\nUnable to read the model.\n\n")
        return content

    def compile_model(self, model: bytes, device: str, settings: dict[str, Any]) -> Any:
        assert device == "CPU"
        FakeCore.settings = settings

        def run(tensor: np.ndarray) -> list[np.ndarray]:
            if tensor.max() > 100:
                raise RuntimeError("Exception from src/infer_request.cpp:117:\nout of memory\n")
            return [tensor.reshape(1, -1)]

        run.inputs = [  # type: ignore[attr-defined]
            SimpleNamespace(
                partial_shape=[Size(None), Size(2), Size(2), Size(3)],
                element_type=SimpleNamespace(to_dtype=lambda: np.float32),
            )
        ]
        run.outputs = ["scores"] * (2 if model == b"two" else 1)  # type: ignore[attr-defined]
        return run


def test_openvino_is_asked_for_float32_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its own choice is bfloat16 where the processor has it. The real one was run by hand: MobileNetV2's logits are
    # within 9e-6 of ONNX Runtime's, from the .onnx file and from the .tflite file.
    module = ModuleType("openvino")
    module.__dict__["Core"] = FakeCore
    monkeypatch.setitem(sys.modules, "openvino", module)
    model = write_onnx(tmp_path / "tiny.onnx")
    classify = RUNTIMES["openvino"](model, 2)
    assert FakeCore.settings == {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    np.testing.assert_array_equal(classify(FLOATS), FLOATS.ravel())
    with pytest.raises(BadInput, match=r"the model takes an input of shape \(-1, 2, 2, 3\)"):
        classify(FLOATS[0])
    with pytest.raises(BadInput, match="the model takes float32, the sidecar's scaling gives uint8"):
        classify(BYTES)
    with pytest.raises(BadInput, match="openvino: out of memory"):
        classify(FLOATS * 1000)
    for content, said in (
        (b"broken", r"can read: Unable to read the model\.$"),
        (b"two", "expected a classifier with one output, got 2"),
    ):
        model.write_bytes(content)
        with pytest.raises(BadInput, match=said):
            RUNTIMES["openvino"](model, 1)
    with pytest.raises(BadInput, match="cannot read the model file"):
        RUNTIMES["openvino"](tmp_path / "none.onnx", 1)


def test_openvino_absent_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="'openvino' needs openvino .*pip install 'openvino>=2026'"):
        RUNTIMES["openvino"](write_onnx(tmp_path / "tiny.onnx"), 1)


def test_every_runtime_has_its_library() -> None:
    assert set(RUNTIMES) == set(runtime_libraries.LIBRARIES)
