"""The suite command as a user types it: JSON and text, the page beside the run, and the gate after it."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from hostctl.cli import main
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite


@pytest.fixture
def asked(tmp_path):
    model = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    rng = np.random.default_rng(3)
    (tmp_path / "in").mkdir()
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(tmp_path / "in" / f"p{number}.png")
    rows = "".join(f"p{number}.png,1\n" for number in range(5))
    (tmp_path / "in" / "labels.csv").write_text(f"file,label\n{rows}")
    scenes, out = str(tmp_path / "in" / "labels.csv"), str(tmp_path / "run")
    return [str(model), "--scenes", scenes, "--out", out, "--workers", "1", "--quiet"]


def test_a_suite_and_its_gate(asked, tmp_path, capsys):
    assert main(["suite", "shift", *asked, "--limit", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["suite"], found["pictures"], found["models"]) == ("shift", 4, ["tiny"])
    assert {row["measure"] for row in found["rows"] if row["family"] == "shift-crop"} == {
        *("flip-probability", "probability-change", "true-probability-change", "instability")
    }
    assert (tmp_path / "run" / "report" / "suite-shift.html").is_file()
    run = str(tmp_path / "run")
    assert main(["check", run, "--suite", "shift", "--max-flip", "0", "--families", "shift-crop", "--json"]) in (1, 4)
    (gate,) = json.loads(capsys.readouterr().out)["gates"]
    (row,) = [row for row in found["rows"] if (row["family"], row["measure"]) == ("shift-crop", "flip-probability")]
    assert (gate["value"], gate["low"], gate["high"]) == (row["value"], row["low"], row["high"])


def test_the_text_and_the_list(asked, capsys):
    assert main(["suite", "natural", *asked, "--families", "gain,hue"]) == 0
    text = capsys.readouterr().out
    assert "tiny changes its answer in " in text
    assert "suite-natural.html" in text
    assert main(["suite", "list"]) == 0
    assert "corruptions-stored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["suite", "shift"], "expected a model, such as: instability suite shift mobilenet-v2"),
        (["suite", "shfit", "m.tflite", "--scenes", "x"], "unknown suite 'shfit'; did you mean 'shift'"),
        (["suite", "shift", "m.tflite"], "expected pictures: --scenes FOLDER or CSV, or --run RUN"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_limit_is_a_whole_number(asked, capsys):
    with pytest.raises(SystemExit):
        main(["suite", "shift", *asked, "--limit", "0"])
    assert "expected a whole number from 1, got '0'" in capsys.readouterr().err
