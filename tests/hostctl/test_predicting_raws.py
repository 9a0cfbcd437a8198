"""ISPs and codecs compared like any other family: pictures are made first, stay in the run, and share their item."""

import dataclasses
import json

import numpy as np
import pytest

from analysis.store import Run
from capture.codecs import CODECS
from capture.isp import ISPS
from capture.raw import Raw, read_raw, write_dng
from device_agents.errors import BadInput
from hostctl import commands, findings
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

HEIGHT, WIDTH, COUNT = 64, 96, 6
MATRIX = np.array([[0.9, -0.3, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]])


def mosaic(rng):
    """A smooth picture of a few waves, as a sensor of 12 bits sees it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 16.0
    waves = sum(rng.uniform(0.2, 1) * np.sin(rng.uniform(0, 2) * x + rng.uniform(0, 2) * y) for _ in range(4))
    light = (waves - waves.min()) / np.ptp(waves)
    return (256 + light * 3000).astype(np.uint16)


@pytest.fixture
def setup(tmp_path):
    """A tiny model and six raw pictures with labels."""
    model = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    rng = np.random.default_rng(5)
    (tmp_path / "in").mkdir()
    rows = ["file,label"]
    for number in range(COUNT):
        raw = Raw(mosaic(rng), (256.0,) * 4, 4095, "RGGB", (0.6, 1.0, 0.7), MATRIX)
        (tmp_path / "in" / f"p{number}.dng").write_bytes(write_dng(raw))
        rows.append(f"p{number}.dng,{number}")
    (tmp_path / "in" / "labels.csv").write_text("\n".join(rows) + "\n")
    return {"scenes": tmp_path / "in" / "labels.csv", "out": tmp_path / "run", "model": str(model), "workers": 1}


VARY = ["isp=plain,crisp", "codec=jpeg-50", "resizer=pillow-box"]


def test_families_of_pictures_and_of_environments_mix(setup):
    found = commands.predict(**setup, vary=VARY)
    assert [row["changed"] for row in found["rows"]] == [
        *({}, {"isp": "plain"}, {"isp": "crisp"}, {"codec": "jpeg-50"}, {"resizer": "pillow-box"})
    ]
    assert (found["pictures"], found["failed"], found["not_made"]) == (COUNT, 0, [])
    assert (found["base"]["isp"], found["base"]["codec"]) == ("libraw-pinned", "png")
    with Run.open(setup["out"], write=False) as run:
        pictures, predictions = run.pictures(), run.predictions()
        one = next(run.picture_records({"isp": "plain", "scene": "p3"}))
        content = run.file(one.sha256).read_bytes()
        assert run.note("base")["tiny"]["isp"] == "libraw-pinned"
    made = pictures[pictures["parent"] != ""]
    assert sorted(zip(made["isp"], made["codec"], strict=True)) == sorted(
        COUNT * [("libraw-pinned", "png"), ("plain", "png"), ("crisp", "png"), ("libraw-pinned", "jpeg-50")]
    )
    assert len(predictions) == COUNT * 5
    # The picture is what the ISP and the codec give by hand, cut to the area that all ISPs share.
    raw = read_raw((setup["scenes"].parent / "p3.dng").read_bytes())
    assert content == CODECS["png"](np.ascontiguousarray(ISPS["plain"](raw)[4:-4, 4:-4]))

    assert commands.predict(**setup, vary=VARY) == found
    with Run.open(setup["out"], write=False) as run:
        assert len(run.pictures()) == len(pictures)


def test_without_a_question_all_pictures_there_are_predicted(setup):
    first = commands.predict(**setup)
    assert first["pictures"] == COUNT  # raw pictures are developed by the pinned ISP
    commands.predict(**setup, isp="crisp", codec="webp-80")
    both = commands.predict(**setup)
    assert [(row["isp"], row["codec"]) for row in both["rows"]] == [("crisp", "webp-80"), ("libraw-pinned", "png")]


def test_factorial_and_stacked_designs_take_isps_too(setup):
    product = commands.predict(**setup, vary=["isp=plain,crisp", "codec=jpeg-50,webp-80"], design="factorial")
    assert product["environments"] == 1 + 2 * 2
    stacked = commands.predict(**setup, vary=["isp=plain,crisp", "codec=jpeg-50"], design="stacked")
    assert sorted(row["family"] for row in stacked["rows"]) == ["", "codec", "isp"]
    assert stacked["rows"][-1]["codec"] == "jpeg-50"


def test_the_report_compares_codecs_and_isps(setup):
    commands.predict(**setup, vary=["isp=plain,crisp", "codec=jpeg-50,webp-80"])
    codecs = findings.report(setup["out"], across=["codec"])["cut"]
    assert codecs["items"] == COUNT
    isps = findings.report(setup["out"], across=["isp"])["cut"]
    assert isps["items"] == COUNT


def test_photographs_have_codecs_but_no_isps(setup):
    from PIL import Image

    folder = setup["scenes"].parent
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    setup["scenes"].write_text(setup["scenes"].read_text().replace(".dng", ".png"))
    found = commands.predict(**setup, vary=["codec=jpeg-50,webp-lossless"])
    assert [row["changed"] for row in found["rows"]] == [{}, {"codec": "jpeg-50"}, {"codec": "webp-lossless"}]
    assert found["rows"][2]["flips"] == 0.0  # lossless
    with pytest.raises(BadInput, match="expected raw pictures"):
        commands.predict(**setup, vary=["isp=plain,crisp"])


def test_a_look_at_all_pictures_leaves_the_base_of_a_study_as_it_was(setup):
    commands.predict(**setup, vary=["isp=crisp"])
    with Run.open(setup["out"], write=False) as run:
        base = run.note("base")
    found = commands.predict(**setup)
    assert [row["isp"] for row in found["rows"]] == ["crisp", "libraw-pinned"]
    with Run.open(setup["out"], write=False) as run:
        assert run.note("base") == base
    assert base["tiny"]["isp"] == "libraw-pinned"


def test_what_could_not_be_made_in_any_round_is_told_once(setup):
    broken = setup["scenes"].parent / "p2.dng"
    broken.write_bytes(broken.read_bytes()[:300])
    found = commands.predict(**setup, vary=["isp=plain,crisp", "codec=jpeg-50", "resizer=pillow-box"], design="stacked")
    assert [line.split(":")[0] for line in found["not_made"]] == ["p2"]
