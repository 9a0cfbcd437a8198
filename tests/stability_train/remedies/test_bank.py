"""Banks of examples: the same crops and partners for every remedy of a seed, others for another seed."""

from __future__ import annotations

import numpy as np
import pytest

from stability_train.photos import Photo
from stability_train.remedies.bank import draw_bank
from stability_train.remedies.conditions import PictureMaker
from stability_train.remedies.remedies import REMEDIES, Drawn
from tests.fakes.tiny_training import SIDECAR, tiny_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return tiny_photos(tmp_path_factory.mktemp("bank"), objects=2, devices=("one",))


def bank(photos: list[Photo], remedy: str, *, seed: int = 0) -> list[list[Drawn]]:
    targets = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
    maker = PictureMaker(photos, SIDECAR)
    return list(draw_bank(REMEDIES[remedy], photos, targets, maker=maker, draws=2, seed=seed))


def test_remedies_of_a_seed_begin_with_the_same_crops(photos: list[Photo]) -> None:
    plain, smooth, mixed = (bank(photos, name) for name in ("standard", "stability-training", "augmix"))
    for draws in zip(plain, smooth, mixed, strict=True):
        for one, two, three in zip(*draws, strict=True):
            assert np.array_equal(one[0][0], two[0][0])
            assert np.array_equal(one[0][0], three[0][0])
    assert not np.array_equal(plain[0][0][0][0], plain[1][0][0][0]), "another draw is another crop"
    assert not np.array_equal(plain[0][0][0][0], bank(photos, "standard", seed=1)[0][0][0][0])


def test_mixed_targets_are_those_of_the_pictures_mixed(photos: list[Photo]) -> None:
    plain, mixed = bank(photos, "standard"), bank(photos, "mixup")
    bases = [shown[0].astype(float) for shown, _ in plain[0]]
    blended = 0
    for place, ((picture,), target) in enumerate(mixed[0]):
        share = target[place // 2]
        if share < 1:  # a partner of the same class leaves the target as it is
            found = min(np.abs(share * bases[place] + (1 - share) * other - picture).max() for other in bases)
            assert found <= 1, "a picture is its target's blend of two"
            blended += 1
    assert blended


def test_mix_training_changes_the_picture_before_the_crop(photos: list[Photo]) -> None:
    plain, mixed = bank(photos, "standard"), bank(photos, "mix-training")
    same = [np.array_equal(one[0][0], two[0][0]) for one, two in zip(plain[0], mixed[0], strict=True)]
    assert not all(same)
    again = bank(photos, "mix-training")
    assert np.array_equal(mixed[1][3][0][0], again[1][3][0][0])
