"""Which of a detector's outputs is which, told by their shapes, or by the names that the settings give them."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput

Array = npt.NDArray[Any]
_SAY = 'name the outputs in their order in the sidecar\'s post, such as "outputs": ["scores", "boxes"]'


def dense_outputs(
    outputs: Tuple[Array, ...],
    names: Sequence[str],
    *,
    counts: Sequence[int],
    wide: int,
    anchors: Optional[Sequence[int]] = None,
) -> List[Tuple[Array, Array]]:
    """Give each level's scores (n, classes) and box terms (n, wide), the levels in the order of their counts.

    An output is (1, n, channels), or (1, anchors * channels, rows, columns) where ``anchors`` says how many a cell of
    each level has; one output may hold a level's scores and then its box terms, and one pair all levels. ``counts`` are
    the places of each level. Raises BadInput where the shapes are others, or can be read in two ways.
    """
    flat = [_flat(one, counts, anchors) for one in outputs]
    if len(flat) == 1 and flat[0].shape[1] > wide:
        flat, names = [flat[0][:, :-wide], flat[0][:, -wide:]], ("scores", "boxes")
    kinds = list(names) if names else ["boxes" if one.shape[1] == wide else "scores" for one in flat]
    if len(kinds) != len(flat):
        raise BadInput(f"post: outputs names {len(kinds)}, the model has {len(flat)}: {_shapes(outputs)}")
    scores = _levels([one for one, kind in zip(flat, kinds) if kind == "scores"], counts)
    boxes = _levels([one for one, kind in zip(flat, kinds) if kind == "boxes"], counts)
    fits = scores is not None and boxes is not None and all(one.shape[1] == wide for one in boxes)
    if scores is None or boxes is None or not fits:
        raise BadInput(
            f"expected scores (1, n, classes) and box terms (1, n, {wide}) for levels of n = "
            f"{', '.join(map(str, counts))}, got {_shapes(outputs)}; or {_SAY}"
        )
    return list(zip(scores, boxes))


def ready_outputs(outputs: Tuple[Array, ...], names: Sequence[str]) -> Tuple[Array, Array, Array]:
    """Give boxes (n, 4), labels (n,) and scores (n,) of a model that has its own post-processing.

    By shape the boxes are the output that ends in 4, a count is a single number, labels are integers or else the one
    of two outputs that has whole numbers past 1 or comes first. Where there is a count, the rest is cut off.
    Raises BadInput for other shapes.
    """
    if names and len(names) != len(outputs):
        raise BadInput(f"post: outputs names {len(names)}, the model has {len(outputs)}: {_shapes(outputs)}")
    squeezed = _one_picture(outputs)
    kinds = list(names) if names else _kinds(squeezed)
    found = {kind: one for kind, one in zip(kinds, squeezed)}
    if not {"boxes", "labels", "scores"} <= set(found):
        raise BadInput(f"expected boxes (n, 4), labels (n,) and scores (n,), got {_shapes(outputs)}; or {_SAY}")
    boxes, labels, scores = found["boxes"], found["labels"].reshape(-1), found["scores"].reshape(-1)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) == len(labels) == len(scores):
        raise BadInput(f"expected as many boxes (n, 4) as labels and scores, got {_shapes(outputs)}")
    count = int(found["count"].reshape(-1)[0]) if "count" in found else len(boxes)
    if not 0 <= count <= len(boxes):
        raise BadInput(f"expected a count of 0 to {len(boxes)} boxes, got {count}")
    return boxes[:count], labels[:count], scores[:count]


def _kinds(outputs: Sequence[Array]) -> List[str]:
    """Name outputs by their shapes: whichever cannot be told is a score, of which there may be one alone."""
    kinds = ["boxes" if one.ndim == 2 and one.shape[1] == 4 else "" for one in outputs]
    for place, one in enumerate(outputs):
        if not kinds[place] and one.ndim == 0:
            kinds[place] = "count"
    rest = [place for place, kind in enumerate(kinds) if not kind and outputs[place].ndim == 1]
    if len(rest) != 2:
        return kinds
    integers = [place for place in rest if np.issubdtype(outputs[place].dtype, np.integer)]
    if len(integers) != 1:
        integers = [place for place in rest if _looks_like_labels(outputs[place])]
    labels = integers[0] if len(integers) == 1 else rest[0]
    for place in rest:
        kinds[place] = "labels" if place == labels else "scores"
    return kinds


def _looks_like_labels(values: Array) -> bool:
    return bool(values.size and (values == np.rint(values)).all() and values.max() > 1)


def _one_picture(outputs: Sequence[Array]) -> List[Array]:
    """Take away the batch of one, where the boxes have one: (1, n, 4) -> (n, 4), (1, n) -> (n,), (1,) -> ()."""
    batched = any(one.ndim == 3 and one.shape[-1] == 4 for one in outputs)
    return [np.asarray(one[0]) if batched and one.ndim and one.shape[0] == 1 else one for one in outputs]


def _flat(one: Array, counts: Sequence[int], anchors: Optional[Sequence[int]]) -> Array:
    if one.ndim == 3 and one.shape[0] == 1:
        return np.asarray(one[0])
    if one.ndim == 2:
        return one
    if one.ndim == 4 and one.shape[0] == 1 and anchors is not None:
        cells = one.shape[2] * one.shape[3]
        each = next((number for count, number in zip(counts, anchors) if count == cells * number), 0)
        if each and one.shape[1] % each == 0:
            channels = one[0].reshape(each, one.shape[1] // each, cells)
            return np.ascontiguousarray(channels.transpose(2, 0, 1)).reshape(cells * each, -1)
    raise BadInput(f"expected outputs for levels of {', '.join(map(str, counts))} places, got one of {one.shape}")


def _levels(parts: Sequence[Array], counts: Sequence[int]) -> Optional[List[Array]]:
    """The parts in the order of the counts, one part of all levels being cut; None where they do not fit."""
    if len(parts) == 1 and len(parts[0]) == sum(counts):
        return np.split(parts[0], np.cumsum(counts)[:-1])
    if sorted(map(len, parts)) != sorted(counts) or len(set(counts)) != len(counts):
        return None
    by_count = {len(part): part for part in parts}
    return [by_count[count] for count in counts]


def _shapes(outputs: Sequence[Array]) -> str:
    return ", ".join(f"{one.dtype} {one.shape}" for one in outputs)
