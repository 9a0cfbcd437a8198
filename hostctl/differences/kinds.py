"""KINDS: of every runtime its framework, its level of optimisation, the files it takes, and whether it is usual."""

from __future__ import annotations

from dataclasses import dataclass

TORCH = (".pt2", ".pt", ".ts")


@dataclass(frozen=True)
class Kind:
    """What a runtime is on the axes of a differential test.

    usual: it is tried without being asked for; others are slow (reference kernels) or for a device that has them.
    """

    framework: str
    level: str
    suffixes: tuple[str, ...]
    usual: bool = True


KINDS: dict[str, Kind] = {
    "keras": Kind("Keras", "eager", (".keras",)),
    "litert": Kind("TFLite", "xnnpack", (".tflite",)),
    "litert-builtin": Kind("TFLite", "builtin", (".tflite",)),
    "litert-gpu": Kind("TFLite", "gpu", (".tflite",), usual=False),
    "litert-reference": Kind("TFLite", "reference", (".tflite",), usual=False),
    "onnxruntime": Kind("ONNX Runtime", "all", (".onnx",)),
    "onnxruntime-basic": Kind("ONNX Runtime", "basic", (".onnx",)),
    "onnxruntime-coreml": Kind("ONNX Runtime", "coreml", (".onnx",), usual=False),
    "onnxruntime-extended": Kind("ONNX Runtime", "extended", (".onnx",)),
    "onnxruntime-nnapi": Kind("ONNX Runtime", "nnapi", (".onnx",), usual=False),
    "onnxruntime-none": Kind("ONNX Runtime", "none", (".onnx",)),
    "onnxruntime-qnn": Kind("ONNX Runtime", "qnn", (".onnx",), usual=False),
    "openvino": Kind("OpenVINO", "f32", (".onnx", ".tflite")),
    "openvino-bf16": Kind("OpenVINO", "bf16", (".onnx", ".tflite")),
    "openvino-f16": Kind("OpenVINO", "f16", (".onnx", ".tflite"), usual=False),
    "pytorch": Kind("PyTorch", "eager", TORCH),
    "pytorch-compiled": Kind("PyTorch", "compiled", (".pt2",)),
    "tflite-runtime": Kind("tflite-runtime", "xnnpack", (".tflite",), usual=False),
}
PLAIN = {".onnx": "onnxruntime-none", ".tflite": "litert-reference"}  # what a file says, computed step by step
