"""A Keras model to .keras, .tflite and .onnx: float32, NHWC input named "input", one output of scores.

TensorFlow is imported inside the functions; make.py calls them in a process of its own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_OPSET = 17  # the newest that every runtime of the last three years reads
_RUNNING_NUMBER = re.compile(r"__\d+")


def export_keras(model: Any, path: Path) -> None:
    """Write the model in Keras's own format, with its architecture and weights."""
    model.save(path)


def export_tflite(model: Any, path: Path) -> None:
    """Write a float32 TFLite file with a batch of exactly one, which the phone runtimes plan their memory for.

    No optimisation flag is set: the converter only folds batch normalisation into the convolutions.
    """
    import tensorflow as tf
    from keras.export import ExportArchive

    archive = ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="input")]
    archive.add_endpoint("serve", lambda image: {"scores": model(image, training=False)}, input_signature=signature)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def export_onnx(model: Any, path: Path) -> None:
    """Write a float32 ONNX file whose batch is free; NHWC, so that its input tensor is the TFLite file's too."""
    import tensorflow as tf
    import tf2onnx

    call = tf.function(lambda image: {"scores": model(image, training=False)})
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="input")]
    converted, _ = tf2onnx.convert.from_function(call, input_signature=signature, opset=_OPSET)
    _name_by_order(converted.graph)
    path.write_bytes(converted.SerializeToString(deterministic=True))


def _name_by_order(graph: Any) -> None:
    """Name a graph's constants, nodes and inner tensors by the order of their use, and its free size "batch".

    tf2onnx 1.17 puts a running number into names and lets a set choose between equal constants, so that two
    conversions of one model differ in bytes; a run records the model file's sha256, which should not depend on that.
    """
    constants = {constant.name: constant for constant in graph.initializer}
    kept = {value.name for value in (*graph.input, *graph.output)}
    names: dict[str, str] = {name: name for name in kept}
    used: dict[str, str] = {}
    for number, node in enumerate(graph.node):
        for place, name in enumerate(node.input):
            if name in constants and name not in used:
                used[name] = names[name] = f"constant_{len(used)}"
            node.input[place] = names[name]
        node.name = f"{_RUNNING_NUMBER.sub('', node.name)}.{number}"
        for place, name in enumerate(node.output):
            node.output[place] = names.setdefault(name, f"{node.name}:{place}")
    in_order = [constants[name] for name in used]
    for constant in in_order:
        constant.name = used[constant.name]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(in_order)
    graph.doc_string = ""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


EXPORTS: Mapping[str, Callable[[Any, Path], None]] = {
    "keras": export_keras,
    "tflite": export_tflite,
    "onnx": export_onnx,
}
