"""Heads on kept features: the same head as a whole training gives, and parts of one plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stability_train.pairs import make_plan
from stability_train.photos import classes_of
from stability_train.settings import Settings
from stability_train.views import View
from tests.fakes.tiny_training import CLASSES, tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
COMMON = {"epochs": 3, "batch": 4, "learning_rate": 0.01, "alpha": 0.5, "validation_share": 0.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from stability_train.kept_heads import Backbone

    folder = tmp_path_factory.mktemp("heads")
    base, photos = tiny_base(folder / "base"), tiny_photos(folder / "photos")
    settings = Settings(model=str(base), noise="two-images", device="one", partner="two", **COMMON)
    network = Backbone(str(base), photos, classes=len(CLASSES), folder=folder / "features")
    plan = make_plan(photos, pool=photos, classes=classes_of(photos), settings=settings)
    return folder, photos, settings, network, plan, network.views_of(plan)


def test_a_head_is_the_one_that_train_gives(world: Any) -> None:
    import keras

    from stability_train.train import train

    folder, photos, settings, network, plan, kept = world
    head = network.train_head(kept, range(len(plan)), settings=settings)
    views = [View(photo.identity) for photo in photos]
    found = head(network.matrix(views))
    trained = train(photos, folder=folder / "training", settings=settings)
    model = keras.models.load_model(trained.model, compile=False)
    logits = np.asarray(model(np.stack([network._maker.tensor(view) for view in views]), training=False))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(np.ones(len(photos)), abs=1e-6)
    assert found == pytest.approx(expected, abs=1e-4)


def test_only_the_photos_chosen_are_trained_on(world: Any) -> None:
    _, _, settings, network, plan, kept = world
    matrix = kept.matrix
    part = network.train_head(kept, np.arange(len(plan) - 5), settings=settings)(matrix)
    spoilt = kept.matrix.copy()
    spoilt[np.unique(kept.index[:, -5:])] = 1e6
    same = network.train_head(replace(kept, matrix=spoilt), np.arange(len(plan) - 5), settings=settings)(matrix)
    assert np.array_equal(part, same)
    other = network.train_head(kept, np.arange(len(plan) - 5), settings=replace(settings, seed=1))(matrix)
    assert not np.allclose(part, other)


def test_views_are_kept_once_and_in_a_folder(world: Any) -> None:
    from stability_train.kept_heads import Backbone

    folder, photos, settings, network, plan, kept = world
    assert kept.index.shape == (3, len(plan), 2)
    assert len(kept.matrix) == len(photos)  # every photo is looked at in every epoch, and kept once
    said: list[tuple[int, int]] = []
    again = Backbone(str(Path(settings.model)), photos, classes=len(CLASSES), folder=folder / "features")
    found = again.matrix([View(photo.identity) for photo in photos], progress=lambda *pair: said.append(pair))
    assert again._features.computed == 0
    assert said == [(len(photos), len(photos))]
    assert found == pytest.approx(network.matrix([View(photo.identity) for photo in photos]))


def test_times_are_measured(world: Any) -> None:
    _, photos, _, network, _, _ = world
    assert 0 < network.view_s([View(photo.identity) for photo in photos]) < 60
    assert 0.05 < network.time_over(network, View(photos[0].identity)) < 20
