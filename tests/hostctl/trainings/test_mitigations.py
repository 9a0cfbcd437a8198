"""Mitigations side by side: one small study, whole and resumed, and its sums against counting by hand."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.trainings.mitigation_rows import Grid, choose_alphas, make_grid, make_rows, top_right
from hostctl.trainings.mitigation_table import mitigate, mitigate_text
from hostctl.trainings.mitigations import BESIDE, DEVELOPED, SHOT, Answers, Asked, answers
from stability_train.photos import Photo
from tests.fakes.shot_runs import shot_run
from tests.fakes.tiny_training import tiny_base

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
WAYS = ("plain", "both-phones", "stability", "mix", "augmix", "combined", "own-jpegs", "raw-trained")


def develop(folder: Path, *, isp: str = "libraw-pinned", codec: str = "png") -> None:
    """Put lighter copies of two devices' pictures into a run, as if an ISP had made them."""
    with Run.open(folder) as run:
        for one in list(run.picture_records()):
            if one.device == "three":
                continue
            pixels = np.asarray(Image.open(run.file(one.sha256))).astype(float) * 1.1
            stream = io.BytesIO()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "PNG")
            data = stream.getvalue()
            sha256 = hashlib.sha256(data).hexdigest()
            made = dataclasses.replace(
                one,
                picture=f"{one.picture}|{isp}",
                sha256=sha256,
                size=len(data),
                parent=one.picture,
                isp=isp,
                codec=codec,
            )
            run.add_picture(made, {sha256: data})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mitigations")
    run = shot_run(folder / "run", objects=6, repeats=2)
    develop(run)
    base = tiny_base(folder / "base")
    asked = Asked("one", "two", "three", model=str(base), folds=2, seeds=1, epochs=2, alphas=(0.1, 1.0), trainings=WAYS)
    return run, asked, folder / "out", mitigate(run, asked, out=folder / "out")


def test_every_way_has_a_row_with_its_columns(study):
    found = study[3]
    rows = {row["name"]: row for row in found["rows"]}
    assert next(iter(rows)) == "nothing"
    assert {"stability", "mix", "augmix", "burst", "top 2", "abstain 90 %", "combined", "one ISP, trained"} <= set(rows)
    assert "blurpool" not in rows  # not asked for
    assert rows["nothing"]["unseen"]["items"] == 18 * 2  # scenes and repeats, one seed
    assert rows["burst"]["unseen"]["items"] == 18
    assert rows["nothing"]["unseen"]["p"] is None
    assert rows["stability"]["unseen"]["p"] <= rows["stability"]["unseen"]["holm"] <= 1
    assert rows["top 3"]["accuracy"]["rate"] == 1.0  # three classes
    assert rows["top 3"]["all"]["rate"] == 0.0
    assert rows["nothing"]["raws"] is None
    assert rows["one ISP"]["pair"] is None
    assert rows["one ISP"]["raws"]["change"] == pytest.approx(
        rows["one ISP"]["raws"]["rate"] - rows["own JPEGs"]["raws"]["rate"]
    )
    assert set(rows["stability"]["alphas"]) <= {0.1, 1.0}
    assert rows["nothing"]["factor"] == 1
    assert rows["burst"]["factor"] == 2
    assert rows["nothing"]["seconds"] > 0


def test_the_files_hold_what_was_found(study):
    _, _, out, found = study
    assert json.loads((out / "mitigations.json").read_text())["rows"] == found["rows"]
    page = (out / "mitigations.html").read_text()
    assert "never trained on" not in page.split("<h1>")[0]
    assert "abstain 80 %" in page
    assert "<script" not in page
    assert (out / "mitigations.md").read_text().startswith("# Mitigations side by side")
    assert (out / "mitigations.csv").read_text().splitlines()[0].startswith("name,what,against")
    text = mitigate_text(found)
    assert "one against three, which no head was trained on" in text
    assert str(out / "mitigations.html") in text


def test_a_second_call_trains_nothing_and_a_lost_head_is_made_again(study):
    run, asked, out, _ = study
    stages: list[str] = []
    before = {path.name: path.stat().st_mtime_ns for path in (out / "heads").iterdir()}
    kept = answers(run, asked, out=out, progress=lambda stage, done, total, note: stages.append(stage))
    assert stages == []
    lost = out / "heads" / "stability-1-0-0.npz"
    lost.unlink()
    again = answers(run, asked, out=out)
    after = {path.name: path.stat().st_mtime_ns for path in (out / "heads").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {lost.name}
    key = ("stability", 1.0, 0, 0)
    assert np.allclose(again.heads[key], kept.heads[key], atol=1e-6)


def test_no_head_saw_the_objects_that_it_is_judged_on(study):
    run, asked, out, _ = study
    found = answers(run, asked, out=out)
    clusters = [photo.cluster for photo in found.photos]
    for name in set(clusters):
        assert len({int(found.held_out[place]) for place, one in enumerate(clusters) if one == name}) == 1
    assert set(found.held_out) == {0, 1}
    for (fold, _), inside in found.validation.items():
        assert inside.any()
        assert not (inside & (found.held_out == fold)).any()


def test_another_study_in_the_same_folder_is_refused(study):
    run, asked, out, _ = study
    with pytest.raises(BadInput, match=r"expected the study that was begun here, got another \(epochs\)"):
        answers(run, dataclasses.replace(asked, epochs=3), out=out)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unseen": "two"}, "expected three devices"),
        ({"folds": 1}, "expected 2 folds"),
        ({"alphas": ()}, "1 alpha or more"),
        ({"trainings": ("plain", "blur")}, "unknown way to train 'blur'"),
        ({"trainings": ("mix",)}, "expected plain among"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, message):
    with pytest.raises(BadInput, match=message):
        Asked(**{"device": "one", "partner": "two", "unseen": "three", **changes})


def test_a_device_that_the_run_lacks_and_raws_that_are_not_developed(tmp_path):
    run = shot_run(tmp_path / "run", objects=2, devices=("one", "two"))
    with pytest.raises(BadInput, match="expected pictures of three, got none"):
        answers(run, Asked("one", "two", "three"), out=tmp_path / "out")
    other = shot_run(tmp_path / "three", objects=2)
    with pytest.raises(BadInput, match="instability develop"):
        answers(other, Asked("one", "two", "three"), out=tmp_path / "out", raws=run)


def test_top_right_by_hand():
    scores = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.2, 0.7]]])  # two scenes, one photograph, three classes
    accepted = np.array([[False, True, False], [True, False, False]])
    assert top_right(scores, accepted)[:, 0].tolist() == [False, False]
    assert top_right(scores, accepted, top=2)[:, 0].tolist() == [True, False]
    assert top_right(scores, accepted, top=3)[:, 0].tolist() == [True, True]


