"""Anchors: the boxes that a network's deltas refer to, made as detectron, torchvision and TensorFlow make them."""

from __future__ import annotations

import math
from typing import Any, Sequence, Tuple

import numpy as np

from device_agents.tasks.boxes import Floats


def cell_centres(rows: int, columns: int, *, stride: float, centre: float, shift: float) -> Floats:
    """Give the centres (rows * columns, 2) as x, y of a grid's cells in pixels, row by row.

    x = (column + centre) * stride + shift: centre 0.5 is the cell's middle in edge coordinates, with shift -0.5 in
    coordinates that count pixel centres; centre 0 is the cell's corner.
    """
    x = (np.arange(columns) + centre) * stride + shift
    y = (np.arange(rows) + centre) * stride + shift
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2).astype(np.float64)


def base_anchors(sizes: Sequence[float], ratios: Sequence[float], *, rounding: str) -> Floats:
    """Give anchors (ratios * sizes, 4) around (0, 0): height = size * sqrt(ratio), width = size / sqrt(ratio).

    A ratio is height / width; the ratios are the outer loop (torchvision's AnchorGenerator). "nearest" rounds the edges
    to whole pixels, halves to even, as torchvision does.
    """
    roots = np.sqrt(np.asarray(ratios, np.float64))
    heights = (roots[:, None] * np.asarray(sizes, np.float64)[None, :]).reshape(-1)
    widths = ((1.0 / roots)[:, None] * np.asarray(sizes, np.float64)[None, :]).reshape(-1)
    base = np.stack([-widths, -heights, widths, heights], axis=1) / 2
    return np.asarray(np.rint(base)) if rounding == "nearest" else base


def grid_anchors(centres: Floats, base: Floats) -> Floats:
    """Give the anchors (cells * bases, 4) of a level, cell by cell."""
    return np.asarray((np.tile(centres, 2)[:, None, :] + base[None, :, :]).reshape(-1, 4))


def ssd_priors(height: int, width: int, *, strides: Sequence[int], priors: Tuple[Any, ...]) -> Floats:
    """Give SSD's default boxes (n, 4) in pixels, as TensorFlow's create_ssd_anchors makes them for its MobileNets.

    priors: (smallest scale, largest scale, aspect ratios width / height, reduced). Level k of m has the scale
    s_k = smallest + (largest - smallest) k / (m - 1), and one box more of ratio 1 and scale sqrt(s_k s_k+1), the last
    s being 1; reduced: the lowest level has three boxes only: (0.1, 1), (s_0, 2), (s_0, 1/2). A level's grid is the
    input's size over its stride, rounded up; scales are of the input's sides.
    """
    smallest, largest, ratios, reduced = priors
    levels = len(strides)
    scales = [smallest + (largest - smallest) * level / max(1, levels - 1) for level in range(levels)] + [1.0]
    found = []
    for level, stride in enumerate(strides):
        shapes = [(scales[level], ratio) for ratio in ratios]
        shapes.append((math.sqrt(scales[level] * scales[level + 1]), 1.0))
        if level == 0 and reduced:
            shapes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        unit = cell_centres(rows, columns, stride=1.0, centre=0.5, shift=0.0)
        centres = unit * np.array([width / columns, height / rows])
        sides = np.array(
            [(scale * math.sqrt(ratio) * width, scale / math.sqrt(ratio) * height) for scale, ratio in shapes]
        )
        half = np.concatenate([-sides, sides], axis=1) / 2
        found.append((np.tile(centres, 2)[:, None, :] + half[None, :, :]).reshape(-1, 4))
    return np.concatenate(found)
