"""What a process of a search does: features of a chunk of views, or all attempts that look at the same views.

A process loads TensorFlow, the model and the features once; what TensorFlow says goes to the study's log.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import KitError
from stability_train.attempts import MEASURED, Attempt, attempt_settings, commit
from stability_train.features import Features, front_digest
from stability_train.nested import Sides, Study, matched, sides
from stability_train.pairs import make_plan
from stability_train.photos import Photo
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.views import View, ViewMaker

if TYPE_CHECKING:
    from stability_train.kept_training import Steps, Trainers

Array = npt.NDArray[Any]
LOG = "tensorflow.log"


def features_job(job: tuple[Study, Sequence[View]]) -> int:
    """Compute what is missing of some views' features and keep them in the study's folder; give how many views."""
    study, views = job
    with _said_to(study.folder / LOG):
        _tools(study).making.add(views)
    return len(views)


def group_job(job: tuple[Study, Sequence[Attempt]]) -> tuple[int, int]:
    """Make and commit attempts of one fold, seed, noise and strength; give how many, and how many of them failed."""
    study, attempts = job
    with _said_to(study.folder / LOG):
        tools = _tools(study)
        parts = sides(study, fold=attempts[0].fold, seed=attempts[0].seed)
        failed = 0
        for attempt in attempts:
            failed += not _make(study, attempt, tools, parts)
    return len(attempts), failed


def shared_view(view: View) -> View:
    """Give the noise of a view the seed that it has in every fold and seed of a study: of its photo and its draw.

    A photo so has settings.draws noises in the whole study, whose features are computed once; each training draws its
    own from them.
    """
    return dataclasses.replace(view, seed=(int(view.photo[:8], 16), view.seed[-1])) if view.seed else view


@dataclass
class _Tools:
    """What a process keeps of a study."""

    study: Study
    front: Callable[[Array], Array]
    digest: str
    trainers: Trainers

    @functools.cached_property
    def maker(self) -> ViewMaker:
        return ViewMaker(self.study.photos, self.study.sidecar)

    @functools.cached_property
    def making(self) -> Features:
        return Features(self.front, self.maker, digest=self.digest, folder=self.study.features)

    @functools.cached_property
    def kept(self) -> Features:
        """All features of the study: to be asked for when all were made."""
        return Features(self.front, self.maker, digest=self.digest, folder=self.study.features)

    def features(self, views: Sequence[View]) -> Array:
        """The features of views, float32 (views, ...); read again, or computed here, where some are not known."""
        try:
            return np.stack([self.kept.feature(view) for view in views])
        except KeyError:
            del self.kept  # other processes may have made them since it was read
        self.kept.add(views)
        return np.stack([self.kept.feature(view) for view in views])


@functools.lru_cache(maxsize=1)
def _tools(study: Study) -> _Tools:
    load_tensorflow(study.settings.threads)
    import tensorflow as tf

    from stability_train.kept_training import Trainers
    from stability_train.model import build_network, load_base

    base = load_base(study.base)
    front: Any = build_network(base, classes=len(study.classes), settings=study.settings).front
    compute: Any = tf.function(functools.partial(front, training=False), autograph=False)
    digest = front_digest(front, study.sidecar)
    return _Tools(
        study, lambda tensor: compute(tensor[None]).numpy()[0], digest, Trainers(base, classes=len(study.classes))
    )


@functools.lru_cache(maxsize=2)
def _steps(study: Study, attempt: Attempt, views: int) -> tuple[Steps, Array]:
    """The batches of an attempt and the features that they point to; alpha and loss do not matter to them."""
    from stability_train.kept_training import plan_steps

    training = sides(study, fold=attempt.fold, seed=attempt.seed).training
    settings = attempt_settings(study.settings, attempt)
    plan = make_plan(training, pool=training, classes=study.classes, settings=settings)
    places: dict[View, int] = {}

    def row_of(view: View) -> int:
        return places.setdefault(shared_view(view), len(places))

    steps = plan_steps(plan, row_of, classes=len(study.classes))
    return steps, _tools(study).features(list(places))


def _make(study: Study, attempt: Attempt, tools: _Tools, parts: Sides) -> bool:
    """Train, validate, answer on the test objects, commit; a loss that is not finite is an attempt that failed."""
    began_s = time.monotonic()
    settings = attempt_settings(study.settings, attempt)
    like = dataclasses.replace(
        attempt, alpha=0.0, loss="relative-entropy" if settings.noisy_views < 2 else attempt.loss
    )
    steps, features = _steps(study, like, settings.noisy_views)
    try:
        answer = tools.trainers.train(settings, steps, features)
    except KitError as problem:
        nothing: dict[str, Any] = dict.fromkeys(MEASURED)
        seconds = round(time.monotonic() - began_s, 3)
        commit(study.folder, attempt, {**nothing, "seconds": seconds, "error": str(problem)}, None)
        return False
    measured = _validate(study, parts.validation, _scores(tools, answer, parts.validation))
    scores = _scores(tools, answer, parts.test)
    seconds = round(time.monotonic() - began_s, 3)
    commit(study.folder, attempt, {**measured, "seconds": seconds, "error": ""}, scores)
    return True


def _scores(tools: _Tools, answer: Callable[[Array], Array], photos: Sequence[Photo]) -> Array:
    """Probabilities, float32 (photos, classes)."""
    logits = answer(tools.features([View(photo.identity) for photo in photos])).astype(np.float64)
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)


def _validate(study: Study, photos: Sequence[Photo], scores: Array) -> dict[str, Any]:
    """Instability between device and partner, and their accuracies, on the pairs of the validation objects."""
    right = marks(photos, scores, study.classes)
    pairs = np.array(matched(photos, *study.devices[:2]))
    a, b = right[pairs[:, 0]], right[pairs[:, 1]]
    targets = [study.classes.index(photos[place].label) for place in pairs[:, 0]]
    shares = np.maximum(scores[pairs[:, 0], targets], np.finfo(np.float32).tiny)
    return {
        "instability": float((a != b).mean()),
        "accuracy": float((a.mean() + b.mean()) / 2),
        "accuracy_device": float(a.mean()),
        "accuracy_partner": float(b.mean()),
        "loss_clean": float(-np.log(shares).mean()),
        "pairs": len(pairs),
        "objects": len({photos[place].cluster for place in pairs[:, 0]}),
    }


def marks(photos: Sequence[Photo], scores: Array, classes: Sequence[str]) -> Array:
    """Say of each photo whether its first class is an accepted one: bool (photos,)."""
    first = scores.argmax(axis=1)
    return np.array([classes[best] in photo.labels for best, photo in zip(first, photos, strict=True)], dtype=bool)


@contextmanager
def _said_to(log: Path) -> Iterator[None]:
    """Send what libraries write to standard error past Python into a log; TensorFlow greets whatever it is told."""
    sys.stderr.flush()
    kept = os.dup(2)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
