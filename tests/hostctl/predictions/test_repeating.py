"""The determinism floor: a steady model, one that wavers in known answers, a virtual board, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from device_agents.predict import predict
from hostctl.cli import main
from hostctl.predictions import repeating
from hostctl.predictions.repeating import determinism_text, measure_determinism
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

LAB = """
[display]
screen = "virtual"
width = 640
height = 480
[[device]]
name = "board"
kind = "virtual-board"
camera = "board-plain"
predicts = "agent"
"""


@pytest.fixture
def setup(tmp_path):
    model = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    rng = np.random.default_rng(4)
    for number in range(4):
        label = tmp_path / "in" / str(number)
        label.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(label / "p.png")
    (tmp_path / "lab.toml").write_text(LAB)
    return {"scenes": tmp_path / "in", "model": str(model), "times": 3}


def test_the_same_every_time_with_the_exact_interval(setup, capsys):
    found = measure_determinism(**setup)
    assert found["steady"]
    assert (found["inputs"], found["inferences"], found["labels_differ"]) == (4, 12, 0)
    assert found["high"] == pytest.approx(1 - 0.025**0.25)  # Clopper and Pearson at 0 of 4
    assert determinism_text(found).startswith("the same every time: 4 inputs, 3 times each, by litert")
    assert main(["determinism", "--scenes", str(setup["scenes"]), "--model", setup["model"], "--times", "2"]) == 0
    assert "the same every time" in capsys.readouterr().out


def test_wavering_labels_and_scores_are_counted_apart(setup, monkeypatch):
    turns = iter(range(3))

    def wavering(job):
        turn = next(turns)
        for number, one in enumerate(predict(job)):
            if number == 0 and turn == 2:
                one = dataclasses.replace(one, labels=one.labels[::-1])
            if number == 1 and turn == 1:
                one = dataclasses.replace(one, scores=(one.scores[0] - 0.125, *one.scores[1:]))
            yield one

    monkeypatch.setattr(repeating, "predict", wavering)
    found = measure_determinism(**setup)
    assert not found["steady"]
    assert (found["labels_differ"], found["scores_differ"]) == (1, 2)
    assert found["largest"] == pytest.approx(0.125)
    assert "another first label   1 inputs" in determinism_text(found)


def test_a_boards_agent_is_asked_every_time(setup, tmp_path):
    found = measure_determinism(**setup, lab=tmp_path / "lab.toml", on="board")
    assert (found["machine"], found["inferences"], found["steady"]) == ("board", 12, True)


def test_what_cannot_be_measured_is_refused(setup):
    with pytest.raises(BadInput, match="two times or more"):
        measure_determinism(**{**setup, "times": 1})
    with pytest.raises(BadInput, match="together with --lab"):
        measure_determinism(**setup, on="board")
