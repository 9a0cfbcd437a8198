"""A training of what follows the frozen front, from kept features, in one call; and its answers.

What is compiled for one kind of loss serves every later training of that kind. Importing this file loads TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from device_agents.errors import KitError
from stability_train.checkpoint import restore
from stability_train.kept_training import Steps
from stability_train.model import NOT_FINITE, Network, StabilityModel, answers
from stability_train.settings import Settings

Array = npt.NDArray[Any]


class Tail:
    """The trained rest of a network: begun anew from a seed, trained, asked."""

    def __init__(self, network: Network, *, classes: int) -> None:
        """Remember the weights that every training begins with; ``classes`` of the logits are answers."""
        self.network, self.classes = network, classes
        self._weights = network.tail.get_weights()
        self._models: dict[tuple[type, Settings], tuple[StabilityModel, list[Array], Any]] = {}
        self._logits = answers(lambda batch: network.tail(batch, training=False)[1], network.front_shape)

    def begin(self, seed: int) -> None:
        """Set the weights to the base's, and the head's to those that Glorot's uniform draw of this seed gives."""
        fresh = [np.array(weight) for weight in self._weights]
        kernel = fresh[-2]
        reach = np.sqrt(6 / sum(kernel.shape))
        fresh[-2] = np.random.default_rng([seed, 7]).uniform(-reach, reach, kernel.shape).astype(np.float32)
        fresh[-1] = np.zeros_like(fresh[-1])
        self.network.tail.set_weights(fresh)

    def model(self, kind: type[StabilityModel], settings: Settings) -> StabilityModel:
        """Give the model that makes steps of this kind, its optimiser as new."""
        return self._compiled(kind, settings)[0]

    def train(self, kind: type[StabilityModel], settings: Settings, steps: Steps, features: Array) -> None:
        """Train on features float32 (rows, ...); raises KitError naming the term of a loss that is not finite."""
        _, _, loop = self._compiled(kind, settings)
        try:
            loop(features, steps.rows, steps.targets, steps.ends)
        except tf.errors.InvalidArgumentError as problem:
            if NOT_FINITE not in str(problem):
                raise
            term = str(problem).partition(NOT_FINITE)[2].split("]")[0].split("'")[0].split('"')[0]
            raise KitError(f"expected finite numbers, got NaN or infinity in {term}") from None

    def probabilities(self, features: Array) -> Array:
        """Give float32 (n, classes) of features (n, ...)."""
        return softmax(self._logits(features)[:, : self.classes])

    def _compiled(self, kind: type[StabilityModel], settings: Settings) -> tuple[StabilityModel, list[Array], Any]:
        key = (kind, dataclasses.replace(settings, seed=0))  # the seed is in the data and in begin()
        if key not in self._models:
            model = kind(self.network.tail, settings)
            self._models[key] = model, [np.array(one) for one in model.optimizer.variables], _loop(model, self.network)
        model, optimiser, loop = self._models[key]
        restore(model.optimizer.variables, optimiser, what="optimiser's values")
        return model, optimiser, loop


def softmax(logits: Array) -> Array:
    """Give float32 (n, classes) that sum to 1."""
    values = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)


def epoch_order(*, seed: int, epoch: int, size: int) -> Array:
    """The order of the pictures in an epoch: the same for every remedy of a seed."""
    return np.random.default_rng([seed, 0, epoch]).permutation(size)


def lay_out(targets: Sequence[Array], *, views: int, draws: int, epochs: int, batch: int, seed: int) -> Steps:
    """Lay out a training on a bank whose rows are (draw, picture, view): each epoch takes the next draw of all.

    targets: float32 (pictures, classes), one a draw.
    """
    size = len(targets[0])
    rows, wanted, ends = [], [], []
    for epoch in range(epochs):
        order, draw = epoch_order(seed=seed, epoch=epoch, size=size), epoch % draws
        rows.append(((draw * size + order) * views)[None] + np.arange(views)[:, None])
        wanted.append(targets[draw][order])
        ends += [epoch * size + end for end in (*range(batch, size, batch), size)]
    return Steps(np.concatenate(rows, 1).astype(np.int32), np.concatenate(wanted), np.array(ends, np.int32))


def _loop(model: StabilityModel, network: Network) -> Any:
    """All steps of a training in one graph."""

    def steps(features: Any, rows: Any, targets: Any, ends: Any) -> Any:
        def step(number: Any, begin: Any) -> tuple[Any, Any]:
            end = ends[number]
            stacked = tf.gather(features, rows[:, begin:end])
            stacked.set_shape((views, None, *network.front_shape))
            model.train_step((stacked, targets[begin:end]))
            return number + 1, end

        views = rows.shape[0]
        return tf.while_loop(lambda number, _: number < tf.shape(ends)[0], step, (0, 0), parallel_iterations=1)

    return tf.function(steps, autograph=False, reduce_retracing=True)
