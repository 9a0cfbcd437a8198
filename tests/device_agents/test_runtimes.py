from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput, MissingExtra
from device_agents.runtimes import (
    NETWORKS,
    RUNTIMES,
    dequantise,
    is_installed,
    quantise,
    runtime_for,
    runtime_version,
)
from tests.device_agents.tiny_models import CLASSES, write_onnx, write_onnx_boxes, write_tflite

LITERT = ["litert", "litert-builtin", "litert-reference"]
FLOATS = np.linspace(-1, 1, CLASSES, dtype=np.float32).reshape(1, 2, 2, 3)
BYTES = np.arange(0, 252, 21, dtype=np.uint8).reshape(1, 2, 2, 3)


@pytest.mark.parametrize("name", LITERT)
@pytest.mark.parametrize("threads", [1, 2])
def test_float_tflite(tmp_path: Path, name: str, threads: int) -> None:
    classify = RUNTIMES[name](write_tflite(tmp_path / "tiny.tflite"), threads)
    for tensor in (FLOATS, -FLOATS):
        scores = classify(tensor)
        assert scores.dtype == np.float32
        np.testing.assert_array_equal(scores, tensor.ravel())


@pytest.mark.parametrize("name", LITERT)
def test_uint8_tflite_takes_bytes_as_they_are_and_widens_its_scores(tmp_path: Path, name: str) -> None:
    model = write_tflite(tmp_path / "tiny.tflite", kind="UINT8", scale=1 / 128, zero_point=128)
    scores = RUNTIMES[name](model, 1)(BYTES)
    # (q - 128) / 128 by hand; in uint8 arithmetic 0 - 128 would wrap to 128.
    np.testing.assert_array_equal(scores, (BYTES.ravel().astype(float) - 128) / 128)


@pytest.mark.parametrize("name", LITERT)
def test_quantised_tflite_quantises_floats_with_its_own_numbers(tmp_path: Path, name: str) -> None:
    model = write_tflite(tmp_path / "tiny.tflite", kind="INT8", scale=0.5, zero_point=3)
    tensor = np.array([0, 0.2, 0.3, 1, -1, 2.5, -2.5, 62, 63, -65, -66, 1000], np.float32).reshape(1, 2, 2, 3)
    # round(x / 0.5) + 3 (half to even), clipped to -128..127, and back: (q - 3) * 0.5.
    expected = [0, 0, 0.5, 1, -1, 2.5, -2.5, 62, 62, -65, -65.5, 62]
    assert RUNTIMES[name](model, 1)(tensor).tolist() == expected


def test_int8_tflite_takes_bytes_less_128(tmp_path: Path) -> None:
    model = write_tflite(tmp_path / "tiny.tflite", kind="INT8", scale=1 / 256, zero_point=-128)
    scores = RUNTIMES["litert"](model, 1)(BYTES)
    np.testing.assert_array_equal(scores, BYTES.ravel() / 256)


def test_onnx_float_half_and_bytes(tmp_path: Path) -> None:
    for kind, tensor, expected in (
        ("FLOAT", FLOATS, FLOATS),
        ("FLOAT16", FLOATS, FLOATS.astype(np.float16)),
        ("UINT8", BYTES, BYTES),
    ):
        classify = RUNTIMES["onnxruntime"](write_onnx(tmp_path / f"{kind}.onnx", kind=kind), 1)
        np.testing.assert_array_equal(classify(tensor), expected.ravel())


def test_an_input_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'bytes' is for quantised models"):
        RUNTIMES["litert"](write_tflite(tmp_path / "tiny.tflite"), 1)(BYTES)
    with pytest.raises(BadInput, match=r"takes tensor\(float\), the sidecar's scaling gives uint8"):
        RUNTIMES["onnxruntime"](write_onnx(tmp_path / "float.onnx"), 1)(BYTES)
    with pytest.raises(BadInput, match=r"takes tensor\(uint8\), the sidecar's scaling gives float32"):
        RUNTIMES["onnxruntime"](write_onnx(tmp_path / "bytes.onnx", kind="UINT8"), 1)(FLOATS)


@pytest.mark.parametrize("shape", [(1, 3, 2, 2), (1, 3, 3, 3), (2, 2, 3)])
def test_an_input_of_the_wrong_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    tensor = np.zeros(shape, np.float32)
    for classify in (
        RUNTIMES["litert"](write_tflite(tmp_path / "tiny.tflite"), 1),
        RUNTIMES["onnxruntime"](write_onnx(tmp_path / "tiny.onnx"), 1),
    ):
        with pytest.raises(BadInput, match="the model takes an input of shape"):
            classify(tensor)


