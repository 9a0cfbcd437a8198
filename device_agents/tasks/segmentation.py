"""From a segmentation network's raw outputs to a mask: a class for each pixel of the input, and where that lies.

A network often answers at a fraction of its input's size. How its logits are enlarged (nearest or bilinear, and which
coordinates belong together) differs between frameworks and moves the borders of what is seen; here it is a switch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, pick
from device_agents.placed import Box, Placed
from device_agents.tasks.answers import NO_CLASS, Mask, mask_text
from device_agents.tasks.asked import Answer, Asked, settings_of

Array = npt.NDArray[Any]
Classes = npt.NDArray[np.uint8]
Coordinates = Callable[[int, int], npt.NDArray[np.float64]]
# One output -> scores (height, width, classes), or integers (height, width) where the network has chosen itself.
Head = Callable[[Array, Asked, "Settings"], Array]

NOTHING = "nothing"  # the label of an answer without a single pixel that has a class


@dataclass(frozen=True)
class Settings:
    """The switches of what follows the network.

    ``upsampling``: a key of UPSAMPLINGS, how scores get to the input's size; unused where they have it.
    ``argmax_first``: choose the class before enlarging, as programs do that enlarge the finished mask; then the nearest
    class is taken under the same coordinates. ``threshold``: above which value the head "binary" says class 1: 0 for
    logits, 0.5 for a sigmoid. Raises BadInput for an unknown upsampling.
    """

    upsampling: str = "bilinear-half-pixel"
    argmax_first: bool = False
    threshold: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an unknown upsampling."""
        pick(UPSAMPLINGS, self.upsampling, what="upsampling")


@dataclass(frozen=True)
class Upsampling:
    """How an axis is enlarged: where output pixels lie between the input's, and whether neighbours are mixed."""

    coordinates: Coordinates
    linear: bool


def answer(outputs: Tuple[Array, ...], asked: Asked) -> Answer:
    """Give a mask of the input's size with the classes by falling share of the viewed picture, at most top_k of them.

    Scores are shares, 0..1, of the mask's pixels whose centres lie in the picture; ties go to the lower class. Raises
    BadInput for more outputs than one, a shape that is no mask, scores that are not finite, and unknown classes.
    """
    if len(outputs) != 1:
        raise BadInput(f"expected a segmentation network with one output, got {len(outputs)}")
    card = asked.sidecar
    settings = settings_of(Settings, card.post, posts=POSTS, post=asked.post)
    scores = pick(HEADS, card.head, what="head of the task segmentation")(outputs[0], asked, settings)
    height, width = card.input_height, card.input_width
    classes = enlarged(scores, height, width, settings)
    labels = _labels(asked.labels, scores.shape[2] if scores.ndim == 3 else _count(classes))
    extent = asked.placed.to_picture((0.0, 0.0, float(width), float(height)))
    return _answer(Mask(height, width, classes, labels, extent), asked)


def enlarged(scores: Array, height: int, width: int, settings: Settings) -> Classes:
    """Give the class of each pixel, uint8 (height, width), of scores (h, w, classes) or classes (h, w).

    The highest score wins, ties to the lower class.
    """
    way = UPSAMPLINGS[settings.upsampling]
    if scores.ndim == 3 and (settings.argmax_first or scores.shape[:2] == (height, width)):
        scores = scores.argmax(axis=2)
    if scores.ndim == 2:
        rows, columns = _nearest(way, scores.shape[0], height), _nearest(way, scores.shape[1], width)
        return np.ascontiguousarray(scores[rows[:, None], columns[None, :]].astype(np.uint8))
    if not way.linear:
        return enlarged(scores, height, width, replace(settings, argmax_first=True))
    rows_done = _linear(scores, way.coordinates(scores.shape[0], height))
    both = _linear(rows_done.swapaxes(0, 1), way.coordinates(scores.shape[1], width))
    return np.ascontiguousarray(both.argmax(axis=2).T.astype(np.uint8))


def half_pixel(size: int, wanted: int) -> npt.NDArray[np.float64]:
    """Centres on centres: x = (i + 0.5) size / wanted - 0.5, kept within the first and last pixel.

    PyTorch's align_corners=False, OpenCV's INTER_LINEAR, TensorFlow 2's resize, ONNX's half_pixel.
    """
    return np.asarray(np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1))


def align_corners(size: int, wanted: int) -> npt.NDArray[np.float64]:
    """Corner pixels on corner pixels: x = i (size - 1) / (wanted - 1). PyTorch's and TensorFlow 1's align_corners."""
    return np.asarray(np.arange(wanted) * ((size - 1) / max(1, wanted - 1)), np.float64)


def asymmetric(size: int, wanted: int) -> npt.NDArray[np.float64]:
    """Upper left corners on each other: x = i size / wanted. TensorFlow 1's resize as it came, ONNX's asymmetric."""
    return np.asarray(np.minimum(np.arange(wanted) * (size / wanted), size - 1))


def _nearest(way: Upsampling, size: int, wanted: int) -> npt.NDArray[np.int64]:
    """The source pixel of each output pixel: PyTorch's floor for "nearest", else the closest, ties to the right."""
    if not way.linear and way.coordinates is asymmetric:
        return (np.arange(wanted) * size) // wanted  # whole numbers: 3 * (1 / 3) would miss 1
    if not way.linear:
        return ((2 * np.arange(wanted) + 1) * size) // (2 * wanted)
    return np.floor(way.coordinates(size, wanted) + 0.5).astype(np.int64)


