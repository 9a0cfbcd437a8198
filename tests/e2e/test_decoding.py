"""The decoding experiment as a user runs it: the host, a second decoder, Chromium's page; killed, resumed, reported."""

import argparse
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, DeviceError
from device_agents.resize import RESIZERS
from hostctl.browsers.pages import is_built
from hostctl.command_line import decoding as cli_decoding
from hostctl.decodings.decoding import Request, decoding
from hostctl.decodings.pictures import ALL, Coding
from hostctl.runs.reporting import report_run
from tests.device_agents.tiny_models import SIZE, tiny_sidecar, write_tflite

pytestmark = pytest.mark.slow  # every executor starts a Python for each of its shards

PICTURES, FLIPS = 12, 4
OTHER, RESIZER = "libjpeg-9f", "pillow-bilinear"
CODED = {"quality": 85, "subsampling": 2}


def jpeg(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **CODED)
    return stream.getvalue()


def answer(data, decoder):
    """What the tiny model says: the place of the largest of its input's numbers."""
    return int(RESIZERS[RESIZER](DECODERS[decoder](data), SIZE, SIZE).argmax())


def pictures():
    """Pictures that the host gets right, and of which a known number flips with the other decoder."""
    flips, rest, seed = [], [], 0
    while len(flips) < FLIPS or len(rest) < PICTURES - FLIPS:
        data = jpeg(seed)
        here, there = answer(data, "pillow"), answer(data, OTHER)
        (rest if here == there else flips).append((data, here))
        seed += 1
    return flips[:FLIPS] + rest[: PICTURES - FLIPS]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar(resizer=RESIZER))))
    write_tflite(tmp_path / "tiny.tflite")
    for number, (data, label) in enumerate(pictures()):
        file = tmp_path / "in" / str(label) / f"image_{number:04}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return tmp_path


def asked(study, **changes):
    given = {"scenes": study / "in", "model": str(study / "tiny.tflite"), "out": study / "run"}
    return Request(**{**given, "executors": f"host,host:opencv,host:{OTHER}", **changes})


def test_the_command_names_the_decoder(study, capsys):
    parser = argparse.ArgumentParser()
    for flag in ("--json", "--quiet"):
        parser.add_argument(flag, action="store_true")
    (command,) = cli_decoding.COMMANDS
    command.options(parser)
    words = ["--scenes", str(study / "in"), "--model", str(study / "tiny.tflite"), "--out", str(study / "run")]
    words += ["--executors", f"host,host:opencv,host:{OTHER}", "--quiet"]
    assert command.run(parser.parse_args([*words, "--json"])) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sentence"] == (
        f"All {FLIPS} items that are unstable on JPEG are stable on PNG, and every flip is between the two groups of "
        "decoders: the JPEG decoder is the cause."
    )
    assert result["groups"]["jpeg"]["pixels"] == [["host", "host-opencv"], [f"host-{OTHER}"]]
    assert result["groups"]["png"]["scores"] == [["host", "host-opencv", f"host-{OTHER}"]]
    assert (result["comparison"]["jpeg"]["unstable"], result["comparison"]["png"]["unstable"]) == (FLIPS, 0)
    assert result["pictures"] == {"encoded": 0, "kept": PICTURES}
    first, other = result["decoders"]
    assert {"pillow", "opencv"} <= set(first["same_as"])
    assert OTHER in other["same_as"]
    assert [one["flips"] for one in result["differences"][:FLIPS]] == [True] * FLIPS
    page = (study / "run" / "report" / "decoding.html").read_text()
    assert result["sentence"] in page
    assert "<script" not in page
    assert len((study / "run" / "report" / "decoding.csv").read_text().splitlines()) == 1 + PICTURES * 3 * 2

    assert command.run(parser.parse_args(words)) == 0
    text = capsys.readouterr().out
    assert text.startswith(result["sentence"])
    assert f"host host-opencv | host-{OTHER}" in text
    assert report_run(study / "run")["compared"] == "environment"


def test_a_run_that_was_killed_goes_on(study, monkeypatch):
    from hostctl.decodings import work as decoding_work

    class Killed(Exception):
        pass

    kept = decoding_work.Work._keep

    def keep(self, attempt, predictions):
        kept(self, attempt, predictions)
        if self.first:
            raise Killed
        self.first = True

    monkeypatch.setattr(decoding_work.Work, "_keep", keep)
    monkeypatch.setattr(decoding_work.Work, "first", False, raising=False)
    with pytest.raises(Killed):
        decoding(asked(study))
    monkeypatch.setattr(decoding_work.Work, "_keep", kept)
    with Run.open(study / "run", write=False) as run:
        before = run.summary()["predictions"]
    assert 0 < before < PICTURES * 6
    result = decoding(asked(study))
    assert (result["cause"], result["comparison"]["jpeg"]["unstable"]) == ("decoder", FLIPS)
    with Run.open(study / "run", write=False) as run:
        assert run.summary()["predictions"] == PICTURES * 6
        assert not run.predictions(("picture", "environment")).duplicated().any()


def test_a_picture_that_one_cannot_decode_is_left_out(study):
    """As it is, a PNG is nothing for a decoder of JPEG."""
    (study / "in" / "0").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(study / "in" / "0" / "drawn.png")
    (study / "in" / "0" / "broken.jpg").write_bytes(b"no picture")
    coding = Coding(encode="as-is")
    result = decoding(asked(study, coding=coding))
    assert result["left_out"] == {
        "0/broken": "6 of 6 answers are missing",
        "0/drawn": "1 of 6 answers are missing",
    }
    assert (result["cause"], result["comparison"]["jpeg"]["items"]) == ("decoder", PICTURES)
    assert f"host-{OTHER} jpeg" in result["problems"]


def test_too_few_executors_are_refused(study):
    with pytest.raises(BadInput, match="expected two executors or more of different names, got host"):
        decoding(asked(study, executors="host"))
    with pytest.raises(DeviceError, match=r"that can be had, got host\n  host-opencv-pillow-box-nothing: .*runtime"):
        decoding(asked(study, executors="host,host:opencv/pillow-box/nothing"))
    with pytest.raises(BadInput, match="--devices: expected --lab"):
        decoding(asked(study, devices=("pi",)))


def test_devices_of_a_lab_are_compared_as_devices(study):
    display = '[display]\nscreen = "virtual"\nwidth = 640\nheight = 480\n'
    board = '[[device]]\nname = "{}"\nkind = "virtual-board"\ncamera = "instant"\npredicts = "agent"\n'
    (study / "lab.toml").write_text(display + board.format("left") + board.format("right"))
    result = decoding(
        asked(study, executors="", lab=study / "lab.toml", devices=("left", "right"), coding=Coding(encode=ALL))
    )
    assert result["cause"] == "nothing"
    assert result["groups"]["jpeg"]["scores"] == [["left", "right"]]
    assert result["sentence"].startswith("Nothing flips: both executors decode every JPEG to the same pixels")
    told = report_run(study / "run")
    assert (told["compared"], told["devices"]) == ("device", 2)


@pytest.mark.skipif(not is_built(), reason="device_agents/web is not built: npm ci && npm run build there")
def test_chromium_is_one_of_the_executors(study):
    result = decoding(asked(study, executors=f"host,chromium,host:{OTHER}"))
    assert result["lacking"] == {}
    assert (result["cause"], result["comparison"]["jpeg"]["unstable"]) == ("decoder", FLIPS)
    assert [f"host-{OTHER}"] in result["groups"]["jpeg"]["pixels"]
    assert result["groups"]["png"]["pixels"] == [["host", "chromium", f"host-{OTHER}"]]
