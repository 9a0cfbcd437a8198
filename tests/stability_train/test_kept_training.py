"""Training from kept features in one call: the weights of train(), bit for bit, and nothing left of the last one."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_agents.errors import BadInput, KitError
from stability_train.pairs import make_plan
from stability_train.photos import Photo
from stability_train.settings import Settings
from stability_train.train import train
from stability_train.views import View, ViewMaker
from stability_train.zoo import resolve_model
from tests.fakes.tiny_training import CLASSES, tiny_base, tiny_photos

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
Prepared = tuple[Any, Any, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return tiny_photos(tmp_path_factory.mktemp("photos"), objects=3)


@pytest.fixture(scope="module")
def prepare(base: Path, photos: list[Photo]) -> Callable[[Settings], Prepared]:
    def made(settings: Settings) -> Prepared:
        from stability_train.kept_training import Trainers, plan_steps
        from stability_train.model import build_network, load_base

        plan = make_plan(photos, pool=photos, classes=CLASSES, settings=settings)
        rows: dict[View, int] = {}
        steps = plan_steps(plan, lambda view: rows.setdefault(view, len(rows)), classes=3)
        network = load_base(base)
        front = build_network(network, classes=3, settings=settings).front
        maker = ViewMaker(photos, resolve_model(str(base))[1])
        features = np.concatenate([front(maker.tensor(view)[None], training=False).numpy() for view in rows])
        return Trainers(network, classes=3), steps, features

    return made


def settings_for(base: Path, **changed: Any) -> Settings:
    common: dict[str, Any] = {"model": str(base), "device": "one", "partner": "two", "batch": 4, "epochs": 3, "seed": 5}
    return Settings(**{**common, "learning_rate": 0.01, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"noise": "two-images", "alpha": 0.5},
        {"noise": "none", "loss": "embedding"},
        {"noise": "gaussian", "draws": 2, "loss": "embedding", "alpha": 0.3, "trainable": "last-block"},
        {"noise": "gaussian", "draws": 3, "loss": "jensen-shannon", "optimiser": "sgd"},
    ],
    ids=["relative-entropy", "plain-extra-layer", "last-block", "three-views"],
)
def test_the_weights_are_those_of_train(
    base: Path,
    photos: list[Photo],
    tmp_path: Path,
    prepare: Callable[[Settings], Prepared],
    changed: dict[str, Any],
) -> None:
    import keras

    settings = settings_for(base, **changed)
    trainers, steps, features = prepare(settings)
    assert steps.ends.tolist() == [4, 8, 9, 13, 17, 18, 22, 26, 27]  # nine photos in batches of four
    whole = keras.models.load_model(
        train(photos, folder=tmp_path / "train", settings=settings, validation=[]).model, compile=False
    )
    answer = trainers.train(settings, steps, features)
    tail = next(iter(trainers._trainers.values()))._model.tail
    trained = whole.get_weights()[-len(tail.get_weights()) :]
    for one, other in zip(tail.get_weights(), trained, strict=True):
        assert np.array_equal(one, other)
    assert answer(features).shape == (len(features), 3)


def test_what_was_trained_before_does_not_matter(base: Path, prepare: Callable[[Settings], Prepared]) -> None:
    settings = settings_for(base, noise="two-images", loss="embedding", alpha=0.1, trainable="last-block")
    trainers, steps, features = prepare(settings)
    kinds = [settings, dataclasses.replace(settings, seed=6), dataclasses.replace(settings, alpha=2.0)]
    alone = [trainers.train(one, steps, features)(features) for one in kinds]
    for first, then in itertools.permutations(range(3), 2):
        trainers.train(kinds[first], steps, features)
        assert np.array_equal(trainers.train(kinds[then], steps, features)(features), alone[then])
    assert len(trainers._trainers) == 2  # a seed is not a kind
    assert not any(np.array_equal(one, other) for one, other in itertools.combinations(alone, 2))


def test_a_loss_that_is_not_finite_names_its_term_and_the_next_training_is_whole(
    base: Path, prepare: Callable[[Settings], Prepared]
) -> None:
    settings = settings_for(base, noise="two-images", alpha=0.1)
    trainers, steps, features = prepare(settings)
    before = trainers.train(settings, steps, features)(features)
    with pytest.raises(KitError, match="expected finite numbers, got NaN or infinity in"):
        trainers.train(settings, steps, np.full_like(features, np.nan))
    assert np.array_equal(trainers.train(settings, steps, features)(features), before)


def test_mixed_batches_have_no_kept_features(base: Path, prepare: Callable[[Settings], Prepared]) -> None:
    settings = settings_for(base, noise="none")
    trainers, steps, features = prepare(settings)
    with pytest.raises(BadInput, match="expected mixing none with kept features, got mixup"):
        trainers.train(dataclasses.replace(settings, mixing="mixup"), steps, features)
