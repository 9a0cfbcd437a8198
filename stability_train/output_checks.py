"""A variant beside its source on photographs, for models that answer boxes or masks: all outputs compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import KitError
from device_agents.placed import Placed
from device_agents.runtimes import NETWORKS, runtime_for
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.families import TASKS, Asked

Array = np.ndarray[Any, np.dtype[Any]]
Outputs = list[tuple[Array, ...]]


@dataclass(frozen=True)
class Check:
    """A variant beside its source on photographs: the largest difference of a score, and other first classes."""

    max_difference: float
    flips: int
    pictures: int


def all_outputs(model: Path, tensors: Sequence[Array]) -> Outputs:
    """Run a model file on prepared pictures: all of its outputs for each, in the file's order."""
    network = NETWORKS[runtime_for(model)](model, 1)
    return [network(tensor) for tensor in tensors]


def compare_outputs(expected: Outputs, got: Outputs, card: Sidecar, *, resized: bool = False) -> Check:
    """Compare the outputs of a source and its variant on the same pictures.

    The largest difference of any number; of whole numbers, such as a mask's classes, the largest share of them that
    changed on a picture. A flip is a picture whose first label is another, as the sidecar's task answers. Raises
    KitError for outputs of another shape and numbers that are not finite. Where feature maps have another size
    (``resized``: ceil mode) there is no number to compare with, and the largest difference is NaN.
    """
    largest, flips = 0.0, 0
    labels = read_labels(Path(card.labels)) if card.labels else None
    whole = Placed(card.input_height, card.input_width, 1.0, 1.0, 0.0, 0.0)
    asked = Asked(card, labels, "", 1, whole)
    for before, after in zip(expected, got, strict=True):
        shapes = [[one.shape for one in outputs] for outputs in (before, after)]
        if shapes[0] == shapes[1]:
            largest = max([largest, *(_difference(*pair) for pair in zip(before, after, strict=True))])
        elif resized and list(map(len, shapes[0])) == list(map(len, shapes[1])):
            largest = float("nan")
        else:
            raise KitError(f"expected outputs of the source's shapes {shapes[0]}, got {shapes[1]}")
        flips += TASKS[card.task](before, asked).labels != TASKS[card.task](after, asked).labels
    return Check(largest, flips, len(expected))


def _difference(before: Array, after: Array) -> float:
    if np.issubdtype(before.dtype, np.integer):
        return float((before != after).mean())
    if not np.isfinite(after.astype(np.float64)).all():
        raise KitError("expected finite outputs, got infinite or no numbers on a photograph")
    return float(np.abs(after.astype(np.float64) - before.astype(np.float64)).max())
