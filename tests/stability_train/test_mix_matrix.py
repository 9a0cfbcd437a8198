"""Mix-training studies: cells that come again, rows that see only their variants, and a killed study that goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train import mix_matrix
from stability_train.mix_matrix import Study, begin, cells, collect, do_cell, do_heads, keep_features, make_study
from stability_train.pairs import make_plan
from stability_train.photos import Photo
from stability_train.settings import Settings
from tests.fakes.tiny_training import CLASSES, tiny_base, tiny_photos

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
VARIANTS = ("pillow-bilinear", "pillow-nearest")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return tiny_photos(tmp_path_factory.mktemp("photos"), objects=4, devices=("one",))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def study_of(photos: list[Photo], base: Path, *, trainable: str = "head", **changed: object) -> Study:
    settings = Settings(
        model=str(base), noise="none", validation_share=0.0, epochs=40, learning_rate=0.02, trainable=trainable
    )
    asked = {"family": "resizer", "variants": VARIANTS, "seeds": 1, "folds": 2, "settings": settings, **changed}
    return make_study(photos, **asked)  # type: ignore[arg-type]


def test_a_row_draws_only_its_variants_and_the_mix_all(photos: list[Photo], base: Path) -> None:
    study = study_of(photos, base)
    assert study.rows == (*VARIANTS, "mix")
    for row in study.rows:
        plan = make_plan(photos, pool=photos, classes=CLASSES, settings=study.settings_of(row, 3))
        drawn = {plan.views(place, epoch)[0].resizer for place in range(len(plan)) for epoch in range(8)}
        assert drawn == (set(VARIANTS) if row == "mix" else {row})
    assert study.settings_of("mix", 3).seed == 3


@pytest.mark.slow
@pytest.mark.parametrize("trainable", ["head", "last-block"])
def test_a_study_trains_each_cell_once_and_computes_features_once(
    photos: list[Photo], base: Path, tmp_path: Path, trainable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(photos, base, trainable=trainable)
    begin(study, photos, tmp_path)
    assert keep_features(study, photos, tmp_path) == 24
    assert keep_features(study, photos, tmp_path) == 0
    todo = cells(study, tmp_path)
    assert len(todo) == 6
    for cell in todo:
        do_cell(cell, photos)
    assert not list((tmp_path / "trainings").iterdir())
    assert len(list((tmp_path / "features").glob("*/*.npz"))) == 1, "no training had anything left to compute"
    right = collect(study, photos, tmp_path)
    assert right.shape == (3, 1, 12, 2)
    assert right.mean() > 0.6, "three colours are soon learnt"

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(mix_matrix, "train", refuse)
    for cell in todo:
        do_cell(cell, photos)
    todo[0].file.unlink()
    with pytest.raises(BadInput, match="expected a finished cell"):
        collect(study, photos, tmp_path)
    monkeypatch.undo()
    do_cell(todo[0], photos)
    assert np.array_equal(collect(study, photos, tmp_path), right), "a cell done again is the same"


@pytest.mark.slow
def test_heads_trained_together_are_those_trained_alone(photos: list[Photo], base: Path, tmp_path: Path) -> None:
    study = study_of(photos, base)
    together, alone = (cells(study, tmp_path / name) for name in ("together", "alone"))
    assert sorted(cell.file.name for cell in do_heads(together, photos)) == sorted(one.file.name for one in together)
    for one, other in zip(together, alone, strict=True):
        if one.row != "mix":  # where the photos' numbers decide what is drawn
            do_cell(other, photos)
            with np.load(one.file) as here, np.load(other.file) as there:
                assert here["photos"].tolist() == there["photos"].tolist()
                assert np.array_equal(here["right"], there["right"])
    assert collect(study, photos, tmp_path / "together").shape == (3, 1, 12, 2)
    assert not list(do_heads([], photos))


def test_a_folder_holds_one_study(photos: list[Photo], base: Path, tmp_path: Path) -> None:
    begin(study_of(photos, base), photos, tmp_path)
    begin(study_of(photos, base), photos, tmp_path)
    with pytest.raises(BadInput, match="begun otherwise.*folds: 2 before"):
        begin(study_of(photos, base, folds=4), photos, tmp_path)
    with pytest.raises(BadInput, match="photos:"):
        begin(study_of(photos, base), photos[3:], tmp_path)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"family": "runtime"}, "unknown family to mix 'runtime'"),
        ({"variants": ("pillow-nearest", "pillow-nearest")}, "expected two variants of resizer or more"),
        ({"variants": ("pillow-nearest", "pillow-biliner")}, "did you mean 'pillow-bilinear'"),
        ({"seeds": 0}, "expected 1 to 100 seeds"),
        ({"folds": 5}, "expected 2 to 4 folds"),
        ({"family": "isp", "variants": ("crisp", "soft")}, "expected a raw beside each of 12 photographs"),
    ],
)
def test_what_cannot_work_is_refused(photos: list[Photo], base: Path, changed: dict[str, object], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        study_of(photos, base, **changed)


def test_settings_that_are_the_studys_own_are_refused(photos: list[Photo], base: Path) -> None:
    good = study_of(photos, base).settings
    for changed, match in (
        ({"noise": "gaussian"}, "without noise and mix"),
        ({"validation_share": 0.2}, "expected val"),
    ):
        with pytest.raises(BadInput, match=match):
            study_of(photos, base, settings=dataclasses.replace(good, **changed))
