"""Networks with weights, small enough to check by hand: one dense layer as TFLite, and pools and upsampling as ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

IN, OUT = 12, 100  # 2 x 2 x 3 in; 1200 weights, enough for the dynamic range


def dense_weights(seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(OUT, IN) float32, as TFLite has them."""
    return np.random.default_rng(seed).normal(0, 1, (OUT, IN)).astype(np.float32)


def write_dense(path: Path, weights: np.ndarray[Any, np.dtype[np.float32]], *, extra: str = "") -> Path:
    """Write a TFLite model: (1, 2, 2, 3) flattened, times the weights; ``extra``: an operator behind it."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], buffer: int = 0) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, schema.TensorType.FLOAT32, buffer
        return made

    def operator(code: int, inputs: list[int], output: int, options: str) -> schema.OperatorT:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = code, inputs, [output]
        if options:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            made.builtinOptions = getattr(schema, options + "T")()
        return made

    names = ["RESHAPE", "FULLY_CONNECTED", *([extra] if extra else [])]
    graph = schema.SubGraphT()
    graph.tensors = [tensor("input", [1, 2, 2, 3]), tensor("flat", [1, IN]), tensor("weights", list(weights.shape), 1)]
    graph.tensors.append(tensor("scores", [1, len(weights)]))
    reshape = operator(0, [0], 1, "ReshapeOptions")
    reshape.builtinOptions.newShape = [1, IN]
    graph.operators = [reshape, operator(1, [1, 2, -1], 3, "FullyConnectedOptions")]
    if extra:
        graph.tensors.append(tensor("last", [1, len(weights)]))
        graph.operators.append(operator(2, [3], 4, ""))
    graph.inputs, graph.outputs = [0], [len(graph.tensors) - 1]
    model = schema.ModelT()
    constants = schema.BufferT()
    constants.data = np.frombuffer(weights.tobytes(), np.uint8)
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT(), constants]
    model.operatorCodes = []
    for name in names:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        model.operatorCodes.append(code)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def write_onnx(
    path: Path,
    nodes: Sequence[Any],
    *,
    shape: Sequence[Any] = (1, 1, "h", "w"),
    out: Sequence[Any] | None = None,
    constants: dict[str, np.ndarray[Any, Any]] | None = None,
    opset: int = 17,
) -> Path:
    """Write an ONNX model from "x" to "y"."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(values, name) for name, values in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def run_onnx(path: Path, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Give y of x."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])
