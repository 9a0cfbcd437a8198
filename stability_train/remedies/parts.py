"""A network at a small input, cut into its frozen front and the rest that is trained; its pictures scaled.

Importing this file loads TensorFlow: import it inside the function that trains.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from device_agents.decode import RGB
from device_agents.preprocess import to_tensor
from device_agents.sidecar import Sidecar
from stability_train.blurpool import add_blurpool
from stability_train.model import Network, build_network, load_base
from stability_train.settings import Settings
from stability_train.zoo import resolve_model

Array = npt.NDArray[Any]
BLURPOOL, BLUR = "blurpool", "rect-2"
AT_ONCE = 32  # pictures that the front sees together


@dataclasses.dataclass(frozen=True)
class Parts:
    """A base with a new head: the network, its sidecar at this size, and how pictures become features.

    slope, offset: float32 (3,), what scaling does to a grey level of each channel: slope * level + offset.
    """

    network: Network
    sidecar: Sidecar
    slope: Array
    offset: Array
    features: Callable[[Sequence[RGB]], Array]


def load_parts(model: str, *, side: int, classes: int, trainable: str, blur: bool, cache: Path | None = None) -> Parts:
    """Read a zoo model or .keras file, at ``side`` pixels (0: its own), with a head of ``classes``; cut for training.

    blur: with anti-aliased strides. Raises BadInput for a model that does not end in one dense layer, or has no place
    to cut (see build_network).
    """
    path, sidecar = resolve_model(model if model.endswith(".keras") else f"{model}.keras", cache=cache)
    base = load_base(path)
    if side:
        base = at_size(base, side)
        sidecar = dataclasses.replace(sidecar, input_height=side, input_width=side)
    if blur:
        base = add_blurpool(base, blur=BLUR)
    network = build_network(base, classes=classes, settings=Settings(trainable=trainable))
    black, white = (_scaled(np.full((1, 1, 3), level, np.uint8), sidecar)[0, 0] for level in (0, 255))
    return Parts(network, sidecar, (white - black) / 255, black, _features(network, sidecar))


def at_size(base: Any, side: int) -> Any:
    """Give a copy of a functional model for pictures of side x side, its weights kept."""
    copy = keras.models.clone_model(base, input_tensors=keras.Input((side, side, 3), name="input"))
    copy.set_weights(base.get_weights())
    return copy


def _features(network: Network, sidecar: Sidecar) -> Callable[[Sequence[RGB]], Array]:
    front = network.front
    shape = (None, sidecar.input_height, sidecar.input_width, 3)

    def compute(batch: Any) -> Any:
        return batch if front is None else front(batch, training=False)

    traced = tf.function(compute, input_signature=[tf.TensorSpec(shape)], autograph=False)

    def features(pictures: Sequence[RGB]) -> Array:
        """Give float32 (n, ...) of n pictures."""
        parts = [
            traced(np.stack([_scaled(one, sidecar) for one in pictures[start : start + AT_ONCE]])).numpy()
            for start in range(0, len(pictures), AT_ONCE)
        ]
        return np.concatenate(parts)

    return features


def _scaled(picture: RGB, sidecar: Sidecar) -> Array:
    scaled = to_tensor(picture, scaling=sidecar.scaling, layout="nhwc", colour_order=sidecar.colour_order)[0]
    return np.asarray(scaled, np.float32)
