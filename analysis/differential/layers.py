"""Where two runs of a network part: layers of two files brought together, and the first of them beyond a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.differential.outputs import as_laid_out, distances

Array = NDArray[Any]
TOLERANCE = 1e-4  # float32 kernels round to about 1e-6 a layer, half precision to 5e-4
SAMPLED = 8192  # elements by which layers of two files are told alike


@dataclass(frozen=True)
class Layer:
    """What one operator of a file gave for one input: its tensor's name, the operator's kind, and the values."""

    name: str
    kind: str
    values: Array


@dataclass(frozen=True)
class Meeting:
    """Two layers that hold the same thing, by name, and the relative L2 distance of their values (0..2, inf)."""

    a: str
    b: str
    kind: str
    relative: float


def aligned(a: Sequence[Layer], b: Sequence[Layer]) -> list[Meeting]:
    """Bring the layers of two files of one model together, in the order of both; what has no counterpart is left out.

    Converters rename, fuse and transpose: layers can meet where one's values fit the other's shape (differential_
    outputs.as_laid_out). Of all order-keeping pairings that one is taken whose sum of 1 + closeness is largest
    (Needleman and Wunsch 1970, without gap costs), closeness being 1 - relative distance, at least 0; so that a layer
    that was folded away finds no other's values in its place when its own are there.
    """
    gains = np.zeros((len(a), len(b)))
    relatives = np.full((len(a), len(b)), np.nan)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            if (found := relative_distance(one.values, other.values)) is not None:
                relatives[i, j] = found
                gains[i, j] = 1 + max(0.0, 1 - found)
    return [Meeting(a[i].name, b[j].name, b[j].kind, float(relatives[i, j])) for i, j in _best_path(gains)]


def relative_distance(a: Array, b: Array) -> float | None:
    """Give the relative L2 distance of two tensors, b laid out as a; None where the shapes do not fit.

    Of large tensors SAMPLED elements are taken, evenly spaced.
    """
    laid = as_laid_out(b, a.shape)
    if laid is None or not a.size:
        return None
    step = max(1, a.size // SAMPLED)
    one, other = (np.asarray(side, np.float64).ravel()[::step] for side in (a, laid))
    return distances(one, other)[2]


def first_beyond(meetings: Sequence[Meeting], tolerance: float = TOLERANCE) -> Meeting | None:
    """Give the first meeting from which on the two do not come together again; None where they end together.

    The last one decides whether there is anything to find: a difference that later layers swallow (a rounding that
    ends in the same scores) is none. Before it, the run of meetings beyond the tolerance that reaches the end counts.
    """
    first = None
    for one in reversed(meetings):
        if not one.relative > tolerance:
            break
        first = one
    return first


def _best_path(gains: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The order-keeping pairs (i, j) of the largest sum of gains; those of gain 0 are no pairs."""
    rows, columns = gains.shape
    best = np.zeros((rows + 1, columns + 1))
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            met = gains[i, j] + best[i + 1, j + 1] if gains[i, j] > 0 else 0.0
            best[i, j] = max(best[i + 1, j], best[i, j + 1], met)
    path, i, j = [], 0, 0
    while i < rows and j < columns:
        if gains[i, j] > 0 and best[i, j] == gains[i, j] + best[i + 1, j + 1]:
            path.append((i, j))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return path
