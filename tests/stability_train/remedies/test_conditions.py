"""What is tested: names that exist, none that mix training draws, and what remedies have seen the like of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.perturbations.families import generator
from device_agents.perturbations.known import PERTURBATIONS
from stability_train.remedies.conditions import (
    CLEAN,
    FAMILY_NAMES,
    KIN,
    MIXED,
    TESTED,
    Condition,
    Extent,
    PictureMaker,
    all_conditions,
    place,
    seen_by,
    seen_by_all,
)
from stability_train.remedies.remedies import REMEDIES
from tests.fakes.tiny_training import SIDE, SIDECAR, tiny_photos

EVERYTHING = all_conditions(Extent(), families=FAMILY_NAMES)


def test_every_condition_is_there_once_and_the_clean_one_first() -> None:
    names = [one.name for one in EVERYTHING]
    assert names[0] == CLEAN
    assert len(set(names)) == len(names)
    assert sum(one.family == "corruptions" for one in EVERYTHING) == 15 * 2
    assert sum(one.family == "sequences" for one in EVERYTHING) == 10 * 4
    assert all_conditions(Extent(), families=()) == [Condition(CLEAN, CLEAN, CLEAN)]


def test_mix_training_draws_none_of_what_is_tested() -> None:
    assert not any(set(MIXED[family]) & set(TESTED[family]) for family in MIXED)


def test_words_of_overlap_name_groups_that_are_tested() -> None:
    assert {group for groups in KIN.values() for group in groups} <= {one.group for one in EVERYTHING}


def test_what_a_remedy_has_seen_the_like_of() -> None:
    seen = seen_by(REMEDIES["patch-gaussian"], EVERYTHING)
    assert seen[:3] == ["corruptions: gaussian-noise", "corruptions: shot-noise", "corruptions: impulse-noise"]
    assert "natural: camera-noise" in seen
    assert not seen_by(REMEDIES["mixup"], EVERYTHING)
    assert "decoder" in seen_by(REMEDIES["mix-training"], EVERYTHING)
    assert "shift: consistency" in seen_by_all(EVERYTHING)
    assert place(EVERYTHING[0]) == CLEAN


@pytest.mark.parametrize(
    ("changed", "match"), [({"severities": (6,)}, "1 to 5"), ({"severities": ()}, "1 to 5"), ({"frames": 1}, "2 to 31")]
)
def test_an_extent_that_compares_nothing_is_refused(changed: dict[str, object], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        Extent(**changed)  # type: ignore[arg-type]


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown family to test 'decodr'"):
        all_conditions(Extent(), families=("decodr",))


def test_pictures_are_the_perturbations_own(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path, objects=2)
    maker = PictureMaker(photos, SIDECAR)
    clean = maker.picture(photos[0], EVERYTHING[0])
    assert clean.shape == (SIDE, SIDE, 3)
    one = PERTURBATIONS["gain-80"]
    found = maker.picture(photos[0], Condition("gain-80", "natural", "gain", {}, "gain-80"))
    assert np.array_equal(found, one.apply(clean, generator(photos[0].sha256, one.stream)))
    crop = maker.picture(photos[0], Condition("consistency-1", "shift", "consistency", {}, "consistency-1"))
    assert crop.shape == clean.shape
    assert not np.array_equal(crop, clean)
    nearest = maker.picture(photos[0], Condition("resizer:n", "resizer", "resizer", {"resizer": "pillow-nearest"}))
    whole = DECODERS["pillow"](photos[0].file.read_bytes())
    assert {tuple(value) for value in nearest.reshape(-1, 3)} <= {tuple(value) for value in whole.reshape(-1, 3)}
