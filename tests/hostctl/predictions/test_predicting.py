"""The predict command on many environments: its rows against hand calculation, its rounds, and what it leaves out."""

import dataclasses
import hashlib
import json
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.store import Run
from device_agents import predict as loop
from device_agents import resize
from device_agents.errors import BadInput, DeviceError, MissingExtra
from device_agents.records import Environment
from device_agents.resize import RESIZERS
from hostctl import commands, grid, printing
from hostctl.predictions import predicting
from hostctl.predictions.comparing import compare
from hostctl.predictions.conditions import Condition
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

BASE = Condition(Environment("m", "", "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert"))
OTHER = Condition(dataclasses.replace(BASE.environment, resizer="opencv-area"))
PICTURES = 24
SHOT = {"angle": 0, "repeat": 0, "device": ""}


@pytest.fixture
def setup(tmp_path):
    """A tiny model and 24 pictures, each labelled with what the model says of it in the base environment."""
    model = write_tflite(tmp_path / "tiny.tflite")
    (tmp_path / "tiny.tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    rng = np.random.default_rng(8)
    (tmp_path / "in").mkdir()
    rows = ["file,label"]
    for number in range(24):
        pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"p{number}.png")
        label = int(RESIZERS["pillow-nearest"](pixels, 2, 2).reshape(-1).argmax())
        rows.append(f"p{number}.png,{label}")
    (tmp_path / "in" / "labels.csv").write_text("\n".join(rows) + "\n")
    return {"scenes": tmp_path / "in" / "labels.csv", "out": tmp_path / "run", "model": str(model), "workers": 1}


def test_rows_against_hand_calculation():
    cells = {  # picture: verdict and label in the base, and in the other
        "a": ("right", "1", "right", "1"),
        "b": ("right", "1", "wrong", "2"),
        "c": ("wrong", "2", "wrong", "3"),
        "d": ("wrong", "2", "right", "1"),
        "e": ("right", "1", "wrong", "2"),
        "f": ("right", "1", "missing", None),
    }
    rows = []
    for name, (verdict, label, other_verdict, other_label) in cells.items():
        for condition, found, answer in ((BASE, verdict, label), (OTHER, other_verdict, other_label)):
            row = {"scene": name, **SHOT, "cluster": name, "condition": condition.name}
            rows.append(row | {"verdict": found, "label_1": answer, "error": "" if answer else "decode: broken"})
    base, other = compare(pd.DataFrame(rows), [BASE, OTHER])
    assert base["changed"] == {}
    assert base["accuracy"] == pytest.approx(4 / 6)
    assert base["difference"] is base["flips"] is base["instability"] is None
    assert other["changed"] == {"resizer": "opencv-area"}
    assert other["accuracy"] == pytest.approx(2 / 5)
    assert other["difference"] == pytest.approx(2 / 5 - 4 / 6)
    assert other["difference_interval"][0] < other["difference"] < other["difference_interval"][1]
    assert other["flips"] == pytest.approx(4 / 5)
    assert other["instability"] == pytest.approx(3 / 5)
    assert other["failed"] == 1


def test_an_environment_without_answers_has_none_in_its_row():
    table = pd.DataFrame(
        {
            "scene": ["a", "a"],
            **SHOT,
            "cluster": "a",
            "condition": [BASE.name, OTHER.name],
            "verdict": ["right", "missing"],
            "label_1": ["1", None],
            "error": ["", "decode: broken"],
        }
    )
    row = compare(table, [BASE, OTHER])[1]
    assert (row["accuracy"], row["difference"], row["flips"], row["instability"]) == (None,) * 4


def test_one_environment_gives_what_it_always_gave(setup):
    found = commands.predict(**setup)
    assert list(found) == [
        *("run", "model", "model_file", "preprocessing", "runtime", "decoder", "view", "environment"),
        *("pictures", "predicted", "failed", "not_available", "top_1", "top_5", "failures", "not_made"),
    ]
    assert found["top_1"]["accuracy"] == 1.0


def test_labels_that_the_model_does_not_have_are_told_in_both_forms(setup):
    lines = setup["scenes"].read_text().splitlines()
    setup["scenes"].write_text("\n".join([*lines[:-2], "p22.png,dress", "p23.png,hat"]) + "\n")
    for vary in ((), ("resizer=pillow-box",)):
        found = commands.predict(**setup, vary=vary)
        assert [one.partition(".")[0] for one in found["label_gaps"]] == [
            "tiny can never be right on 2 of 24 scenes: dress, hat not among its class numbers (its sidecar names no "
            "label list)"
        ]
        assert "note: tiny can never be right on 2 of 24 scenes" in printing.predict_text(found)


def test_a_family_gives_a_row_each_and_a_table(setup):
    found = commands.predict(**setup, vary=["resizer=pillow-*", "decoder=opencv"])
    names = sorted(name for name in RESIZERS if name.startswith("pillow-") and name != "pillow-nearest")
    changed = [{}, *({"resizer": name} for name in names), {"decoder": "opencv"}]
    assert [row["changed"] for row in found["rows"]] == changed
    assert (found["pictures"], found["failed"], found["environments"]) == (24, 0, len(changed))
    assert found["predicted"] == 24 * len(changed)
    assert found["rows"][0]["accuracy"] == 1.0
    assert found["rows"][-1] == found["rows"][-1] | {"accuracy": 1.0, "difference": 0.0, "flips": 0.0}  # PNG is exact
    for row in found["rows"][1:]:
        assert row["instability"] == pytest.approx(1 - row["accuracy"])  # since the base is always right
    json.dumps(found, allow_nan=False)
    text = printing.predict_text(found)
    assert "tiny on 24 pictures in 7 conditions" in text
    assert "resizer=pillow-box" in text


