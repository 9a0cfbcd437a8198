"""NETWORKS: model file -> network, from one input tensor to all outputs; RUNTIMES: the same file as a classifier.

A loader takes the file's path and a number of threads. A network takes a tensor, float32 or uint8, with a batch of one
in front, and gives every output in its shape: floats as the model made them, integers widened with the file's own scale
and zero point, (q - zero) * scale in float64, or as they are where the file has none. A classifier, for files with one
output, gives that output flat: the scores (n,). Neither is to be used from two threads at once.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, MissingExtra, pick
from device_agents.network import Classifier, Network, classifier
from device_agents.runtime_libraries import (
    LIBRARIES,
    Array,
    checked_shape,
    import_library,
    is_installed,
    read_model,
    runtime_version,
)
from device_agents.runtimes_graph import GRAPH_NETWORKS
from device_agents.runtimes_more import MORE_NETWORKS

Loader = Callable[[Path, int], Network]
Runtime = Callable[[Path, int], Classifier]

_BY_SUFFIX = {
    ".tflite": ("litert", "tflite-runtime"),
    ".onnx": ("onnxruntime",),
    ".keras": ("keras",),
    **dict.fromkeys((".pt2", ".pt", ".ts"), ("pytorch",)),
}

__all__ = [
    "NETWORKS",
    "RUNTIMES",
    "Classifier",
    "Loader",
    "Network",
    "Runtime",
    "classifier",
    "is_installed",
    "runtime_for",
    "runtime_version",
]


def runtime_for(path: Path) -> str:
    """Name the runtime for a model file by its suffix: the first of its kind that this machine has.

    Where none is installed the preferred one is named; loading it then says what to install. Raises BadInput for an
    unknown suffix.
    """
    names = pick(_BY_SUFFIX, path.suffix.lower(), what="model suffix")
    return next((name for name in names if is_installed(name)), names[0])


def load_tflite(path: Path, threads: int, *, runtime: str, resolver: str) -> Network:
    """Load a .tflite file into the interpreter of LiteRT or tflite-runtime.

    ``resolver`` is a member of OpResolverType: AUTO applies XNNPACK, BUILTIN_WITHOUT_DEFAULT_DELEGATES the library's
    own optimised kernels, BUILTIN_REF the slow reference ones. A runtime with a delegate hands it the nodes that it can
    do. Raises BadInput for a file that is no such model, MissingExtra for a delegate that is absent or does not start.
    """
    module = import_library(runtime)
    kind = getattr(module.OpResolverType, resolver)
    delegates = _load_delegates(module, runtime)
    try:
        interpreter = module.Interpreter(
            model_content=read_model(path),
            num_threads=threads,
            experimental_op_resolver_type=kind,
            experimental_delegates=delegates,
        )
    except SystemError as problem:  # tflite-runtime 2.14 is built for numpy 1 and imports under numpy 2
        raise MissingExtra(f"runtime '{runtime}' does not work here: {problem}; it needs numpy below 2") from problem
    except (ValueError, RuntimeError) as problem:
        raise BadInput(f"{path} is no model that {runtime} can read: {problem}") from problem
    if len(interpreter.get_input_details()) != 1:
        raise BadInput(f"{path}: expected a model with one input, got {len(interpreter.get_input_details())}")
    interpreter.allocate_tensors()
    return Network(partial(_run_tflite, interpreter), len(interpreter.get_output_details()))


def load_keras(path: Path, threads: int) -> Network:
    """Load a .keras file into Keras; TensorFlow takes one number of threads for the whole process.

    Raises BadInput for a file that is no such model, or another number of threads than the process already has.
    """
    import tensorflow as tf

    keras = import_library("keras")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as problem:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise BadInput(f"runtime 'keras': this process already runs with other than {threads} threads") from problem
    try:
        model = keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as problem:
        raise BadInput(f"{path} is no model that keras can read: {problem}") from problem

    def run(tensor: Array) -> Tuple[Array, ...]:
        found = model(checked_shape(tensor, model.input_shape), training=False)
        return tuple(np.asarray(one) for one in tf.nest.flatten(found))

    return Network(run, len(model.outputs))


def quantise(tensor: Array, dtype: npt.DTypeLike, *, scale: float, zero_point: int) -> Array:
    """Bring a tensor to the integers of a quantised input.

    Floats become clip(round(x / scale) + zero_point) (Jacob et al. 2018, equation 1, inverted). Bytes 0..255 are what a
    camera gives: uint8 takes them as they are, int8 takes x - 128.
    """
    limits = np.iinfo(np.dtype(dtype))
    if tensor.dtype == np.uint8:
        return (tensor.astype(np.int16) + limits.min).astype(dtype)
    steps = np.rint(tensor.astype(np.float64) / scale) + zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(dtype))


def dequantise(integers: Array, *, scale: float, zero_point: int) -> Array:
    """Give the real numbers (q - zero_point) * scale, float64, widened before the subtraction so that none wraps."""
    return (integers.astype(np.float64) - zero_point) * scale


def _load_delegates(module: Any, runtime: str) -> List[Any]:
    library = LIBRARIES[runtime].delegate
    try:
        return [module.load_delegate(library)] if library else []
    except (OSError, ValueError, RuntimeError) as problem:
        raise MissingExtra(f"runtime '{runtime}': {library} did not start here ({problem}); use 'litert'") from problem


def load_classifier(path: Path, threads: int, *, runtime: str) -> Classifier:
    """Load a model file of one output into a runtime of NETWORKS; raises BadInput for more, and as its loader."""
    return classifier(NETWORKS[runtime](path, threads), path=path)


def _run_tflite(interpreter: Any, tensor: Array) -> Tuple[Array, ...]:
    entry = interpreter.get_input_details()[0]
    signature = tuple(int(size) for size in entry.get("shape_signature", entry["shape"]))
    tensor = checked_shape(tensor, signature)
    if tuple(entry["shape"]) != tensor.shape:
        interpreter.resize_tensor_input(entry["index"], tensor.shape)
        interpreter.allocate_tensors()
    scale, zero_point = entry["quantization"]
    if np.issubdtype(entry["dtype"], np.integer):
        tensor = quantise(tensor, entry["dtype"], scale=scale, zero_point=zero_point)
    elif tensor.dtype == np.uint8:
        raise BadInput("scaling 'bytes' is for quantised models; this one takes float32")
    interpreter.set_tensor(entry["index"], tensor)
    interpreter.invoke()
    return tuple(_read_output(interpreter, one) for one in interpreter.get_output_details())


def _read_output(interpreter: Any, exit_: Mapping[str, Any]) -> Array:
    values: Array = interpreter.get_tensor(exit_["index"])
    scale, zero_point = exit_["quantization"]
    quantised = np.issubdtype(values.dtype, np.integer) and scale > 0
    return dequantise(values, scale=scale, zero_point=zero_point) if quantised else values


NETWORKS: Dict[str, Loader] = {
    **GRAPH_NETWORKS,
    **MORE_NETWORKS,
    "keras": load_keras,
    "litert": partial(load_tflite, runtime="litert", resolver="AUTO"),
    "litert-builtin": partial(load_tflite, runtime="litert-builtin", resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    "litert-gpu": partial(load_tflite, runtime="litert-gpu", resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    "litert-reference": partial(load_tflite, runtime="litert-reference", resolver="BUILTIN_REF"),
    "tflite-runtime": partial(load_tflite, runtime="tflite-runtime", resolver="AUTO"),
}
RUNTIMES: Dict[str, Runtime] = {name: partial(load_classifier, runtime=name) for name in NETWORKS}
