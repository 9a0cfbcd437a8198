"""Arithmetic of boxes: from a network's numbers to edges, overlaps, and edges made whole, as each deployment does it.

Boxes are arrays (n, 4) of left, top, right, bottom in pixels of the model's input, continuous edges, y down.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def exponential(values: Array, *, precision: str) -> Floats:
    """Give exp(x) as it is taken in float16, float32 or float64: the numbers rounded before and after."""
    kind = np.dtype(precision)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp(values.astype(kind)), np.float64)


def sigmoid(values: Array, *, precision: str) -> Floats:
    """Give 1 / (1 + exp(-x)) with the exponential in the precision named."""
    return np.asarray(1.0 / (1.0 + exponential(-values, precision=precision)))


def softmax_last(values: Array, *, precision: str) -> Floats:
    """Give exp(x) / sum(exp(x)) over the last axis, the largest taken off first."""
    powers = exponential(values - values.max(axis=-1, keepdims=True), precision=precision)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def decode_deltas(
    anchors: Floats,
    deltas: Array,
    *,
    means: Tuple[float, ...],
    stds: Tuple[float, ...],
    weights: Tuple[float, ...],
    clamp: float,
    exp: str,
    offset: float,
    width_plus: float,
) -> Floats:
    """Give the boxes that deltas (n, 4) of dx, dy, dw, dh make of anchors: SysNoise's appendix A, line by line.

    width = right - left + width_plus, centre = left + width / 2; d = (delta * std + mean) / weight; dw and dh at most
    ``clamp`` (0: no limit); centre' = d * width + centre, width' = exp(dw) * width; the edges lie half a width from
    the centre, and ``offset`` is taken off the right and the bottom one.
    """
    sides = anchors[:, 2:] - anchors[:, :2] + width_plus
    centres = anchors[:, :2] + 0.5 * sides
    steps = (deltas.astype(np.float64) * np.array(stds) + np.array(means)) / np.array(weights)
    growth = np.minimum(steps[:, 2:], clamp) if clamp else steps[:, 2:]
    middle = steps[:, :2] * sides + centres
    half = 0.5 * exponential(growth, precision=exp) * sides
    return np.concatenate([middle - half, middle + half - offset], axis=1)


def overlaps(box: Floats, boxes: Floats, *, plus: float) -> Floats:
    """Give the intersection over union (n,) of one box (4,) with boxes (n, 4); 0 where both are empty.

    plus: 1 counts the last pixel, (right - left + 1), as older code does; 0 takes edges as they are.
    """
    left, top, right, bottom = boxes.T
    width = np.minimum(box[2], right) - np.maximum(box[0], left) + plus
    height = np.minimum(box[3], bottom) - np.maximum(box[1], top) + plus
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    own = (box[2] - box[0] + plus) * (box[3] - box[1] + plus)
    union = own + (right - left + plus) * (bottom - top + plus) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def clip_edges(boxes: Floats, *, left: float, top: float, right: float, bottom: float) -> Floats:
    """Cut boxes at the edges given."""
    return np.asarray(np.clip(boxes, np.array([left, top, left, top]), np.array([right, bottom, right, bottom])))


_ROUNDINGS: Dict[str, Callable[[Floats], Floats]] = {"down": np.floor, "nearest": np.rint, "up": np.ceil}


def round_edges(boxes: Floats, *, rounding: str) -> Floats:
    """Bring edges to whole numbers: "down", "up", to the "nearest" (halves to even), or not at all ("none")."""
    return boxes if rounding == "none" else np.asarray(_ROUNDINGS[rounding](boxes))


def edges_of_centres(boxes: Array) -> Floats:
    """Give edges of boxes (n, 4) that are centre x, centre y, width, height."""
    wide = boxes.astype(np.float64)
    half = 0.5 * wide[:, 2:]
    return np.concatenate([wide[:, :2] - half, wide[:, :2] + half], axis=1)
