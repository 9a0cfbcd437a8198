"""Weights of a float32 TFLite file stored smaller, by editing the file: half precision, and dynamic range.

Needs no source of the model: a constant becomes another constant, and nothing else moves. Half precision gives the
scores of TensorFlow's own converter bit for bit (measured on MobileNetV2); dynamic range is as near to the source as
its, but other bits. Written with the schema that ai-edge-litert ships.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput, MissingExtra

Array = np.ndarray[Any, np.dtype[Any]]

# Operator -> (the input that holds its weights, their axis of output channels, the version of its hybrid kernel).
# Versions: tensorflow/lite/tools/versioning/op_version.cc. Fully connected layers stay per tensor, as tflite-runtime
# 2.14 knows them no other way.
_HYBRID = {"CONV_2D": (1, 0, 5), "DEPTHWISE_CONV_2D": (1, 3, 6), "FULLY_CONNECTED": (1, None, 3)}
_LEAST_SIZE = 1024  # the converter's own: smaller constants save nothing
# What TensorFlow's quantiser has integer kernels for (lite/quantization_spec and its OperatorProperty list).
_INTEGER = frozenset(
    """ABS ADD ADD_N ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_TO CAST CONCATENATION
    CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EQUAL EXPAND_DIMS FILL FULLY_CONNECTED GATHER GATHER_ND GREATER
    GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN
    MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 RELU_0_TO_1
    RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT SELECT SELECT_V2 SHAPE SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TILE
    TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK WHERE ZEROS_LIKE""".split()  # noqa: SIM905 - a list of words reads as such
)


def tflite_float16(source: Path, target: Path) -> None:
    """Write a file whose float32 constants are stored as float16, each turned back by a DEQUANTIZE when it is loaded.

    The arithmetic stays float32 on a CPU whose delegate is not told otherwise; a phone's GPU works in half precision.
    Raises BadInput for a constant past float16's largest number, 65504.
    """
    model, graph, schema = _read(source)
    code = _operator_code(model, schema, "DEQUANTIZE", 3)
    added = []
    for number, tensor in enumerate(list(graph.tensors)):
        values = _constant(model, tensor, schema)
        if values is None or not values.size:
            continue
        with np.errstate(over="ignore"):
            half = values.astype("<f2")
        if not np.isfinite(half).all():
            raise BadInput(f"{source}: expected constants within 65504, got one past it in {_name(tensor)}")
        made = schema.TensorT()
        made.name, made.shape, made.type = _name(tensor) + "/float16", tensor.shape, schema.TensorType.FLOAT16
        made.buffer, tensor.buffer = _add_buffer(model, schema, half), 0
        graph.tensors.append(made)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = code, [len(graph.tensors) - 1], [number]
        added.append(operator)
    graph.operators = [*added, *graph.operators]
    _write(model, target)


def tflite_dynamic(source: Path, target: Path) -> None:
    """Write a file whose large weights are int8, symmetric: q = round(w / s), s = max|w| / 127 a channel or tensor.

    Activations stay float32 in the file; the kernels quantise them anew at each inference, by their own range. Raises
    BadInput where no layer has weights that this can be done to.
    """
    model, graph, schema = _read(source)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    done = 0
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
        if name not in _HYBRID:
            continue
        place, axis, version = _HYBRID[name]
        tensor = graph.tensors[operator.inputs[place]]
        if tensor.type == schema.TensorType.INT8:
            continue  # shared with an operator before
        values = _constant(model, tensor, schema)
        if values is None or values.size < _LEAST_SIZE:
            continue
        steps, integers = symmetric(values, axis)
        tensor.type, tensor.buffer = schema.TensorType.INT8, _add_buffer(model, schema, integers)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = steps
        tensor.quantization.zeroPoint = np.zeros(len(steps), np.int64)
        tensor.quantization.quantizedDimension = axis or 0
        code.version = max(code.version, version)
        done += 1
    if not done:
        raise BadInput(f"{source}: expected a convolution or dense layer with constant weights, got none to quantise")
    _write(model, target)


def check_quantisable(source: Path) -> None:
    """Raise BadInput naming every operator of a TFLite file that has no integer kernel, and for a quantised file."""
    model, graph, schema = _read(source)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    used: Counter[str] = Counter()
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        custom = (code.customCode or b"").decode() if isinstance(code.customCode, bytes) else str(code.customCode)
        used[f"CUSTOM {custom}" if names.get(number) == "CUSTOM" else names.get(number, str(number))] += 1
    strange = [f"{name} ({count})" for name, count in used.items() if name not in _INTEGER]
    if strange or len(model.subgraphs) > 1:
        raise BadInput(
            f"{source}: expected operators with integer kernels, got {', '.join(strange) or 'several subgraphs'}; "
            "use float16 or int8-dynamic, or change the layer"
        )


def symmetric(values: Array, axis: int | None) -> tuple[Array, Array]:
    """Give the steps (channels,) float32 and the int8 integers of weights; axis None: one step for the tensor.

    Jacob et al. 2018, section 3, with zero point 0 and 127 as the largest, so that no channel needs -128. A channel of
    zeros has step 1.
    """
    others = tuple(number for number in range(values.ndim) if number != axis)
    largest = np.abs(values).max(axis=others if axis is not None else None, keepdims=True).astype(np.float32)
    steps = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    return steps.reshape(-1), np.clip(np.rint(values / steps), -127, 127).astype(np.int8)


def check_float32(source: Path) -> None:
    """Raise BadInput unless a TFLite file takes and gives float32, as only a model before any quantisation does."""
    _, graph, schema = _read(source)
    ends = [graph.tensors[number] for number in (*graph.inputs, *graph.outputs)]
    if any(tensor.type != schema.TensorType.FLOAT32 for tensor in ends) or any(
        tensor.type == schema.TensorType.INT8 for tensor in graph.tensors
    ):
        raise BadInput(f"{source}: expected a float32 model, got one that is quantised already; vary its float source")


def check_upsamples(source: Path) -> None:
    """Raise BadInput unless a TFLite file has an operator that resizes a feature map."""
    model, _, schema = _read(source)
    resizing = (schema.BuiltinOperator.RESIZE_BILINEAR, schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR)
    if not any(max(code.builtinCode, code.deprecatedBuiltinCode) in resizing for code in model.operatorCodes):
        raise BadInput(f"{source}: expected upsampling to change, got a model without any")


def _read(source: Path) -> tuple[Any, Any, Any]:
    try:
        import flatbuffers  # type: ignore[import-untyped]  # noqa: F401 - the schema needs it
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as problem:
        raise MissingExtra("variants of .tflite models need instability-kit[demo]") from problem
    data = source.read_bytes()
    if data[4:8] != b"TFL3":
        raise BadInput(f"{source} is no TFLite model: its identifier is {data[4:8]!r}")
    try:
        model = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
    except (struct.error, IndexError, TypeError, ValueError) as problem:
        raise BadInput(f"{source} is a damaged TFLite model: {problem}") from problem
    return model, model.subgraphs[0], schema


def _write(model: Any, target: Path) -> None:
    import flatbuffers

    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    for number, buffer in enumerate(model.buffers):
        buffer.offset = buffer.size = 0
        if number not in used:
            buffer.data = None  # numbers of buffers are places in the list, so the empty one stays
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))


def _constant(model: Any, tensor: Any, schema: Any) -> Array | None:
    """A float32 tensor's constant values, or None where it is no such constant."""
    data = model.buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) == 0:
        return None
    shape = [int(size) for size in tensor.shape] if tensor.shape is not None else []
    return np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<f4").reshape(shape)


def _add_buffer(model: Any, schema: Any, values: Array) -> int:
    made = schema.BufferT()
    made.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(made)
    return len(model.buffers) - 1


def _operator_code(model: Any, schema: Any, name: str, version: int) -> int:
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    made.version = version
    model.operatorCodes.append(made)
    return len(model.operatorCodes) - 1


def _name(tensor: Any) -> str:
    return tensor.name.decode("utf-8", "replace") if isinstance(tensor.name, bytes) else str(tensor.name or "")
