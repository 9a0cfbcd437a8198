"""Models small enough to compute by hand: the picture's own numbers, in a row, are the scores of its classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from device_agents.sidecar import Sidecar

SIZE = 2
CLASSES = SIZE * SIZE * 3


def tiny_sidecar(**changes: object) -> Sidecar:
    values = {
        "name": "tiny",
        "input_height": SIZE,
        "input_width": SIZE,
        "layout": "nhwc",
        "colour_order": "rgb",
        "fit": "squash",
        "resizer": "pillow-nearest",
        "scaling": "zero-one",
        "outputs": "probabilities",
    }
    return Sidecar(**{**values, **changes})  # type: ignore[arg-type]


def write_tflite(
    path: Path, *, kind: str = "FLOAT32", scale: float = 0.0, zero_point: int = 0, outputs: int = 1
) -> Path:
    """Write a model of one RESHAPE, (1, 2, 2, 3) to (1, 12), with the type and quantisation given on both ends."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int]) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, getattr(schema.TensorType, kind), 0
        if scale:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [zero_point]
        return made

    operator = schema.OperatorT()
    operator.inputs, operator.outputs, operator.opcodeIndex = [0], [1], 0
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = [1, CLASSES]
    graph = schema.SubGraphT()
    graph.tensors = [tensor("input", [1, SIZE, SIZE, 3]), tensor("scores", [1, CLASSES])]
    graph.inputs, graph.outputs, graph.operators = [0], [1, 0][:outputs], [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def write_onnx(path: Path, *, kind: str = "FLOAT") -> Path:
    """Write a model of one Flatten, (n, 2, 2, 3) to (n, 12)."""
    from onnx import TensorProto, helper

    element = getattr(TensorProto, kind)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["input"], ["scores"])],
        "tiny",
        [helper.make_tensor_value_info("input", element, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("scores", element, ["n", CLASSES])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()
