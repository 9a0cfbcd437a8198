"""Loaders of graph files into ONNX Runtime, by optimisation level and execution provider, and into OpenVINO."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, Tuple

import numpy as np

from device_agents.errors import BadInput, MissingExtra
from device_agents.network import Network
from device_agents.runtime_libraries import LIBRARIES, Array, checked_shape, checked_type, import_library, read_model

_ONNX_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
}


def load_onnx(path: Path, threads: int, *, runtime: str = "onnxruntime", level: str = "ORT_ENABLE_ALL") -> Network:
    """Load an .onnx file into ONNX Runtime, on the runtime's execution provider if it has one, else on the CPU.

    ``level`` is a member of GraphOptimizationLevel: ORT_DISABLE_ALL, ORT_ENABLE_BASIC (constants folded, what does
    nothing dropped), ORT_ENABLE_EXTENDED (nodes fused) or ORT_ENABLE_ALL (layouts changed too, the default). What a
    provider cannot do falls back to the CPU, node by node. Raises BadInput for a file that is no such model,
    MissingExtra where the provider is absent or does not start.
    """
    module = import_library(runtime)
    options = module.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(module.GraphOptimizationLevel, level)
    provider = LIBRARIES[runtime].provider
    providers = [provider, "CPUExecutionProvider"] if provider else ["CPUExecutionProvider"]
    try:
        session = module.InferenceSession(read_model(path), options, providers=providers)
    except _onnx_errors() as problem:
        raise BadInput(f"{path} is no model that onnxruntime can read: {problem}") from problem
    if provider and provider not in session.get_providers():
        raise MissingExtra(f"runtime '{runtime}': {provider} did not start here; use 'onnxruntime'")
    _check_entries(path, session.get_inputs())
    return Network(partial(_run_onnx, session), len(session.get_outputs()))


def load_openvino(path: Path, threads: int, *, precision: str = "f32") -> Network:
    """Load an .onnx or .tflite file that takes floats or bytes into OpenVINO on the CPU, at the precision named.

    ``precision`` is "f32", "bf16" or "f16". OpenVINO's own choice is bfloat16 where the processor has it,
    which moved scores by 0.1 (measured on MobileNetV2); a float16 that the processor has not becomes that as well.
    Raises BadInput for a file that is no such model, MissingExtra where the precision became another.
    """
    core = import_library("openvino").Core()
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    read_model(path)  # says in the kit's words where there is no such file
    try:
        model = core.compile_model(core.read_model(str(path)), "CPU", settings)
    except RuntimeError as problem:
        raise BadInput(f"{path} is no model that openvino can read: {_last_line(problem)}") from problem
    _check_entries(path, model.inputs)
    if precision != "f32":  # which every processor has
        became = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if became != precision:
            raise MissingExtra(f"OpenVINO computes in {became} on this processor where {precision} is asked for")
    return Network(partial(_run_openvino, model), len(model.outputs))


def _check_entries(path: Path, entries: Sequence[Any]) -> None:
    if len(entries) != 1:
        raise BadInput(f"{path}: expected a model with one input, got {len(entries)}")


def _run_onnx(session: Any, tensor: Array) -> Tuple[Array, ...]:
    entry = session.get_inputs()[0]
    tensor = checked_shape(tensor, tuple(size if isinstance(size, int) else -1 for size in entry.shape))
    tensor = checked_type(tensor, _ONNX_TYPES.get(entry.type, ""), called=entry.type)
    try:
        found = session.run(None, {entry.name: tensor})
    except _onnx_errors() as problem:
        raise BadInput(f"onnxruntime: {problem}") from problem
    return tuple(np.asarray(one) for one in found)


def _run_openvino(model: Any, tensor: Array) -> Tuple[Array, ...]:
    entry = model.inputs[0]
    sizes = tuple(size.get_length() if size.is_static else -1 for size in entry.partial_shape)
    tensor = checked_type(checked_shape(tensor, sizes), np.dtype(entry.element_type.to_dtype()).name)
    try:
        found = model(tensor)
    except RuntimeError as problem:
        raise BadInput(f"openvino: {_last_line(problem)}") from problem
    # Copies: the results' memory belongs to the request.
    return tuple(np.array(found[place]) for place in range(len(model.outputs)))


def _last_line(problem: RuntimeError) -> str:
    # OpenVINO's texts begin with the places in its source.
    return next((line for line in reversed(str(problem).splitlines()) if line.strip()), "")


def _onnx_errors() -> Tuple[Any, ...]:
    # They share no base class but Exception.
    state = vars(importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state"))
    own = tuple(value for value in state.values() if isinstance(value, type) and issubclass(value, Exception))
    return (*own, RuntimeError, ValueError)


GRAPH_NETWORKS: Dict[str, Callable[[Path, int], Network]] = {
    "onnxruntime": load_onnx,
    "onnxruntime-basic": partial(load_onnx, runtime="onnxruntime-basic", level="ORT_ENABLE_BASIC"),
    "onnxruntime-coreml": partial(load_onnx, runtime="onnxruntime-coreml"),
    "onnxruntime-extended": partial(load_onnx, runtime="onnxruntime-extended", level="ORT_ENABLE_EXTENDED"),
    "onnxruntime-nnapi": partial(load_onnx, runtime="onnxruntime-nnapi"),
    "onnxruntime-none": partial(load_onnx, runtime="onnxruntime-none", level="ORT_DISABLE_ALL"),
    "onnxruntime-qnn": partial(load_onnx, runtime="onnxruntime-qnn"),
    "openvino": load_openvino,
}
