"""Public model files recognised by their sha256, with the preprocessing that they need.

A file of these bytes needs no sidecar. Each entry's preprocessing was run on 400 ImageNet photographs; the top-1
accuracy it gave stands beside it (docs/models.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from device_agents.sidecar import Sidecar

_TORCHVISION = Sidecar(
    name="mobilenet_v2_1.0_224_float",
    input_height=224,
    input_width=224,
    layout="nhwc",
    colour_order="rgb",
    fit="short-side-256-crop",
    resizer="pillow-bilinear",
    scaling="imagenet",
    outputs="logits",
)
# TensorFlow's own: 1001 classes, the first of them the background.
_MOBILENET_V1 = replace(
    _TORCHVISION,
    name="mobilenet_v1_0.25_224_float",
    scaling="minus-one-one",
    outputs="probabilities",
    background=True,
)
_QUANTISED = replace(_MOBILENET_V1, scaling="bytes", outputs="quantised")
_CAFFE = replace(
    _TORCHVISION, name="squeezenet1_0_float_ceil", layout="nchw", colour_order="bgr", scaling="caffe", outputs="logits"
)

KNOWN_FILES: Mapping[str, Sidecar] = {
    # torchvision's MobileNetV2 1.0, converted without optimisation: 84.2 %
    "6fc21ef1c75ab964fd529a2f410e385e831dfa644d873e2f33160d49c053df85": _TORCHVISION,  # .tflite
    "eddb926aec888a308c289642bc3a3fe766890abc2e1f50c080d539512107e7a3": _TORCHVISION,  # .keras
    "b1a54d82773af1fca7f7c4b29c6a8fb9c5b67e2e6543993710de8ddd1f5cac0b": replace(_TORCHVISION, layout="nchw"),  # .onnx
    # google-coral/test_data, mobilenet_v2_1.0_224_quant.tflite, trained for quantisation: 88.5 %
    "7aad0c74c5e3c06e5eb3c827e13304fdd68a83da6087d92ee169c24ff9fd4776": replace(
        _QUANTISED, name="mobilenet_v2_1.0_224_quant"
    ),
    # tensorflow/tflite-support, mobilenet_v1_0.25_224_1_default_1.tflite: 55.0 %
    "446ec673881cd46371a8726075b714194ada39d144762260cb76d15318597df7": _MOBILENET_V1,
    # tensorflow/tflite-support, mobilenet_v1_0.25_224_quant.tflite: 53.8 %
    "e480eb15572f86d3d5f1be6e83e35b3c7d509ab2bcec353707d1f614e14edca2": replace(
        _QUANTISED, name="mobilenet_v1_0.25_224_quant"
    ),
    # songhan/SqueezeNet-Deep-Compression, decoded to ONNX with the max-pools' ceil_mode: 62.8 %
    "b213f4b3d545ed5063fdfc32301ab701ad732837ae0592b125ef2d57d13dbecb": _CAFFE,
}
