"""Training from kept features, many times over: one compiled step a kind of training, and an epoch without Python.

`fit` traces its step anew for every model and asks Python for every batch, which takes longer than the mathematics of a
head. Here the whole of a training is one call, of the same StabilityModel.train_step on the same batches in the same
order, so that train() gives the same weights. Importing this file loads TensorFlow: import it inside a function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from device_agents.errors import BadInput, KitError
from stability_train.checkpoint import restore
from stability_train.model import NOT_FINITE, StabilityModel, answers, build_network
from stability_train.pairs import Plan
from stability_train.settings import Settings
from stability_train.views import View

Array = npt.NDArray[Any]
MOST_KINDS = 32  # compiled trainings held at once
_ONE_BY_ONE = ("seed", "noise", "strength", "draws", "subsample", "device", "partner", "epochs")


@dataclass(frozen=True)
class Steps:
    """The batches of a whole training as places in a table of features.

    rows: int32 (views, photos of all epochs); targets: float32 of them (photos, classes); ends: int32 (steps,), where
    each batch ends and the next begins.
    """

    rows: Array
    targets: Array
    ends: Array


def plan_steps(plan: Plan, row_of: Callable[[View], int], *, classes: int) -> Steps:
    """Lay out all epochs of a plan in its order; row_of gives a view's row in the table."""
    settings, size = plan.settings, len(plan)
    rows: list[list[int]] = []
    places: list[int] = []
    for epoch in range(settings.epochs):
        order = plan.order(epoch)
        rows += [[row_of(view) for view in plan.views(place, epoch)] for place in order]
        places += order
    inside = [*range(settings.batch, size, settings.batch), size]
    ends = np.array([epoch * size + end for epoch in range(settings.epochs) for end in inside], np.int32)
    targets = np.eye(classes, dtype=np.float32)[np.array(plan.targets)[places]]
    return Steps(np.array(rows, np.int32).T, targets, ends)


class Trainers:
    """Trains tails of one base from kept features; what is compiled for a kind of training serves the next one too."""

    def __init__(self, base: Any, *, classes: int) -> None:
        """Remember the base's weights, which every training begins with."""
        self._base, self._classes = base, classes
        self._weights = base.get_weights()
        self._trainers: dict[Settings, _Trainer] = {}
        self._starts: dict[Settings, list[Array]] = {}

    def train(self, settings: Settings, steps: Steps, features: Array) -> Callable[[Array], Array]:
        """Train a fresh tail on features float32 (rows, ...); give the function of features (n, ...) to logits.

        That function holds until the next call. Raises KitError naming the term for a loss that is no finite number.
        """
        if settings.mixing != "none":
            raise BadInput(f"expected mixing none with kept features, got {settings.mixing}")
        kind = _kind(settings)
        start = self._start(dataclasses.replace(kind, seed=settings.seed, alpha=None))
        trainer = self._trainers.pop(kind, None) or _Trainer(self._base, classes=self._classes, settings=kind)
        self._trainers[kind] = trainer  # the latest one stands last
        if len(self._trainers) > MOST_KINDS:
            del self._trainers[next(iter(self._trainers))]
        trainer.run(start, steps, features)
        return trainer.answer

    def _start(self, settings: Settings) -> list[Array]:
        """The weights that a training of this seed begins with."""
        if settings not in self._starts:
            self._base.set_weights(self._weights)
            tail = build_network(self._base, classes=self._classes, settings=settings).tail
            self._starts[settings] = [np.array(variable) for variable in tail.variables]
        return self._starts[settings]


class _Trainer:
    """One compiled kind of training."""

    def __init__(self, base: Any, *, classes: int, settings: Settings) -> None:
        network = build_network(base, classes=classes, settings=settings)
        self._model = StabilityModel(network.tail, settings)
        self._optimiser = [np.array(variable) for variable in self._model.optimizer.variables]
        tail, views = network.tail, 1 + settings.noisy_views
        shapes = ((None, *network.front_shape), (views, None), (None, classes), (None,))
        kinds = (tf.float32, tf.int32, tf.float32, tf.int32)
        signature = [tf.TensorSpec(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
        self._loop = tf.function(self._steps, input_signature=signature, autograph=False)
        self.answer: Callable[[Array], Array] = answers(
            lambda batch: tail(batch, training=False)[1], network.front_shape
        )

    def run(self, start: Sequence[Array], steps: Steps, features: Array) -> None:
        restore(self._model.tail.variables, start, what="weights")
        restore(self._model.optimizer.variables, self._optimiser, what="optimiser's values")
        try:
            self._loop(features, steps.rows, steps.targets, steps.ends)
        except tf.errors.InvalidArgumentError as problem:
            if NOT_FINITE not in str(problem):
                raise
            term = str(problem).partition(NOT_FINITE)[2].split("]")[0].split("'")[0].split('"')[0]
            raise KitError(f"expected finite numbers, got NaN or infinity in {term}") from None

    def _steps(self, features: Any, rows: Any, targets: Any, ends: Any) -> Any:
        def step(number: Any, begin: Any) -> tuple[Any, Any]:
            end = ends[number]
            stacked = tf.gather(features, rows[:, begin:end])
            stacked.set_shape((rows.shape[0], None, *features.shape[1:]))
            self._model.train_step((stacked, targets[begin:end]))
            return number + 1, end

        return tf.while_loop(lambda number, _: number < tf.shape(ends)[0], step, (0, 0), parallel_iterations=1)


def _kind(settings: Settings) -> Settings:
    """What a compiled training depends on: the settings less those that only choose pictures and first weights."""
    plain = Settings()
    same: dict[str, Any] = {name: getattr(plain, name) for name in _ONE_BY_ONE}
    noise = "none" if settings.noise == "none" else "gaussian"  # one view, or more
    return dataclasses.replace(settings, **{**same, "noise": noise})
