"""`instability train`: what it refuses before any step, what a tiny training gives, and that it is not done twice."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.runtimes import RUNTIMES
from device_agents.sidecar import read_labels, read_sidecar, write_sidecar
from hostctl.trainings import training
from hostctl.trainings.closing import train
from hostctl.trainings.training import divide_photos, objects_aside, train_run
from hostctl.trainings.training_text import training_text
from stability_train.settings import Settings, settings_from
from tests.fakes.shot_runs import shot_run
from tests.fakes.tiny_training import CLASSES, SIDECAR, tiny_base

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
PAIRED = {"noise": "two-images", "device": "one", "partner": "two"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shot_run(tmp_path_factory.mktemp("source") / "run", objects=8)


@pytest.fixture(scope="module")
def done(base: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Any]]:
    said: list[Any] = []
    result = train_run(
        source,
        out=tmp_path_factory.mktemp("trained") / "first",
        settings={"model": str(base), "epochs": 2, "batch": 4, "loss": "embedding", **PAIRED},
        int8=8,
        progress=lambda *words: said.append(words),
    )
    return result, said


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_training_leaves_files_that_agree_and_says_how_it_went(done: tuple[dict[str, Any], list[Any]]) -> None:
    result, said = done
    assert result["classes"] == list(CLASSES)
    assert result["photos"] == {"training": 18, "validation": 6}
    assert result["objects"] == {"training": 18, "validation": 6, "held_out": 0}
    kinds = {one["format"]: one for one in result["exported"]}
    assert list(kinds) == ["tflite", "onnx", "int8"]
    assert all(kinds[kind]["max_difference"] < 1e-3 and kinds[kind]["flips"] == 0 for kind in ("tflite", "onnx"))
    assert kinds["int8"]["pictures"] == 12  # the validation photos of both devices
    assert set(result["validation"]) == {"loss", "accuracy", "instability"}
    shown = [note for stage, _, _, note in said if stage == "epoch"]
    assert shown[0].split()[:2] == ["loss", "cross"]
    assert [row.split()[0] for row in shown[1:]] == ["1", "2"]
    assert len({len(row) for row in shown}) == 1  # a table
    text = training_text(result)
    assert "trained on 18 photos of 18 objects, 2 epochs" in text
    assert "between one and two" in text
    assert "model-int8.tflite" in text


def test_the_exported_files_answer_with_the_pictures_own_labels(done: tuple[dict[str, Any], list[Any]]) -> None:
    result, _ = done
    for kind in ("tflite", "onnx", "int8"):
        path = Path(result["files"][kind])
        card = read_sidecar(path)
        assert read_labels(path.parent / card.labels) == CLASSES
        scores = RUNTIMES["onnxruntime" if kind == "onnx" else "litert"](path, 1)(np.zeros((1, 16, 16, 3), np.float32))
        assert scores.shape == (3,)
    card = read_sidecar(Path(result["files"]["int8"]))
    assert (card.variant, len(card.calibration)) == ("int8", 8)
    with (Path(result["out"]) / "split.csv").open(newline="") as stream:
        judged = {row["sha256"] for row in csv.DictReader(stream) if row["side"] == "validation"}
    assert not judged & set(card.calibration)


def test_a_training_that_is_done_is_not_done_again(
    done: tuple[dict[str, Any], list[Any]], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = done
    before = Path(result["files"]["tflite"]).stat().st_mtime_ns
    monkeypatch.setattr("stability_train.train.train", lambda *_, **__: pytest.fail("trained again"))
    given = {name: value for name, value in result["settings"].items()}
    again = train_run(source, out=Path(result["out"]), settings=given, int8=8)
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(result))
    assert Path(result["files"]["tflite"]).stat().st_mtime_ns == before


def test_another_training_in_the_same_folder_is_refused(done: tuple[dict[str, Any], list[Any]], source: Path) -> None:
    result, _ = done
    with pytest.raises(BadInput, match=r"this training was begun otherwise; .*learning_rate: 0.001 before, 0.5 now"):
        train_run(source, out=Path(result["out"]), settings={**result["settings"], "learning_rate": 0.5})


def test_objects_are_divided_alike_for_every_noise_and_none_is_on_two_sides(source: Path) -> None:
    asked = settings_from(PAIRED)
    aside = objects_aside(source, asked, 0.25)
    sides = divide_photos(source, asked, held_out=aside)
    clusters = [{one.cluster for one in part} for part in (sides.training, sides.validation, sides.held_out)]
    assert [len(one) for one in clusters] == [15, 3, 6]
    assert len(set.union(*clusters)) == 24
    plain = divide_photos(source, settings_from({"noise": "none", "device": "one"}), held_out=aside)
    assert {one.cluster for one in plain.validation} == clusters[1]
    assert {one.device for one in plain.training} == {"one"}


def test_a_picture_that_the_partner_lacks_does_not_change_the_division(tmp_path: Path) -> None:
    whole = shot_run(tmp_path / "whole", devices=("one", "two"))
    part = shot_run(tmp_path / "part", devices=("one", "two"), lacking=[("red-0", "two")])
    asked = settings_from({**PAIRED, "noise": "subsample"})
    validation = [{one.cluster for one in divide_photos(each, asked).validation} for each in (whole, part)]
    assert validation[0] == validation[1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"alpha": 1e9}, "alpha: expected 0 to 1e.06, got 1000000000"),
        ({"alpha": float("inf")}, "alpha: expected 0 to"),
        ({**PAIRED, "partner": "four"}, "expected pictures of four, got none; devices: one, three, two"),
        ({**PAIRED, "partner": ""}, "noise two-images needs device and partner"),
        ({**PAIRED, "partner": "one"}, "expected two devices, got 'one' twice"),
        ({"noise": "gausian"}, r"noise: unknown 'gausian' \(did you mean 'gaussian'\?\)"),
        ({"batch": 0, "epochs": 0}, "batch: expected 1 to 65536, got 0; epochs: expected 1"),
        ({"head": "keep"}, "expected a label list"),
        ({"model": "no-such-model"}, "expected a model of the zoo"),
        ({"trainable": "from:nowhere"}, "tiny has no layer 'nowhere'"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_step(
    base: Path, source: Path, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        train_run(source, out=tmp_path / "out", settings={"model": str(base), **asked})
    assert not (tmp_path / "out" / "history.csv").exists()


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ({"objects": 1}, {"device": "one"}, "expected at least two objects a class, got one of blue, green, red"),
        ({"devices": ("one",)}, PAIRED, "expected pictures of two, got none; devices: one"),
        (
            {"lacking": [("red-0", "two"), ("blue-1", "two")]},
            {**PAIRED, "validation_share": 0},
            r"expected a picture of the same scene, .* got none for 2: blue-1\|0\|0\|one\|png, red-0",
        ),
    ],
)
def test_a_run_that_does_not_do_is_said_before_the_first_step(
    base: Path, tmp_path: Path, made: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    run = shot_run(tmp_path / "run", **made)
    with pytest.raises(BadInput, match=message):
        train_run(run, out=tmp_path / "out", settings={"model": str(base), **asked})
    assert not (tmp_path / "out" / "history.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"int8": 7}, r"int8: expected 8 to 18 photos to calibrate with \(there are 18 to train on\), got 7"),
        ({"int8": 19}, "int8: expected 8 to 18 photos"),
        ({"test_share": 1.0}, "test share: expected more than 0 and less than 1"),
        ({"seeds": 3}, "--seeds and --calibration-cost are parts of the report"),
        ({"report": True, "seeds": 0}, "seeds: expected 1 or more, got 0"),
        ({"report": True, "calibration_device": "four"}, "expected one of one, three, two, got four"),
        ({"report": True, "calibration_device": "one"}, "another device than the clean --device"),
    ],
)
def test_options_that_cannot_work_are_said_before_the_first_step(
    base: Path, source: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    asked = {"model": str(base), "validation_share": 0.25, **PAIRED}
    with pytest.raises(BadInput, match=message):
        train(source, out=tmp_path / "out", settings=asked, **options)
    assert not (tmp_path / "out").exists()


def test_labels_outside_the_model_are_named_before_the_first_step(source: Path, tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base")
    (base.parent / "labels.csv").write_text("label,name\nred,red\nblue,blue\nw,w\nx,x\ny,y\n")
    write_sidecar(base, replace(SIDECAR, labels="labels.csv"))
    with pytest.raises(BadInput, match="expected labels of the model's 5, got green: choose head new, or other labels"):
        train_run(source, out=tmp_path / "out", settings={"model": str(base), "head": "keep", "device": "one"})
    assert not (tmp_path / "out").exists()


def test_a_report_wants_a_run_of_two_devices_and_objects_to_judge_by(base: Path, tmp_path: Path) -> None:
    alone = shot_run(tmp_path / "alone", devices=("one",))
    with pytest.raises(BadInput, match="expected a run of two devices or more, got one"):
        train(alone, out=tmp_path / "out", settings={"model": str(base)}, report=True)
    with pytest.raises(BadInput, match="expected a run with pictures of several devices"):
        train(tmp_path / "labels.csv", out=tmp_path / "out", settings={"model": str(base)}, report=True)
    with pytest.raises(BadInput, match="expected objects to judge by, got none"):
        train(alone, out=tmp_path / "out", settings={"model": str(base), "validation_share": 0}, report=True)


def test_unknown_objects_to_put_aside_are_refused(base: Path, source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="held out: expected objects of .*, got 1 others: nothing"):
        train_run(source, out=tmp_path / "out", settings={"model": str(base)}, held_out=["nothing"])


def test_a_line_of_the_training_becomes_a_row_and_other_lines_are_told() -> None:
    said: list[Any] = []
    training._tell(lambda *words: said.append(words), 5, "epoch 2/5  loss 0.5  val_accuracy 0.75")
    training._tell(lambda *words: said.append(words), 5, "making the model")
    assert said[0][0] == "epoch"
    assert said[0][3].split() == ["2", "0.5", "0.75"]
    training._tell(lambda *words: said.append(words), 5, "features 64/320")
    assert said[1:] == [("training", 2, 5, ""), ("model", 0, 0, "making the model"), ("features", 64, 320, "")]


def test_the_source_is_left_as_it_was(source: Path) -> None:
    with Run.open(source, write=False) as run:
        assert run.summary()["predictions"] == 0


def test_settings_stay_settings() -> None:
    assert Settings().validation_share == 0.2  # the counts above rest on it
