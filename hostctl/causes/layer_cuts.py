"""GRAPHS: a model file's graph, and pieces of it as model files of their own, for ONNX and for TFLite."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, MissingExtra, pick
from device_agents.runtime_libraries import read_model

_FLOATS = (1, 10)  # ONNX TensorProto: FLOAT, FLOAT16; what is carried from one run into another
_TFLITE_NUMBERS = (0, 1, 3, 9)  # TensorType: float32, float16, uint8, int8


@dataclass(frozen=True)
class Node:
    """One operator: its kind, and the tensors that it reads and makes, by name."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A model of one input and one output, nodes in an order in which they can run.

    shapes: sizes of the tensors that can be cut at, without the batch. cut: gives the bytes of a model file of what
    lies between two tensors, the first as its input and the second as its output.
    """

    nodes: tuple[Node, ...]
    source: str
    sink: str
    shapes: dict[str, tuple[int, ...]]
    cut: Callable[[str, str], bytes]


def read_graph(path: Path) -> Graph:
    """Read a model file's graph; raises BadInput for a kind that cannot be cut, MissingExtra for an absent library."""
    return pick(GRAPHS, path.suffix.lower(), what="model that can be cut, suffix")(path)


def dominators(graph: Graph) -> list[str]:
    """Give the tensors that every path from the source to the sink goes through, in order, the two included.

    A tensor is one if, right after it was made, nothing else that depends on the input is still to be read; this holds
    for any order in which the nodes can run (Lengauer and Tarjan 1979 for graphs in general).
    """
    reads: dict[str, int] = {graph.sink: 1}
    for node in graph.nodes:
        for name in node.inputs:
            reads[name] = reads.get(name, 0) + 1
    depends, found = {graph.source}, [graph.source]
    live = {graph.source}
    for node in graph.nodes:
        for name in node.inputs:
            reads[name] -= 1
        if depends.intersection(node.inputs):
            depends.update(node.outputs)
            live.update(node.outputs)
        live = {name for name in live if reads.get(name, 0) > 0}
        if len(live) == 1 and live & set(node.outputs):
            found += live
    return found


def _onnx_graph(path: Path) -> Graph:
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as problem:
        raise MissingExtra("cutting .onnx models needs onnx; pip install 'instability-kit[tensorflow]'") from problem
    try:
        model = onnx.load_model_from_string(read_model(path))
    except DecodeError as problem:
        raise BadInput(f"{path} is no ONNX model: {problem}") from problem
    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    weights = {one.name for one in graph.initializer}
    entries = [one for one in graph.input if one.name not in weights]
    if len(entries) != 1 or len(graph.output) != 1:
        raise BadInput(f"{path}: expected a model of one input and one output to cut")
    known = {one.name: one for one in (*graph.value_info, *entries, *graph.output)}
    good = {name: one for name, one in known.items() if one.type.tensor_type.elem_type in _FLOATS}
    sizes = {name: tuple(one.dim_value for one in value.type.tensor_type.shape.dim)[1:] for name, value in good.items()}
    shapes = {name: shape for name, shape in sizes.items() if 0 not in shape}  # 0: not known before it runs
    nodes = tuple(
        Node(one.op_type, tuple(filter(None, one.input)), tuple(filter(None, one.output))) for one in graph.node
    )

    def cut(start: str, end: str) -> bytes:
        kept: list[Any] = []
        wanted = {end}
        for node in reversed(graph.node):
            if wanted.intersection(node.output) and start not in node.output:
                kept.insert(0, node)
                wanted.update(node.input)
        part = onnx.helper.make_graph(
            kept, "cut", [known[start]], [known[end]], [one for one in graph.initializer if one.name in wanted]
        )
        whole = onnx.helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
        return bytes(whole.SerializeToString())

    return Graph(nodes, entries[0].name, graph.output[0].name, shapes, cut)


def _tflite_graph(path: Path) -> Graph:
    try:
        import flatbuffers  # type: ignore[import-untyped]
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as problem:
        raise MissingExtra("cutting .tflite models needs ai-edge-litert and flatbuffers") from problem
    data = read_model(path)
    if data[4:8] != b"TFL3":
        raise BadInput(f"{path} is no TFLite model: its identifier is {data[4:8]!r}")
    model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    graph = model.subgraphs[0]
    if len(model.subgraphs) != 1 or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise BadInput(f"{path}: expected a model of one graph, one input and one output to cut")
    texts = [_text(one.name) for one in graph.tensors]
    names = [text if texts.count(text) == 1 else f"{number}:{text}" for number, text in enumerate(texts)]
    kinds = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    nodes = []
    for one in graph.operators:
        code = model.operatorCodes[one.opcodeIndex]
        kind = kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")
        nodes.append(Node(kind, _named(names, one.inputs), _named(names, one.outputs)))
    good = [number for number, one in enumerate(graph.tensors) if one.type in _TFLITE_NUMBERS and one.shape is not None]
    shapes = {names[number]: tuple(int(size) for size in graph.tensors[number].shape)[1:] for number in good}

    def cut(start: str, end: str) -> bytes:
        kept: list[Any] = []
        part, wanted = copy.copy(graph), {end}
        for node, operator in zip(reversed(nodes), reversed(graph.operators), strict=True):
            if wanted.intersection(node.outputs) and start not in node.outputs:
                kept.insert(0, operator)
                wanted.update(node.inputs)
        part.operators, part.inputs, part.outputs = kept, [names.index(start)], [names.index(end)]
        whole = copy.copy(model)
        whole.subgraphs, whole.signatureDefs = [part], None
        builder = flatbuffers.Builder(len(data))
        builder.Finish(whole.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    return Graph(tuple(nodes), names[graph.inputs[0]], names[graph.outputs[0]], shapes, cut)


def _given(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, names))  # an input that is left out has an empty name


def _named(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[number] for number in numbers if number >= 0)


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


GRAPHS: dict[str, Callable[[Path], Graph]] = {".onnx": _onnx_graph, ".tflite": _tflite_graph}
