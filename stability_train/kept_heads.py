"""A frozen backbone and what it makes of photos, each view computed once; and heads trained on parts of one plan.

For studies that train hundreds of heads on different objects of the same photos (kept_training.py trains them).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stability_train.cache import Progress as Say
from stability_train.cache import silent
from stability_train.features import Features, front_digest
from stability_train.pairs import Plan
from stability_train.photos import Photo
from stability_train.settings import Settings
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.views import View, ViewMaker
from stability_train.zoo import resolve_model

Array = npt.NDArray[Any]
Said = Callable[[int, int], None]
_BLOCK = 128  # views between two words of progress; a killed study loses at most as many
_TIMED = 8


@dataclass(frozen=True)
class KeptViews:
    """The views of a plan's epochs as features, each computed once.

    matrix: float32 (distinct views, features). index: int32 (epochs, photos, views), rows of matrix, the clean view
    first. targets: int (photos,).
    """

    plan: Plan
    matrix: Array
    index: Array
    targets: Array


class Backbone:
    """A model without its head, what it makes of views of photos, and heads trained behind it.

    Features are kept in memory, and in a folder if one is named. Loads TensorFlow.
    """

    def __init__(
        self,
        model: str,
        photos: Sequence[Photo],
        *,
        classes: int,
        folder: Path | None = None,
        cache: Path | None = None,
        threads: int = 0,
        progress: Say = silent,
    ) -> None:
        """Load the model (a zoo model's name or a .keras file); raises BadInput for one that has no dense head."""
        load_tensorflow(threads)
        import tensorflow as tf

        from stability_train import blurpool as blurpool  # a file with its layer loads where it was imported
        from stability_train import model as models
        from stability_train.kept_training import Trainers

        name = model if model.endswith(".keras") else f"{model}.keras"
        path, sidecar = resolve_model(name, cache=cache, progress=progress)
        base = models.load_base(path)
        front = models.build_network(base, classes=classes, settings=Settings()).front
        assert front is not None  # a head is all that is trained
        self._compute = tf.function(partial(front, training=False), autograph=False)
        self._maker, self._photos, self._sidecar = ViewMaker(photos, sidecar), photos, sidecar
        digest = front_digest(front, sidecar)
        self._features = Features(self._front, self._maker, digest=digest, folder=folder)
        self._trainers = Trainers(base, classes=classes)
        self._classes = classes

    def _front(self, tensor: Array) -> Array:
        found: Array = self._compute(tensor[None]).numpy()[0]
        return found

    def view_s(self, views: Sequence[View]) -> float:
        """Measure, on a few views, what one costs from its file to its features, in seconds: the median."""
        self._front(self._maker.tensor(views[0]))  # the first call compiles
        fresh, spent = ViewMaker(self._photos, self._sidecar), []
        for view in views[:_TIMED]:
            started = time.perf_counter()
            self._front(fresh.tensor(view))
            spent.append(time.perf_counter() - started)
        return float(np.median(spent))

    def time_over(self, other: Backbone, view: View, *, runs: int = 40) -> float:
        """Measure this network's time on a picture over another's, the two taken in turns: a ratio of medians."""
        tensor = self._maker.tensor(view)
        spent: tuple[list[float], list[float]] = ([], [])
        for number in range(runs + 1):
            for seconds, network in zip(spent, (self, other), strict=True):
                started = time.perf_counter()
                network._front(tensor)
                if number:  # the first call compiles
                    seconds.append(time.perf_counter() - started)
        return float(np.median(spent[0]) / np.median(spent[1]))

    def matrix(self, views: Sequence[View], *, progress: Said | None = None) -> Array:
        """Give the features of views, float32 (views, features); what is missing is computed."""
        for start in range(0, len(views), _BLOCK):
            self._features.add(views[start : start + _BLOCK], workers=2)
            if progress is not None:
                progress(min(start + _BLOCK, len(views)), len(views))
        return np.stack([self._features.feature(view) for view in views])

    def views_of(self, plan: Plan, *, progress: Said | None = None) -> KeptViews:
        """Give the features of all epochs of a plan (settings.epochs)."""
        epochs = range(plan.settings.epochs)
        rows = [[plan.views(place, epoch) for place in range(len(plan))] for epoch in epochs]
        distinct = list(dict.fromkeys(view for epoch in rows for views in epoch for view in views))
        place = {view: number for number, view in enumerate(distinct)}
        index = np.array([[[place[view] for view in views] for views in epoch] for epoch in rows], np.int32)
        return KeptViews(plan, self.matrix(distinct, progress=progress), index, np.array(plan.targets))

    def train_head(
        self, kept: KeptViews, places: Sequence[int] | Array, *, settings: Settings
    ) -> Callable[[Array], Array]:
        """Train a head on the photos at ``places`` of a plan; gives the function of features to probabilities.

        settings: the plan's with another seed or alpha: the seed draws the first weights and the order of the photos;
        the views stay the plan's. The function takes (n, features), gives float32 (n, classes), and holds until the
        next call. Raises KitError for a loss that is no finite number.
        """
        logits = self._trainers.train(settings, head_steps(kept, places, self._classes, settings), kept.matrix)

        def probabilities(matrix: Array) -> Array:
            found = logits(matrix).astype(np.float64)
            values = np.exp(found - found.max(axis=1, keepdims=True))
            return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)

        return probabilities


def head_steps(kept: KeptViews, places: Sequence[int] | Array, classes: int, settings: Settings) -> Any:
    """Lay out a training on the photos at ``places`` as kept_training.Steps, in the order that train() would take."""
    from stability_train.kept_training import Steps

    chosen = np.asarray(places)
    size = len(chosen)
    orders = [
        chosen[np.random.default_rng([settings.seed, 0, epoch]).permutation(size)] for epoch in range(settings.epochs)
    ]
    rows = np.concatenate([kept.index[epoch, order] for epoch, order in enumerate(orders)]).T
    inside = [*range(settings.batch, size, settings.batch), size]
    ends = np.array([epoch * size + end for epoch in range(settings.epochs) for end in inside], np.int32)
    targets = np.eye(classes, dtype=np.float32)[kept.targets[np.concatenate(orders)]]
    return Steps(rows.astype(np.int32), targets, ends)
