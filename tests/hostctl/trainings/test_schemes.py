"""Which baselines a training has, and that each distinct training is made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hostctl.trainings.schemes import plain, scheme_folder, schemes
from stability_train.settings import Settings

PAIRED: dict[str, Any] = {"noise": "two-images", "device": "a", "partner": "b"}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({**PAIRED, "loss": "embedding"}, ["trained", "plain", "plain-no-extra-layer"]),
        (
            {**PAIRED, "loss": "embedding", "trainable": "last-block"},
            ["trained", "plain", "plain-no-extra-layer", "linear-head"],
        ),
        ({"trainable": "all"}, ["trained", "plain", "plain-extra-layer", "linear-head"]),
        ({"noise": "none"}, ["trained", "plain-extra-layer"]),
        ({"noise": "none", "mix": ("resizer",)}, ["trained", "plain", "plain-extra-layer"]),
        ({"head": "keep", "trainable": "all"}, ["trained", "plain", "linear-head"]),
    ],
)
def test_the_baselines_of_a_training(asked: dict[str, Any], names: list[str]) -> None:
    found = schemes(Settings(**asked))
    assert [one.name for one in found] == names
    assert len({one.settings for one in found}) == len(found)


def test_the_frozen_backbone_says_which_training_it_is() -> None:
    found = {one.name: one.label for one in schemes(Settings(**PAIRED, loss="embedding", alpha=0.5))}
    assert found["trained"] == "two-images, embedding x 0.5 (head only, extra layer)"
    assert found["plain-no-extra-layer"] == "plain fine-tuning (head only) = frozen backbone, linear head"


def test_plain_differs_in_nothing_but_the_noise() -> None:
    asked = Settings(
        **PAIRED,
        loss="embedding",
        alpha=3.0,
        mix=("codec",),
        trainable="all",
        augment="flip",
        epochs=7,
        seed=5,
        monitor="val_instability",
        keep="best",
    )
    found = plain(asked)
    assert (found.noise, found.partner, found.mix, found.alpha, found.monitor) == ("none", "", (), None, "val_loss")
    for name in ("trainable", "augment", "epochs", "seed", "keep", "device", "units", "batch", "learning_rate"):
        assert getattr(found, name) == getattr(asked, name)


def test_folders_of_schemes_and_seeds() -> None:
    out = Path("out")
    assert scheme_folder(out, "trained", 0) == out
    assert scheme_folder(out, "trained", 2) == out / "seed-2"
    assert scheme_folder(out, "plain", 0) == out / "baselines" / "plain"
    assert scheme_folder(out, "plain", 1) == out / "baselines" / "plain-seed-1"
