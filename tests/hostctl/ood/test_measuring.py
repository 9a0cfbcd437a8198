"""The command on small pictures: one resumable run, scores, a page, failures left out, and what is refused."""

import argparse
import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.ood.scores import SCORES
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.command_line.ood import COMMANDS
from hostctl.ood import measuring
from hostctl.ood.measuring import measure_ood
from stability_train.zoo import resolve_model
from tests.device_agents.tiny_models import CLASSES, tiny_sidecar, write_tflite

TRIES = ("gain-80", "hue-10")
LABELS = [f"c{number}" for number in range(CLASSES)]
TURN_LABELS = ["0", "90", "180", "270", *LABELS[4:]]


def write_model(folder, labels=LABELS, **changes):
    folder.mkdir(parents=True)
    path = write_tflite(folder / "tiny.tflite")
    (folder / "labels.csv").write_text("label,name\n" + "".join(f"{one},{one}\n" for one in labels))
    card = tiny_sidecar(**{"labels": "labels.csv", "outputs": "logits", **changes})
    path.with_suffix(".tflite.json").write_text(json.dumps(dataclasses.asdict(card)))
    return path


def paint(folder, count, *, seed, bright):
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.full((8, 8, 3), 40, np.uint8)
        picture[rng.integers(8), rng.integers(8)] = 255
        picture[:4, :4, rng.integers(3)] = 250 if bright else rng.integers(40, 60)
        picture[0, 0, 0] = number
        Image.fromarray(picture).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("ood")
    write_model(root / "model")
    turns = write_model(root / "turns", TURN_LABELS, name="tiny-rotation")
    turns.write_bytes(turns.read_bytes() + b"\0\0\0\0")  # another file than the model's, by its hash
    paint(root / "known", 14, seed=1, bright=True)
    paint(root / "street", 12, seed=2, bright=False)
    paint(root / "learn", 12, seed=3, bright=True)
    (root / "street" / "broken.png").write_bytes(b"\x89PNG no picture")
    return root


@pytest.fixture
def learnt(world, monkeypatch):
    """The classifier of turns that training would give, and what it was asked for."""
    asked = []

    def given(model, photographs, *, folder, seed=0, progress=None):
        asked.append((model, len(photographs), folder))
        return resolve_model(str(world / "turns" / "tiny.tflite"))

    monkeypatch.setattr("stability_train.rotation_classifier.rotation_classifier", given)
    return asked


def measure(world, out, *unknown, **asked):
    named = {"perturbations": TRIES} | asked
    return measure_ood(str(world / "model" / "tiny.tflite"), str(world / "known"), unknown, out=out, **named)


