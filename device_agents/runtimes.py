"""RUNTIMES: model file -> classifier, a function from one input tensor to the scores of its classes.

A loader takes the file's path and a number of threads. Its classifier takes a tensor, float32 or uint8, with a batch of
one in front, and gives the scores (n,): floats as the model made them, integers widened with the file's own scale and
zero point, (q - zero) * scale in float64. A classifier is not to be used from two threads at once.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, MissingExtra, pick

Array = npt.NDArray[Any]
Classifier = Callable[[Array], Array]
Runtime = Callable[[Path, int], Classifier]

# The distribution that brings each runtime, the module it is imported by, and how to install it.
_SOURCES: Dict[str, Tuple[str, str, str]] = {
    "keras": ("keras", "keras", "instability-kit[tensorflow]"),
    "litert": ("ai-edge-litert", "ai_edge_litert.interpreter", "instability-kit[agent]"),
    "litert-builtin": ("ai-edge-litert", "ai_edge_litert.interpreter", "instability-kit[agent]"),
    "litert-reference": ("ai-edge-litert", "ai_edge_litert.interpreter", "instability-kit[agent]"),
    "onnxruntime": ("onnxruntime", "onnxruntime", "instability-kit[agent]"),
    "tflite-runtime": ("tflite-runtime", "tflite_runtime.interpreter", "tflite-runtime==2.14.0"),
}
_BY_SUFFIX = {".tflite": ("litert", "tflite-runtime"), ".onnx": ("onnxruntime",), ".keras": ("keras",)}


def runtime_for(path: Path) -> str:
    """Name the runtime for a model file by its suffix: the first of its kind that this machine has.

    Where none is installed the preferred one is named; loading it then says what to install. Raises BadInput for an
    unknown suffix.
    """
    names = pick(_BY_SUFFIX, path.suffix.lower(), what="model suffix")
    return next((name for name in names if is_installed(name)), names[0])


def is_installed(name: str) -> bool:
    """Say whether this machine has the library of a runtime, without importing it."""
    package = pick(_SOURCES, name, what="runtime")[1].split(".")[0]
    return importlib.util.find_spec(package) is not None


def runtime_version(name: str) -> str:
    """Give the version of a runtime's library on this machine; raises MissingExtra where it is absent."""
    distribution, _, extra = pick(_SOURCES, name, what="runtime")
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as problem:
        raise MissingExtra(f"runtime '{name}' needs {distribution}; pip install '{extra}'") from problem


def load_tflite(path: Path, threads: int, *, runtime: str, resolver: str) -> Classifier:
    """Load a .tflite file into the interpreter of LiteRT or tflite-runtime.

    ``resolver`` is a member of OpResolverType: AUTO applies XNNPACK, BUILTIN_WITHOUT_DEFAULT_DELEGATES the library's
    own optimised kernels, BUILTIN_REF the slow reference ones. Raises BadInput for a file that is no such model.
    """
    module = _import(runtime)
    kind = getattr(module.OpResolverType, resolver)
    try:
        interpreter = module.Interpreter(
            model_content=_read_model(path), num_threads=threads, experimental_op_resolver_type=kind
        )
    except SystemError as problem:  # tflite-runtime 2.14 is built for numpy 1 and imports under numpy 2
        raise MissingExtra(f"runtime '{runtime}' does not work here: {problem}; it needs numpy below 2") from problem
    except (ValueError, RuntimeError) as problem:
        raise BadInput(f"{path} is no model that {runtime} can read: {problem}") from problem
    outputs = interpreter.get_output_details()
    if len(outputs) != 1:
        raise BadInput(f"{path}: expected a classifier with one output, got {len(outputs)}")
    interpreter.allocate_tensors()
    return partial(_run_tflite, interpreter)


def load_onnx(path: Path, threads: int) -> Classifier:
    """Load an .onnx file into ONNX Runtime on the CPU; raises BadInput for a file that is no such model."""
    module = _import("onnxruntime")
    options = module.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        session = module.InferenceSession(_read_model(path), options, providers=["CPUExecutionProvider"])
    except _onnx_errors() as problem:
        raise BadInput(f"{path} is no model that onnxruntime can read: {problem}") from problem
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
        raise BadInput(f"{path}: expected a classifier with one input and one output")
    return partial(_run_onnx, session)


def load_keras(path: Path, threads: int) -> Classifier:
    """Load a .keras file into Keras; TensorFlow takes one number of threads for the whole process.

    Raises BadInput for a file that is no such model, or another number of threads than the process already has.
    """
    import tensorflow as tf

    keras = _import("keras")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as problem:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise BadInput(f"runtime 'keras': this process already runs with other than {threads} threads") from problem
    try:
        model = keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as problem:
        raise BadInput(f"{path} is no model that keras can read: {problem}") from problem
    return lambda tensor: np.asarray(model(_checked(tensor, model.input_shape), training=False)).reshape(-1)


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


def _run_tflite(interpreter: Any, tensor: Array) -> Array:
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    signature = tuple(int(size) for size in entry.get("shape_signature", entry["shape"]))
    tensor = _checked(tensor, signature)
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
    scores = interpreter.get_tensor(exit_["index"]).reshape(-1)
    scale, zero_point = exit_["quantization"]
    quantised = np.issubdtype(scores.dtype, np.integer) and scale > 0
    return dequantise(scores, scale=scale, zero_point=zero_point) if quantised else scores


def _run_onnx(session: Any, tensor: Array) -> Array:
    entry = session.get_inputs()[0]
    tensor = _checked(tensor, tuple(size if isinstance(size, int) else -1 for size in entry.shape))
    wanted = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}.get(entry.type)
    if wanted is None or (tensor.dtype == np.uint8) != (wanted is np.uint8):
        raise BadInput(f"the model takes {entry.type}, the sidecar's scaling gives {tensor.dtype.name}")
    try:
        scores = session.run(None, {entry.name: tensor.astype(wanted)})[0]
    except _onnx_errors() as problem:
        raise BadInput(f"onnxruntime: {problem}") from problem
    return np.asarray(scores).reshape(-1)


def _checked(tensor: Array, shape: Tuple[Any, ...]) -> Array:
    # -1 and None stand for a size that the model leaves open.
    fits = len(shape) == tensor.ndim and all(want in (-1, None, got) for want, got in zip(shape, tensor.shape))
    if not fits:
        raise BadInput(f"the model takes an input of shape {shape}, the sidecar gives {tensor.shape}")
    return tensor


def _read_model(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise BadInput(f"cannot read the model file {path}: {problem}") from problem


def _import(name: str) -> Any:
    distribution, module, extra = _SOURCES[name]
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise MissingExtra(f"runtime '{name}' needs {distribution} ({problem}); pip install '{extra}'") from problem


def _onnx_errors() -> Tuple[Any, ...]:
    # They share no base class but Exception.
    state = vars(importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state"))
    own = tuple(value for value in state.values() if isinstance(value, type) and issubclass(value, Exception))
    return (*own, RuntimeError, ValueError)


RUNTIMES: Dict[str, Runtime] = {
    "keras": load_keras,
    "litert": partial(load_tflite, runtime="litert", resolver="AUTO"),
    "litert-builtin": partial(load_tflite, runtime="litert-builtin", resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    "litert-reference": partial(load_tflite, runtime="litert-reference", resolver="BUILTIN_REF"),
    "onnxruntime": load_onnx,
    "tflite-runtime": partial(load_tflite, runtime="tflite-runtime", resolver="AUTO"),
}
