"""Table 6: rates, changes, tests and power worked out by hand on made-up answers, and what the page then says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hostctl.trainings import table6
from hostctl.trainings.table6_numbers import Answers, difference, openings, power, scheme_rows
from stability_train.attempts import MEASURED, Attempt, commit
from stability_train.nested import Study, choose, outer_folds
from stability_train.photos import Photo
from stability_train.settings import Settings
from tests.fakes.tiny_training import SIDECAR

DEVICES = ("one", "two", "three")
PLAIN, STEADY = ("none", "embedding"), ("two-images", "embedding")


def make_photos(objects: int, *, repeats: int = 2) -> list[Photo]:
    return [
        Photo(f"{label}{number}-{repeat}-{device}", Path("x"), f"{label}{number}{repeat}{device}", (label,),
              f"{label}{number}", f"{label}{number}", repeat=repeat, device=device)
        for label in ("a", "b")
        for number in range(objects // 2)
        for repeat in range(repeats)
        for device in DEVICES
    ]  # fmt: skip


def make_tested(objects: int, **wrong: dict[tuple[str, str, int, int], bool]) -> Answers:
    """Two seeds; all right but those named: (scene, device, repeat, seed), for "plain" and for "steady"."""
    photos = tuple(make_photos(objects))
    right, first = {}, {}
    for scheme, name in ((PLAIN, "plain"), (STEADY, "steady")):
        marks = np.ones((2, len(photos)), bool)
        for place, photo in enumerate(photos):
            for seed in range(2):
                marks[seed, place] = (photo.scene, photo.device, photo.repeat, seed) not in wrong.get(name, {})
        right[scheme], first[scheme] = marks, np.where(marks, 0.9, 0.6)
    return Answers(photos, right, first)


def make_study(folder: Path, objects: int, *, folds: int = 2) -> Study:
    common = Settings(device="one", partner="two", noise="none", draws=2)
    photos = tuple(make_photos(objects))
    return Study(folder, folder, photos, ("a", "b"), ("three",), common, Path("x"), SIDECAR, folds)


def wrong(*cells: tuple[str, str, int, int]) -> dict[tuple[str, str, int, int], bool]:
    return dict.fromkeys(cells, True)


def test_an_items_value_is_the_share_of_seeds_and_repeats_are_items() -> None:
    tested = make_tested(
        4, plain=wrong(("a0", "one", 0, 0), ("a0", "one", 0, 1), ("a1", "two", 1, 0), ("b0", "three", 0, 0))
    )
    values, objects = tested.unstable(PLAIN, ("one", "two"))
    assert len(values) == 8
    assert sorted(values) == [0, 0, 0, 0, 0, 0, 0.5, 1]
    assert {("a0", 1.0), ("a1", 0.5)} <= set(zip(objects, values, strict=True))
    assert tested.unstable(PLAIN, DEVICES)[0].mean() == pytest.approx(2 / 8)
    assert tested.unstable(PLAIN, ("one", "three"))[0].mean() == pytest.approx(1.5 / 8)
    assert not tested.unstable(STEADY, ("one", "two"))[0].any()
    counts, _ = tested.accurate(PLAIN, ("one", "two"))
    assert counts.sum() == 2 * 16 - 3


def test_changes_are_paired_by_object_and_p_is_the_exact_one() -> None:
    cells = [(f"{label}{number}", "one", 0, seed) for label in "ab" for number in range(3) for seed in range(2)]
    tested = make_tested(40, plain=wrong(*cells))
    found = difference(tested, STEADY, PLAIN, ("one", "two"))
    assert found["change"] == pytest.approx(-6 / 80)
    assert found["p"] == pytest.approx(2 / 2**6)  # six objects, each changed the same way: only all or none is as far
    assert found["low"] < -6 / 80 < found["high"]
    back = difference(tested, PLAIN, STEADY, ("one", "two"))
    assert [back[name] for name in ("change", "low", "high")] == pytest.approx([6 / 80, -found["high"], -found["low"]])
    same = difference(tested, PLAIN, PLAIN, ("one", "two"))
    assert (same["change"], same["p"]) == (0.0, 1.0)
    assert same["low"] == pytest.approx(-same["high"])


def test_the_fall_that_can_be_shown_is_found_in_four_of_five_simulated_studies() -> None:
    rng = np.random.default_rng(3)
    cells = [(f"{label}{number}", "one", 0, seed) for label in "ab" for number in range(100) for seed in range(2)]
    plain = [cell for cell in cells if rng.random() < 0.15]
    steady = [cell for cell in cells if rng.random() < 0.15]
    tested = make_tested(200, plain=wrong(*plain), steady=wrong(*steady))
    found = power(tested, STEADY, PLAIN, ("one", "two"), tests=8)
    values = tested.unstable(STEADY, ("one", "two"))[0] - tested.unstable(PLAIN, ("one", "two"))[0]
    each = values.reshape(200, 2).mean(axis=1)
    drawn = rng.choice(each - each.mean(), (4000, 200)) - found["shown"]
    error = drawn.std(axis=1, ddof=1) / np.sqrt(200)
    assert np.mean(drawn.mean(axis=1) / error < -1.96) == pytest.approx(0.8, abs=0.03)
    assert found["shown_holm"] > found["shown"]
    assert found["objects"] == 200
    assert 0.025 < found["paper"] < 1
    assert found["fall_as_in_paper"] == pytest.approx(
        (1 - 3.91 / 7.22) * tested.unstable(PLAIN, ("one", "two"))[0].mean()
    )


def test_rows_hold_the_hand_worked_values_and_holm_counts_the_schemes(tmp_path: Path) -> None:
    cells = [(f"{label}{number}", "one", 0, seed) for label in "ab" for number in range(3) for seed in range(2)]
    tested = make_tested(40, plain=wrong(*cells), steady=wrong(("a9", "two", 1, 0)))
    three = Answers(
        tested.photos,
        {**tested.right, ("gaussian", "embedding"): tested.right[PLAIN]},
        {**tested.first, ("gaussian", "embedding"): tested.first[PLAIN]},
    )
    choice = pd.DataFrame(
        [
            {"noise": noise, "loss": "embedding", "fold": fold, "alpha": alpha, "strength": float("nan")}
            | {"instability": 0.1, "accuracy": 0.9, "guarded": True}
            for noise, alpha in (("none", 0.0), ("two-images", 0.1), ("gaussian", 1.0))
            for fold in range(2)
        ]
    )
    rows = {row["noise"]: row for row in scheme_rows(three, make_study(tmp_path, 40), choice)}
    assert list(rows) == ["two-images", "gaussian", "none"]
    plain, steady = rows["none"], rows["two-images"]
    assert plain["instability"] == pytest.approx(6 / 80)
    assert steady["instability"] == pytest.approx(0.5 / 80)
    assert steady["change"] == pytest.approx(-5.5 / 80)
    assert plain["instability_low"] < 6 / 80 < plain["instability_high"]
    assert steady["holm"] == pytest.approx(2 * steady["p"])
    assert rows["gaussian"]["p"] == rows["gaussian"]["holm"] == 1.0
    assert steady["by_seed"] == pytest.approx([1 / 80, 0.0])
    assert steady["accuracy"] == pytest.approx(1 - 1 / 320)
    assert steady["accuracy_change"] == pytest.approx((12 - 1) / 320)
    assert (steady["unseen_three"], plain["unseen_three"]) == pytest.approx((0.0, 6 / 80))
    assert (steady["paper"], plain["paper"]) == pytest.approx((0.0391, 0.0722))
    assert "p" not in plain


def commit_study(study: Study, *, steady_wrong: int, plain_wrong: int) -> pd.DataFrame:
    """Attempts whose answers on device "one" are wrong for so many of the test objects of each fold."""
    from stability_train.attempts import read_attempts

    for fold, (_, test) in enumerate(outer_folds(study)):
        scenes = sorted({photo.scene for photo in test})
        for noise, alpha, count in (
            ("none", 0.0, plain_wrong),
            ("two-images", 0.1, steady_wrong),
            ("two-images", 1.0, 99),
        ):
            for seed in range(2):
                scores = np.zeros((len(test), 2), np.float32)
                for place, photo in enumerate(test):
                    good = photo.device != "one" or scenes.index(photo.scene) >= count
                    truth = study.classes.index(photo.label)
                    scores[place, truth if good else 1 - truth] = 0.9
                row = {**dict.fromkeys(MEASURED, 0.1), "instability": 0.05 + alpha / 10, "accuracy": 0.9}
                attempt = Attempt(fold, seed, noise, "embedding", alpha)
                commit(study.folder, attempt, {**row, "seconds": 1.0, "error": ""}, scores)
    return read_attempts(study.folder)


def make(study: Study, frame: pd.DataFrame) -> dict[str, Any]:
    choice = choose(frame, drop=0.02)
    return table6.table6(study, choice, seeds=range(2), out=study.folder, drop=0.02, attempts=frame)


def test_the_page_tells_what_was_chosen_without_the_test_and_whether_it_helps(tmp_path: Path) -> None:
    study = make_study(tmp_path, 60)
    told = make(study, commit_study(study, steady_wrong=0, plain_wrong=8))
    assert told["headline"].startswith(
        "Validation liked two-images, embedding distance best; on objects never seen it is steadier than plain "
        "fine-tuning: instability between one and two 0.0 % [0.0, "
    )
    assert "against 26.7 % [" in told["headline"]
    assert "1 of 1 schemes beat plain" in told["headline"]
    rows = {row["noise"]: row for row in told["rows"]}
    assert rows["two-images"]["alphas"] == [0.1, 0.1]  # 1.0 is worse on validation, and its answers stay sealed
    assert rows["two-images"]["change"] == pytest.approx(-16 / 60)
    assert set(told["files"]) == {"html", "md", "csv", "json"}
    page = (tmp_path / "table6.html").read_text()
    assert "Figure 7: precision and recall" in page
    assert "two-images" in (tmp_path / "table6.md").read_text()
    assert json.loads((tmp_path / "table6.json").read_text())["attempts"] == 12
    assert len((tmp_path / "table6.csv").read_text().splitlines()) == 3
    assert "12 trainings" in table6.table6_text(told)


def test_the_same_choice_gives_the_same_files_and_another_one_is_counted(tmp_path: Path) -> None:
    study = make_study(tmp_path, 20)
    frame = commit_study(study, steady_wrong=2, plain_wrong=2)
    first = make(study, frame)
    before = {kind: Path(path).read_bytes() for kind, path in first["files"].items()}
    assert "is not shown to be steadier than plain fine-tuning" in first["headline"]
    make(study, frame)
    assert {kind: Path(path).read_bytes() for kind, path in first["files"].items()} == before
    assert len(openings(tmp_path)) == 1
    for fold in range(2):
        for seed in range(2):
            row = {**dict.fromkeys(MEASURED, 0.0), "accuracy": 0.9, "seconds": 1.0, "error": ""}
            scores = np.full((60, 2), 0.5, np.float32)
            commit(tmp_path, Attempt(fold, seed, "two-images", "embedding", 0.01), row, scores)
    from stability_train.attempts import read_attempts

    told = make(study, read_attempts(tmp_path))
    assert told["openings"] == len(openings(tmp_path)) == 2


def test_without_any_noise_there_is_only_plain_fine_tuning(tmp_path: Path) -> None:
    study = make_study(tmp_path, 20)
    frame = commit_study(study, steady_wrong=2, plain_wrong=2)
    told = make(study, frame[frame["noise"] == "none"])
    assert told["headline"] == "Plain fine-tuning only: no noise was tried."
    assert (told["best"], told["orders"]) == ([], [])
