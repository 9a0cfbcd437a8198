"""Static and dynamic quantisation by the makers' own tools: TensorFlow's for TFLite files, ONNX Runtime's for ONNX.

Both take a trained float32 file, not its source: TensorFlow's calibrator reads the flatbuffer, as its converter does
after converting. Ranges are the smallest and largest value that the calibration pictures gave.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput, KitError

Array = np.ndarray[Any, np.dtype[Any]]


def tflite_int8(source: Path, target: Path, tensors: Sequence[Array], *, per_channel: bool) -> None:
    """Write a TFLite file all of int8, input and output included; weights symmetric, a scale a channel or a tensor."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

    with _said_by_tensorflow(source):
        calibrated = Calibrator(add_intermediate_tensors(source.read_bytes())).calibrate(_samples(tensors))
        data = mlir_quantize(
            calibrated, disable_per_channel=not per_channel, input_data_type=tf.int8, output_data_type=tf.int8
        )
    target.write_bytes(data)


def tflite_int16x8(source: Path, target: Path, tensors: Sequence[Array]) -> None:
    """Write a TFLite file with 16-bit activations and 8-bit weights; input and output stay float32."""
    import tensorflow as tf
    from tensorflow.lite.python.optimize.calibrator import Calibrator, add_intermediate_tensors

    with _said_by_tensorflow(source):
        calibrator = Calibrator(add_intermediate_tensors(source.read_bytes()))
        data = calibrator.calibrate_and_quantize(_samples(tensors), tf.float32, tf.float32, False, tf.int16, tf.int64)
    target.write_bytes(data)


def onnx_int8(source: Path, target: Path, tensors: Sequence[Array], *, per_channel: bool) -> None:
    """Write an ONNX file of uint8 activations and int8 weights: each operator between QuantizeLinear and its inverse.

    ONNX Runtime fuses them into integer kernels; input and output stay float32.
    """
    from onnxruntime.quantization import QuantType

    _onnx_static(source, target, tensors, activations=QuantType.QUInt8, per_channel=per_channel)


def onnx_int16x8(source: Path, target: Path, tensors: Sequence[Array]) -> None:
    """Write an ONNX file with int16 activations and int8 weights.

    ONNX Runtime has no such kernels on a CPU: it rounds each activation to 16 bits and computes in float32 between.
    """
    from onnxruntime.quantization import QuantType

    _onnx_static(source, target, tensors, activations=QuantType.QInt16, per_channel=True)


def onnx_dynamic(source: Path, target: Path) -> None:
    """Write an ONNX file with int8 weights whose activations are quantised anew at each inference, by their own range.

    Convolutions included, as integer ones (ConvInteger), which ONNX Runtime itself advises against: measured here
    2 of 20 labels of MobileNetV2 flip, where its static quantisation flips 1.
    """
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        quantize_dynamic(_prepared(source, Path(folder)), target, per_channel=True)


def check_onnx_quantisable(source: Path, *, static: bool = True) -> None:
    """Raise BadInput naming each operator with weights that ONNX Runtime cannot quantise, statically or dynamically."""
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization.registry import IntegerOpsRegistry, QDQRegistry

    graph = onnx.load(source).graph
    weights = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT and len(one.dims) > 1}
    for node in graph.node:
        if node.op_type == "Constant" and any(
            one.name == "value" and numpy_helper.to_array(one.t).ndim > 1 for one in node.attribute
        ):
            weights.add(node.output[0])
    # The dynamic tool turns a Gemm into a MatMul first.
    table = {*QDQRegistry} if static else {*IntegerOpsRegistry, "Gemm"}
    known = {*table, "BatchNormalization", "Add", "Mul", "Sub", "Div", "PRelu", "Identity"}
    strange = {
        f"{node.domain + '.' if node.domain else ''}{node.op_type}"
        for node in graph.node
        if (node.op_type not in known or node.domain) and weights & set(node.input)
    }
    strange |= {node.op_type for node in graph.node if any(one.HasField("g") for one in node.attribute)}
    if strange:
        raise BadInput(
            f"{source}: expected layers that ONNX Runtime can quantise, got {', '.join(sorted(strange))}; "
            "use float16, or change the layer"
        )
    if not weights:
        raise BadInput(f"{source}: expected a layer with weights to quantise, got none")


def _onnx_static(source: Path, target: Path, tensors: Sequence[Array], *, activations: Any, per_channel: bool) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _quiet():
        quantize_static(
            _prepared(source, Path(folder)),
            target,
            _Reader(_input_name(source), tensors),
            quant_format=QuantFormat.QDQ,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
            # 16 bits need opset 21, or the same operators in ONNX Runtime's own domain, which any opset may hold.
            extra_options={"UseQDQContribOps": activations == QuantType.QInt16},
        )


def _prepared(source: Path, folder: Path) -> Path:
    """The file with its shapes written in and batch normalisation folded, as quantisation needs it."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = folder / "prepared.onnx"
    # Symbolic shapes need sympy, and a picture model has only its batch free.
    quant_pre_process(str(_modern(source, folder)), str(prepared), skip_symbolic_shape=True)
    return prepared


def _modern(source: Path, folder: Path) -> Path:
    """The file in opset 13 where it is older: before, a quantised tensor has one scale and not one a channel."""
    import onnx

    model = onnx.load(source)
    if max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=1) >= 13:
        return source
    model = onnx.version_converter.convert_version(model, 13)
    empty = {one.name for one in model.graph.initializer if 0 in one.dims}
    for node in model.graph.node:
        # Opset 11 wanted an empty list of factors beside a Resize's sizes; opset 13 refuses it.
        if node.op_type == "Resize" and len(node.input) == 4:
            node.input[1:3] = ["" if name in empty else name for name in node.input[1:3]]
    newer = folder / "newer.onnx"
    onnx.save(model, newer)
    return newer


def _input_name(source: Path) -> str:
    import onnx

    graph = onnx.load(source, load_external_data=False).graph
    constants = {one.name for one in graph.initializer}
    return next(str(one.name) for one in graph.input if one.name not in constants)


class _Reader:
    """What ONNX Runtime's calibrator asks for pictures: one dict of inputs at a time, None at the end."""

    def __init__(self, name: str, tensors: Sequence[Array]) -> None:
        self._left = iter(tensors)
        self._name = name

    def get_next(self) -> dict[str, Array] | None:
        tensor = next(self._left, None)
        return None if tensor is None else {self._name: tensor}

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return ({self._name: tensor} for tensor in self._left)


def _samples(tensors: Sequence[Array]) -> Any:
    def samples() -> Iterator[list[Array]]:
        return ([tensor] for tensor in tensors)

    return samples


@contextlib.contextmanager
def _said_by_tensorflow(source: Path) -> Iterator[None]:
    """Turn what TensorFlow's quantiser raises into one line."""
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        yield
    except (ConverterError, RuntimeError, ValueError) as problem:
        lines = [line for line in str(problem).splitlines() if line.strip()]
        raise KitError(f"{source}: TensorFlow could not quantise it: {lines[0] if lines else problem!r}") from problem


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what ONNX Runtime's tools say on the root logger about preparing a file that is prepared."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
