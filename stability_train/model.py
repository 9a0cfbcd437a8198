"""The trained model: a base with a new head, cut where training begins, and the one step that compares two views.

Importing this file loads TensorFlow (seconds, hundreds of megabytes): import it inside the function that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from device_agents.errors import BadInput
from stability_train.losses import LOSSES, cross_entropy, stop_branches
from stability_train.settings import Settings

NOT_FINITE = "not a finite number: the term "  # how the error of a step begins that went wrong
_EMBEDDING, _LOGITS = "embedding", "logits"


@dataclass(frozen=True)
class Network:
    """A whole network and its two parts, which share its layers: what is frozen in front, and what is trained.

    whole: picture -> logits; ``both`` are its embedding and logits. front: picture -> features, None where training
    begins at the picture. tail: features -> [embedding, logits]; the embedding is the input of the last dense layer.
    """

    whole: Any
    front: Any | None
    tail: Any
    both: tuple[Any, Any]

    @property
    def front_shape(self) -> tuple[int, ...]:
        """The shape of one picture's features."""
        return tuple(self.tail.input_shape[1:])


def load_base(path: Path) -> Any:
    """Read a .keras file; raises BadInput for any other file."""
    if path.suffix != ".keras" or not path.is_file():
        raise BadInput(f"expected a .keras file to train, got {path}; a zoo model's name will do")
    return keras.models.load_model(path, compile=False)


def build_network(base: Any, *, classes: int, settings: Settings) -> Network:
    """Give the base its head and cut it where training begins; raises BadInput for a base that has no such place.

    A new head is one dense layer, and before it the paper's extra dense layer of settings.units (ReLU) if it is asked
    for; both are drawn from the seed. Layers in front of the cut are frozen, and with batch_norm "frozen" so is batch
    normalisation behind it: two views in one batch would share their statistics.
    """
    dense = base.layers[-1]
    if type(dense).__name__ != "Dense" or len(base.inputs) != 1 or len(base.outputs) != 1:
        raise BadInput(f"expected a model of one picture that ends in a dense layer, got {base.name} with {dense.name}")
    if settings.head == "keep":
        if dense.units != classes:
            raise BadInput(f"expected {classes} classes, as the label list has, got a head of {dense.units}")
        logits = base.outputs[0]
    else:
        logits = _new_head(dense.input, classes=classes, settings=settings)
    whole = keras.Model(base.inputs[0], logits, name=base.name)
    cut = _cut(whole, settings.trainable)
    outputs = (whole.layers[-1].input, logits)
    try:
        # Without a name of its own it would be numbered, and no second training would find its kept features.
        front = None if cut is whole.inputs[0] else keras.Model(whole.inputs[0], cut, name="front")
        tail = _dense_tail(whole.layers[-1]) if cut is outputs[0] else keras.Model(cut, list(outputs))
    except ValueError as problem:
        raise BadInput(
            f"trainable {settings.trainable}: other layers go around it; name a layer that all go through"
        ) from (problem)
    _freeze(front, tail, settings)
    return Network(whole, front, tail, outputs)


