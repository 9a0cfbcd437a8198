"""A suite through the grid: flips against the pixels themselves, going on after a kill, runs of devices, bad input."""

import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from device_agents.decode import decode_pillow
from device_agents.errors import BadInput
from device_agents.perturbations.families import generator
from device_agents.perturbations.known import PERTURBATIONS
from device_agents.records import Picture, Scene, Step
from device_agents.resize import RESIZERS
from hostctl.suites.frozen import freeze
from hostctl.suites.running import measure_suite
from hostctl.suites.text import remarks
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

PICTURES = 10
KILLED = """
import os, signal, sys
from pathlib import Path
from hostctl.suites.running import measure_suite

def killed(stage, done, total, note):
    if stage == "predictions" and done:
        os.kill(os.getpid(), signal.SIGKILL)

measure_suite("shift", [sys.argv[1]], scenes=Path(sys.argv[2]), out=Path(sys.argv[3]), progress=killed)
"""


def write_model(folder, name="tiny", **changes):
    model = write_tflite(folder / f"{name}.tflite")
    card = tiny_sidecar(name=name, **changes)
    model.with_name(f"{model.name}.json").write_text(json.dumps(dataclasses.asdict(card)))
    return str(model)


def write_scenes(folder, count):
    """Noisy pictures: a pixel to the side changes which of the four shown is brightest."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(folder / f"p{number}.png")
    rows = "".join(f"p{number}.png,1\n" for number in range(count))
    (folder / "labels.csv").write_text(f"file,label\n{rows}")
    return folder / "labels.csv"


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path / "in", PICTURES)


def value(result, family, measure):
    (row,) = [row for row in result["rows"] if (row["family"], row["measure"]) == (family, measure)]
    return row["value"]


def test_flips_are_those_of_the_pixels(tmp_path, scenes):
    found = measure_suite("shift", [write_model(tmp_path)], scenes=scenes, out=tmp_path / "run")
    flips = []
    for number in range(PICTURES):
        data = (scenes.parent / f"p{number}.png").read_bytes()
        answers = []
        for name in ("shift-crop-0", "shift-crop-1"):
            one = PERTURBATIONS[name]
            rng = generator(hashlib.sha256(data).hexdigest(), one.stream)
            shown = one.apply(decode_pillow(data), RESIZERS["pillow-nearest"], 2, 2, rng)
            answers.append(int(shown.reshape(-1).argmax()))
        flips.append(answers[0] != answers[1])
    assert 0 < sum(flips) < PICTURES
    assert value(found.result, "shift-crop", "flip-probability") == pytest.approx(np.mean(flips))
    consistency = value(found.result, "consistency", "shift-consistency")
    assert consistency == pytest.approx(1 - value(found.result, "consistency", "flip-probability"))
    assert (found.result["pictures"], found.result["failed"]) == (PICTURES, 0)
    assert found.result["predictions"] == PICTURES * 11  # as it is, and two of each of five families
    assert found.result["devices"] == [""]


def test_a_killed_suite_goes_on_and_gives_what_it_would_have_given(tmp_path):
    model, scenes = write_model(tmp_path), write_scenes(tmp_path / "in", 30)  # more than a block
    whole = measure_suite("shift", [model], scenes=scenes, out=tmp_path / "whole").result
    command = [sys.executable, "-c", KILLED, model, str(scenes), str(tmp_path / "run")]
    child = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, timeout=300, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    with Run.open(tmp_path / "run", write=False) as run:
        before = len(run.predictions(["picture"]))
    assert 0 < before < whole["predictions"]
    steps = []
    again = measure_suite(
        "shift", [model], scenes=scenes, out=tmp_path / "run", progress=lambda *told: steps.append(told)
    ).result
    first = next(done for stage, done, *_ in steps if stage == "predictions")
    assert first == before / 11  # nothing is predicted twice
    assert {**again, "run": ""} == {**whole, "run": ""}


def test_models_stand_side_by_side_and_families_are_chosen(tmp_path, scenes):
    models = [write_model(tmp_path), write_model(tmp_path, "other", resizer="pillow-box")]
    asked = {"families": ["brightness", "fog"], "scenes": scenes, "out": tmp_path / "run"}
    found = measure_suite("corruptions", models, **asked)
    assert found.result["models"] == ["tiny", "other"]
    assert list(found.result["families"]) == ["fog", "brightness"]  # in the suite's order
    assert {row["family"] for row in found.result["rows"]} == {"fog", "brightness", "all"}
    assert set(found.curves["step"]) == {1, 2, 3, 4, 5}
    assert [row["model"] for row in found.result["accuracy"]] == ["tiny", "other"]
    assert found.result["predictions"] == 2 * PICTURES * 11
    others = measure_suite("natural", models[:1], **{**asked, "families": ["hue"]})  # another suite into the same run
    assert (others.result["models"], others.result["predictions"]) == (["tiny"], PICTURES * 5)


def test_a_sample_is_the_same_every_time_and_within_a_larger_one(tmp_path, scenes):
    chosen = []
    for most in (4, 7):
        found = measure_suite("shift", [write_model(tmp_path)], scenes=scenes, out=tmp_path / str(most), most=most)
        assert found.result["pictures"] == most
        with Run.open(tmp_path / str(most), write=False) as run:
            chosen.append({scene.sha256 for scene in run.scenes()})
    assert chosen[0] < chosen[1]


def test_a_picture_that_is_too_small_is_a_record_of_its_own(tmp_path, scenes):
    Image.new("RGB", (5, 6)).save(scenes.parent / "p0.png")
    (scenes.parent / "p1.png").write_bytes(b"no picture")
    found = measure_suite("shift", [write_model(tmp_path)], scenes=scenes, out=tmp_path / "run").result
    small = [line for line in found["failures"] if line.startswith("p0")]
    assert len(small) == 1
    assert small[0].startswith("p0, shift-crop-1: ")
    assert "room" in small[0]
    assert found["failed"] == 1 + 11
    assert len(found["failures"]) == 2  # the picture that cannot be read is told once, not once a perturbation
    assert found["failures"][0 if small[0] == found["failures"][1] else 1].startswith("p1 (11 predictions): decode: ")
    (row,) = [row for row in found["rows"] if (row["family"], row["measure"]) == ("shift-crop", "flip-probability")]
    assert (row["pictures"], row["missing"]) == (PICTURES - 2, 2)


def test_a_runs_devices_are_apart(tmp_path, scenes):
    rng = np.random.default_rng(5)
    listed = [Scene(f"s{n}", f"s{n}.png", f"{n:064x}", ("1",)) for n in range(4)]
    with Run.create(tmp_path / "run", settings={}, scenes=listed) as run:
        run.add_steps([Step(f"s{n}", 0, 0, device, n, n, 0) for n in range(4) for device in ("a", "b")])
        for step in run.steps():
            pixels = np.full((40, 48, 3), 90, np.uint8)
            if step.device == "b":
                pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            path = tmp_path / "shot.png"
            Image.fromarray(pixels).save(path)
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            corners = ((-0.5, -0.5), (47.5, -0.5), (47.5, 39.5), (-0.5, 39.5))
            shot = Picture(step.key, sha256, ".png", len(data), 48, 40, step.scene, device=step.device, corners=corners)
            run.add_picture(shot, {sha256: data})
            made = replace(shot, picture=f"{step.key}|made", parent=step.key, isp="some", codec="png")
            run.add_picture(made, {sha256: data})  # what was made of photographs is not what was shot
    found = measure_suite("shift", [write_model(tmp_path)], run=tmp_path / "run").result
    assert found["devices"] == ["a", "b"]
    assert (found["pictures"], found["predictions"]) == (8, 8 * 11)
    of_crops = [row for row in found["rows"] if (row["family"], row["measure"]) == ("shift-crop", "flip-probability")]
    flips = {row["device"]: row["value"] for row in of_crops}
    assert flips["a"] == 0  # grey everywhere: no shift can change anything within the picture
    assert flips["b"] > 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "shfit"}, "unknown suite 'shfit'; did you mean 'shift'"),
        ({"families": ["shift-crap"]}, "unknown family of the suite 'shift' 'shift-crap'; did you mean 'shift-crop'"),
        ({"scenes": None}, "expected pictures: --scenes FOLDER or CSV, or --run RUN"),
        ({"run": Path("r")}, "and not both"),
        ({"run": Path("r"), "scenes": None}, "expected no --out and no --limit with it"),
        ({"decoder": "pil"}, "unknown decoder 'pil'"),
    ],
)
def test_bad_input(tmp_path, scenes, asked, message):
    given = {"name": "shift", "models": [write_model(tmp_path)], "scenes": scenes, "out": tmp_path / "run", **asked}
    with pytest.raises(BadInput, match=message):
        measure_suite(given.pop("name"), given.pop("models"), **given)


def test_models_that_do_not_fit(tmp_path, scenes):
    asked = {"scenes": scenes, "out": tmp_path / "run"}
    detector = write_model(tmp_path, "boxes", outputs="raw", task="detection", head="boxes", post={})
    with pytest.raises(BadInput, match=r"suite 'shift': expected a model for classification, got boxes.tflite for det"):
        measure_suite("shift", [detector], **asked)
    (tmp_path / "labels.csv").write_text("label,name\nonly,only\n")
    with pytest.raises(BadInput, match="expected a model of two classes or more, got 1"):
        measure_suite("shift", [write_model(tmp_path, "one", labels="labels.csv")], **asked)
    twice = write_model(tmp_path)
    with pytest.raises(BadInput, match="expected one model or more, each once"):
        measure_suite("shift", [twice, twice], **asked)
    assert not (tmp_path / "run").exists()


def test_nothing_that_can_be_predicted(tmp_path, scenes):
    for picture in scenes.parent.glob("*.png"):
        picture.write_bytes(b"no picture")
    with pytest.raises(BadInput, match="expected answers, got none: "):
        measure_suite("shift", [write_model(tmp_path)], scenes=scenes, out=tmp_path / "run")


def test_a_frozen_set_is_checked_before_a_model_is_scored_on_it(tmp_path, scenes):
    model, suite = write_model(tmp_path), "natural"
    frozen = freeze(scenes, out=tmp_path / "set", perturbations=["hue--10", "hue--5", "hue-5", "hue-10", "gain-80"])
    asked = {"scenes": frozen.scenes, "out": tmp_path / "run"}
    found = measure_suite(suite, [model], families=["hue", "gain"], **asked).result
    assert found["frozen"] == frozen.sha256
    assert found["not_frozen"] == ["gain-90", "gain-110", "gain-125"]
    assert any(frozen.sha256[:12] in line for line in remarks(found))
    assert any("3 perturbations are not fixed by that set, such as gain-90" in line for line in remarks(found))
    assert measure_suite(suite, [model], families=["hue"], scenes=scenes, out=tmp_path / "own").result["frozen"] == ""
    picture = next(one for one in sorted((tmp_path / "set" / "pictures").rglob("*")) if one.is_file())
    Image.new("RGB", (40, 48)).save(picture, "PNG")
    with pytest.raises(BadInput, match="no longer the set that was frozen; a score would not compare"):
        measure_suite(suite, [model], families=["hue"], **asked)
