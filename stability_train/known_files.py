"""Public model files recognised by their sha256, with the preprocessing that they need.

A file of these bytes needs no sidecar. Each entry's preprocessing was run on labelled photographs, of a classifier on
400 of ImageNet; the accuracy it gave stands beside it (docs/models.md, docs/detection.md).
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

# A mask's classes by index; the two of google-coral choose the class themselves.
_DEEPLAB = Sidecar(
    name="deeplabv3_mnv2_dm05_pascal_257_float",
    input_height=257,
    input_width=257,
    layout="nhwc",
    colour_order="rgb",
    fit="squash",
    resizer="pillow-bilinear",
    scaling="minus-one-one",
    outputs="raw",
    labels="pascal_voc_21",
    task="segmentation",
    head="logits",
)
_DEEPLAB_QUANTISED = replace(
    _DEEPLAB,
    name="deeplabv3_mnv2_pascal_quant",
    input_height=513,
    input_width=513,
    scaling="bytes",
    head="classes",
)
_NANODET = Sidecar(
    name="nanodet_m_416_float",
    input_height=416,
    input_width=416,
    layout="nchw",
    colour_order="bgr",
    fit="letterbox-black",
    resizer="opencv-linear",
    scaling="imagenet",
    outputs="raw",
    labels="coco_80",
    task="detection",
    head="nanodet",
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
    # tensorflow/tflite-support, deeplabv3.tflite: IoU of the bird 0.856
    "9711334db2b01d5894feb8ed0f5cb3e97d125b8d229f8d8692f625801818f5ef": _DEEPLAB,
    # google-coral/test_data, deeplabv3_mnv2_pascal_quant.tflite: IoU of the bird 0.905
    "350af47fd346ea6d74b58833a351f583ba860e9806ec5bd292ff8d8f1f249398": _DEEPLAB_QUANTISED,
    # google-coral/test_data, deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite: mIoU on 24 of CamVid 0.514
    "322fe29945cb1693f426952f2a330ab67ea5678545ddee6f2548e0cfd0ca03e5": replace(
        _DEEPLAB_QUANTISED, name="deeplab_mobilenet_edgetpu_slim_cityscapes_quant", labels="cityscapes_19"
    ),
    # hpc203/nanodet-opncv-dnn-cpp-python, nanodet_m.onnx: mAP@0.5 on the 45 photographs of Cartucho/mAP 0.374
    "4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186": _NANODET,
    # dog-qiuqiu/FastestDet, example/onnx-runtime/FastestDet.onnx: on the same 0.200
    "31cb14c017fce347cb4c846ec62fdf00d76bb3beecdf4be21e7116ac67feb880": replace(
        _NANODET,
        name="fastestdet_352_float",
        input_height=352,
        input_width=352,
        fit="squash",
        resizer="opencv-area",
        scaling="zero-one",
        head="fastestdet",
    ),
    # tensorflow/tflite-support, coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite: on the same 0.224
    "61d598093ed03ed41aa47c3a39a28ac01e960d6a810a5419b9a5016a1e9c469b": replace(
        _NANODET,
        name="ssd_mobilenet_v1_coco_quant",
        input_height=300,
        input_width=300,
        layout="nhwc",
        colour_order="rgb",
        fit="squash",
        scaling="bytes",
        labels="coco_ssd_90",
        head="tflite-post",
    ),
}
