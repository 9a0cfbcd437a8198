"""Nested cross-validation: no object on two sides, every object tested once; and the choice worked out by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from device_agents.errors import BadInput
from stability_train.attempts import Attempt
from stability_train.nested import Study, check_study, choose, chosen_attempts, matched, outer_folds, sides
from stability_train.photos import Photo
from stability_train.settings import Settings
from tests.fakes.tiny_training import SIDECAR


def study(*, devices: tuple[str, ...] = ("one", "two", "three"), **changed: Any) -> Study:
    photos = [
        Photo(f"{label}{number}-{repeat}-{device}", Path("x"), f"{label}{number}{repeat}{device}", (label,),
              f"{label}{number}", f"{label}{number}", repeat=repeat, device=device)
        for label in ("a", "b")
        for number in range(8)
        for repeat in range(2)
        for device in devices
    ]  # fmt: skip
    common = Settings(device="one", partner="two", noise="none")
    values: dict[str, Any] = {"unseen": ("three",), "settings": common, "folds": 4, **changed}
    return Study(Path("out"), Path("features"), tuple(photos), ("a", "b"), base=Path("x"), sidecar=SIDECAR, **values)


def frame(*rows: tuple[Any, ...]) -> pd.DataFrame:
    columns = ["noise", "loss", "alpha", "strength", "fold", "seed", "instability", "accuracy"]
    return pd.DataFrame(rows, columns=columns).astype({"strength": float, "alpha": float})


def test_no_object_is_on_two_sides_and_each_is_tested_once_on_all_devices() -> None:
    its = study()
    check_study(its)
    tested: Counter[str] = Counter()
    validated = set()
    for fold in range(4):
        for seed in range(3):
            parts = sides(its, fold=fold, seed=seed)
            training, validation, test = (
                {one.cluster for one in part} for part in (parts.training, parts.validation, parts.test)
            )
            assert len(training | validation | test) == len(training) + len(validation) + len(test) == 16
            assert {one.device for one in parts.training + parts.validation} == {"one", "two"}
            assert {one.device for one in parts.test} == {"one", "two", "three"}
            validated.add((fold, frozenset(validation)))
        tested.update(test)
    assert sorted(tested.values()) == [1] * 16
    assert len(validated) > 4  # other seeds validate on other objects
    assert [len(test) for _, test in outer_folds(its)] == [4 * 2 * 3] * 4


def test_the_lowest_instability_within_the_guard_is_chosen_then_accuracy_then_the_smallest_alpha() -> None:
    rows = [("none", "embedding", 0, None, 0, seed, 0.2, 0.90) for seed in range(2)]
    rows += [("gaussian", "embedding", 1, None, 0, 0, 0.00, 0.50), ("gaussian", "embedding", 1, None, 0, 1, 0.0, 0.5)]
    rows += [("gaussian", "embedding", 2, 0.1, 0, 0, 0.08, 0.89), ("gaussian", "embedding", 2, 0.1, 0, 1, 0.12, 0.87)]
    rows += [("gaussian", "embedding", 4, 0.1, 0, 0, 0.10, 0.89), ("gaussian", "embedding", 4, 0.1, 0, 1, 0.1, 0.89)]
    rows += [("gaussian", "embedding", 3, 0.1, 0, 0, 0.10, 0.89), ("gaussian", "embedding", 3, 0.1, 0, 1, 0.1, 0.89)]
    rows += [("gaussian", "embedding", 9, 0.1, 0, 0, 0.00, 0.95), ("gaussian", "embedding", 9, 0.1, 0, 1, None, None)]
    found = choose(frame(*rows), drop=0.02).set_index("noise")
    best = found.loc["gaussian"]
    assert (best["alpha"], best["strength"], best["fold"], best["tried"]) == (3, 0.1, 0, 5)
    measured = best[["instability", "accuracy", "baseline_instability", "baseline_accuracy"]].tolist()
    assert measured == pytest.approx([0.1, 0.89, 0.2, 0.9])
    assert best["guarded"]
    strict = choose(frame(*rows), drop=0.0).set_index("noise").loc["gaussian"]
    assert (strict["guarded"], strict["alpha"]) == (False, 3)  # the most accurate, since none is as accurate as plain
    assert found.loc["none", "alpha"] == 0


def test_each_fold_chooses_for_itself_and_all_its_seeds_are_taken() -> None:
    rows = [("none", "embedding", 0, None, fold, 0, 0.2, 0.9) for fold in (0, 1)]
    for fold, alpha in ((0, 1), (1, 2)):
        rows += [("two-images", "embedding", alpha, None, fold, 0, 0.1, 0.9)]
        rows += [("two-images", "embedding", 3 - alpha, None, fold, 0, 0.15, 0.9)]
    choice = choose(frame(*rows), drop=0.02)
    assert chosen_attempts(choice[choice["noise"] == "two-images"], range(2)) == [
        Attempt(fold, seed, "two-images", "embedding", alpha) for fold, alpha in ((0, 1.0), (1, 2.0)) for seed in (0, 1)
    ]


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(BadInput, match="loss embedding, fold 0: expected a finished baseline without noise"):
        choose(frame(("gaussian", "embedding", 1, None, 0, 0, 0.1, 0.9)), drop=0.02)
    bad = frame(("none", "embedding", 0, None, 0, 0, 0.1, 0.9), ("gaussian", "embedding", 1, None, 0, 0, None, None))
    with pytest.raises(BadInput, match="gaussian, embedding, fold 0: expected a training that ended, got none"):
        choose(bad, drop=0.02)
    with pytest.raises(BadInput, match="unseen: expected devices that are not trained on, got two"):
        check_study(study(unseen=("two",)))
    with pytest.raises(BadInput, match="expected two devices to compare"):
        check_study(study(settings=Settings(device="one", noise="none")))
    with pytest.raises(BadInput, match="expected pictures of three, got none"):
        check_study(study(devices=("one", "two")))


def test_pairs_are_of_the_same_scene_and_repeat() -> None:
    photos = study().photos
    pairs = matched(photos, "one", "three")
    assert len(pairs) == 32
    for one, other in pairs:
        assert (photos[one].scene, photos[one].repeat) == (photos[other].scene, photos[other].repeat)
        assert (photos[one].device, photos[other].device) == ("one", "three")
