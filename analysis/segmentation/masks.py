"""A model's mask brought onto the truth's pixels and into the truth's classes, so that the two can be compared.

A class of the truth may accept several of a model's: its label is then "tree|vegetation|terrain", its own name first.
That is how a model trained on one data set is measured on another (capture.mask_files writes such labels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS, Mask

Classes = NDArray[np.uint8]

OTHER = 254  # an answer that no class of the truth accepts, or none at all: wrong wherever the truth has a class
UNSEEN = 255  # a pixel that the answer does not cover, since the model saw only a part of the picture


def own_name(label: str) -> str:
    """The name of a truth's class that may accept several: "tree" of "tree|vegetation|terrain"."""
    return label.split("|", 1)[0]


def answered(mask: Mask, truth: Mask) -> Classes:
    """Give the answer on the truth's pixels in the truth's classes: uint8 of the truth's shape, OTHER and UNSEEN.

    Raises BadInput where the mask covers nothing of the truth, or shares no class with it.
    """
    codes = class_codes(mask.labels, truth.labels)[placed_on(mask, truth)]
    return np.where(_seen(mask, truth), codes, np.uint8(UNSEEN))


def class_codes(labels: Sequence[str], truth_labels: Sequence[str]) -> Classes:
    """Give the truth's class of each of a model's, uint8 (256,), OTHER for those that no class of the truth accepts.

    Raises BadInput where two classes of the truth accept the same label, or none accepts any of the model's.
    """
    if len(truth_labels) > OTHER:
        raise BadInput(f"expected a truth of at most {OTHER} classes, got {len(truth_labels)}")
    places: dict[str, int] = {}
    for place, label in enumerate(truth_labels):
        for name in label.split("|"):
            if places.setdefault(name, place) != place:
                both = own_name(truth_labels[places[name]]), own_name(label)
                raise BadInput(f"the class '{name}' is accepted for both '{both[0]}' and '{both[1]}' of the truth")
    codes = np.full(256, OTHER, np.uint8)
    for index, label in enumerate(labels):
        codes[index] = places.get(label, OTHER)
    if labels and (codes[: len(labels)] == OTHER).all():
        raise BadInput(
            f"none of the model's classes ({_shown(labels)}) is one of the truth's ({_shown(truth_labels)}); say in "
            "mask-classes.csv, column accepts, which of the model's classes stand for each"
        )
    return codes


def placed_on(mask: Mask, truth: Mask) -> Classes:
    """Give the mask's own classes on the truth's pixels, each from the mask's pixel that its centre lies in.

    uint8 of the truth's shape, NO_CLASS outside of the mask. Raises BadInput where the two do not overlap.
    """
    rows, columns = _places(mask, truth)
    if not (rows >= 0).any() or not (columns >= 0).any():
        raise BadInput(
            f"a mask of {mask.width} x {mask.height} pixels at {mask.extent} covers nothing of the truth at "
            f"{truth.extent}: it cannot be compared"
        )
    found = mask.classes[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)[None, :]]
    return np.where(_seen(mask, truth), found, np.uint8(NO_CLASS))


def _seen(mask: Mask, truth: Mask) -> NDArray[np.bool_]:
    """Whether the mask covers each pixel of the truth."""
    rows, columns = _places(mask, truth)
    return np.asarray((rows >= 0)[:, None] & (columns >= 0)[None, :])


def _places(mask: Mask, truth: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The mask's row of each row of the truth, and column of each column, -1 outside of the mask."""
    rows = _axis(truth.height, truth.extent[1::2], mask.height, mask.extent[1::2])
    return rows, _axis(truth.width, truth.extent[0::2], mask.width, mask.extent[0::2])


def _axis(size: int, ends: Sequence[float], mask_size: int, mask_ends: Sequence[float]) -> NDArray[np.int64]:
    (start, end), (mask_start, mask_end) = ends, mask_ends
    centres = start + (np.arange(size) + 0.5) * ((end - start) / size)
    found = np.floor((centres - mask_start) * (mask_size / (mask_end - mask_start)) + 1e-9).astype(np.int64)
    return np.where((found >= 0) & (found < mask_size), found, -1)


def _shown(labels: Sequence[Any]) -> str:
    names = [own_name(str(label)) for label in labels]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
