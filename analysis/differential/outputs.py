"""Raw outputs of two variants of one model compared, whatever the task: their bits, and how far they are apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device_agents.errors import BadInput
from device_agents.preprocess import fingerprint

Array = NDArray[Any]
Outputs = Sequence[Array]  # all outputs of one inference, in the file's order

NHWC_OF_NCHW = (0, 2, 3, 1)
NCHW_OF_NHWC = (0, 3, 1, 2)


@dataclass(frozen=True)
class OutputDifference:
    """How far two sets of outputs are apart, in the outputs' own unit; all NaN where they cannot be compared.

    same_bits: every element has the same bits (0.0 and -0.0 differ, a NaN equals itself). max_abs, mean_abs: of
    |a - b|; infinite where one side alone is no finite number. relative: L2 norm of a - b over the larger norm of
    the two, 0..2.
    """

    comparable: bool
    same_bits: bool
    max_abs: float
    mean_abs: float
    relative: float


APART = OutputDifference(False, False, float("nan"), float("nan"), float("nan"))


def output_difference(a: Outputs, b: Outputs) -> OutputDifference:
    """Compare the outputs of two inferences of the same input, element by element; symmetric.

    Outputs go together by their place. Of another shape are comparable those that differ in sizes of 1 alone, and one
    that is the other with its channels last; else (and for another number of outputs) ``comparable`` is False.
    """
    if len(a) != len(b) or not a:
        return APART
    pairs = []
    for one, other in zip(a, b, strict=True):
        laid = as_laid_out(other, one.shape)
        if laid is None:
            return APART
        pairs.append((np.asarray(one), laid))
    same = all(_same_bits(one, other) for one, other in pairs)
    left, right = (np.concatenate([np.asarray(pair[side], np.float64).ravel() for pair in pairs]) for side in (0, 1))
    return OutputDifference(True, same, *distances(left, right))


def distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float, float]:
    """Give (max_abs, mean_abs, relative) of two flat arrays of one size, as OutputDifference says.

    Elements that are the same on both sides (the same infinity, or both no number) are at 0.
    """
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise BadInput(f"expected two flat arrays of one size, got {a.shape} and {b.shape}")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if bool(same.all()):
        return 0.0, 0.0, 0.0
    if not bool((np.isfinite(a) & np.isfinite(b))[~same].all()):
        return float("inf"), float("inf"), float("inf")
    finite = np.isfinite(a)
    apart = np.where(same, 0.0, np.where(finite, a, 0) - np.where(finite, b, 0))
    size = max(float(np.linalg.norm(a[finite])), float(np.linalg.norm(b[finite])))
    return float(np.abs(apart).max()), float(np.abs(apart).mean()), float(np.linalg.norm(apart)) / size


def as_laid_out(array: Array, shape: tuple[int, ...]) -> Array | None:
    """Bring an array to a shape by sizes of 1 and by moving the channels of a picture; None where it does not fit."""
    array = np.asarray(array)
    if array.shape == shape:
        return array
    if [size for size in array.shape if size != 1] == [size for size in shape if size != 1]:
        return array.reshape(shape)
    if array.ndim == len(shape) == 4:
        for order in (NHWC_OF_NCHW, NCHW_OF_NHWC):
            if tuple(array.shape[axis] for axis in order) == shape:
                return array.transpose(order)
    return None


def fingerprint_outputs(outputs: Outputs) -> str:
    """Give one sha256, in hexadecimal, for all outputs with their types and shapes; equal bits give equal ones."""
    marks = "".join(fingerprint(np.asarray(one)) for one in outputs)
    return hashlib.sha256(marks.encode("ascii")).hexdigest()


def is_finite(outputs: Outputs) -> bool:
    """Say whether all numbers of all outputs are finite."""
    return all(bool(np.isfinite(one).all()) for one in outputs)


def identical_groups(marks: pd.DataFrame) -> list[tuple[str, ...]]:
    """Group variants whose outputs are the same bits on every item; all variants, in order of appearance.

    marks: one row an item and variant with the columns item, variant, output (a fingerprint, "" where it failed). Two
    variants that failed on the same items, and on no others, may be in one group; one that failed on all is alone.
    """
    wide = marks.pivot_table(index="item", columns="variant", values="output", aggfunc="first", sort=False)
    wide = wide.reindex(columns=list(dict.fromkeys(marks["variant"])))
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name in wide.columns:
        values = tuple(wide[name].fillna(""))
        groups.setdefault(values if any(values) else (str(name),), []).append(str(name))
    return [tuple(names) for names in groups.values()]


def _same_bits(a: Array, b: Array) -> bool:
    if a.dtype != b.dtype:
        return False
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()
