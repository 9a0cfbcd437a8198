"""WEIGHT_KINDS: mutants of a layer's numbers: its weights rounded, swapped or turned, its bias dropped or shifted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stability_train.mutants.graph import Array, Unfit, Work, setting

Floats = NDArray[np.float32]

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_BIAS_SLOTS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "BatchNormalization": 2, "InstanceNormalization": 2}
RISE = 0.1  # of one channel's bias where the layer's biases are all equal and have no spread


class Kind(NamedTuple):
    """One kind of mutant: which nodes it can change, and the change, which gives its words and may raise Unfit.

    layers: how many of the original's layers it changes.
    """

    fits: Callable[[Work, Any], bool]
    change: Callable[[Work, Any, np.random.Generator], str]
    layers: int = 1


def to_float16(values: Floats) -> Floats:
    """Round to IEEE half precision and back; what overflows becomes the largest half, 65504."""
    return np.asarray(np.clip(values, -65504, 65504).astype(np.float16).astype(np.float32))


def to_bfloat16(values: Floats) -> Floats:
    """Round to bfloat16, the upper 16 bits of a float32, to nearest with ties to even, and back (finite values)."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((rounded & np.uint32(0xFFFF0000)).view(np.float32))


def to_int8(values: Floats) -> Floats:
    """Round to the 255 multiples of max |w| / 127, one scale for the layer (symmetric, Jacob et al. 2018), and back."""
    scale = float(np.abs(values).max()) / 127
    return np.asarray((np.rint(values / scale) * scale).astype(np.float32)) if scale else values


def _is_weighted(work: Work, node: Any) -> bool:
    weights = work.constant(node, 1) if node.op_type in _WEIGHTED else None
    return weights is not None and weights.dtype == np.float32 and weights.size > 1


def _has_kernel(work: Work, node: Any) -> bool:
    """Whether the weights are square where they can be turned: h x w kernels of 2 or more, or square matrices."""
    if not _is_weighted(work, node):
        return False
    shape = np.shape(_weights(work, node))
    return len(shape) in (2, 4) and shape[-1] == shape[-2] > 1


def _round(work: Work, node: Any, rng: np.random.Generator, *, to: Callable[[Floats], Floats], name: str) -> str:
    weights = _weights(work, node)
    work.give(node, 1, to(weights))
    return f"weights rounded to {name}"


def _transpose(work: Work, node: Any, rng: np.random.Generator) -> str:
    weights = _weights(work, node)
    work.give(node, 1, np.swapaxes(weights, -1, -2))
    return f"kernels of {' x '.join(map(str, weights.shape))} transposed"


def _swap(work: Work, node: Any, rng: np.random.Generator) -> str:
    weights = _weights(work, node)
    axis = _output_axis(node, weights)
    if weights.shape[axis] < 2:
        raise Unfit("one output channel has none to be swapped with")
    one, two = (int(number) for number in rng.choice(weights.shape[axis], 2, replace=False))
    order = np.arange(weights.shape[axis])
    order[[one, two]] = two, one
    work.give(node, 1, np.take(weights, order, axis=axis))
    return f"weights of the output channels {one} and {two} swapped"


def _turn_sign(work: Work, node: Any, rng: np.random.Generator) -> str:
    weights = _weights(work, node)
    if not weights.any():
        raise Unfit("the weights are all 0")
    place = int(rng.choice(np.flatnonzero(weights)))
    weights.flat[place] = -weights.flat[place]
    work.give(node, 1, weights)
    return f"the sign of weight {place} of {weights.size}"


def _weights(work: Work, node: Any) -> Array:
    weights = work.constant(node, 1)
    assert weights is not None
    return weights


def _output_axis(node: Any, weights: Array) -> int:
    if node.op_type == "Gemm":
        return 0 if setting(node, "transB", 0) else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": weights.ndim - 1}[node.op_type]


def _bias_slot(work: Work, node: Any) -> int | None:
    """The number of the input that is a bias: of a layer that has one, or the constant of an addition."""
    if node.op_type == "Add":
        slots = [slot for slot in (0, 1) if work.constant(node, slot) is not None]
        slot = slots[0] if len(slots) == 1 else None
    else:
        slot = _BIAS_SLOTS.get(node.op_type)
    values = work.constant(node, slot) if slot is not None else None
    return slot if values is not None and values.dtype == np.float32 and values.size > 1 else None


def _has_bias(work: Work, node: Any) -> bool:
    return _bias_slot(work, node) is not None


def _shift(work: Work, node: Any, rng: np.random.Generator, *, to: Callable[[Floats], Floats], name: str) -> str:
    slot = _bias_slot(work, node)
    assert slot is not None
    values = work.constant(node, slot)
    assert values is not None
    work.give(node, slot, to(values))
    return f"bias {name}"


def _raise_one(work: Work, node: Any, rng: np.random.Generator) -> str:
    slot = _bias_slot(work, node)
    assert slot is not None
    values = work.constant(node, slot)
    assert values is not None
    channel = int(rng.integers(values.size))
    rise = float(values.std()) or RISE
    values.flat[channel] += np.float32(rise)
    work.give(node, slot, values)
    return f"bias of channel {channel} raised by {rise:.3g}, the spread of the layer's"


def next_up(values: Floats) -> Floats:
    """Give the next float32 above each value."""
    return np.nextafter(values, np.float32(np.inf))


WEIGHT_KINDS: dict[str, Kind] = {
    "bias-dropped": Kind(_has_bias, partial(_shift, to=np.zeros_like, name="dropped")),
    "bias-one-channel": Kind(_has_bias, _raise_one),
    "bias-one-percent": Kind(_has_bias, partial(_shift, to=lambda b: b * np.float32(1.01), name="1 % larger")),
    "bias-one-ulp": Kind(_has_bias, partial(_shift, to=next_up, name="raised by one unit in the last place")),
    "channels-swapped": Kind(_is_weighted, _swap),
    "kernel-transposed": Kind(_has_kernel, _transpose),
    "weight-sign": Kind(_is_weighted, _turn_sign),
    "weights-bfloat16": Kind(_is_weighted, partial(_round, to=to_bfloat16, name="bfloat16")),
    "weights-float16": Kind(_is_weighted, partial(_round, to=to_float16, name="float16")),
    "weights-int8": Kind(_is_weighted, partial(_round, to=to_int8, name="int8")),
}
