"""Judging: accuracy and instability by hand, and the views that are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stability_train.judging import Evaluation, judge, judged_views
from stability_train.pairs import make_plan
from stability_train.settings import Settings
from stability_train.views import View
from tests.fakes.tiny_training import CLASSES, tiny_photos


def evaluation(first: list[list[int]], right: list[list[bool]]) -> Evaluation:
    scores = np.eye(3, dtype=np.float32)[np.array(first)]
    names = tuple(str(number) for number in range(len(first)))
    return Evaluation(names, names, ("clean", "noisy 1", "noisy 2"), CLASSES, scores, np.array(right))


def test_the_figures_by_hand() -> None:
    # right everywhere; right clean and in one; wrong clean, right in one; wrong everywhere with other classes
    found = evaluation(
        [[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 2, 1]],
        [[True, True, True], [True, True, False], [False, True, False], [False, False, False]],
    )
    assert found.accuracy == 0.5
    assert found.noisy_accuracy == pytest.approx(4 / 8)
    assert found.instability == pytest.approx(2 / 8)
    assert found.instability_of_all == 0.5
    assert found.flips == pytest.approx(3 / 8)


def test_judging_asks_for_each_view_once_and_accepts_any_right_label(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path, objects=2)
    asked = Settings(noise="gaussian", device="one")
    plan = make_plan(photos, pool=photos, classes=CLASSES, settings=asked, validation=True)
    loaded: list[View] = []

    def load(view: View) -> np.ndarray:
        loaded.append(view)
        return np.array([0.0, 9.0 if view.noise == "none" else 0.0, 1.0], np.float32)

    found = judge(plan, load, lambda batch: batch, classes=CLASSES, draws=3)
    assert len(loaded) == len(set(loaded)) == 6 * 4
    assert found.conditions == ("clean", "gaussian 1", "gaussian 2", "gaussian 3")
    labels = [photo.label for photo in plan.photos]
    assert found.right[:, 0].tolist() == [label == "green" for label in labels]
    assert found.right[:, 1].tolist() == [label == "red" for label in labels]
    assert judged_views(plan, draws=3) == judged_views(plan, draws=3), "the same noise every time it is judged"


def test_pairs_of_devices_are_judged_on_the_same_scene_however_they_were_trained(tmp_path: Path) -> None:
    photos = tiny_photos(tmp_path, objects=2)
    named = {photo.identity: photo for photo in photos}
    asked = Settings(noise="subsample", device="one", partner="two")
    plan = make_plan(photos, pool=photos, classes=CLASSES, settings=asked, validation=True)
    for clean, other in judged_views(plan, draws=4):
        assert (named[clean.photo].scene, named[other.photo].device) == (named[other.photo].scene, "two")
    none = make_plan(photos, pool=photos, classes=CLASSES, settings=Settings(noise="none"), validation=True)
    assert {len(row) for row in judged_views(none, draws=4)} == {1}
