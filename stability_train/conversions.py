"""Conversions of a trained model's file to another format, the arithmetic unchanged: to TFLite or ONNX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from device_agents.errors import BadInput, KitError

_OPSET = 17  # as export.py: the newest that every runtime of the last three years reads


def keras_to_tflite(source: Path, target: Path) -> None:
    """Write a Keras file as float32 TFLite, a batch of exactly one."""
    import keras

    from stability_train.export import export_tflite

    export_tflite(keras.models.load_model(source, compile=False), target)


def keras_to_onnx(source: Path, target: Path) -> None:
    """Write a Keras file as float32 ONNX, NHWC, the batch free."""
    import keras

    from stability_train.export import export_onnx

    export_onnx(keras.models.load_model(source, compile=False), target)


def tflite_to_onnx(source: Path, target: Path) -> None:
    """Write a TFLite file as ONNX, NHWC, by tf2onnx; the input and output keep their names.

    An int8 file becomes QuantizeLinear and DequantizeLinear nodes, whose results differ from TFLite's kernels (0.05 of
    a probability measured on MobileNetV2). Raises BadInput for an operator that tf2onnx does not know.
    """
    import tf2onnx

    try:
        tf2onnx.convert.from_tflite(str(source), opset=_OPSET, output_path=str(target))
    except (ValueError, KeyError, RuntimeError, NotImplementedError) as problem:
        raise BadInput(f"{source}: tf2onnx cannot convert it: {str(problem).splitlines()[0]}") from problem
    _refuse_strange(target)


def _refuse_strange(target: Path) -> None:
    """tf2onnx leaves an operator that it does not know in the file and goes on."""
    import onnx

    strange = sorted({node.op_type for node in onnx.load(target).graph.node if re.match("TFL_|Flex", node.op_type)})
    if strange:
        target.unlink()
        raise KitError(f"expected operators that tf2onnx converts, got {', '.join(strange)}; the file is not kept")


def through_onnx(edit: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """Make of an edit of ONNX files one of TFLite files, which writes ONNX: the file is converted first."""

    def make(source: Path, target: Path) -> None:
        converted = target.with_name(f"converted-{target.name}")
        tflite_to_onnx(source, converted)
        try:
            edit(converted, target)
        except BadInput as problem:  # its words name a file that nobody has seen
            raise BadInput(str(problem).replace(str(converted), str(source))) from problem
        finally:
            converted.unlink()

    return make


CONVERSIONS: Mapping[tuple[str, str], Callable[[Path, Path], None]] = {
    ("keras", "tflite"): keras_to_tflite,
    ("keras", "onnx"): keras_to_onnx,
    ("tflite", "onnx"): tflite_to_onnx,
}
