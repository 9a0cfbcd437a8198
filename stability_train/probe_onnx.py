"""The probe of an ONNX model: its own input and outputs, with Identity or Slice between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from device_agents.errors import BadInput, MissingExtra

_OPSET = 13  # Slice, Pad and Squeeze of one form since then; every runtime of the last years reads it
_CARRIERS = {"float32": {"float32", "float64"}, "float16": {"float16", "float32", "float64"}}


def onnx_entry(data: bytes, source: str) -> dict[str, Any]:
    """Give the fields of probe.Entry of an ONNX file's bytes; raises BadInput or MissingExtra."""
    model = _read(data, source)
    entries = _inputs(model)
    if len(entries) != 1:
        raise BadInput(f"{source}: expected a model of one input, got {len(entries)}")
    shape = _shape(entries[0])
    if any(size < 1 for size in shape[1:]):
        raise BadInput(f"{source}: expected an input of fixed size but for the batch, got {list(shape)}")
    return {
        "name": entries[0].name,
        "dtype": _dtype(entries[0]),
        "shape": (max(shape[0], 1), *shape[1:]),
        "scale": 0.0,
        "zero_point": 0,
        "outputs": tuple(_room(one) for one in model.graph.output),
    }


def onnx_probe(data: bytes, pieces: Sequence[tuple[int, int, int]] | None) -> bytes:
    """Give a probe file: the identity, or with ``pieces`` (output, first value, end) those parts of the input."""
    from onnx import helper

    model = _read(data, "the model")
    (entry,) = _inputs(model)
    constants: list[Any] = []
    if pieces is None:
        given = type(entry)()
        given.CopyFrom(entry)
        given.name = model.graph.output[0].name
        nodes, outputs = [helper.make_node("Identity", [entry.name], [given.name])], [given]
    else:
        nodes, constants = _slices(entry, model.graph.output, pieces)
        outputs = list(model.graph.output)
    graph = helper.make_graph(nodes, model.graph.name or "probe", [entry], outputs, constants)
    opset = helper.make_opsetid("", _OPSET)
    probe = helper.make_model(graph, opset_imports=[opset], ir_version=min(model.ir_version, 10) or 8)
    probe.metadata_props.extend(model.metadata_props)
    return bytes(probe.SerializeToString(deterministic=True))


def _slices(entry: Any, outputs: Sequence[Any], pieces: Sequence[tuple[int, int, int]]) -> tuple[list[Any], list[Any]]:
    from onnx import helper, numpy_helper

    constants: list[Any] = []

    def integers(*values: int) -> str:
        constants.append(numpy_helper.from_array(np.array(values, np.int64), f"probe_constant_{len(constants)}"))
        return str(constants[-1].name)

    nodes = [helper.make_node("Reshape", [entry.name, integers(-1)], ["probe_flat"])]
    for number, start, end in pieces:
        target, room, kind = outputs[number], _room(outputs[number]), _dtype(outputs[number])
        if kind != _dtype(entry) and kind not in _CARRIERS.get(_dtype(entry), {"float32", "float64", "int32", "int64"}):
            raise BadInput(
                f"an output of {kind} cannot carry {_dtype(entry)} values unchanged; use the kind 'identity'"
            )
        cut, cast, padded = (f"probe_{part}_{number}" for part in ("cut", "cast", "padded"))
        nodes += [
            helper.make_node("Slice", ["probe_flat", integers(start), integers(end)], [cut]),
            helper.make_node("Cast", [cut], [cast], to=target.type.tensor_type.elem_type),
            helper.make_node("Pad", [cast, integers(0, room - (end - start))], [padded]),
            helper.make_node("Reshape", [padded, integers(*(max(size, 1) for size in _shape(target)))], [target.name]),
        ]
    return nodes, constants


def _read(data: bytes, source: str) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as problem:
        raise MissingExtra("probes of .onnx models need onnx; pip install 'instability-kit[tensorflow]'") from problem
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as problem:
        raise BadInput(f"{source} is no ONNX model: {problem}") from problem
    if not model.graph.output:
        raise BadInput(f"{source} is no ONNX model: it has no output")
    return model


def _inputs(model: Any) -> list[Any]:
    weights = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in weights]


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim)


def _room(value: Any) -> int:
    return int(np.prod([max(size, 1) for size in _shape(value)], dtype=np.int64))


def _dtype(value: Any) -> str:
    from onnx import helper

    return str(np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name)
