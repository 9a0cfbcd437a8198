"""The command freeze: a set from suites, its check, and what is said."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import BadInput
from hostctl.command_line.freeze import COMMANDS


@pytest.fixture
def scenes(tmp_path):
    (tmp_path / "in").mkdir()
    shown = np.random.default_rng(0).integers(0, 256, (7, 90, 3)).astype(np.uint8)
    Image.fromarray(shown).save(tmp_path / "in" / "flat.png")
    (tmp_path / "in" / "labels.csv").write_text("file,labels\nflat.png,cat\n")
    return tmp_path / "in" / "labels.csv"


def run(*given):
    parser = argparse.ArgumentParser()
    COMMANDS[0].options(parser)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(quiet=True)
    return COMMANDS[0].run(parser.parse_args([str(one) for one in given]))


def test_a_set_is_made_checked_and_found_changed(scenes, tmp_path, capsys):
    made = tmp_path / "set"
    assert run(scenes, "--suite", "shift", "--perturbation", "rotate-5", "--out", made) == 0
    said = capsys.readouterr().out
    assert "froze 1 pictures, each as it is and under 11 perturbations" in said  # five pairs and the turn
    assert "cannot be done: flat, shift-crop-1: " in said
    assert run(made, "--check") == 0
    assert "the same as it was frozen" in capsys.readouterr().out
    next((made / "pictures").iterdir()).write_bytes(b"other")
    assert run(made, "--check", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["same"]
    assert "flat: the file changed" in told["problems"][-1]


def test_half_of_a_question_is_refused(scenes, tmp_path):
    for given, said in (
        ((scenes, "--out", tmp_path / "set"), "--suite or --perturbation"),
        ((scenes, "--suite", "shift"), "expected --out"),
        ((scenes, "--suite", "shifts", "--out", tmp_path / "set"), "unknown suite 'shifts'"),
        ((scenes, "--check", "--out", tmp_path / "set"), "a frozen set alone"),
        ((tmp_path, "--check"), "expected a frozen set"),
    ):
        with pytest.raises(BadInput, match=said):
            run(*given)
