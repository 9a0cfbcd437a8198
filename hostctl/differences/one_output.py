"""A model file with one of its outputs, so that its graph can be cut: what only the other outputs need is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from device_agents.errors import pick
from device_agents.runtime_libraries import read_model


def with_one_output(path: Path, shape: Sequence[int], number: int) -> bytes:
    """Give the bytes of a .onnx or .tflite file with its output of that number alone, for an input of that shape.

    Sizes that an .onnx file leaves open become those of the input, so that every tensor's size can be inferred.
    """
    return pick(ONE_OUTPUT, path.suffix.lower(), what="model that can be cut, suffix")(path, shape, number)


def _onnx(path: Path, shape: Sequence[int], number: int) -> bytes:
    import onnx

    model = onnx.load_model_from_string(read_model(path))
    graph = model.graph
    weights = {one.name for one in graph.initializer}
    entry = next(one for one in graph.input if one.name not in weights)
    for place, size in zip(entry.type.tensor_type.shape.dim, shape, strict=True):
        place.dim_value = size
    output = graph.output[number]
    nodes = _needed([(one, one.input, one.output) for one in graph.node], output.name)
    kept = onnx.helper.make_graph(nodes, graph.name, graph.input, [output], graph.initializer)
    made = onnx.helper.make_model(kept, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString())


def _tflite(path: Path, shape: Sequence[int], number: int) -> bytes:
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    data = read_model(path)
    model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    graph = model.subgraphs[0]
    if len(graph.outputs) == 1:
        return data
    wanted = int(graph.outputs[number])
    graph.operators = _needed([(one, one.inputs, one.outputs) for one in graph.operators], wanted)
    graph.outputs, model.signatureDefs = [wanted], None
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _needed(nodes: Sequence[tuple[Any, Iterable[Any], Iterable[Any]]], output: Any) -> list[Any]:
    """The nodes on which an output depends, in their order."""
    wanted: set[Any] = {output}
    kept: list[Any] = []
    for node, inputs, outputs in reversed(nodes):
        if not wanted.isdisjoint(outputs):
            wanted.update(inputs)
            kept.insert(0, node)
    return kept


ONE_OUTPUT: dict[str, Callable[[Path, Sequence[int], int], bytes]] = {".onnx": _onnx, ".tflite": _tflite}
