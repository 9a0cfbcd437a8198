"""Pictures changed against the model within a few grey levels: projected gradient descent, Madry et al. (2018).

Importing this file loads TensorFlow: import it inside the function that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from device_agents.decode import RGB
from device_agents.errors import BadInput, KitError
from stability_train.losses import cross_entropy
from stability_train.model import NOT_FINITE, StabilityModel
from stability_train.remedies.parts import Parts
from stability_train.remedies.tails import Tail, epoch_order
from stability_train.settings import Settings

Array = npt.NDArray[Any]
Ask = Callable[[Any], Any]


@dataclass(frozen=True)
class Ball:
    """How far a picture may be changed, in grey levels of 255 in each value (L-infinity), in how many steps."""

    levels: float = 2.0
    steps: int = 2

    @property
    def step(self) -> float:
        """Grey levels a step: 1.25 of what would just reach the edge."""
        return 1.25 * self.levels / self.steps


def attack(logits: Ask, pictures: Any, targets: Any, start: Any, *, ball: Ball) -> Any:
    """Raise the cross-entropy of pictures float32 (n, h, w, 3) in grey levels 0..255, within the ball around them.

    logits: pictures -> (n, classes). start: of the same shape, -1..1, where in the ball the walk begins (Madry: at
    random). Each step goes by the sign of the gradient and is put back into the ball and into 0..255.
    """
    pictures = tf.convert_to_tensor(pictures, tf.float32)
    low, high = tf.maximum(pictures - ball.levels, 0.0), tf.minimum(pictures + ball.levels, 255.0)
    changed = tf.clip_by_value(pictures + ball.levels * start, low, high)
    for _ in range(ball.steps):
        with tf.GradientTape() as tape:
            tape.watch(changed)
            loss = tf.reduce_sum(cross_entropy(targets, logits(changed)))
        changed = tf.clip_by_value(changed + ball.step * tf.sign(tape.gradient(loss, changed)), low, high)
    return changed


def train_adversarially(
    tail: Tail,
    parts: Parts,
    pictures: Sequence[Sequence[RGB]],
    targets: Array,
    *,
    settings: Settings,
    ball: Ball,
) -> None:
    """Train the tail on pictures attacked as it stands at each step.

    pictures: draws of the training pictures, each uint8 (h, w, 3); epoch e takes draw e modulo their number. targets:
    float32 (pictures, classes). Raises BadInput for colour orders but RGB, KitError for a loss that is not finite.
    """
    if parts.sidecar.colour_order != "rgb":
        raise BadInput(f"adversarial training: expected a model of RGB pictures, got {parts.sidecar.colour_order}")
    model = tail.model(StabilityModel, settings)
    slope, offset = (tf.constant(values, tf.float32) for values in (parts.slope, parts.offset))

    def front(batch: Any) -> Any:
        scaled = slope * batch + offset
        return scaled if tail.network.front is None else tail.network.front(scaled, training=False)

    def step(batch: Any, wanted: Any, start: Any) -> None:
        changed = attack(lambda one: tail.network.tail(front(one), training=False)[1], batch, wanted, start, ball=ball)
        model.train_step((front(changed)[None], wanted))

    compiled = tf.function(step, autograph=False, reduce_retracing=True)
    rng = np.random.default_rng([settings.seed, 9])
    for epoch in range(settings.epochs):
        order = epoch_order(seed=settings.seed, epoch=epoch, size=len(targets))
        drawn = pictures[epoch % len(pictures)]
        for begin in range(0, len(order), settings.batch):
            places = order[begin : begin + settings.batch]
            batch = np.stack([drawn[place] for place in places]).astype(np.float32)
            try:
                compiled(batch, targets[places], rng.uniform(-1, 1, batch.shape).astype(np.float32))
            except tf.errors.InvalidArgumentError as problem:
                if NOT_FINITE not in str(problem):
                    raise
                raise KitError("adversarial training: expected finite numbers, got NaN or infinity") from None
