"""Half precision beyond stored TFLite weights: ONNX files, and Keras models that compute in float16 or bfloat16."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import BadInput

_LARGEST = 65504.0  # of float16


def onnx_float16(source: Path, target: Path) -> None:
    """Write an ONNX file whose float32 weights are stored as float16, each cast back; the arithmetic stays float32.

    Raises BadInput for a weight past 65504.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    casts = []
    for constant in model.graph.initializer:
        if constant.data_type != onnx.TensorProto.FLOAT:
            continue
        values, name = numpy_helper.to_array(constant), constant.name
        if values.size and not np.abs(values).max() <= _LARGEST:
            raise BadInput(f"{source}: expected weights within {_LARGEST:g}, got one past it in {name}")
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/float16"))
        casts.append(helper.make_node("Cast", [f"{name}/float16"], [name], f"{name}/cast", to=onnx.TensorProto.FLOAT))
    if not casts:
        raise BadInput(f"{source}: expected float32 weights, got none")
    made = {cast.output[0] for cast in casts}
    inputs = [one for one in model.graph.input if one.name not in made]  # old files list their constants there too
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, target)


def onnx_float16_compute(source: Path, target: Path) -> None:
    """Write an ONNX file all of float16 between a float32 input and output.

    ONNX Runtime has half-precision kernels on ARM and on GPUs; on an x86 CPU it computes in float32 and rounds where an
    operator without such a kernel meets the next. Raises BadInput for a weight past 65504.
    """
    import onnx
    from onnx import numpy_helper
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    for constant in model.graph.initializer:
        if constant.data_type == onnx.TensorProto.FLOAT and constant.dims:
            values = numpy_helper.to_array(constant)
            if values.size and not np.abs(values).max() <= _LARGEST:
                raise BadInput(f"{source}: expected weights within {_LARGEST:g}, got one past it in {constant.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights below float16's smallest become it, which the check on pictures sees
        onnx.save(convert_float_to_float16(model, keep_io_types=True), target)


def keras_in(source: Path, target: Path, *, dtype: str) -> None:
    """Write a Keras model whose layers hold and compute ``dtype`` ("float16" or "bfloat16"), with float32 outputs.

    TensorFlow rounds every layer's output to it, on any CPU; how a kernel sums inside is TensorFlow's own matter.
    Raises BadInput for a weight that is infinite in it.
    """
    import keras

    def in_dtype(layer: Any) -> Any:
        settings = layer.get_config()
        if not isinstance(layer, keras.layers.InputLayer):
            settings["dtype"] = dtype
        return type(layer).from_config(settings)

    model = keras.models.load_model(source, compile=False)
    weights = model.get_weights()
    if dtype == "float16" and any(one.size and not np.abs(one).max() <= _LARGEST for one in weights):
        raise BadInput(f"{source}: expected weights within {_LARGEST:g}, got one past it")
    changed = keras.models.clone_model(model, clone_function=in_dtype)
    changed.set_weights(weights)
    scores = keras.layers.Activation("linear", dtype="float32", name="float32_scores")(changed.output)
    keras.Model(changed.input, scores, name=model.name).save(target)
