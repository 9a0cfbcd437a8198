"""HEADS: the forms in which detectors give their raw outputs -> candidates: boxes in the input's pixels with scores.

A head takes the outputs in the file's order, the settings and the input's (height, width). It drops what scores below
the threshold before it decodes, so that its work is that of the candidates and not of all places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np

from device_agents.errors import BadInput
from device_agents.tasks.anchors import base_anchors, cell_centres, grid_anchors, ssd_priors
from device_agents.tasks.boxes import Array, Floats, decode_deltas, edges_of_centres, sigmoid, softmax_last
from device_agents.tasks.detection_outputs import dense_outputs, ready_outputs
from device_agents.tasks.detection_settings import Settings
from device_agents.tasks.suppression import Places, falling


@dataclass(frozen=True)
class Candidates:
    """Boxes (n, 4) float64 in the input's pixels, scores (n,) float64, and classes (n,), 0 being the first label."""

    boxes: Floats
    scores: Floats
    classes: Places


Head = Callable[[Tuple[Array, ...], Settings, Tuple[int, int]], Candidates]


def head_nanodet(outputs: Tuple[Array, ...], settings: Settings, size: Tuple[int, int]) -> Candidates:
    """Read scores (1, cells, classes) and distances (1, cells, 4 * bins) of each level, or one output with both.

    A distance is the expectation of a softmax over 0..bins-1, in strides from the cell's centre: left, top, right,
    bottom (generalised focal loss, Li et al. 2020; NanoDet).
    """
    grids = _grids(outputs, settings.strides, size, [1] * len(settings.strides))
    counts = [rows * columns for rows, columns in grids]
    levels = dense_outputs(outputs, settings.outputs, counts=counts, wide=4 * settings.bins)
    found = []
    for (scores, sides), (rows, columns), stride in zip(levels, grids, settings.strides):
        places, classes, values = _select(_activated(scores, settings), settings)
        bins = sides[places].reshape(-1, 4, settings.bins)
        chances = softmax_last(bins, precision=settings.exp)
        distances = chances @ np.arange(settings.bins, dtype=np.float64) * stride
        centres = _centres(rows, columns, stride, settings)[places]
        boxes = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:] - settings.offset], axis=1)
        found.append(Candidates(boxes, values, classes))
    return _joined(found)


def head_fastestdet(outputs: Tuple[Array, ...], settings: Settings, size: Tuple[int, int]) -> Candidates:
    """Read one output (1, 5 + classes, rows, columns): objectness, four terms of the box, class scores.

    score = objectness^0.6 * class^0.4; centre = (cell + tanh) / grid, size = sigmoid, both of the input's sides.
    """
    if len(outputs) != 1 or outputs[0].ndim != 4 or outputs[0].shape[0] != 1 or outputs[0].shape[1] < 6:
        raise _unfit("one output (1, 5 + classes, rows, columns)", outputs)
    cells = outputs[0][0].reshape(outputs[0].shape[1], -1).T.astype(np.float64)
    rows, columns = outputs[0].shape[2:]
    scores = np.power(np.maximum(cells[:, :1], 0.0), 0.6) * np.power(np.maximum(cells[:, 5:], 0.0), 0.4)
    places, classes, values = _select(scores, settings)
    terms = cells[places, 1:5]
    stride = np.array([size[1] / columns, size[0] / rows])
    unit = cell_centres(rows, columns, stride=1.0, centre=settings.centre, shift=0.0)[places]
    # tanh by the exponential, as a runtime without one of its own has it: 2 sigmoid(2x) - 1.
    steps = 2.0 * sigmoid(2.0 * terms[:, :2], precision=settings.exp) - 1.0
    centres = (unit + steps) * stride + settings.centre_shift
    half = 0.5 * sigmoid(terms[:, 2:], precision=settings.exp) * np.array([size[1], size[0]])
    boxes = np.concatenate([centres - half, centres + half - settings.offset], axis=1)
    return Candidates(boxes, values, classes)


def head_ssd(outputs: Tuple[Array, ...], settings: Settings, size: Tuple[int, int]) -> Candidates:
    """Read scores (1, n, classes) and deltas (1, n, 4) to default boxes, made by the settings or a third output (n, 4).

    Priors that are an output are centre y, centre x, height, width in fractions of the input, as TensorFlow has them.
    """
    given = [one for one in outputs if one.ndim == 2 and one.shape[1] == 4]
    if given and settings.prior_boxes == "given":
        sides = np.array([size[0], size[1], size[0], size[1]])
        priors = edges_of_centres((given[0].astype(np.float64) * sides)[:, [1, 0, 3, 2]])
    else:
        priors = ssd_priors(*size, strides=settings.strides, priors=settings.priors)
    dense = tuple(one for one in outputs if one.ndim != 2)
    names = tuple(name for name in settings.outputs if name != "priors")
    return _joined(_from_anchors(dense_outputs(dense, names, counts=[len(priors)], wide=4), [priors], settings))


