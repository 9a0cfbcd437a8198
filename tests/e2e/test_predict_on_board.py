"""The predict command on a virtual board: its own agent makes the grid, and the cells are compared with the host's."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from hostctl import commands, printing
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

LAB = """
name = "one board"
[display]
screen = "virtual"
width = 640
height = 480
[[device]]
name = "board"
kind = "virtual-board"
camera = "board-plain"
predicts = "agent"
[[device]]
name = "phone"
kind = "virtual-phone"
camera = "budget-jpeg"
"""
VARY = ["decoder=opencv,jpeg-fast-dct", "resizer=opencv-area"]


@pytest.fixture
def setup(tmp_path):
    model = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(1)
    for number in range(3):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"p{number}.jpg", quality=80)
    rows = [f"p{number}.jpg,{number}" for number in range(3)]
    (tmp_path / "in" / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    (tmp_path / "lab.toml").write_text(LAB)
    return {"scenes": tmp_path / "in" / "labels.csv", "out": tmp_path / "run", "model": str(model), "workers": 1}


def test_a_grid_on_the_board_equals_the_hosts_cell_by_cell(setup, tmp_path):
    here = commands.predict(**setup, vary=VARY)
    there = commands.predict(**setup, vary=VARY, lab=tmp_path / "lab.toml", on="board")
    assert there["against_host"] == {"both": 12, "differing": 0, "first_stage": {}}
    assert there["base"]["machine"] == "board"
    assert [row["flips"] for row in there["rows"]] == [row["flips"] for row in here["rows"]]
    assert "0 of 12 cells differ" in printing.predict_text(there)


def test_one_condition_is_compared_with_the_host_too(setup, tmp_path):
    on_board = {"lab": tmp_path / "lab.toml", "on": "board"}
    first = commands.predict(**setup, **on_board)
    assert "nothing to compare" in printing.predict_text(first)
    commands.predict(**setup)
    again = commands.predict(**setup, **on_board)
    assert again["against_host"] == {"both": 3, "differing": 0, "first_stage": {}}
    assert "0 of 3 cells differ" in printing.predict_text(again)


def test_a_device_that_does_not_predict_and_half_a_question_are_refused(setup, tmp_path):
    with pytest.raises(BadInput, match='expected predicts = "agent"'):
        commands.predict(**setup, lab=tmp_path / "lab.toml", on="phone")
    with pytest.raises(BadInput, match="unknown device of the lab 'bord'; did you mean 'board'"):
        commands.predict(**setup, lab=tmp_path / "lab.toml", on="bord")
    with pytest.raises(BadInput, match="together with --lab"):
        commands.predict(**setup, on="board")
