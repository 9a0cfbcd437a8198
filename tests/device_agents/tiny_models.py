"""Models small enough to compute by hand: the picture's own numbers, in a row, are the scores of its classes."""

from __future__ import annotations

import io
from collections.abc import Sequence
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


def write_onnx_boxes(
    path: Path, *, boxes: Sequence[Sequence[float]], labels: Sequence[int], scores: Sequence[float]
) -> Path:
    """Write a detector that sees the same boxes (left, top, right, bottom, pixels of its input) in any picture.

    A picture that is brighter than half on average has every score halved.
    """
    from onnx import TensorProto, helper, numpy_helper

    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, SIZE, SIZE, 3])
    constants = {
        "fixed_boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "fixed_labels": np.array(labels, np.int64),
        "fixed_scores": np.array(scores, np.float32),
        "half": np.array([0.5], np.float32),
        "whole": np.array([1.0], np.float32),
    }
    nodes = [
        helper.make_node("Identity", ["fixed_boxes"], ["boxes"]),
        helper.make_node("Identity", ["fixed_labels"], ["labels"]),
        helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "half"], ["bright"]),
        helper.make_node("Where", ["bright", "half", "whole"], ["factor"]),
        helper.make_node("Mul", ["fixed_scores", "factor"], ["scores"]),
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [len(boxes), 4]),
        helper.make_tensor_value_info("labels", TensorProto.INT64, [len(boxes)]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [len(boxes)]),
    ]
    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "boxes", [entry], outputs, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def write_onnx_mask(path: Path) -> Path:
    """Write a segmentation network whose three classes' logits are the picture's red, green and blue."""
    from onnx import TensorProto, helper

    entry, logits = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, SIZE, SIZE, 3]) for name in ("input", "logits")
    )
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["logits"])], "mask", [entry], [logits])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()
