"""BLURS: low-pass filters put into a Keras model before every sampling, its weights kept: anti-aliased strides.

Zhang, "Making Convolutional Networks Shift-Invariant Again" (2019), section 3.2: a max-pool of stride s becomes one of
stride 1 and a blur of stride s; a strided convolution becomes one of stride 1, its activation, and the blur; an
average pool becomes the blur. Written from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from device_agents.errors import BadInput, pick

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_MAX, _AVERAGE = "MaxPooling2D", "AveragePooling2D"
_ACTIVATIONS = ("ReLU", "Activation", "LeakyReLU", "PReLU", "ELU")


@keras.saving.register_keras_serializable(package="instability_kit")
class BlurPool(keras.layers.Layer):  # type: ignore[misc]
    """Blur with a small kernel, then keep every ``stride``-th value from ``offset`` on: (n, h, w, c), a channel alone.

    The kernel is the outer product of BLURS[blur] with itself, normalised to 1; the edges are mirrored, the mirror's
    line not repeated (where a picture is too small for that, its edge values are). Gives ceil((h - offset) / stride)
    rows. A file with this layer loads where stability_train.blurpool was imported.
    """

    def __init__(
        self, blur: str = "bin-5", stride: tuple[int, int] = (2, 2), offset: tuple[int, int] = (0, 0), **options: Any
    ) -> None:
        """Take the filter's name; a layer as any other."""
        super().__init__(**options)
        self.blur, self.stride, self.offset = blur, tuple(stride), tuple(offset)
        self._row = blur_row(blur)

    def call(self, inputs: Any) -> Any:
        """Give the blurred and sampled map."""
        size = len(self._row)
        ends = ((size - 1) // 2, size // 2)
        small = min(inputs.shape[1], inputs.shape[2]) <= size // 2
        padded = ops.pad(inputs, ((0, 0), ends, ends, (0, 0)), mode="symmetric" if small else "reflect")
        padded = padded[:, self.offset[0] :, self.offset[1] :, :]
        kernel = np.tile(np.outer(self._row, self._row)[:, :, None, None], (1, 1, inputs.shape[-1], 1))
        return ops.depthwise_conv(padded, ops.convert_to_tensor(kernel.astype(np.float32)), strides=self.stride)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give (n, rows, columns, c)."""
        count, height, width, channels = input_shape
        rows, columns = (
            None if size is None else -(-(size - first) // step)
            for size, first, step in zip((height, width), self.offset, self.stride, strict=True)
        )
        return count, rows, columns, channels

    def get_config(self) -> dict[str, Any]:
        """Give what the layer is made again from."""
        return {**super().get_config(), "blur": self.blur, "stride": self.stride, "offset": self.offset}


def blur_row(blur: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give a filter's row, normalised to 1; raises BadInput for an unknown one."""
    row = np.array(pick(BLURS, blur, what="blur"), np.float64)
    row /= row.sum()
    return row


@dataclass(frozen=True)
class Edit:
    """One sampling layer and what becomes of it: the layer after which the blur is put, "" for before itself."""

    layer: str
    kind: str
    after: str
    stride: tuple[int, int]
    offset: tuple[int, int]


def find_samplings(model: Any, *, skip: tuple[str, ...] = ()) -> list[Edit]:
    """List the strided convolutions and pools of a functional model, in order, but those named in ``skip``.

    Raises BadInput for a model without any, with a picture size that is not fixed, or with an unknown name in skip.
    """
    names = {layer.name for layer in model.layers}
    if strangers := sorted(set(skip) - names):
        raise BadInput(f"{model.name} has no layers {', '.join(strangers)} to leave as they are")
    if not isinstance(model, keras.Model) or None in model.input_shape[1:]:
        raise BadInput(
            f"expected a functional model of one fixed picture size, got {model.name} of {model.input_shape}"
        )
    edits = [_edit(layer) for layer in model.layers if _stride(layer) != (1, 1) and layer.name not in skip]
    if not edits:
        raise BadInput(f"{model.name} has no strided convolution or pool: there is nothing to blur")
    return edits


def add_blurpool(model: Any, *, blur: str = "bin-5", skip: tuple[str, ...] = ()) -> Any:
    """Give a copy of a functional Keras model with blurs at its samplings, all weights kept and all sizes the same.

    The samples lie where they lay: with the filter "identity" the copy gives the model's own answers (average pools
    aside, which a blur replaces: "rect-2" is the 2 x 2 one). The weights want fine-tuning afterwards. ``skip`` names
    layers to leave as they are; the paper leaves the first convolution of some networks, where a stride of 1 costs
    most. Raises BadInput as find_samplings does, and when the copy's sizes or weights differ.
    """
    blur_row(blur)
    edits = {edit.layer: edit for edit in find_samplings(model, skip=skip)}
    after = {edit.after: edit for edit in edits.values() if edit.after}

    def clone(layer: Any) -> Any:
        if layer.name not in edits or edits[layer.name].kind == _AVERAGE:
            return layer.__class__.from_config(layer.get_config())
        return layer.__class__.from_config({**layer.get_config(), "strides": (1, 1)})

    def blurred(edit: Edit, tensor: Any) -> Any:
        name = f"{edit.layer}_blur"
        return BlurPool(blur, stride=edit.stride, offset=edit.offset, name=name)(tensor)

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        edit = edits.get(layer.name)
        if edit is not None and edit.kind == _AVERAGE:
            return blurred(edit, *inputs)
        if edit is not None and not edit.after:
            inputs = (blurred(edit, *inputs),)
        result = layer(*inputs, **options)
        return blurred(after[layer.name], result) if layer.name in after else result

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    _carry(model, copy)
    return copy


def _carry(model: Any, copy: Any) -> None:
    """Put the model's weights into the copy and check that nothing else changed its shape."""
    if copy.output_shape != model.output_shape:
        raise BadInput(
            f"{model.name}: expected outputs of {model.output_shape} after the surgery, got {copy.output_shape}"
        )
    kept = {layer.name for layer in copy.layers}
    for layer in model.layers:
        if layer.weights:
            if layer.name not in kept:
                raise BadInput(f"{model.name}: the surgery lost layer {layer.name} with its weights")
            copy.get_layer(layer.name).set_weights(layer.get_weights())


def _edit(layer: Any) -> Edit:
    kind, stride = type(layer).__name__, _stride(layer)
    size = _window(layer)
    if kind == _AVERAGE:
        return Edit(layer.name, kind, "", stride, _average_offset(layer, size, stride))
    if kind in _CONVOLUTIONS and size == (1, 1):  # a shortcut: blurring commutes with it, and is cheaper before
        return Edit(layer.name, kind, "", stride, (0, 0))
    offset = (0, 0)
    if layer.padding == "same":
        height, width = layer.input.shape[1:3]
        offset = _same_offset(height, size[0], stride[0]), _same_offset(width, size[1], stride[1])
    return Edit(layer.name, kind, _activation_after(layer) if kind in _CONVOLUTIONS else layer.name, stride, offset)


def _same_offset(length: int, window: int, stride: int) -> int:
    """Where the strided layer's first window lies among those of stride 1: "same" padding differs between the two."""
    padding = max((-(-length // stride) - 1) * stride + window - length, 0)
    return (window - 1) // 2 - padding // 2


def _average_offset(layer: Any, size: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int]:
    """The blur gives a row a stride; a pool whose windows do not begin with one at each stride has another count."""
    if layer.padding == "valid" and any(k != s for k, s in zip(size, stride, strict=True)):
        raise BadInput(
            f"layer {layer.name}: expected an average pool as wide as its stride, got {size} and {stride}; skip it"
        )
    if layer.padding == "valid" and any(n % s for n, s in zip(layer.input.shape[1:3], stride, strict=True)):
        raise BadInput(f"layer {layer.name}: expected a size that its stride divides, got {layer.input.shape}; skip it")
    return 0, 0


def _activation_after(layer: Any) -> str:
    """The activation that a convolution's output goes to, through batch normalisation alone; else the convolution."""
    here = layer
    while True:
        following = [node.operation for node in here._outbound_nodes]
        kinds = [type(one).__name__ for one in following]
        if len(following) != 1 or kinds[0] not in (*_ACTIVATIONS, "BatchNormalization"):
            return str(layer.name)
        here = following[0]
        if kinds[0] in _ACTIVATIONS:
            return str(here.name)


def _stride(layer: Any) -> tuple[int, int]:
    known = type(layer).__name__ in (*_CONVOLUTIONS, _MAX, _AVERAGE)
    return _pair(layer.strides) if known else (1, 1)


def _window(layer: Any) -> tuple[int, int]:
    return _pair(layer.pool_size if type(layer).__name__ in (_MAX, _AVERAGE) else layer.kernel_size)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


BLURS: Mapping[str, tuple[int, ...]] = {
    "identity": (1,),
    "rect-2": (1, 1),
    "tri-3": (1, 2, 1),
    "bin-5": (1, 4, 6, 4, 1),
}
