"""A study small enough to search in a test: three devices, six objects a class, the tiny network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stability_train.nested import Study
from stability_train.photos import classes_of
from stability_train.settings import Settings
from stability_train.zoo import resolve_model
from tests.fakes.tiny_training import tiny_base, tiny_photos


def tiny_study(folder: Path, *, folds: int = 2, **settings: Any) -> Study:
    """Two draws a photo, two epochs; the features lie in FOLDER/features, so that studies may share them."""
    base = folder / "base" / "tiny.keras"
    if not base.exists():  # a child takes it over, and need not load TensorFlow itself
        tiny_base(base.parent)
    photos = tiny_photos(folder / "photos", objects=6, devices=("one", "two", "three"))
    common = {"model": str(base), "device": "one", "partner": "two", "noise": "none", "draws": 2, "epochs": 2}
    made = Settings(**{**common, "batch": 4, "learning_rate": 0.02, **settings})
    sidecar = resolve_model(str(base))[1]
    return Study(
        folder / "out", folder / "features", tuple(photos), classes_of(photos), ("three",), made, base, sidecar, folds
    )


def one_by_one(work: Callable[[Any], Any], jobs: Iterator[Any], *, workers: int) -> Iterator[Any]:
    """Make jobs in this process, as they are asked for."""
    assert workers >= 1
    return map(work, jobs)


def quiet(stage: str, done: int, total: int, note: str) -> None:
    """Take progress and say nothing."""
    assert 0 < done <= total, stage
