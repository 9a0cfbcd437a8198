"""The trainings of a comparison and their answers: networks loaded once a process.

Importing this file loads TensorFlow: import it inside the function that trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.decode import RGB
from device_agents.errors import BadInput
from stability_train.model import StabilityModel
from stability_train.photos import Photo, classes_of
from stability_train.remedies.adversarial import Ball, train_adversarially
from stability_train.remedies.bank import draw_bank
from stability_train.remedies.conditions import Condition, PictureMaker
from stability_train.remedies.parts import BLURPOOL, Parts, load_parts
from stability_train.remedies.remedies import MULTI_CROP, PLAIN, REMEDIES, STANDARD, TENT, TENT_SCALES
from stability_train.remedies.rotation_head import QUARTERS, RotationModel
from stability_train.remedies.study import Study, answers_file, read_arrays, split, weights_file, write_arrays
from stability_train.remedies.tails import Tail, lay_out
from stability_train.remedies.test_time import Tent, corner_crops

Array = npt.NDArray[Any]


class Bench:
    """Trains and asks the remedies of a study on some photos; what it loads and compiles serves all of them."""

    def __init__(self, study: Study, photos: Sequence[Photo], folder: Path, *, cache: Path | None = None) -> None:
        """Take the study; networks are loaded when they are needed."""
        self._study, self._photos, self._folder, self._cache = study, list(photos), folder, cache
        self._classes = classes_of(photos)
        self._held: dict[tuple[str, bool, int], tuple[Parts, Tail]] = {}
        self._tents: dict[str, Tent] = {}
        self._maker: PictureMaker | None = None

    def train(self, remedy: str, seed: int) -> Path:
        """Make a training and keep its weights; one that is there is not made again."""
        path = weights_file(self._folder, remedy, seed)
        if path.exists():
            return path
        parts, tail = self._loaded(remedy)
        maker = self._pictures()
        photos = split(self._study, self._photos, seed)[0]
        study, one, settings = self._study, REMEDIES[remedy], self._study.settings(remedy, seed)
        targets = np.eye(len(self._classes), dtype=np.float32)[[self._classes.index(photo.label) for photo in photos]]
        started = time.perf_counter()
        tail.begin(seed)
        drawn = draw_bank(one, photos, targets, maker=maker, draws=min(study.draws, study.epochs), seed=seed)
        if one.how == "adversarial":
            pictures = [[views[0] for views, _ in draw] for draw in drawn]
            train_adversarially(tail, parts, pictures, targets, settings=settings, ball=Ball())
        else:
            _train_kept(tail, parts, drawn, one.how, study, settings)
        spent = time.perf_counter() - started
        weights = {f"weight-{number:03d}": value for number, value in enumerate(tail.network.tail.get_weights())}
        write_arrays(path, {**weights, "seconds": np.array(spent)})
        return path

    def ask(self, condition: Condition, seed: int, remedies: Sequence[str]) -> Path:
        """Answer a seed's held-out photos under a condition, with all remedies that have not been asked yet."""
        path = answers_file(self._folder, condition.name, seed)
        answers = read_arrays(path)
        owed = [name for name in remedies if name not in answers]
        if not owed:
            return path
        maker = self._pictures()
        pictures = [maker.picture(photo, condition) for photo in split(self._study, self._photos, seed)[1]]
        looks = _Looks(pictures)
        for name in owed:
            features, front_s = looks.features(self._key(name)[:2], REMEDIES[name].asks, self._loaded(name)[0])
            started = time.perf_counter()
            answers[name] = self._answers(name, seed, features, len(pictures))
            answers[f"{name}/s"] = np.array((front_s + time.perf_counter() - started) / len(pictures))
        write_arrays(path, answers)
        return path

    def _answers(self, remedy: str, seed: int, features: Array, count: int) -> Array:
        one = REMEDIES[remedy]
        _, tail = self._loaded(remedy)
        weights = self._weights(one.weights_of or remedy, seed)
        if one.asks in (TENT, TENT_SCALES):
            if remedy not in self._tents:
                kept = one.asks == TENT_SCALES
                self._tents[remedy] = Tent(tail.network.tail, classes=tail.classes, kept_statistics=kept)
            return self._tents[remedy].probabilities(weights, features)
        tail.network.tail.set_weights(weights)
        found = tail.probabilities(features)
        return np.asarray(found.reshape(-1, count, found.shape[-1]).mean(0), np.float32)

    @lru_cache(maxsize=64)  # noqa: B019 - a bench lives as long as its process
    def _weights(self, remedy: str, seed: int) -> list[Array]:
        held = read_arrays(weights_file(self._folder, remedy, seed))
        if not held:
            raise BadInput(f"{self._folder}: expected a training of {remedy}, seed {seed}, got none")
        return [held[name] for name in sorted(held) if name.startswith("weight-")]

    def _key(self, remedy: str) -> tuple[str, bool, int]:
        one = REMEDIES[remedy]
        extra = QUARTERS if one.how == "rotation" else 0
        return self._study.network(remedy), one.network == BLURPOOL, extra

    def _loaded(self, remedy: str) -> tuple[Parts, Tail]:
        key = self._key(remedy)
        if key not in self._held:
            model, blur, extra = key
            classes, side, trainable = len(self._classes) + extra, self._study.side, self._study.trainable
            parts = load_parts(model, side=side, classes=classes, trainable=trainable, blur=blur, cache=self._cache)
            self._held[key] = parts, Tail(parts.network, classes=len(self._classes))
        return self._held[key]

    def _pictures(self) -> PictureMaker:
        """Every network sees the same pictures, made as the study's own model wants them; scaling is each one's."""
        if self._maker is None:
            self._maker = PictureMaker(self._photos, self._loaded(STANDARD)[0].sidecar)
        return self._maker


class _Looks:
    """What fronts make of the pictures of one condition, each once, and the seconds that it took."""

    def __init__(self, pictures: Sequence[RGB]) -> None:
        self._pictures = pictures
        self._held: dict[tuple[str, bool, str], tuple[Array, float]] = {}

    def features(self, front: tuple[str, bool], asks: str, parts: Parts) -> tuple[Array, float]:
        """Give the features of all pictures and, for multi-crop, then of all of their first corners, and so on."""
        whole, spent = self._once((*front, PLAIN), parts, lambda: list(self._pictures))
        if asks != MULTI_CROP:
            return whole, spent
        corners, more = self._once((*front, MULTI_CROP), parts, self._corners)
        return np.concatenate([whole, corners]), spent + more

    def _once(self, key: tuple[str, bool, str], parts: Parts, shown: Callable[[], list[RGB]]) -> tuple[Array, float]:
        if key not in self._held:
            started = time.perf_counter()
            features = parts.features(shown())
            self._held[key] = features, time.perf_counter() - started
        return self._held[key]

    def _corners(self) -> list[RGB]:
        crops = [corner_crops(picture) for picture in self._pictures]
        return [corners[number] for number in range(len(crops[0])) for corners in crops]


def _train_kept(tail: Tail, parts: Parts, drawn: Any, how: str, study: Study, settings: Any) -> None:
    """Compute the features of a whole bank, and train the tail on them."""
    features, targets, views = [], [], 1
    for draw in drawn:
        views = len(draw[0][0])
        features.append(parts.features([view for shown, _ in draw for view in shown]))
        targets.append(np.stack([target for _, target in draw]).astype(np.float32))
    steps = lay_out(
        targets, views=views, draws=len(targets), epochs=study.epochs, batch=study.batch, seed=settings.seed
    )
    tail.train(RotationModel if how == "rotation" else StabilityModel, settings, steps, np.concatenate(features))
