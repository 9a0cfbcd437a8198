"""A comparison on disk: what it refuses, how it splits objects, and files that are whole or absent."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from device_agents.errors import BadInput
from stability_train.photos import Photo
from stability_train.remedies.study import Study, begin, collect, read_arrays, split, write_arrays
from tests.fakes.tiny_training import tiny_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return tiny_photos(tmp_path_factory.mktemp("study"), objects=3)


def test_every_object_is_tested_by_one_seed_at_most_and_never_trained_on_there(photos: list[Photo]) -> None:
    tested: list[str] = []
    for seed in range(3):
        training, held_out = split(Study(), photos, seed)
        assert not {one.cluster for one in training} & {one.cluster for one in held_out}
        tested += sorted({one.cluster for one in held_out})
    assert sorted(tested) == sorted({one.cluster for one in photos})


def test_a_folder_holds_one_study(photos: list[Photo], tmp_path: Path) -> None:
    begin(Study(), photos, tmp_path)
    begin(Study(), photos, tmp_path)
    with pytest.raises(BadInput, match="begun otherwise.*side: 128 before"):
        begin(dataclasses.replace(Study(), side=96), photos, tmp_path)
    with pytest.raises(BadInput, match="photos:"):
        begin(Study(), [*photos, dataclasses.replace(photos[0], name="new", sha256="ff")], tmp_path)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"seeds": 4}, "folds: expected as many as seeds or more, got 3 for 4 seeds"),
        ({"side": 8}, "side: expected 0 or 16 and more, got 8"),
        ({"draws": 0, "epochs": 0}, "epochs: expected 1 to 1000, got 0; draws"),
        ({"batch": 0}, "batch: expected"),
    ],
)
def test_what_cannot_work_is_refused(changed: dict[str, int], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        Study(**changed)  # type: ignore[arg-type]


def test_arrays_come_back_and_a_broken_file_is_named(photos: list[Photo], tmp_path: Path) -> None:
    path = tmp_path / "some" / "arrays.npz"
    assert read_arrays(path) == {}
    write_arrays(path, {"a": np.arange(3)})
    assert read_arrays(path)["a"].tolist() == [0, 1, 2]
    path.write_bytes(b"broken")
    with pytest.raises(BadInput, match="remove it and go on"):
        read_arrays(path)
    with pytest.raises(BadInput, match="expected answers of seed 0 under clean"):
        collect(Study(), photos, tmp_path, remedies=("standard",))