class StabilityModel(keras.Model):  # type: ignore[misc]
    """A tail that `fit` trains on stacked views, float32 (views, n, ...), clean first, and targets (n, classes).

    The loss is L0(clean) + alpha * Ls(clean, noisy...), each the mean over the n rows. With one view it is L0 alone.
    """

    def __init__(self, tail: Any, settings: Settings) -> None:
        """Compile the tail with the settings' optimiser."""
        super().__init__()
        self.tail = tail
        self._settings = settings
        self._loss = LOSSES[settings.loss]
        self._means = {
            name: keras.metrics.Mean(name=name) for name in ("loss", "cross_entropy", "stability", "accuracy")
        }
        # XLA knows no assertion, and gains nothing on a processor.
        self.compile(optimizer=OPTIMISERS[settings.optimiser](settings.learning_rate), jit_compile=False)
        self.optimizer.build(tail.trainable_variables)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Give [embedding, logits] of inputs (n, ...)."""
        return self.tail(inputs, training=training)

    @property
    def metrics(self) -> list[Any]:
        """The means over an epoch, set to zero by `fit` at its beginning."""
        return list(self._means.values())

    def train_step(self, data: Any) -> dict[str, Any]:
        """Make one step; raises tf.errors.InvalidArgumentError, before any weight changes, for a loss not finite."""
        stacked, targets = data
        with tf.GradientTape() as tape:
            terms = self.terms(self._outputs(stacked, targets), targets)
            loss = terms["cross_entropy"] + self._settings.weight * terms["stability"]
            if self.losses:
                loss += tf.add_n(self.losses)
        variables = self.tail.trainable_variables
        gradients = tape.gradient(loss, variables)
        norm = tf.linalg.global_norm(gradients)
        for name, value in ({**terms, "loss": loss, "gradient": norm}).items():
            tf.debugging.Assert(tf.math.is_finite(value), [NOT_FINITE + name])
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        rows = tf.cast(tf.shape(targets)[0], tf.float32)
        for name, value in ({"loss": loss, **terms}).items():
            self._means[name].update_state(value, sample_weight=rows)
        return {name: mean.result() for name, mean in self._means.items()}

    def terms(self, outputs: list[Mapping[str, Any]], targets: Any) -> dict[str, Any]:
        """Give the scalars cross_entropy (of the clean view only), stability (before alpha) and accuracy."""
        clean = outputs[0]["logits"]
        stability = tf.zeros(())
        if len(outputs) > 1:
            views = stop_branches([output[self._loss.reads] for output in outputs], gradient=self._settings.gradient)
            stability = tf.reduce_mean(self._loss.function(*views))
        hits = tf.argmax(clean, axis=-1) == tf.argmax(targets, axis=-1)
        return {
            "cross_entropy": tf.reduce_mean(cross_entropy(targets, clean)),
            "stability": stability,
            "accuracy": tf.reduce_mean(tf.cast(hits, tf.float32)),
        }

    def _outputs(self, stacked: Any, targets: Any) -> list[Mapping[str, Any]]:
        """Run all views: in one pass, which is faster, or each in its own, which batch normalisation needs."""
        count = stacked.shape[0]
        if self._settings.batch_norm == "apart":
            passes = [self.tail(stacked[view], training=True) for view in range(count)]
        else:
            joined = tf.reshape(stacked, (-1, *stacked.shape[2:]))
            embedding, logits = self.tail(joined, training=True)
            passes = list(zip(tf.split(embedding, count), tf.split(logits, count), strict=True))
        return [{_EMBEDDING: embedding, _LOGITS: logits} for embedding, logits in passes]


def answers(function: Callable[[Any], Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Compile a function of a batch (n, *shape), traced once for every n; gives numpy arrays."""
    traced = tf.function(function, input_signature=[tf.TensorSpec((None, *shape))], autograph=False)
    return lambda batch: traced(batch).numpy()


def _new_head(features: Any, *, classes: int, settings: Settings) -> Any:
    def layer(units: int, name: str, number: int, activation: str | None = None) -> Any:
        drawn = keras.initializers.GlorotUniform(seed=settings.seed * 2 + number)
        return keras.layers.Dense(units, activation=activation, kernel_initializer=drawn, name=name)

    if settings.units:
        features = layer(settings.units, _EMBEDDING, 0, "relu")(features)
    return layer(classes, _LOGITS, 1)(features)


def _cut(whole: Any, trainable: str) -> Any:
    """The tensor behind which everything is trained."""
    if trainable == "all":
        return whole.inputs[0]
    if trainable == "head":
        names = [layer.name for layer in whole.layers]
        return whole.get_layer(_EMBEDDING).input if _EMBEDDING in names else whole.layers[-1].input
    if trainable == "last-block":
        sums = [layer for layer in whole.layers if type(layer).__name__ == "Add"]
        if not sums:
            raise BadInput(f"trainable last-block: {whole.name} has no residual sum; name the first layer, from:LAYER")
        return sums[-1].output
    name = trainable.removeprefix("from:")
    if name not in (names := [layer.name for layer in whole.layers]):
        raise BadInput(
            f"trainable {trainable}: {whole.name} has no layer '{name}'; its last ones: {', '.join(names[-8:])}"
        )
    tensor = whole.get_layer(name).input
    if isinstance(tensor, list):
        raise BadInput(f"trainable {trainable}: {name} joins {len(tensor)} tensors; name a layer that all go through")
    return tensor


def _dense_tail(dense: Any) -> Any:
    """The last dense layer alone: its input is the embedding (Keras wants an output to be made by a layer)."""
    features = keras.Input(dense.input.shape[1:])
    return keras.Model(features, [keras.layers.Identity()(features), dense(features)])


def _freeze(front: Any | None, tail: Any, settings: Settings) -> None:
    for layer in tail.layers:
        layer.trainable = type(layer).__name__ != "BatchNormalization" or settings.batch_norm == "apart"
    for layer in front.layers if front is not None else ():
        layer.trainable = False


OPTIMISERS: Mapping[str, Any] = {
    "adam": lambda rate: keras.optimizers.Adam(rate),
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}