def head_anchors(outputs: Tuple[Array, ...], settings: Settings, size: Tuple[int, int]) -> Candidates:
    """Read scores and deltas to generated anchors, a pair for each level or all levels in one pair.

    They are (1, n, classes) and (1, n, 4), or as the convolutions give them: (1, anchors * classes, rows, columns).
    """
    sizes = settings.anchor_sizes
    if len(sizes) != len(settings.strides):
        raise BadInput(f"post: expected anchor_sizes for each of {len(settings.strides)} strides, got {len(sizes)}")
    each = [len(one) * len(settings.anchor_ratios) for one in sizes]
    grids = _grids(outputs, settings.strides, size, each)
    counts = [rows * columns * number for (rows, columns), number in zip(grids, each)]
    levels = dense_outputs(outputs, settings.outputs, counts=counts, wide=4, anchors=each)
    anchors = []
    for (rows, columns), stride, level in zip(grids, settings.strides, sizes):
        base = base_anchors(level, settings.anchor_ratios, rounding=settings.anchor_rounding)
        anchors.append(grid_anchors(_centres(rows, columns, stride, settings), base))
    return _joined(_from_anchors(levels, anchors, settings))


def head_ready(outputs: Tuple[Array, ...], settings: Settings, size: Tuple[int, int]) -> Candidates:
    """Read boxes (n, 4), labels (n,) and scores (n,) that the model has decoded, and a count where it gives one.

    The offset is taken off its finished boxes, as nothing reaches into the model.
    """
    boxes, labels, scores = ready_outputs(outputs, settings.outputs)
    wide = boxes.astype(np.float64)
    wide = wide[:, [1, 0, 3, 2]] if settings.edges == "yxyx" else wide
    wide = wide * np.array([size[1], size[0], size[1], size[0]]) if settings.units == "fractions" else wide
    classes = np.rint(labels).astype(np.int64) - settings.first_class
    keep = (scores >= settings.score_threshold) & (classes >= 0)
    moved = wide[keep] - np.array([0.0, 0.0, settings.offset, settings.offset])
    return Candidates(moved, scores[keep].astype(np.float64), classes[keep])


def _from_anchors(
    levels: Sequence[Tuple[Array, Array]], anchors: Sequence[Floats], settings: Settings
) -> List[Candidates]:
    found = []
    order = [1, 0, 3, 2] if settings.delta_order == "yxhw" else [0, 1, 2, 3]
    for (scores, deltas), boxes in zip(levels, anchors):
        places, classes, values = _select(_activated(scores, settings), settings)
        decoded = decode_deltas(
            boxes[places],
            deltas[places][:, order],
            means=settings.means,
            stds=settings.stds,
            weights=settings.weights,
            clamp=settings.clamp,
            exp=settings.exp,
            offset=settings.offset,
            width_plus=settings.width_plus,
        )
        found.append(Candidates(decoded, values, classes))
    return found


def _activated(scores: Array, settings: Settings) -> Floats:
    """Give scores (n, classes) without the background's columns, as chances."""
    if settings.first_class >= scores.shape[1]:
        raise BadInput(f"post: first_class {settings.first_class} leaves none of {scores.shape[1]} classes")
    if settings.activation == "softmax":
        return softmax_last(scores, precision=settings.exp)[:, settings.first_class :]
    kept = scores[:, settings.first_class :]
    return sigmoid(kept, precision=settings.exp) if settings.activation == "sigmoid" else kept


def _select(scores: Array, settings: Settings) -> Tuple[Places, Places, Floats]:
    """Give the places, classes and scores of a level's candidates, in falling order, at most as many as are wanted."""
    if settings.each == "best":
        classes = np.argmax(scores, axis=1)
        values = scores[np.arange(len(scores)), classes]
        places = np.flatnonzero(values >= settings.score_threshold)
        classes, values = classes[places], values[places]
    else:
        places, classes = np.nonzero(scores >= settings.score_threshold)
        values = scores[places, classes]
    order = falling(values, ties=settings.ties)
    if settings.candidates:
        order = order[: settings.candidates]
    return places[order], classes[order], values[order].astype(np.float64)


def _centres(rows: int, columns: int, stride: int, settings: Settings) -> Floats:
    return cell_centres(rows, columns, stride=stride, centre=settings.centre, shift=settings.centre_shift)


def _grids(
    outputs: Tuple[Array, ...], strides: Sequence[int], size: Tuple[int, int], each: Sequence[int]
) -> List[Tuple[int, int]]:
    """Give each level's rows and columns, size / stride rounded up, or one more, as a model with ceil mode has them."""
    places = {one.shape[1] if one.ndim == 3 else int(np.prod(one.shape[2:])) for one in outputs}
    usual = [(math.ceil(size[0] / stride), math.ceil(size[1] / stride)) for stride in strides]
    more = [(rows + 1, columns + 1) for rows, columns in usual]
    counts = [rows * columns * number for (rows, columns), number in zip(more, each)]
    cells = {rows * columns for rows, columns in more}
    return more if set(counts) <= places or sum(counts) in places or cells <= places else usual


def _joined(found: Sequence[Candidates]) -> Candidates:
    return Candidates(
        np.concatenate([one.boxes for one in found]),
        np.concatenate([one.scores for one in found]),
        np.concatenate([one.classes for one in found]),
    )


def _unfit(wanted: str, outputs: Tuple[Array, ...]) -> BadInput:
    return BadInput(f"expected {wanted}, got {', '.join(str(one.shape) for one in outputs)}")


HEADS: Dict[str, Head] = {
    "anchors": head_anchors,
    "boxes": head_ready,
    "fastestdet": head_fastestdet,
    "nanodet": head_nanodet,
    "ssd": head_ssd,
    "tflite-post": head_ready,
}
