"""Training a tiny model: it goes on bit for bit after any end, stops whole at NaN, and refuses what cannot work."""

from __future__ import annotations

import csv
import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agents.errors import BadInput, KitError
from device_agents.noise import NOISES
from device_agents.sidecar import read_sidecar
from stability_train import train as training
from stability_train.checkpoint import read_checkpoint
from stability_train.judging import evaluate
from stability_train.losses import LOSSES, Loss
from stability_train.settings import Settings
from stability_train.train import Trained, train
from tests.fakes.tiny_training import CLASSES, tiny_base, tiny_photos

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

ROOT = Path(__file__).parents[2]
# Trains in folders, one after the other, and sends itself a signal at a certain picture: FOLDER,PICTURE,SIGNAL.
CHILD = """
import json, os, signal, sys
from pathlib import Path
from device_agents import noise
from stability_train.settings import settings_from
from stability_train.train import train
from tests.fakes.tiny_training import tiny_photos

here, jobs = Path(sys.argv[1]), sys.argv[2:]
gaussian = noise.NOISES["gaussian"]
settings = settings_from(json.loads((here / "settings.json").read_text()))

def run(folder, stop_at, how):
    calls = 0

    def counted(picture, rng, **strength):
        nonlocal calls
        calls += 1
        if calls == stop_at:
            os.kill(os.getpid(), getattr(signal, how))
        return gaussian(picture, rng, **strength)

    noise.NOISES["gaussian"] = counted
    done = False
    while not done:
        try:
            train(tiny_photos(here / "photos"), folder=here / folder, settings=settings)
            done = True
        except KeyboardInterrupt as stopped:
            print(stopped, flush=True)

for job in jobs:
    folder, stop_at, how = job.split(",")
    run(folder, int(stop_at), how)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def train_tiny(base: Path, tmp_path: Path) -> Callable[..., Trained]:
    def run(*, folder: str = "out", objects: int = 4, **settings: Any) -> Trained:
        asked = {"model": str(base), "batch": 4, "epochs": 2, "device": "one", "workers": 1, **settings}
        return train(
            tiny_photos(tmp_path / "photos", objects=objects), folder=tmp_path / folder, settings=Settings(**asked)
        )

    return run


def child(folder: Path, *jobs: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(folder), *jobs]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
def test_killed_or_stopped_at_any_step_and_resumed_the_weights_are_the_same_bit_for_bit(
    base: Path, tmp_path: Path
) -> None:
    settings = {"model": str(base), "batch": 4, "epochs": 3, "threads": 1, "trainable": "last-block", "workers": 2}
    settings |= {
        "augment": "flip-crop",
        "batch_norm": "apart",
        "alpha": 1.0,
        "learning_rate": 0.01,
        "optimiser": "adam",
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    # 30 pictures, 6 of them to validate on: 6 steps an epoch, and a noise for each of 24 + 24 pictures.
    at = int(np.random.default_rng().integers(60, 110))
    killed = child(tmp_path, f"killed,{at},SIGKILL")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    stopped = child(tmp_path, "killed,0,-", f"stopped,{at - 40},SIGTERM", "whole,0,-")
    assert stopped.returncode == 0, stopped.stderr
    assert "the same command goes on from there" in stopped.stdout
    expected, end = read_checkpoint(tmp_path / "whole" / "checkpoint.npz")
    for folder in ("killed", "stopped"):
        found, progress = read_checkpoint(tmp_path / folder / "checkpoint.npz")
        assert progress.epoch == 3
        for group in ("weights", "optimiser"):
            same = [np.array_equal(*pair) for pair in zip(found[group], expected[group], strict=True)]
            assert all(same), f"{folder} at picture {at}: {group} {same}"
        measured = [{k: v for k, v in row.items() if k not in ("seconds", "memory_mb")} for row in progress.history]
        assert measured == [{k: row[k] for k in measured[0]} for row in end.history]


@pytest.mark.parametrize("stop_at", [1, 3, 4, 6])
def test_asked_to_stop_within_or_at_the_end_of_an_epoch_it_goes_on(
    train_tiny: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    from stability_train.watch import Watch

    whole = train_tiny(folder="whole", noise="none", learning_rate=0.01)
    end_of_step, taken = Watch.on_train_batch_end, 0

    def counted(self: Watch, batch: int, logs: Any = None) -> None:
        nonlocal taken
        taken += 1
        self.asked_to_stop = taken == stop_at
        end_of_step(self, batch, logs)
        if self.progress.step == self._batches.steps:
            self.asked_to_stop = taken == stop_at

    monkeypatch.setattr(Watch, "on_train_batch_end", counted)
    if stop_at < 6:  # the last step ends the training: nothing is left to stop
        with pytest.raises(KeyboardInterrupt, match="the same command goes on from there"):
            train_tiny(folder="stopped", noise="none", learning_rate=0.01)
    stopped = train_tiny(folder="stopped", noise="none", learning_rate=0.01)
    assert taken == 6
    one, other = (read_checkpoint(which.folder / "checkpoint.npz")[0] for which in (whole, stopped))
    for group in ("weights", "optimiser"):
        for pair in zip(one[group], other[group], strict=True):
            assert pair[0] == pytest.approx(pair[1], abs=1e-6)


def test_frozen_features_are_kept_when_the_views_are_finite_and_give_the_same_answer(
    train_tiny: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"noise": "gaussian", "draws": 2, "loss": "relative-entropy", "alpha": 1.0, "epochs": 3, "keep": "best"}
    kept = train_tiny(folder="kept", **asked)
    fresh = train_tiny(folder="fresh", **{**asked, "draws": 0})
    assert kept.kept_features
    assert not fresh.kept_features
    monkeypatch.setattr(training, "LARGEST_KEPT_BYTES", 0)
    whole = train_tiny(folder="whole", **asked)
    assert not whole.kept_features
    one, other = (read_checkpoint(which.folder / "checkpoint.npz")[1].history for which in (kept, whole))
    for name in ("loss", "cross_entropy", "stability", "val_loss", "val_accuracy", "val_instability"):
        assert [row[name] for row in one] == pytest.approx([row[name] for row in other], abs=1e-5)


def test_asked_to_stop_while_features_are_made_it_stops_there_and_goes_on(
    train_tiny: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stability_train.watch import Watch

    asked = {"noise": "gaussian", "draws": 2, "loss": "relative-entropy"}
    whole = train_tiny(folder="whole", **asked)
    begin, steps = Watch.on_epoch_begin, []

    def at_once(self: Watch, epoch: int, logs: Any = None) -> None:
        self.asked_to_stop = True
        begin(self, epoch, logs)
        steps.append(epoch)

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "on_epoch_begin", at_once)
        with pytest.raises(KeyboardInterrupt, match="stopped after epoch 0"):
            train_tiny(folder="stopped", **asked)
    assert steps == []
    stopped = train_tiny(folder="stopped", **asked)
    one, other = (read_checkpoint(which.folder / "checkpoint.npz")[1].history for which in (whole, stopped))
    assert [row["loss"] for row in one] == pytest.approx([row["loss"] for row in other], abs=1e-6)


def test_the_folder_holds_a_model_that_evaluates_as_the_history_says(
    train_tiny: Callable[..., Trained], tmp_path: Path
) -> None:
    found = train_tiny(epochs=8, trainable="all", learning_rate=0.01, tensorboard=True, noise="distortion")
    sidecar = dataclasses.replace(read_sidecar(found.model), labels=str(found.labels))
    photos = [photo for photo in tiny_photos(tmp_path / "photos", objects=4) if photo.device == "one"]
    judged = evaluate(
        found.model, sidecar, photos, settings=Settings(noise="distortion", model=str(found.model)), draws=2
    )
    assert judged.classes == found.classes == CLASSES
    assert judged.scores.shape == (12, 3, 3)
    assert judged.scores.sum(axis=2) == pytest.approx(1, abs=1e-5)
    assert judged.accuracy >= 0.9, "three colours are learnt in eight epochs"
    rows = list(csv.DictReader(found.history.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == [str(number + 1) for number in range(8)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert len(list((found.folder / "tensorboard").iterdir())) == 1
    sides: dict[str, set[str]] = {}
    for row in csv.DictReader((found.folder / "split.csv").read_text().splitlines()):
        sides.setdefault(row["cluster"], set()).add(row["side"])
    assert all(len(side) == 1 for side in sides.values()), "no object on both sides"
    again = train_tiny(epochs=8, trainable="all", learning_rate=0.01, tensorboard=True, noise="distortion")
    assert again.epochs == 8, "a training that is done is done"
    with pytest.raises(BadInput, match="alpha: None before, 1.0 now"):
        train_tiny(epochs=8, trainable="all", learning_rate=0.01, tensorboard=True, noise="distortion", alpha=1.0)


def test_training_stops_early_and_keeps_the_best_epoch(train_tiny: Callable[..., Trained]) -> None:
    found = train_tiny(epochs=30, patience=2, learning_rate=1e-12, monitor="val_accuracy", keep="best", noise="none")
    assert (found.epochs, found.best_epoch, found.kept_epoch) == (3, 1, 1)


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(
    train_tiny: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tensorflow as tf

    steps = tf.Variable(0)

    def broken(clean: Any, noisy: Any) -> Any:
        # 12 pictures less 3 to validate on, in batches of 4, are 3 steps an epoch: the fourth has no number.
        return tf.where(steps.assign_add(1) > 3, tf.math.log(-1.0 + 0.0 * clean[:, 0]), 0.0 * clean[:, 0])

    monkeypatch.setitem(LOSSES, "relative-entropy", Loss(broken, "logits", 1, 1.0))  # type: ignore[misc]
    with pytest.raises(
        KitError, match=r"epoch 2, step 1: .* infinity in stability; the weights after epoch 1 are kept"
    ):
        train_tiny(epochs=3)
    groups, progress = read_checkpoint(tmp_path / "out" / "checkpoint.npz")
    assert (progress.epoch, progress.step) == (1, 0)
    assert all(np.isfinite(array).all() for array in groups["weights"])


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"device": "three"}, r"expected pictures of three, got none; there are one \(9\), two \(9\)"),
        ({"noise": "two-images", "partner": "three"}, "expected pictures of three"),
        ({"objects": 1}, "at least two objects"),
        ({"head": "keep", "loss": "relative-entropy"}, "expected a label list"),
        ({"trainable": "from:nowhere"}, "has no layer 'nowhere'"),
        ({"trainable": "from:sum"}, "joins 2 tensors; name a layer that all go through"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(
    train_tiny: Callable[..., Trained], tmp_path: Path, asked: dict[str, Any], match: str
) -> None:
    with pytest.raises(BadInput, match=match):
        train_tiny(**asked)
    assert not (tmp_path / "out" / "checkpoint.npz").exists()


def test_a_damaged_picture_and_a_noise_that_fails_are_named(
    train_tiny: Callable[..., Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(picture: np.ndarray, rng: np.random.Generator, **strength: float) -> np.ndarray:
        raise BadInput("this noise needs a library")

    monkeypatch.setitem(NOISES, "hue", failing)
    with pytest.raises(BadInput, match="this noise needs a library"):
        train_tiny(noise="hue")
    photos = tiny_photos(tmp_path / "photos", objects=4)
    photos[0].file.write_bytes(b"no picture")
    with pytest.raises(BadInput, match="1 of 12 pictures cannot be trained on:\n  - blue-0-one"):
        train(
            [photo for photo in photos if photo.device == "one"],
            folder=tmp_path / "bad",
            settings=Settings(model=str(tiny_base(tmp_path))),
        )
