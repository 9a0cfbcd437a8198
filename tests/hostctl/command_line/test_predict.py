"""The predict command as a user types it, where no picture can be predicted."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from device_agents.errors import MissingExtra
from device_agents.runtimes import RUNTIMES
from hostctl.cli import main
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

COUNT = 5


@pytest.fixture
def asked(tmp_path):
    """The words of the command; a model of twelve classes, whose sidecar each test writes."""
    model = write_tflite(tmp_path / "tiny.tflite")
    rng = np.random.default_rng(3)
    (tmp_path / "in").mkdir()
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(tmp_path / "in" / f"p{number}.png")
    rows = "".join(f"p{number}.png,one\n" for number in range(COUNT))
    (tmp_path / "in" / "labels.csv").write_text(f"file,label\n{rows}")
    words = ["predict", "--scenes", str(tmp_path / "in" / "labels.csv"), "--model", str(model)]
    return [*words, "--out", str(tmp_path / "run"), "--json", "--quiet"]


def write_labels(folder, names):
    (folder / "labels.csv").write_text("label,name\n" + "".join(f"{name},{name}\n" for name in names))


def write_sidecar(folder, **changes):
    (folder / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar(**changes))))


def test_no_prediction_at_all_is_told_and_exit_code_2(asked, tmp_path, capsys):
    write_sidecar(tmp_path, scaling="bytes")  # the model takes floats
    assert main(asked) == 2
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["pictures"], found["predicted"], found["failed"]) == (COUNT, 0, COUNT)
    assert "expected predictions, got none" in said.err.splitlines()[-1]
    assert said.err.rstrip().endswith(f"instability runs retry {tmp_path / 'run'}")
    assert main([word for word in asked if word != "--json"]) == 2
    text = capsys.readouterr().out
    assert f"failed         {COUNT}\n    p0: infer: BadInput: scaling 'bytes' is for quantised models" in text
    assert f"once mended    instability runs retry {tmp_path / 'run'}, then this command" in text


def test_what_failed_is_made_again_when_it_is_asked_for(asked, tmp_path, capsys, monkeypatch):
    """The runtime lacks for some time: the same command alone finds its failed answers, after retry it works."""
    write_sidecar(tmp_path)

    def lacking(*given):
        raise MissingExtra("a library is not installed here")

    def answered():
        assert main(["runs", "retry", str(tmp_path / "run"), "--json"]) == 0
        forgotten = json.loads(capsys.readouterr().out)
        assert main([*asked, "--workers", "1"]) == 0
        return forgotten, json.loads(capsys.readouterr().out)

    with monkeypatch.context() as patch:
        patch.setitem(RUNTIMES, "litert", lacking)
        assert main([*asked, "--workers", "1"]) == 2
    assert json.loads(capsys.readouterr().out)["not_available"] == COUNT
    assert main([*asked, "--workers", "1"]) == 2
    assert json.loads(capsys.readouterr().out)["predicted"] == 0
    forgotten, found = answered()
    (reason,) = forgotten["reasons"]
    assert (forgotten["forgotten"], reason["predictions"]) == (COUNT, COUNT)
    assert "a library is not installed here" in reason["reason"]
    assert (found["predicted"], found["not_available"]) == (COUNT, 0)
    assert main([*(word for word in asked if word != "--json"), "--workers", "1"]) == 0
    assert "once mended" not in capsys.readouterr().out
    assert answered()[0] == {"run": str(tmp_path / "run"), "forgotten": 0, "reasons": []}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_wrong_number_of_labels_stops_the_command_and_is_mended_by_the_right_one(asked, tmp_path, capsys, workers):
    """Nothing of the first command is kept: failed predictions would stay failed."""
    names = ["zero", "one", *"cdefghijk"]
    write_labels(tmp_path, names)
    write_sidecar(tmp_path, labels="labels.csv")
    assert main([*asked, "--workers", workers]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = [line for line in said.err.splitlines() if "expected 12 labels as the model has classes, got 11" in line]
    assert "model tiny: " in line
    assert "labels.csv, one line a class" in line
    assert "Traceback" not in said.err
    write_labels(tmp_path, [*names, "l"])
    assert main([*asked, "--workers", workers]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pictures"], found["predicted"], found["failed"]) == (COUNT, COUNT, 0)
