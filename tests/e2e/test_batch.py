"""The batch command on two virtual boards behind SSH, a third that is not there, and a lab that somebody else holds."""

import argparse
import dataclasses
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.errors import DeviceError
from hostctl import commands
from hostctl.command_line import batch as cli_batch
from hostctl.lab import read_lab
from hostctl.labs.holding import FOLDER, held, identity
from hostctl.labs.laboratory import state_folder
from hostctl.virtual.board import make_key
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

PICTURES = 12
BOARD = '[[device]]\nname = "{}"\nkind = "virtual-board"\ncamera = "instant"\npredicts = "agent"\n'
GONE = """
[[device]]
name = "gone"
kind = "ssh"
host = "127.0.0.1"
port = 1
user = "pi"
key = "key"
known_hosts = "known_hosts"
camera = "rpicam"
predicts = "agent"
"""


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(1)
    for number in range(PICTURES):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"p{number:02}.jpg", quality=80)
    rows = [f"p{number:02}.jpg,{number}" for number in range(PICTURES)]
    (tmp_path / "in" / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    make_key(tmp_path / "key")
    (tmp_path / "known_hosts").write_text("")
    display = '[display]\nscreen = "virtual"\nwidth = 640\nheight = 480\n'
    (tmp_path / "lab.toml").write_text(display + BOARD.format("left") + BOARD.format("right") + GONE)
    model = str(write_tflite(tmp_path / "tiny.tflite"))
    options = {"--scenes": "in/labels.csv", "--lab": "lab.toml", "--out": "run"}
    given = [word for name, file in options.items() for word in (name, str(tmp_path / file))]
    return ["--model", model, *given, "--quiet", "--json"]


def batch(words, capsys):
    parser = argparse.ArgumentParser()
    for flag in ("--json", "--quiet"):
        parser.add_argument(flag, action="store_true")
    (command,) = cli_batch.COMMANDS
    command.options(parser)
    code = command.run(parser.parse_args(words))
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_two_boards_share_a_batch_and_a_held_one_is_refused(words, tmp_path, capsys):
    code, result = batch([*words, "--devices", "left+right,gone"], capsys)
    assert (code, result["status"]) == (11, "PARTIAL")
    assert [row["status"] for row in result["rows"]] == ["OK", "OFFLINE"]
    assert {one["device"] for one in result["attempts"]} == {"left", "right"}
    root = ElementTree.parse(tmp_path / "run" / "report" / "junit.xml").getroot()
    assert (int(root.get("tests")), int(root.get("errors"))) == (len(result["attempts"]) + 1, 1)

    code, again = batch([*words, "--devices", "left+right"], capsys)
    assert (code, again["attempts"], again["rows"][0]["good"]) == (0, [], PICTURES)
    code, alone = batch([*words, "--devices", "left"], capsys)
    done = next(row for row in result["devices"] if row["device"] == "left")["pictures"]
    assert (code, sum(one["made"] for one in alone["attempts"])) == (0, PICTURES - done)

    scenes, model = tmp_path / "in" / "labels.csv", words[1]
    commands.predict(scenes=scenes, out=tmp_path / "run", model=model, workers=1)
    with Run.open(tmp_path / "run", write=False) as run:
        table = run.predictions(("picture", "machine", "label_1", "score_1", "tensor_fingerprint"))
    assert not table.duplicated(["picture", "machine"]).any()
    here, there = (table[table["machine"] == name].set_index("picture").sort_index() for name in ("host", "left"))
    assert here.drop(columns="machine").equals(there.drop(columns="machine"))

    lab = read_lab(tmp_path / "lab.toml")
    wants = [(1, {"left": identity(lab.devices[0], lab)})]
    with (
        held(wants, name="the other batch", folder=state_folder() / FOLDER),
        pytest.raises(DeviceError, match=r"expected left to be free; left is held by 'the other batch' \(process \d+"),
    ):
        batch([*words, "--devices", "left"], capsys)
