"""A model fine-tuned on a run's photographs, exported to TFLite, gives on a board's agent what it gives on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostctl import commands
from hostctl.trainings.training import train_run
from tests.fakes.command import write_lab
from tests.fakes.shot_runs import shot_run
from tests.fakes.tiny_training import CLASSES, tiny_base

# Keras 3.15 upon TensorFlow 2.21 asks numpy 2 for a copy in the old way whenever it reads a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.mark.slow
def test_a_fine_tuned_model_answers_on_the_board_as_on_the_host(tmp_path: Path) -> None:
    source = shot_run(tmp_path / "run", objects=4, devices=("one", "two"))
    settings = {"model": str(tiny_base(tmp_path / "base")), "epochs": 8, "batch": 4, "learning_rate": 0.02}
    settings |= {"noise": "two-images", "device": "one", "partner": "two", "trainable": "last-block"}
    trained = train_run(source, out=tmp_path / "trained", settings=settings)
    asked = {"model": trained["files"]["tflite"], "workers": 1, "vary": ["decoder=opencv"]}
    here = commands.predict(source, **asked)
    there = commands.predict(source, **asked, lab=write_lab(tmp_path, board=True), on="board")
    assert there["against_host"] == {"both": 48, "differing": 0, "first_stage": {}}
    assert there["base"]["machine"] == "board"
    assert [row["accuracy"] for row in there["rows"]] == [row["accuracy"] for row in here["rows"]]
    assert here["rows"][0]["accuracy"] > 1 / len(CLASSES)  # it has learnt something, so its answers are not all one
