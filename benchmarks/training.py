"""A stability step on N pairs against a plain step on 2N pictures, epochs on kept features against epochs on pictures,
and how long the training waits for data: MobileNetV2 on the data pack's clothing, or on the packaged photographs.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from capture.scenes import read_scenes
from stability_train.photos import Photo, scene_photos
from stability_train.settings import Settings
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.train import train
from stability_train.zoo import get_model, photographs

PAIRS = 16
STEPS = 12
PICTURES = 96


def bench(count: int = PICTURES) -> Iterator[str]:
    """Give the ratio of the steps, the ratio of the epochs, and the share of the time that the loop waits."""
    load_tensorflow()
    for trainable in ("last-block", "all"):
        stability_ms, plain_ms = (1000 * statistics.median(seconds) for seconds in _steps(trainable))
        yield (
            f"{trainable}: a stability step on {PAIRS} pairs {stability_ms:.0f} ms, a plain one on {2 * PAIRS} "
            f"{plain_ms:.0f} ms; ratio {stability_ms / plain_ms:.2f} (limit: 1.10)"
        )
    photos = _photos(count)
    kept = _epochs(photos, epochs=8, draws=1)
    fresh = _epochs(photos, epochs=4, draws=0)
    # The first epoch traces and computes features; the last ones are what a long training consists of.
    kept_s, fresh_s = statistics.median(kept[0][-4:]), fresh[0][-1]
    yield (
        f"head, {len(photos)} pictures: an epoch on kept features {1000 * kept_s:.0f} ms, fresh noise {fresh_s:.1f} s: "
        f"{fresh_s / kept_s:.0f} x (limit: 30 x); the first epoch, which computes the features, {kept[0][0]:.1f} s"
    )
    yield f"waited for data: {100 * kept[1]:.1f} % on kept features, {100 * fresh[1]:.1f} % on fresh noise (limit: 5 %)"


def _steps(trainable: str) -> tuple[list[float], list[float]]:
    """The seconds of steps of both kinds, taken in turns on the same pictures and the same weights' shapes."""
    import keras
    import tensorflow as tf

    from stability_train import model as models

    base = get_model("mobilenet-v2").keras
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(2 * PAIRS, 224, 224, 3)).astype(np.float32)
    targets = np.eye(6, dtype=np.float32)[rng.integers(6, size=2 * PAIRS)]
    runs: list[tuple[Any, Any]] = []
    for views in (2, 1):
        settings = Settings(trainable=trainable, noise="gaussian" if views == 2 else "none")
        network = models.build_network(models.load_base(base), classes=6, settings=settings)
        inputs = network.whole.inputs[0]
        model = models.StabilityModel(keras.Model(inputs, list(network.both)), settings)
        step = tf.function(model.train_step)
        rows = 2 * PAIRS // views
        data = tf.constant(pictures.reshape(views, rows, 224, 224, 3)), tf.constant(targets[:rows])
        step(data)
        runs.append((step, data))
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(STEPS):
        for place, (step, data) in enumerate(runs):
            started = time.perf_counter()
            float(step(data)["loss"])
            seconds[place].append(time.perf_counter() - started)
    return seconds


def _epochs(photos: Sequence[Photo], *, epochs: int, draws: int) -> tuple[list[float], float]:
    """The seconds of each epoch of a frozen backbone with a new head, and the share of waiting."""
    settings = Settings(epochs=epochs, draws=draws, validation_share=0.0, batch=PAIRS)
    with tempfile.TemporaryDirectory() as folder:
        found = train(photos, folder=Path(folder) / "training", settings=settings)
        rows = found.history.read_text(encoding="utf-8").splitlines()
    place = rows[0].split(",").index("seconds")
    return [float(row.split(",")[place]) for row in rows[1:]], found.waited_share


def _photos(count: int) -> list[Photo]:
    if data := os.environ.get("INSTABILITY_DATA"):
        photos = scene_photos(read_scenes(Path(data) / "clothing" / "labels.csv"))
        return photos[:: max(1, len(photos) // count)][:count]
    labels = ("even", "odd")  # any two classes do for a matter of time
    return [replace(one, labels=(labels[n % 2],)) for n, one in enumerate(scene_photos(photographs().scenes))]
