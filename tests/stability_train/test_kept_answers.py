"""Answers from kept features are those of the whole trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stability_train.kept_answers import answers_on, keep_views
from stability_train.settings import Settings
from stability_train.train import train
from stability_train.views import View, ViewMaker
from tests.fakes.tiny_training import SIDECAR, tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.mark.parametrize(("trainable", "units", "computed"), [("head", 8, 6), ("last-block", 0, 6), ("all", 0, 0)])
def test_the_tail_on_kept_features_answers_as_the_whole_model(
    tmp_path: Path, trainable: str, units: int, computed: int
) -> None:
    import keras

    photos = tiny_photos(tmp_path / "photos", objects=2, devices=("one",))
    base = str(tiny_base(tmp_path / "base"))
    settings = Settings(
        model=base, noise="none", validation_share=0.0, epochs=2, trainable=trainable, embedding_units=units
    )
    folder = tmp_path / "features"
    views = [View(photo.identity) for photo in photos]
    assert keep_views(views, photos, settings=settings, folder=folder) == computed
    trained = train(photos, folder=tmp_path / "training", settings=settings, validation=[], features=folder)
    found = answers_on(views, photos, model=trained.model, classes=3, settings=settings, folder=folder)
    maker = ViewMaker(photos, SIDECAR)
    whole = keras.models.load_model(trained.model, compile=False)
    expected = np.asarray(whole(np.stack([maker.tensor(view) for view in views]), training=False))
    assert found == pytest.approx(expected, abs=1e-5)
    assert len(list(folder.glob("*/*.npz"))) == (computed > 0), "the training found them"