@pytest.mark.parametrize("name", [*LITERT, "onnxruntime"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x1c\0\0\0TFL3" + bytes(10)])
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"broken\.tflite"):
        RUNTIMES[name](path, 1)


def test_an_absent_file_and_two_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the model file"):
        RUNTIMES["litert"](tmp_path / "none.tflite", 1)
    with pytest.raises(BadInput, match="expected a classifier with one output, got 2"):
        RUNTIMES["litert"](write_tflite(tmp_path / "two.tflite", outputs=2), 1)


@pytest.mark.parametrize("name", LITERT)
def test_a_tflite_network_gives_all_outputs_in_the_files_order_and_shapes(tmp_path: Path, name: str) -> None:
    network = NETWORKS[name](write_tflite(tmp_path / "two.tflite", outputs=2), 1)
    scores, entry = network(FLOATS)
    assert network.outputs == 2
    assert (scores.shape, entry.shape) == ((1, CLASSES), FLOATS.shape)
    np.testing.assert_array_equal(scores, FLOATS.reshape(1, -1))
    np.testing.assert_array_equal(entry, FLOATS)


def test_an_onnx_network_gives_all_outputs_and_integers_as_they_are(tmp_path: Path) -> None:
    model = write_onnx_boxes(tmp_path / "two.onnx", boxes=[[0, 0, 1, 1]], labels=[7], scores=[0.5])
    boxes, labels, scores = NETWORKS["onnxruntime"](model, 1)(FLOATS)
    assert (boxes.dtype, labels.dtype, scores.dtype) == (np.float32, np.int64, np.float32)
    assert (boxes.tolist(), labels.tolist(), scores.tolist()) == ([[0, 0, 1, 1]], [7], [0.5])
    with pytest.raises(BadInput, match="expected a classifier with one output, got 3"):
        RUNTIMES["onnxruntime"](model, 1)


def test_every_runtime_is_a_network_taken_as_a_classifier(tmp_path: Path) -> None:
    assert set(NETWORKS) == set(RUNTIMES)
    model = write_onnx(tmp_path / "one.onnx")
    [scores] = NETWORKS["onnxruntime"](model, 1)(FLOATS)
    assert scores.shape == (1, CLASSES)
    np.testing.assert_array_equal(RUNTIMES["onnxruntime"](model, 1)(FLOATS), scores[0])


def test_a_model_with_two_inputs_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    entries = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "sum", entries[:2], entries[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "sum.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadInput, match=r"sum\.onnx: expected a model with one input, got 2"):
        NETWORKS["onnxruntime"](tmp_path / "sum.onnx", 1)


def test_a_keras_network_gives_all_outputs(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="the extra 'tensorflow' is not installed")
    entry = keras.Input((2, 2, 3))
    keras.Model(entry, [keras.layers.Flatten()(entry), entry]).save(tmp_path / "two.keras")
    threads = pytest.importorskip("tensorflow").config.threading.get_intra_op_parallelism_threads()
    network = NETWORKS["keras"](tmp_path / "two.keras", threads)  # one number a process: what it has already
    assert network.outputs == 2
    assert [one.shape for one in network(FLOATS)] == [(1, CLASSES), FLOATS.shape]


@given(st.integers(-128, 127), st.floats(1e-4, 10), st.integers(-128, 127))
@settings(max_examples=50, deadline=None)
def test_quantise_undoes_dequantise(value: int, scale: float, zero_point: int) -> None:
    integers = np.array([value], np.int8)
    real = dequantise(integers, scale=scale, zero_point=zero_point)
    assert real.dtype == np.float64
    np.testing.assert_array_equal(quantise(real, np.int8, scale=scale, zero_point=zero_point), integers)


def test_runtime_is_chosen_by_the_suffix() -> None:
    assert runtime_for(Path("a/net.tflite")) == "litert"
    assert runtime_for(Path("net.ONNX")) == "onnxruntime"
    assert runtime_for(Path("net.keras")) == "keras"
    with pytest.raises(BadInput, match=r"unknown model suffix '\.caffemodel'; known: .*\.keras, \.onnx, .*\.tflite"):
        runtime_for(Path("net.caffemodel"))


def test_an_older_machine_falls_back_to_tflite_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    from device_agents import runtimes

    monkeypatch.setattr(runtimes, "is_installed", lambda name: name == "tflite-runtime")
    assert runtime_for(Path("net.tflite")) == "tflite-runtime"
    monkeypatch.setattr(runtimes, "is_installed", lambda name: False)
    assert runtime_for(Path("net.tflite")) == "litert"


def test_versions_are_those_of_the_libraries() -> None:
    import onnxruntime

    assert runtime_version("onnxruntime") == onnxruntime.__version__
    assert runtime_version("litert") == runtime_version("litert-reference")
    assert is_installed("litert")


def test_absent_libraries_are_missing_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_tflite(tmp_path / "tiny.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"ai-edge-litert .*pip install 'instability-kit\[agent\]'"):
        RUNTIMES["litert"](model, 1)
    with pytest.raises(MissingExtra, match=r"needs onnxruntime .*pip install"):
        RUNTIMES["onnxruntime"](model, 1)
    # tflite-runtime needs numpy 1 and is never in this environment.
    assert not is_installed("tflite-runtime")
    with pytest.raises(MissingExtra, match=r"pip install 'tflite-runtime==2.14.0'"):
        RUNTIMES["tflite-runtime"](model, 1)
    with pytest.raises(MissingExtra, match=r"pip install 'tflite-runtime==2.14.0'"):
        runtime_version("tflite-runtime")


def test_tflite_runtime_under_numpy_2_is_a_missing_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType, SimpleNamespace

    def interpreter(**_: object) -> None:
        raise SystemError("initialization of _pywrap_tensorflow_interpreter_wrapper raised unreported exception")

    module = ModuleType("tflite_runtime.interpreter")
    module.__dict__.update(Interpreter=interpreter, OpResolverType=SimpleNamespace(AUTO=0))
    monkeypatch.setitem(sys.modules, "tflite_runtime", ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    with pytest.raises(MissingExtra, match="it needs numpy below 2"):
        RUNTIMES["tflite-runtime"](write_tflite(tmp_path / "tiny.tflite"), 1)
