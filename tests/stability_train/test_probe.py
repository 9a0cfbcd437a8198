from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.probe import join_pieces, read_probe, write_probe

SHAPE = (1, 6, 5, 3)


def tflite(
    path: Path, *, kind: str = "FLOAT32", classes: int = 7, scale: float = 0.0, zero: int = 0, output: str = ""
) -> Path:
    """A model of one CAST-less RESHAPE that claims `classes` scores; only its signature matters."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], type_name: str) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, getattr(schema.TensorType, type_name), 0
        if scale:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
        return made

    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("weights", [3], kind),
        tensor("scores", [1, classes], output or kind),
        tensor("picture", list(SHAPE), kind),
    ]
    graph.inputs, graph.outputs, graph.operators = [2], [1], []
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def onnx(path: Path, *, kind: str = "FLOAT", classes: int = 7, output: str = "FLOAT") -> Path:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [],
        "g",
        [helper.make_tensor_value_info("picture", getattr(TensorProto, kind), ["n", *SHAPE[1:]])],
        [helper.make_tensor_value_info("scores", getattr(TensorProto, output), ["n", classes])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.metadata_props.add(key="mean", value="127")
    path.write_bytes(model.SerializeToString())
    return path


def run(path: Path, values: np.ndarray) -> list[np.ndarray]:
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (entry,) = session.get_inputs()
        assert entry.name == "picture"
        return [np.asarray(one) for one in session.run(None, {"picture": values})]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    assert entry["name"] == "picture"
    interpreter.set_tensor(entry["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def values_of(dtype: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    if dtype.startswith("float"):
        return rng.normal(0, 2, SHAPE).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, SHAPE, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("kind", ["identity", "slices"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_tflite_probes_give_the_input_back(kind: str, dtype: str, tmp_path: Path) -> None:
    scale = 0.0 if dtype == "float32" else 0.0078125
    model = tflite(tmp_path / "m.tflite", kind=dtype.upper(), scale=scale, zero=-1 if dtype == "int8" else 0)
    probe = write_probe(model, tmp_path / "probe", kind=kind)
    assert probe == read_probe(tmp_path / "probe" / "probe.json")
    assert (probe.input.dtype, probe.input.shape, probe.input.scale) == (dtype, SHAPE, scale)
    assert probe.input.zero_point == (-1 if dtype == "int8" else 0)
    names = dict.fromkeys(file for file, *_ in probe.pieces)
    assert len(names) == (1 if kind == "identity" else 13)  # 90 values, 7 a file
    values = values_of(dtype)
    outputs = {name: run(tmp_path / "probe" / name, values) for name in names}
    shapes = {out[0].shape for out in outputs.values()}
    assert shapes == ({SHAPE} if kind == "identity" else {(1, 7)})
    np.testing.assert_array_equal(join_pieces(probe, outputs), values)


@pytest.mark.parametrize("kind", ["identity", "slices"])
@pytest.mark.parametrize(("element", "dtype"), [("FLOAT", "float32"), ("UINT8", "uint8"), ("FLOAT16", "float16")])
def test_onnx_probes_give_the_input_back(kind: str, element: str, dtype: str, tmp_path: Path) -> None:
    import onnx as library

    probe = write_probe(onnx(tmp_path / "m.onnx", kind=element), tmp_path / "probe", kind=kind)
    names = dict.fromkeys(file for file, *_ in probe.pieces)
    values = values_of(dtype)
    outputs = {name: run(tmp_path / "probe" / name, values) for name in names}
    back = join_pieces(probe, outputs)
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)
    for name in names:
        made = library.load(tmp_path / "probe" / name)
        library.checker.check_model(made)
        assert made.metadata_props[0].value == "127"


def test_bytes_go_through_float_scores_unchanged(tmp_path: Path) -> None:
    model = tflite(tmp_path / "m.tflite", kind="UINT8", output="FLOAT32")
    probe = write_probe(model, tmp_path / "probe", kind="slices")
    values = values_of("uint8")
    outputs = {file: run(tmp_path / "probe" / file, values) for file, *_ in probe.pieces}
    np.testing.assert_array_equal(join_pieces(probe, outputs), values)


def test_packed_label_files_come_along(tmp_path: Path) -> None:
    model = tflite(tmp_path / "m.tflite")
    with zipfile.ZipFile(model, "a") as packed:
        packed.writestr("labels.txt", "cat\ndog\n")
    probe = write_probe(model, tmp_path / "probe")
    made = (tmp_path / "probe" / probe.pieces[0][0]).read_bytes()
    with zipfile.ZipFile(io.BytesIO(made)) as packed:
        assert packed.read("labels.txt") == b"cat\ndog\n"
    np.testing.assert_array_equal(
        run(tmp_path / "probe" / probe.pieces[0][0], values_of("float32"))[0], values_of("float32")
    )


def test_what_cannot_be_probed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="identity or slices"):
        write_probe(tflite(tmp_path / "m.tflite"), tmp_path, kind="other")
    with pytest.raises(BadInput, match="tflite or .onnx"):
        write_probe(tmp_path / "m.keras", tmp_path)
    with pytest.raises(BadInput, match="cannot carry float32"):
        write_probe(tflite(tmp_path / "q.tflite", output="UINT8"), tmp_path / "q", kind="slices")
    with pytest.raises(BadInput, match="cannot carry float32"):
        write_probe(onnx(tmp_path / "q.onnx", output="UINT8"), tmp_path / "q", kind="slices")
    for name in ("x.tflite", "x.onnx"):
        (tmp_path / name).write_bytes(b"not a model at all")
        with pytest.raises(BadInput, match="is no"):
            write_probe(tmp_path / name, tmp_path)
    (tmp_path / "probe.json").write_text(json.dumps({"model": "m"}))
    with pytest.raises(BadInput, match="expected a probe.json"):
        read_probe(tmp_path / "probe.json")


def test_missing_pieces_are_named(tmp_path: Path) -> None:
    probe = write_probe(tflite(tmp_path / "m.tflite"), tmp_path / "probe", kind="slices")
    with pytest.raises(BadInput, match=r"13 more probe files: m.probe-0000.tflite"):
        join_pieces(probe, {})
