"""Splits of photos by object: what is trained on and what is checked never show the same object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from device_agents.errors import BadInput
from stability_train.photos import Photo


def split_photos(photos: Sequence[Photo], *, share: float, seed: int) -> tuple[list[Photo], list[Photo]]:
    """Split into (training, held out): about ``share`` of each class's objects are held out, at least one if share > 0.

    All pictures of a cluster go to the same side. An object of several classes counts for its first picture's class.
    Raises BadInput for a class that would have nothing to train on.
    """
    if share == 0:
        return list(photos), []
    held: set[str] = set()
    for number, (label, clusters) in enumerate(sorted(_clusters(photos).items())):
        if len(clusters) < 2:
            raise BadInput(f"class {label}: expected at least two objects to hold one out, got {len(clusters)}")
        count = min(len(clusters) - 1, max(1, round(share * len(clusters))))
        rng = np.random.default_rng([seed, number])
        held.update(clusters[place] for place in rng.permutation(len(clusters))[:count])
    return _divide(photos, held)


def fold_photos(photos: Sequence[Photo], *, folds: int, seed: int) -> list[tuple[list[Photo], list[Photo]]]:
    """Give ``folds`` pairs (training, held out) for cross-validation: each object is held out once, classes spread.

    Raises BadInput for a class with fewer objects than folds.
    """
    parts: list[set[str]] = [set() for _ in range(folds)]
    for number, (label, clusters) in enumerate(sorted(_clusters(photos).items())):
        if folds < 2 or len(clusters) < folds:
            can = f"expected 2 to {len(clusters)} folds" if len(clusters) > 1 else "expected two objects or more"
            raise BadInput(
                f"class {label}: {can}, one object each at least, got {folds} folds and {len(clusters)} objects; give "
                "more objects of the class or leave it out"
            )
        order = np.random.default_rng([seed, number]).permutation(len(clusters))
        for place, which in enumerate(order):
            parts[(place + number) % folds].add(clusters[which])
    return [_divide(photos, part) for part in parts]


def _clusters(photos: Sequence[Photo]) -> dict[str, list[str]]:
    """The objects of each class, sorted, each in one class."""
    first: dict[str, str] = {}
    for photo in photos:
        first.setdefault(photo.cluster, photo.label)
    found: dict[str, list[str]] = {}
    for cluster, label in sorted(first.items()):
        found.setdefault(label, []).append(cluster)
    return found


def _divide(photos: Sequence[Photo], held: set[str]) -> tuple[list[Photo], list[Photo]]:
    return [one for one in photos if one.cluster not in held], [one for one in photos if one.cluster in held]
