"""Which library brings each runtime, whether this machine has it, and what one that lacks it should install."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any, Dict, NamedTuple, Tuple

import numpy.typing as npt

from device_agents.errors import BadInput, MissingExtra, pick

Array = npt.NDArray[Any]


class Library(NamedTuple):
    """The distribution that brings a runtime, the module it is imported by, and how to install it.

    ``provider`` is the execution provider that ONNX Runtime must have been built with, ``delegate`` the shared library
    that LiteRT hands its work to; both empty where the CPU does it.
    """

    distribution: str
    module: str
    install: str
    provider: str = ""
    delegate: str = ""


_LITERT = Library("ai-edge-litert", "ai_edge_litert.interpreter", "instability-kit[agent]")
_ONNX = Library("onnxruntime", "onnxruntime", "instability-kit[agent]")
_OPENVINO = Library("openvino", "openvino", "openvino>=2026")
_TORCH = Library("torch", "torch", "instability-kit[torch]")
# A name that the dynamic linker looks up: Android's builds of TensorFlow Lite bring it.
_GPU_DELEGATE = "libtensorflowlite_gpu_delegate.so"

LIBRARIES: Dict[str, Library] = {
    "keras": Library("keras", "keras", "instability-kit[tensorflow]"),
    "litert": _LITERT,
    "litert-builtin": _LITERT,
    "litert-gpu": _LITERT._replace(delegate=_GPU_DELEGATE),
    "litert-reference": _LITERT,
    "onnxruntime": _ONNX,
    "onnxruntime-basic": _ONNX,
    "onnxruntime-coreml": _ONNX._replace(provider="CoreMLExecutionProvider"),
    "onnxruntime-extended": _ONNX,
    "onnxruntime-nnapi": _ONNX._replace(provider="NnapiExecutionProvider"),
    "onnxruntime-none": _ONNX,
    "onnxruntime-qnn": _ONNX._replace(provider="QNNExecutionProvider"),
    "openvino": _OPENVINO,
    "openvino-bf16": _OPENVINO,
    "openvino-f16": _OPENVINO,
    "pytorch": _TORCH,
    "pytorch-compiled": _TORCH,
    "tflite-runtime": Library("tflite-runtime", "tflite_runtime.interpreter", "tflite-runtime==2.14.0"),
}


def is_installed(name: str) -> bool:
    """Say whether this machine has the library of a runtime, without importing it; a delegate is not looked for."""
    package = pick(LIBRARIES, name, what="runtime").module.split(".")[0]
    return importlib.util.find_spec(package) is not None


def runtime_version(name: str) -> str:
    """Give the version of a runtime's library on this machine.

    Raises MissingExtra where the library is absent, or the provider or delegate that the runtime is named after.
    """
    library = pick(LIBRARIES, name, what="runtime")
    try:
        version = importlib.metadata.version(library.distribution)
    except importlib.metadata.PackageNotFoundError as problem:
        raise MissingExtra(
            f"runtime '{name}' needs {library.distribution}; pip install '{library.install}'"
        ) from problem
    if library.provider or library.delegate:
        import_library(name)
    return version


def import_library(name: str) -> Any:
    """Import a runtime's library and see that its provider or delegate is there; raises MissingExtra."""
    library = pick(LIBRARIES, name, what="runtime")
    try:
        module = importlib.import_module(library.module)
    except ImportError as problem:
        raise MissingExtra(
            f"runtime '{name}' needs {library.distribution} ({problem}); pip install '{library.install}'"
        ) from problem
    if hasattr(module, "disable_telemetry_events"):
        module.disable_telemetry_events()  # ONNX Runtime's; nothing that is measured here is anybody else's business
    if library.provider and library.provider not in module.get_available_providers():
        there = ", ".join(module.get_available_providers())
        raise MissingExtra(
            f"runtime '{name}' needs an onnxruntime built with {library.provider}, this one has {there}; "
            f"run it on a device that has it, or use 'onnxruntime'"
        )
    if library.delegate:
        try:
            ctypes.CDLL(library.delegate)
        except OSError as problem:
            raise MissingExtra(
                f"runtime '{name}' needs the delegate {library.delegate}, which is not here ({problem}); "
                f"run it on a device that has it, or use 'litert'"
            ) from problem
    return module


def read_model(path: Path) -> bytes:
    """Read a model file's bytes; raises BadInput where that cannot be done."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise BadInput(f"cannot read the model file {path}: {problem}") from problem


def checked_shape(tensor: Array, shape: Tuple[Any, ...]) -> Array:
    """Give the tensor if it has the shape a model takes, where -1 and None stand for any size; raises BadInput."""
    fits = len(shape) == tensor.ndim and all(want in (-1, None, got) for want, got in zip(shape, tensor.shape))
    if not fits:
        raise BadInput(f"the model takes an input of shape {shape}, the sidecar gives {tensor.shape}")
    return tensor


def checked_type(tensor: Array, wanted: str, *, called: str = "") -> Array:
    """Give the tensor as the type a model takes: "float32", "float16", "uint8" or "int64", ``called`` by its runtime.

    A uint8 tensor is for a model that takes bytes and an int64 one for a model that takes tokens, and for no other;
    floats are never made into either. Raises BadInput.
    """
    apart = [(tensor.dtype == kind) != (wanted == kind) for kind in ("uint8", "int64")]
    if wanted not in ("float32", "float16", "uint8", "int64") or any(apart):
        raise BadInput(f"the model takes {called or wanted}, the sidecar's scaling gives {tensor.dtype.name}")
    return tensor.astype(wanted)
