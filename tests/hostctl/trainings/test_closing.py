"""The loop closed on a tiny run: baselines, predictions of objects put aside on all devices, the report's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.store import Run
from hostctl.runs import reporting
from hostctl.trainings.closing import close_loop
from hostctl.trainings.judged_run import scheme_table
from hostctl.trainings.training import objects_aside
from hostctl.trainings.training_text import training_text
from stability_train.settings import settings_from
from tests.fakes.shot_runs import shot_run
from tests.fakes.tiny_training import tiny_base

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.slow,
]
OBJECTS = 12
Loop = tuple[dict[str, Any], Path, Path, dict[str, Any]]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    folder = tmp_path_factory.mktemp("loop")
    source = shot_run(folder / "run", objects=OBJECTS, also="toy")
    settings: dict[str, Any] = {
        "model": str(tiny_base(folder / "base")),
        "noise": "two-images",
        "device": "one",
        "partner": "two",
    }
    settings |= {"loss": "embedding", "epochs": 3, "batch": 8, "learning_rate": 0.02}
    held_out = objects_aside(source, settings_from(settings), 0.25)
    given: dict[str, Any] = {
        "held_out": held_out,
        "int8": 8,
        "calibration_device": "three",
        "counts": (0, 2, 10, 20),
        "workers": 1,
    }
    result = close_loop(source, out=folder / "out", settings=settings, **given)
    return result, folder, source, {"settings": settings, **given}


def test_every_scheme_and_seed_is_trained_and_judged_on_the_objects_put_aside(loop: Loop) -> None:
    result, folder, _, given = loop
    assert list(result["trainings"]) == [".", "baselines/plain", "baselines/plain-no-extra-layer"]
    with Run.open(folder / "out" / "run", write=False) as run:
        table = scheme_table(run)
    assert set(table["cluster"]) == set(given["held_out"])
    assert len(given["held_out"]) == 9
    counts = table.groupby(["scheme", "seed", "format"]).size()
    assert set(counts) == {27}  # nine objects by three devices
    assert len(counts) == 3 + 2  # and the first training's ONNX and int8 files
    assert (table["error"] == "").all()
    assert set(table.loc[table["device"] == "three", "scheme"]) == {"trained", "plain", "plain-no-extra-layer"}


def test_no_training_saw_an_object_put_aside(loop: Loop) -> None:
    _, folder, _, given = loop
    files = list((folder / "out").rglob("split.csv"))
    assert len(files) == 3 + 2  # and the curve's, with 0 and 2: there are seven objects a class to train on
    for file in files:
        assert not any(f",{name}," in file.read_text() for name in given["held_out"])


def test_the_report_says_it_in_a_sentence_in_tables_and_in_three_files(loop: Loop) -> None:
    result, _, _, _ = loop
    assert result["headline"].startswith("Between one and two (both in training): instability ")
    parts = result["parts"]
    assert list(parts) == [
        *("schemes", "tests", "accuracy-tests", "devices", "scores", "formats", "cost", "pairs", "trainings"),
    ]
    assert [row["scheme"] for row in parts["schemes"]["rows"]] == ["trained", "plain", "plain-no-extra-layer"]
    assert "frozen backbone, linear head" in parts["schemes"]["rows"][2]["label"]
    compared = [row["compared"] for row in parts["tests"]["rows"]]
    assert compared == [name for name in ("one and two", "one and three", "every two of 3 devices") for _ in range(2)]
    assert [row["device"] for row in parts["devices"]["rows"]] == ["one", "two", "three", "all devices"]
    assert [row["in_training"] for row in parts["devices"]["rows"]] == ["yes", "yes", "no", ""]
    assert [row["format"] for row in parts["formats"]["rows"]] == ["tflite", "onnx", "int8"]
    page = Path(result["pages"]["page"]).read_text()
    assert "These devices are virtual" in page
    assert page.count("<svg") == 3
    assert "<script" not in page
    written = json.loads(Path(result["pages"]["json"]).read_text())
    assert written["headline"] == result["headline"]
    markdown = Path(result["pages"]["markdown"]).read_text()
    assert f"**{result['headline']}**" in markdown
    assert "| trained |" in markdown
    text = training_text(result)
    assert result["headline"] in text
    assert "Is it steadier?" in text
    assert "Every two devices" not in text  # only on the page


def test_the_calibration_curve_has_a_point_for_each_number_of_photographs_that_there_are(loop: Loop) -> None:
    result, _, _, _ = loop
    rows = result["parts"]["cost"]["rows"]
    assert [row["photographs"] for row in rows] == [0, 2]
    assert rows[0]["difference"] is None
    assert all(row["items"] == 9 and 0 <= row["low"] <= row["rate"] <= row["high"] <= 1 for row in rows)
    assert any("10 and 20" in remark for remark in result["remarks"])


def test_the_same_command_again_trains_nothing_and_finds_the_same(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    result, folder, source, given = loop
    monkeypatch.setattr("stability_train.train.train", lambda *_, **__: pytest.fail("trained again"))
    again = close_loop(source, out=folder / "out", **given)
    assert again["parts"]["tests"] == result["parts"]["tests"]


def test_the_runs_own_report_reads_the_loops_predictions(loop: Loop) -> None:
    _, folder, _, _ = loop
    with Run.open(folder / "out" / "run", write=False) as run:
        summary = reporting.summarise(run)
    assert summary["devices"] == 3
    assert summary["virtual"]