def hand_answers() -> tuple[Answers, Asked]:
    """Four objects, three devices, one photograph each; two heads of a training, and the plain one."""
    asked = Asked("one", "two", "three", folds=2, seeds=1, alphas=(0.1, 1.0))
    photos, held, validation = [], [], {(0, 0): [], (1, 0): []}
    for scene, fold in (("a", 0), ("b", 0), ("c", 1), ("d", 1)):
        for device in ("one", "two", "three"):
            what = (f"{scene}-{device}", Path(scene), "", ("red",) if scene in "ac" else ("blue",), scene, scene)
            photos.append(Photo(*what, device=device))
            held.append(fold)
            for number in (0, 1):
                validation[number, 0].append(number != fold)
    # right on: a all; b one and two; c one; d none
    right = [True] * 3 + [True, True, False] + [True, False, False] + [False] * 3
    classes = ("blue", "red")
    target = np.array([classes.index(photo.label) for photo in photos])
    plain = np.where(np.array(right), 0.8, 0.3)
    heads = {}
    steady = np.array([True] * 3 + [True] * 3 + [True, True, False] + [False] * 3)
    for fold in (0, 1):
        for name, alpha, good in (
            ("plain", 0.0, plain),
            ("stability", 0.1, plain),
            ("stability", 1.0, np.where(steady, 0.9, 0.2)),
        ):
            scores = np.empty((len(photos), 2), np.float32)
            scores[np.arange(len(photos)), target] = good
            scores[np.arange(len(photos)), 1 - target] = 1 - good
            heads[name, alpha, fold, 0] = scores
    found = Answers(
        tuple(photos),
        (SHOT,) * len(photos),
        classes,
        heads,
        np.array(held),
        {key: np.array(value) for key, value in validation.items()},
        {"plain": 1.0, "stability": 2.0},
        {"plain": 1.0, "stability": 1.0},
    )
    return found, asked


def test_the_sums_by_hand():
    found, asked = hand_answers()
    assert choose_alphas(found, asked, "stability") == {0: 1.0, 1: 0.1}  # fold 1 validates on a and b: both are steady
    rows = {row["name"]: row for row in make_rows(found, asked)}
    plain, steady = rows["nothing"], rows["stability"]
    assert plain["accuracy"]["rate"] == 0.75
    assert plain["pair"]["rate"] == 0.25  # c
    assert plain["unseen"]["rate"] == 0.5  # b and c
    assert plain["all"]["rate"] == 0.5
    assert steady["unseen"]["rate"] == 0.25  # b is mended by fold 0's alpha, c is not by fold 1's
    assert steady["unseen"]["change"] == -0.25
    assert steady["unseen"]["p"] == 1.0  # one object says something: either way is as likely
    assert rows["top 2"]["all"]["rate"] == 0.0
    silent = rows["abstain 80 %"]
    assert silent["coverage"] is not None
    assert silent["pair"]["items"] <= 4


def test_a_scene_that_one_device_lacks_is_left_out():
    found, asked = hand_answers()
    photos = tuple(dataclasses.replace(one, scene="z") if one.name == "a-three" else one for one in found.photos)
    grid = make_grid(dataclasses.replace(found, photos=photos), asked, SHOT)
    assert isinstance(grid, Grid)
    assert grid.places.shape == (3, 3, 1)
    assert make_grid(found, asked, DEVELOPED) is None
    assert make_grid(found, asked, BESIDE) is None


def test_the_command_asks_for_what_its_options_say(tmp_path, capsys, monkeypatch):
    import argparse

    from hostctl.command_line import mitigate as cli_mitigate
    from hostctl.trainings import mitigation_table

    command = cli_mitigate.COMMANDS[0]
    parser = argparse.ArgumentParser()
    parser.set_defaults(json=True, quiet=True)
    command.options(parser)
    words = [str(tmp_path), "--device", "a", "--partner", "b", "--unseen", "c"]
    asked = []
    monkeypatch.setattr(mitigation_table, "mitigate", lambda run, what, **_: asked.append(what) or {"rows": []})
    assert command.run(parser.parse_args([*words, "--ways", "mix", "--alphas", "2,3"])) == 0
    assert asked[0].trainings == ("plain", "mix")
    assert asked[0].alphas == (2.0, 3.0)
    assert json.loads(capsys.readouterr().out) == {"rows": []}
    with pytest.raises(BadInput, match="--alphas: expected numbers such as"):
        command.run(parser.parse_args([*words, "--alphas", "much"]))