@pytest.fixture(scope="module")
def found(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, measure(world, out, str(world / "street"), "gaussian-noise")


def test_the_result_is_of_the_run(found):
    folder, measured = found
    result = measured.result
    assert {name: told["pictures"] for name, told in result["sets"].items()} == {
        "known": 14,
        "street": 13,
        "gaussian-noise": 14,
    }
    assert (result["model"], result["classes"], result["learnt"]) == ("tiny", CLASSES, None)
    assert list(result["words"]) == [name for name in SCORES if not name.startswith("rotation")]
    assert json.loads(json.dumps(result)) == result
    with Run.open(folder, write=False) as run:
        assert {one.perturbation for one in run.environments()} == {"", *TRIES}
        assert run.summary()["predictions"] == 3 * 41


def test_a_broken_picture_is_counted_and_left_out_of_every_score(found):
    _, measured = found
    assert measured.result["left_out"] == 1
    assert measured.result["failures"][0].startswith("street/broken.png: ")
    row = measured.rows.set_index("scene").loc["street/broken.png"]
    assert row[list(measured.result["words"])].isna().all()
    medians = pd.DataFrame(measured.result["medians"]).set_index("set")
    assert medians.loc["street", "pictures"] == 12


def test_scores_are_those_of_the_stored_answers(found):
    folder, measured = found
    with Run.open(folder, write=False) as run:
        stored = run.predictions(["scene", "perturbation", "label_1", "score_1"])
    row = measured.rows.set_index("scene").loc["known/03.png"]
    own = stored[stored["scene"] == "known/03.png"].set_index("perturbation")
    assert row["max-probability"] == -own.loc["", "score_1"]
    changed = [own.loc[name, "label_1"] != own.loc["", "label_1"] for name in TRIES]
    assert row["instability"] == np.mean(changed)


def test_again_and_with_turns_nothing_is_predicted_twice(found, world, learnt):
    folder, measured = found
    again = measure(world, folder, str(world / "street"), "gaussian-noise")
    assert again.result == measured.result
    with_turns = measure(world, folder, str(world / "street"), "gaussian-noise", learn=str(world / "learn"))
    assert learnt == [(str(world / "model" / "tiny.tflite"), 12, folder / "rotation")]
    assert list(with_turns.result["words"]) == list(SCORES)
    assert with_turns.result["learnt"]["photographs"] == 12
    with Run.open(folder, write=False) as run:
        assert run.summary()["predictions"] == (3 + 4) * 41
        stored = run.predictions(["scene", "model", "perturbation", *(f"label_{n}" for n in range(1, 6)), "score_1"])
    turned = stored[(stored["model"] == "tiny-rotation") & (stored["scene"] == "street/02.png")]
    assert set(turned["perturbation"]) == {"", "quarter-turn-1", "quarter-turn-2", "quarter-turn-3"}
    kept = ["instability", "wobble", "temperature"]
    pd.testing.assert_frame_equal(with_turns.rows[kept], measured.rows[kept])
    assert with_turns.rows["rotation"].notna().sum() == 40


def test_as_a_user_types_it(world, tmp_path, capsys):
    (command,) = COMMANDS
    parser = argparse.ArgumentParser()
    command.options(parser)
    words = [str(world / "model" / "tiny.tflite"), "--known", str(world / "known"), "--unknown", "textures"]
    words += ["--unknown", f"road={world / 'street'}", "--limit", "11", "--perturbations", ",".join(TRIES)]
    options = parser.parse_args([*words, "--out", str(tmp_path / "run"), "--workers", "1"])
    options.quiet, options.json = True, False
    assert command.run(options) == 0
    text = capsys.readouterr().out
    assert "unknown pictures: ROC area" in text
    assert "ROC areas by set" in text
    assert "<" not in text.replace("< 0.001", "")
    page = (tmp_path / "run" / "report" / "ood.html").read_text()
    assert page.count("<figure") == 2 + 4 * 6
    assert "Unknown pictures that wobble least" in page
    rows = pd.read_csv(tmp_path / "run" / "report" / "ood.csv")
    assert list(rows["set"].value_counts()) == [11, 11, 11]
    options.json = True
    assert command.run(options) == 0
    assert json.loads(capsys.readouterr().out)["page"].endswith("ood.html")


@pytest.mark.parametrize("words", [["--limit", "0"], ["--level", "1"], ["--level", "much"]])
def test_numbers_that_make_no_sense(words, capsys):
    parser = argparse.ArgumentParser()
    COMMANDS[0].options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["model", "--known", "known", *words])
    assert "expected a" in capsys.readouterr().err


def test_what_is_refused(world, tmp_path, learnt):
    street = str(world / "street")
    with pytest.raises(BadInput, match="unknown perturbation 'fog-9'"):
        measure(world, tmp_path / "a", street, perturbations=("fog-9",))
    with pytest.raises(BadInput, match="expected one or more, each once, got none"):
        measure(world, tmp_path / "a", street, perturbations=())
    with pytest.raises(BadInput, match="--learn: expected other photographs"):
        measure(world, tmp_path / "a", street, learn=str(world / "known"))
    broken = paint(tmp_path / "broken", 9, seed=5, bright=True)
    (broken / "none.png").write_bytes(b"none")
    with pytest.raises(BadInput, match="got 9 of 10: "):
        measure(world, tmp_path / "b", str(broken))
    one = write_model(tmp_path / "one", ["all"])
    with pytest.raises(BadInput, match="a classifier of two classes or more, got 1"):
        measure_ood(str(one), str(world / "known"), [street], out=tmp_path / "c")
    finder = write_model(tmp_path / "finder", task="segmentation", head="classes", outputs="raw")
    with pytest.raises(BadInput, match="expected a classifier"):
        measure_ood(str(finder), str(world / "known"), [street], out=tmp_path / "c")
    assert not learnt


def test_a_model_whose_answers_have_one_class_is_refused(world, tmp_path, monkeypatch):
    table = pd.DataFrame({"label_2": [None, None], "error": ["", ""]})
    monkeypatch.setattr(measuring, "predict_perturbed", lambda *_, **__: table)
    with pytest.raises(BadInput, match="expected a classifier of two classes or more, got one"):
        measure(world, tmp_path / "run", str(world / "street"))
