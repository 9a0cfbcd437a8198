"""MobileNetV2 and EfficientNet-Lite0 in Keras, and PyTorch state dicts carried into them.

A layer with weights carries its name in the source's state dict ("features.0.0"; a leading underscore left out, which
TensorFlow refuses), so that the map between the two is the names themselves. All networks: float32 NHWC in, 1000
logits out, batch normalisation as its own layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from device_agents.errors import BadInput

Weights = Mapping[str, np.ndarray[Any, np.dtype[Any]]]

# Expansion, channels, repeats, first stride: Sandler et al., "MobileNetV2" (2018), table 2.
_MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# The same with the kernel's size behind: Tan and Le, "EfficientNet" (2019), table 1; Lite0 scales nothing.
_LITE0 = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def mobilenet_v2(*, height: int = 224, width: int = 224) -> Any:
    """Build MobileNetV2 1.0 as torchvision has it: symmetric padding, epsilon 1e-5, ReLU6.

    keras.applications pads only right and below before a strided convolution, which gives other numbers from the
    same weights; hence the padding layers of its own here.
    """
    import keras

    tensor = image = keras.Input((height, width, 3), name="input")
    tensor = _convolution(tensor, 32, "features.0.0", kernel=3, stride=2, symmetric=True)
    tensor = _norm(tensor, "features.0.1", epsilon=1e-5, relu6=True)
    index = 1
    for expansion, channels, repeats, first_stride in _MOBILENET_V2:
        for repeat in range(repeats):
            tensor = _torchvision_block(
                tensor, channels, f"features.{index}.conv", expansion=expansion, stride=1 if repeat else first_stride
            )
            index += 1
    tensor = _convolution(tensor, 1280, "features.18.0", kernel=1)
    tensor = _norm(tensor, "features.18.1", epsilon=1e-5, relu6=True)
    return _head(image, tensor, "classifier.1", name="mobilenet-v2")


def efficientnet_lite0(*, height: int = 224, width: int = 224) -> Any:
    """Build EfficientNet-Lite0: "SAME" padding as in TensorFlow, epsilon 1e-3, ReLU6, no squeeze-and-excitation.

    Source: tensorflow/tpu, models/official/efficientnet/lite.
    """
    import keras

    tensor = image = keras.Input((height, width, 3), name="input")
    tensor = _convolution(tensor, 32, "conv_stem", kernel=3, stride=2)
    tensor = _norm(tensor, "bn0", epsilon=1e-3, relu6=True)
    index = 0
    for expansion, channels, repeats, first_stride, kernel in _LITE0:
        for repeat in range(repeats):
            tensor = _lite_block(
                tensor,
                channels,
                f"blocks.{index}.",
                expansion=expansion,
                stride=1 if repeat else first_stride,
                kernel=kernel,
            )
            index += 1
    tensor = _convolution(tensor, 1280, "conv_head", kernel=1)
    tensor = _norm(tensor, "bn1", epsilon=1e-3, relu6=True)
    return _head(image, tensor, "fc", name="efficientnet-lite0")


def carry_weights(model: Any, weights: Weights) -> None:
    """Put a state dict's arrays into the layers of the same names; raises BadInput unless all fit and none is left.

    Kernels turn from (out, in, height, width) to (height, width, in, out); counts of seen batches are of no use.
    """
    weights = {name.lstrip("_"): array for name, array in weights.items()}
    unused = {name for name in weights if not name.endswith(".num_batches_tracked")}
    for layer in model.layers:
        if layer.weights:
            parts = [f"{layer.name}.{part}" for part in _parts_of(layer)]
            if missing := [part for part in parts if part not in weights]:
                raise BadInput(f"expected the weights {missing} for {model.name}, got a file without them")
            arrays = [_turn(weights[part], layer) for part in parts]
            _check_shapes(layer, arrays)
            layer.set_weights(arrays)
            unused -= set(parts)
    if unused:
        raise BadInput(f"expected only weights of {model.name}, got also {sorted(unused)[:5]}")


def _torchvision_block(tensor: Any, channels: int, name: str, *, expansion: int, stride: int) -> Any:
    """An inverted residual; torchvision numbers its parts, and leaves the expansion out where it is one."""
    block_input = tensor
    step = 0
    if expansion != 1:
        tensor = _convolution(tensor, block_input.shape[-1] * expansion, f"{name}.0.0", kernel=1)
        tensor = _norm(tensor, f"{name}.0.1", epsilon=1e-5, relu6=True)
        step = 1
    tensor = _depthwise(tensor, f"{name}.{step}.0", kernel=3, stride=stride, symmetric=True)
    tensor = _norm(tensor, f"{name}.{step}.1", epsilon=1e-5, relu6=True)
    tensor = _convolution(tensor, channels, f"{name}.{step + 1}", kernel=1)
    tensor = _norm(tensor, f"{name}.{step + 2}", epsilon=1e-5)
    return _residual(block_input, tensor, stride=stride)


def _lite_block(tensor: Any, channels: int, name: str, *, expansion: int, stride: int, kernel: int) -> Any:
    block_input = tensor
    if expansion != 1:
        tensor = _convolution(tensor, block_input.shape[-1] * expansion, f"{name}_expand_conv", kernel=1)
        tensor = _norm(tensor, f"{name}_bn0", epsilon=1e-3, relu6=True)
    tensor = _depthwise(tensor, f"{name}_depthwise_conv", kernel=kernel, stride=stride)
    tensor = _norm(tensor, f"{name}_bn1", epsilon=1e-3, relu6=True)
    tensor = _convolution(tensor, channels, f"{name}_project_conv", kernel=1)
    tensor = _norm(tensor, f"{name}_bn2", epsilon=1e-3)
    return _residual(block_input, tensor, stride=stride)


def _convolution(
    tensor: Any, channels: int, name: str, *, kernel: int, stride: int = 1, symmetric: bool = False
) -> Any:
    from keras import layers

    tensor, padding = _pad(tensor, kernel=kernel, stride=stride, symmetric=symmetric)
    return layers.Conv2D(channels, kernel, strides=stride, padding=padding, use_bias=False, name=name)(tensor)


def _depthwise(tensor: Any, name: str, *, kernel: int, stride: int, symmetric: bool = False) -> Any:
    from keras import layers

    tensor, padding = _pad(tensor, kernel=kernel, stride=stride, symmetric=symmetric)
    return layers.DepthwiseConv2D(kernel, strides=stride, padding=padding, use_bias=False, name=name)(tensor)


def _pad(tensor: Any, *, kernel: int, stride: int, symmetric: bool) -> tuple[Any, str]:
    """Pad on all sides alike where "same" would not: with a stride it pads one row less above than below."""
    from keras import layers

    if symmetric and stride > 1:
        return layers.ZeroPadding2D(kernel // 2)(tensor), "valid"
    return tensor, "same"


def _norm(tensor: Any, name: str, *, epsilon: float, relu6: bool = False) -> Any:
    from keras import layers

    tensor = layers.BatchNormalization(epsilon=epsilon, name=name)(tensor)
    return layers.ReLU(max_value=6.0)(tensor) if relu6 else tensor


def _residual(block_input: Any, tensor: Any, *, stride: int) -> Any:
    from keras import layers

    same = stride == 1 and block_input.shape[-1] == tensor.shape[-1]
    return layers.Add()([block_input, tensor]) if same else tensor


def _head(image: Any, tensor: Any, dense: str, *, name: str) -> Any:
    import keras

    tensor = keras.layers.GlobalAveragePooling2D()(tensor)
    return keras.Model(image, keras.layers.Dense(1000, name=dense)(tensor), name=name)


def _parts_of(layer: Any) -> tuple[str, ...]:
    """Name a layer's arrays in the order in which Keras holds them."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        return ("weight", "bias", "running_mean", "running_var")
    return ("weight", "bias") if kind == "Dense" else ("weight",)


def _turn(array: np.ndarray[Any, np.dtype[Any]], layer: Any) -> np.ndarray[Any, np.dtype[Any]]:
    if array.ndim == 4:
        return array.transpose((2, 3, 0, 1) if type(layer).__name__ == "DepthwiseConv2D" else (2, 3, 1, 0))
    return array.T if array.ndim == 2 else array


def _check_shapes(layer: Any, arrays: list[np.ndarray[Any, np.dtype[Any]]]) -> None:
    expected, got = [tuple(weight.shape) for weight in layer.weights], [array.shape for array in arrays]
    if expected != got:
        raise BadInput(f"expected weights of the shapes {expected} for layer {layer.name}, got {got}")


NETWORKS: Mapping[str, Callable[..., Any]] = {
    "mobilenet-v2": mobilenet_v2,
    "efficientnet-lite0": efficientnet_lite0,
}
