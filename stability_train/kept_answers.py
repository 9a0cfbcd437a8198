"""What a model with a frozen front answers on many views: the front's features are computed once, for all trainings.

A study of many trainings calls keep_views first, in parallel, and answers_on after each training; train() finds the
features in the same folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.sidecar import Sidecar
from stability_train.features import Features, front_digest
from stability_train.photos import Photo
from stability_train.settings import Settings
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.views import View, ViewMaker
from stability_train.zoo import resolve_model

_BATCH = 64


def fresh_keras(threads: int) -> None:
    """Load TensorFlow on so many threads (one where processes fill the cores), and forget the models made before."""
    load_tensorflow(threads)
    import keras

    keras.backend.clear_session()


def keep_views(
    views: Sequence[View], photos: Sequence[Photo], *, settings: Settings, folder: Path, cache: Path | None = None
) -> int:
    """Compute what settings' frozen front makes of views of photos, into a folder; gives how many were not there.

    Nothing is computed where no part of the model is frozen.
    """
    fresh_keras(settings.threads)
    from stability_train import model as models

    path, sidecar = resolve_model(_keras_name(settings.model), cache=cache)
    network = models.build_network(models.load_base(path), classes=2, settings=settings)
    if network.front is None:
        return 0
    kept = _features(network.front, sidecar, ViewMaker(photos, sidecar), folder)
    kept.add(views)
    return kept.computed


def answers_on(
    views: Sequence[View],
    photos: Sequence[Photo],
    *,
    model: Path,
    classes: int,
    settings: Settings,
    folder: Path,
    cache: Path | None = None,
) -> npt.NDArray[np.float32]:
    """Give the logits, float32 (views, classes), of a .keras file that was trained with settings.

    Its front must be the one of settings.model, so that features in the folder are those of both.
    """
    from stability_train import model as models

    # The trained file has its head already; the cut is where it was.
    as_it_is = dataclasses.replace(settings, head="keep", embedding_units=0, loss="relative-entropy")
    network = models.build_network(models.load_base(model), classes=classes, settings=as_it_is)
    _, sidecar = resolve_model(_keras_name(settings.model), cache=cache)
    maker = ViewMaker(photos, sidecar)
    load: Any = maker.tensor
    shape: tuple[int, ...] = maker.shape
    if network.front is not None:
        kept = _features(network.front, sidecar, maker, folder)
        kept.add(views)
        load, shape = kept.feature, network.front_shape
    tail = network.tail
    answer = models.answers(lambda batch: tail(batch, training=False)[1], shape)
    blocks = (views[start : start + _BATCH] for start in range(0, len(views), _BATCH))
    return np.concatenate([answer(np.stack([load(view) for view in block])) for block in blocks])


def _features(front: Any, sidecar: Sidecar, maker: ViewMaker, folder: Path) -> Features:
    import tensorflow as tf

    compute = tf.function(partial(front, training=False), autograph=False)
    digest = front_digest(front, sidecar)
    return Features(lambda tensor: compute(tensor[None]).numpy()[0], maker, digest=digest, folder=folder)


def _keras_name(model: str) -> str:
    return model if model.endswith((".keras", ".tflite", ".onnx")) else f"{model}.keras"