def test_stacked_adds_a_family_a_round_the_worst_of_the_choosing_half(setup):
    vary = ["resizer=pillow-*", "colour=bt601-*", "threads=1,2"]
    found = commands.predict(**setup, vary=vary, design="stacked")
    rows = found["rows"]
    assert [row["round"] for row in rows] == [0, 1, 2, 3]
    assert sorted(row["family"] for row in rows[1:]) == ["colour", "resizer", "threads"]
    assert rows[0]["choosing_accuracy"] == rows[0]["accuracy"] == 1.0
    with Run.open(setup["out"], write=False) as run:
        table = run.predictions()
    # The first round by hand: of the environments with one change, the lowest share of right ones among those choosing.
    choosing = np.array([not hashlib.sha256(f"0:{name}".encode()).digest()[-1] & 1 for name in table["cluster"]])
    fields = ["resizer", "colour", "threads"]
    one_change = (table[fields] != [found["base"][name] for name in fields]).sum(axis=1) == 1
    shares = (table["verdict"] == "right")[choosing & one_change].groupby(table["environment"]).mean()
    assert rows[1]["choosing_accuracy"] == shares.min() == shares[rows[1]["environment"]] < 1.0
    last = table[(table["environment"] == rows[-1]["environment"]) & ~choosing]
    assert rows[-1]["accuracy"] == (last["verdict"] == "right").mean()
    assert rows[-1]["difference"] == pytest.approx(rows[-1]["accuracy"] - 1.0)
    with Run.open(setup["out"], write=False) as run:
        before = len(run.predictions(["picture"]))
    assert commands.predict(**setup, vary=vary, design="stacked") == found
    with Run.open(setup["out"], write=False) as run:
        assert len(run.predictions(["picture"])) == before == 24 * found["environments"]
    assert "half of the scenes (seed 0) choose" in printing.predict_text(found)


def test_stacked_needs_pictures_on_both_halves(setup, tmp_path):
    rows = setup["scenes"].read_text().splitlines()
    setup["scenes"].write_text("\n".join(rows[:2]) + "\n")
    with pytest.raises(BadInput, match="needs pictures on both halves"):
        commands.predict(**setup, vary=["resizer=pillow-*"], design="stacked")


def test_what_the_machine_lacks_is_left_out_of_globs_and_refused_by_name(setup, monkeypatch):
    def absent(*arguments):
        raise MissingExtra("resizer 'pillow-moon' needs the moon")

    assert loop.RESIZERS is resize.RESIZERS
    monkeypatch.setitem(resize.RESIZERS, "pillow-moon", absent)
    notes = []
    found = commands.predict(**setup, vary=["resizer=pillow-*"], progress=lambda *told: notes.append(told))
    note = "resizer pillow-moon is left out: not available: resizer 'pillow-moon' needs the moon"
    assert found["left_out"] == [note]
    assert ("variants", 0, 0, note) in notes
    assert {"resizer": "pillow-moon"} not in [row["changed"] for row in found["rows"]]
    with pytest.raises(MissingExtra, match="resizer 'pillow-moon' does not work here"):
        commands.predict(**setup, vary=["resizer=pillow-moon"])


def test_what_the_model_cannot_take_is_left_out_too(setup):
    left_out = commands.predict(**setup, vary=["scaling=all"])["left_out"]
    assert [note.split(" is left out")[0] for note in left_out] == ["scaling bytes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vary": ["resizer=pillow-nearest"]}, "expected a variant that differs"),
        ({"vary": ["resizer=all"], "design": "stack"}, "unknown design 'stack'; did you mean 'stacked'?"),
        ({"design": "stacked"}, "expected --vary FAMILY=VARIANT"),
        ({"vary": ["decoder=jpg"]}, "unknown decoder 'jpg'"),
    ],
)
def test_a_wrong_question_is_refused(setup, options, message):
    with pytest.raises(BadInput, match=message):
        commands.predict(**setup, **options)


class Leaving:
    """A device's agent that answers a number of jobs, and then is away."""

    name = "board"

    def __init__(self, good):
        self.good = good

    def own(self, environment):
        return dataclasses.replace(environment, machine=self.name)

    def predict(self, job):
        self.good -= 1
        if self.good < 0:
            raise DeviceError("board: no answer")
        return loop.predict(job)


@pytest.mark.parametrize("good", [0, 1])
def test_a_device_that_leaves_ends_the_command_with_its_reason_and_what_was_finished_stays(setup, monkeypatch, good):
    def predict_with(jobs):
        monkeypatch.setattr(grid, "BLOCK", 8)  # the pictures are two jobs
        monkeypatch.setattr(predicting, "_agent", lambda setup, run: nullcontext(Leaving(jobs)))
        monkeypatch.setattr(predicting, "against_host", lambda run, device: {})
        return commands.predict(**setup, lab=setup["out"], on="board")

    with pytest.raises(DeviceError, match="board: no answer; what was finished is kept: the same command goes on"):
        predict_with(good)
    with Run.open(setup["out"], write=False) as run:
        kept = run.summary()["predictions"]
        assert 0 < kept < PICTURES if good else kept == 0
        assert "board: no answer" in run.failures()["reason"].iloc[-1]
    assert predict_with(9)["predicted"] == PICTURES
