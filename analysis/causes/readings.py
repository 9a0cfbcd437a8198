"""Readings: what a model's input tensor says of the picture before scaling, for each scaling that could have made it.

Every scaling of the catalogue is an affine map of R, G, B. It is measured at a few colours and turned round, so that no
mean or deviation is written down twice. A tensor whose values come back as whole levels 0 to 255 was made from bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from device_agents.preprocess import SCALINGS, Scaling

Array = npt.NDArray[Any]

WHOLE = 0.02  # of a level; float32 keeps ImageNet's scaling to 3e-5
HALF_WHOLE = 0.2  # the same for float16, whose steps near 2 are 1/512
UNROUNDED = 0.5 + WHOLE
OVERSHOOT = 60.0  # levels beyond 0 and 255 that an unclipped bicubic or Lanczos filter reaches


@dataclass(frozen=True)
class Reading:
    """One way to read pixels: (height, width, 3) in R, G, B, uint8 where whole, else float32 levels.

    ``slack`` is what rounding or quantising may have moved each value, 0 for bytes.
    """

    scaling: str
    layout: str
    colour_order: str
    dtype: str
    pixels: Array
    slack: float


def readings(
    values: Array, *, shape: tuple[int, ...] = (), quantisation: tuple[float, int] | None = None
) -> list[Reading]:
    """Give every reading of a tensor or picture, those made from whole bytes alone where there are any.

    values: (height, width, 3), (3, height, width), either with a leading 1, or a flat list whose shape is ``shape``, or
    that of a square picture. Signed bytes are read 128 higher, as quantised models shift them; with ``quantisation``
    (scale, zero point) integers are also read as the real numbers they stand for. Raises BadInput for other shapes,
    and for values that no scaling makes.
    """
    if values.size == 0 or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise BadInput(f"expected finite numbers, got {values.size} of type {values.dtype}")
    found = [
        reading
        for layout, laid in _layouts(values, shape)
        for reading in (*_bytes(laid, layout), *_scaled(laid, layout, quantisation))
    ]
    if not found:
        raise BadInput(
            f"these values ({values.min():.4g} to {values.max():.4g}) are no picture in any scaling of the catalogue: "
            + ", ".join(SCALINGS)
        )
    whole = [reading for reading in found if reading.slack == 0.0]
    return _distinct(whole or found)


def _layouts(values: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    if shape:
        if values.size != int(np.prod(shape)):
            raise BadInput(f"expected {int(np.prod(shape))} values for the shape {shape}, got {values.size}")
        values = values.reshape(shape)
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 2 and 1 in values.shape:
        values = values.ravel()
    if values.ndim == 1:
        side = round((values.size / 3) ** 0.5)
        if side * side * 3 != values.size:
            raise BadInput(
                f"expected the shape of these {values.size} values, which is no square picture's; give --shape"
            )
        yield "nhwc", values.reshape(side, side, 3)
        yield "nchw", values.reshape(3, side, side).transpose(1, 2, 0)
    elif values.ndim == 3 and 3 in (values.shape[0], values.shape[-1]):
        if values.shape[-1] == 3:
            yield "nhwc", values
        if values.shape[0] == 3:
            yield "nchw", values.transpose(1, 2, 0)
    else:
        raise BadInput(f"expected (height, width, 3) or (3, height, width), one picture, got the shape {values.shape}")


def _bytes(laid: Array, layout: str) -> Iterator[Reading]:
    if laid.dtype not in (np.uint8, np.int8):
        return
    shifted = laid if laid.dtype == np.uint8 else (laid.astype(np.int16) + 128).astype(np.uint8)
    for order, turned in (("rgb", shifted), ("bgr", shifted[..., ::-1])):
        yield Reading("bytes", layout, order, laid.dtype.name, np.ascontiguousarray(turned), 0.0)


def _scaled(laid: Array, layout: str, quantisation: tuple[float, int] | None) -> Iterator[Reading]:
    step = 0.0
    if laid.dtype.kind in "iu":
        if quantisation is None:
            if laid.dtype in (np.uint8, np.int8):
                return
        else:
            step, zero = quantisation
            laid = (laid.astype(np.float64) - zero) * step
    for name, scaling in SCALINGS.items():
        for order in ("rgb", "bgr"):
            # to_tensor scales R, G, B and changes the order afterwards; this is the way back.
            matrix, offset = _affine(scaling)
            tensor = laid.astype(np.float64)[..., :: -1 if order == "bgr" else 1]
            back = np.linalg.inv(matrix)
            levels = (tensor - offset) @ back.T
            reading = _whole(levels, laid.dtype, slack=step / 2 * float(np.abs(back).max()))
            if reading is not None:
                yield Reading(name, layout, order, values_type(laid, quantisation), *reading)


def values_type(laid: Array, quantisation: tuple[float, int] | None) -> str:
    """Name the type that a tensor has on its way into the model."""
    return laid.dtype.name if quantisation is None else "quantised"


def _whole(levels: Array, dtype: np.dtype[Any], *, slack: float) -> tuple[Array, float] | None:
    apart = float(np.abs(levels - np.rint(levels)).max())
    low, high = float(levels.min()), float(levels.max())
    if not slack and apart <= (HALF_WHOLE if dtype == np.float16 else WHOLE) and low > -0.5 and high < 255.5:
        return np.rint(levels).astype(np.uint8), 0.0
    # A tensor scaled to 0..1 is no picture of levels 0 and 1; one that uses a few levels only tells nothing anyway.
    if low < -OVERSHOOT or high > 255 + OVERSHOOT or high - low < 8:
        return None
    return levels.clip(0, 255).astype(np.float32), slack + UNROUNDED


def _affine(scaling: Scaling) -> tuple[Array, Array]:
    colours = np.zeros((4, 1, 3), np.uint8)
    colours[1:, 0] = 255 * np.eye(3, dtype=np.uint8)
    scaled = scaling(colours)[:, 0].astype(np.float64)
    return (scaled[1:] - scaled[0]).T / 255, scaled[0]


def _distinct(found: list[Reading]) -> list[Reading]:
    # A flat list of a square picture comes in both layouts, and bytes may be read twice.
    return list({(one.scaling, one.layout, one.colour_order): one for one in found}.values())