def _linear(scores: Array, places: npt.NDArray[np.float64]) -> Array:
    """Interpolate along the first axis at the places, given in pixels of it."""
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, scores.shape[0] - 1)
    weight = (places - low).astype(scores.dtype)[:, None, None]
    return np.asarray(scores[low] * (1 - weight) + scores[high] * weight)


def read_logits(output: Array, asked: Asked, settings: Settings) -> Array:
    """Give scores (h, w, classes) of an output [1, h, w, classes] or [1, classes, h, w], whichever fits the labels.

    Where both or none of the axes has the labels' number, the sidecar's layout decides.
    """
    scores = _without_batch(output, axes=3)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    _check_finite(scores)
    last, first = (_fits(scores.shape[axis], asked.labels) for axis in (2, 0))
    last = asked.sidecar.layout == "nhwc" if last == first else last
    return scores if last else np.moveaxis(scores, 0, 2)


def read_binary(output: Array, asked: Asked, settings: Settings) -> Array:
    """Give scores (h, w, 2) of a single score a pixel: class 1 where it is above the threshold, else class 0."""
    squeezed = output.reshape([size for size in output.shape if size != 1] or [1, 1])
    scores = _without_batch(squeezed, axes=2)
    _check_finite(scores)
    return np.stack([np.zeros(scores.shape), scores.astype(np.float64) - settings.threshold], axis=2)


def read_classes(output: Array, asked: Asked, settings: Settings) -> Array:
    """Give the classes (h, w) of a network that has chosen them itself: whole numbers, 255 for none."""
    classes = _without_batch(
        output.reshape(output.shape[:-1]) if output.ndim == 4 and output.shape[-1] == 1 else output, axes=2
    )
    if not np.issubdtype(classes.dtype, np.integer) and not np.array_equal(classes, np.rint(classes)):
        raise BadInput(f"expected whole numbers, a class a pixel, got {classes.dtype}; is the head 'logits'?")
    if classes.min() < 0 or classes.max() > NO_CLASS:
        raise BadInput(f"expected classes 0..{NO_CLASS}, got {classes.min()}..{classes.max()}")
    return classes


def _without_batch(output: Array, *, axes: int) -> Array:
    found = output[0] if output.ndim == axes + 1 and output.shape[0] == 1 else output
    if found.ndim != axes or not found.size:
        wanted = "[1, height, width, classes]" if axes == 3 else "[1, height, width]"
        raise BadInput(f"expected an output of shape {wanted} for a mask, got {list(output.shape)}")
    return found


def _check_finite(scores: Array) -> None:
    broken = int((~np.isfinite(scores)).sum())
    if broken:
        raise BadInput(f"expected finite scores, got {broken} of {scores.size} that are infinite or no number")


def _fits(size: int, labels: Optional[Tuple[str, ...]]) -> bool:
    return labels is not None and size == len(labels)


def _count(classes: Classes) -> int:
    return int(classes[classes != NO_CLASS].max(initial=0)) + 1


def _labels(labels: Optional[Tuple[str, ...]], count: int) -> Tuple[str, ...]:
    """Names for the classes; without a list they are counted. A mask keeps at most 255 of them."""
    named = labels if labels is not None else tuple(str(index) for index in range(count))
    if len(named) > NO_CLASS or count > len(named):
        raise BadInput(f"expected a label for each of at most {NO_CLASS} classes, got {len(named)} for {count}")
    return named


def _answer(mask: Mask, asked: Asked) -> Answer:
    seen = mask.classes[_inside(mask, asked.placed)]
    counts = np.bincount(seen[seen != NO_CLASS], minlength=1)
    order = [int(place) for place in np.argsort(-counts, kind="stable") if counts[place]][: asked.top_k]
    if not order:
        return Answer((NOTHING,), (0.0,), mask_text(mask))
    shares = tuple(float(counts[place] / seen.size) for place in order)
    return Answer(tuple(mask.labels[place] for place in order), shares, mask_text(mask))


def _inside(mask: Mask, placed: Placed) -> Tuple[slice, slice]:
    """The rows and columns of the mask whose pixels' centres lie in the viewed picture."""
    box: Box = placed.to_input((0.0, 0.0, 1.0, 1.0))
    left, top, right, bottom = (math.ceil(edge - 0.5) for edge in box)
    return slice(max(0, top), max(0, min(mask.height, bottom))), slice(max(0, left), max(0, min(mask.width, right)))


UPSAMPLINGS: Dict[str, Upsampling] = {
    "bilinear-align-corners": Upsampling(align_corners, linear=True),
    "bilinear-asymmetric": Upsampling(asymmetric, linear=True),
    "bilinear-half-pixel": Upsampling(half_pixel, linear=True),
    "nearest": Upsampling(asymmetric, linear=False),  # PyTorch's and TensorFlow's: the pixel at floor(i size / wanted)
    "nearest-half-pixel": Upsampling(half_pixel, linear=False),  # PyTorch's "nearest-exact"
}
HEADS: Dict[str, Head] = {"binary": read_binary, "classes": read_classes, "logits": read_logits}


def _with(settings: Settings, **changed: Any) -> Settings:
    """Change what follows a segmentation network."""
    return replace(settings, **changed)


POSTS: Dict[str, Callable[[Settings], Settings]] = {
    "argmax-first": partial(_with, argmax_first=True),
    "argmax-last": partial(_with, argmax_first=False),
    **{f"upsample-{name}": partial(_with, upsampling=name) for name in UPSAMPLINGS},
}
