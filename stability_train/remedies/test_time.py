"""What is done when a model is asked: answers averaged over crops, and TENT.

Importing this file loads TensorFlow: import it inside the function that asks.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from device_agents.decode import RGB
from device_agents.errors import BadInput
from stability_train.remedies.tails import softmax

Array = npt.NDArray[Any]
CROP_SHARE = 7 / 8  # of a side, as 224 of 256
TENT_BATCH, TENT_STEPS, TENT_RATE = 64, 1, 2.5e-4


def corner_crops(picture: RGB, *, share: float = CROP_SHARE) -> list[RGB]:
    """Give the four corners of a picture, each ``share`` of its sides, resized to its size (Pillow bilinear)."""
    height, width = picture.shape[:2]
    tall, wide = round(share * height), round(share * width)
    cuts = [picture[top : top + tall, left : left + wide] for top in (0, height - tall) for left in (0, width - wide)]
    return [
        np.asarray(Image.fromarray(np.ascontiguousarray(cut)).resize((width, height), Image.Resampling.BILINEAR))
        for cut in cuts
    ]


def entropy(logits: Any) -> Any:
    """The mean entropy in nats of the answers to a batch: -sum p log p, of logits (n, classes)."""
    logs = tf.nn.log_softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(tf.exp(logs) * logs, axis=-1))


class Tent:
    """TENT, Wang et al. (2021): scales and offsets of batch normalisation follow the entropy of a batch's answers.

    Statistics are the batch's own, or, with ``kept_statistics``, those of training. Only normalisation of the trained
    rest is fitted, each time from the trained weights (the front's features are kept); a graph for a phone has its
    normalisation folded into convolutions, so this is for Keras alone. Raises BadInput for a tail without any.
    """

    def __init__(self, tail: Any, *, classes: int, kept_statistics: bool = False) -> None:
        """Make a copy of the tail to fit."""
        self._tail, self._classes = keras.models.clone_model(tail), classes
        self._own = not kept_statistics
        for layer in self._tail.layers:
            layer.trainable = type(layer).__name__ == "BatchNormalization"
        if not self._tail.trainable_variables:
            raise BadInput("tent: expected batch normalisation in what is trained, got none; train last-block or more")
        self._optimiser = keras.optimizers.Adam(TENT_RATE)
        self._optimiser.build(self._tail.trainable_variables)
        self._begun = [np.array(one) for one in self._optimiser.variables]
        self._step = tf.function(self._fit, autograph=False, reduce_retracing=True)
        self._ask = tf.function(self._logits, autograph=False, reduce_retracing=True)

    def probabilities(self, weights: list[Array], features: Array, *, steps: int = TENT_STEPS) -> Array:
        """Fit to features (n, ...) in batches, in their order, and give float32 (n, classes); steps a batch."""
        self._tail.set_weights(weights)
        for variable, value in zip(self._optimiser.variables, self._begun, strict=True):
            variable.assign(value)
        found = []
        count = max(1, round(len(features) / TENT_BATCH))  # batches of nearly one size: a rest of two has no statistics
        for batch in np.array_split(features, count):
            for _ in range(steps):
                self._step(batch)
            found.append(self._ask(batch).numpy())
        return softmax(np.concatenate(found))

    def _fit(self, batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = entropy(self._logits(batch))
        variables = self._tail.trainable_variables
        self._optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def _logits(self, batch: Any) -> Any:
        return self._tail(batch, training=self._own)[1][:, : self._classes]
