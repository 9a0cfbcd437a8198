"""A stability step on N pairs against a plain step on 2N pictures and a PyTorch step, epochs on kept features against
epochs on pictures, and how long the training waits for data: MobileNetV2 on the data pack's clothing, or on the
packaged photographs.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

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
    yield from _beside_torch()
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


def _beside_torch() -> Iterator[str]:
    """Steps of both libraries in turns, PyTorch at the fastest of its settings here."""
    if importlib.util.find_spec("torch") is None:
        yield "beside a PyTorch step: torch is not installed here, nothing was measured"
        return
    for trainable in ("last-block", "all"):
        step = _stability_step(trainable, views=2)
        tried = {name: _best_of(trainable, name) for name in _TORCH}
        best = min(tried, key=lambda name: tried[name])
        ours, theirs = [], []
        with _torch_step(trainable, best) as other:
            for _ in range(STEPS):
                ours.append(step())
                theirs.append(other())
        own_ms, torch_ms = (1000 * statistics.median(seconds) for seconds in (ours, theirs))
        yield (
            f"{trainable}: a stability step on {PAIRS} pairs {own_ms:.0f} ms, PyTorch's {torch_ms:.0f} ms ({best}, the "
            f"fastest of {len(_TORCH)} settings); speed {torch_ms / own_ms:.2f} of PyTorch's (limit: 0.7)"
        )


# Memory that is kept instead of given back to the system after every step.
_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": "268435456",
}
_TORCH = {
    f"{threads} threads, {'large' if malloc else 'usual'} malloc": (threads, malloc)
    for threads in sorted({1, os.cpu_count() or 1})
    for malloc in ({}, _MALLOC)
}


@contextmanager
def _torch_step(trainable: str, name: str) -> Iterator[Callable[[], float]]:
    """A process that makes a PyTorch step whenever the function is called, and gives its seconds."""
    threads, malloc = _TORCH[name]
    command = [sys.executable, "-m", "benchmarks.torch_step", trainable, str(threads)]
    environment = {**os.environ, **malloc, "OMP_WAIT_POLICY": "PASSIVE"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("benchmarks.torch_step did not start; run it by hand to see why")

        def step() -> float:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            return float(child.stdout.readline())

        yield step
        child.stdin.close()


def _best_of(trainable: str, name: str) -> float:
    with _torch_step(trainable, name) as step:
        return min(step() for _ in range(3))


def _stability_step(trainable: str, *, views: int) -> Callable[[], float]:
    """A step on the same number of pictures, as pairs or single: it gives its seconds, and is compiled."""
    import keras
    import tensorflow as tf

    from stability_train import model as models

    rng = np.random.default_rng(0)
    rows = 2 * PAIRS // views
    pictures = rng.normal(size=(views, rows, 224, 224, 3)).astype(np.float32)
    targets = np.eye(6, dtype=np.float32)[rng.integers(6, size=rows)]
    settings = Settings(trainable=trainable, noise="gaussian" if views == 2 else "none")
    network = models.build_network(models.load_base(get_model("mobilenet-v2").keras), classes=6, settings=settings)
    model = models.StabilityModel(keras.Model(network.whole.inputs[0], list(network.both)), settings)
    compiled = tf.function(model.train_step)
    data = tf.constant(pictures), tf.constant(targets)
    compiled(data)

    def step() -> float:
        started = time.perf_counter()
        float(compiled(data)["loss"])
        return time.perf_counter() - started

    return step


def _steps(trainable: str) -> tuple[list[float], list[float]]:
    """The seconds of steps of both kinds, taken in turns."""
    pairs, single = _stability_step(trainable, views=2), _stability_step(trainable, views=1)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(STEPS):
        seconds[0].append(pairs())
        seconds[1].append(single())
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
