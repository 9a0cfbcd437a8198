"""The command on a small run of three devices: resumable predictions, a result, a page, a file for the agent."""

import argparse
import dataclasses
import json

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.flip_risk import predict_with_risk, read_flip_risk
from device_agents.predict import Job, JobPicture
from hostctl.command_line.flip_risk import COMMANDS
from hostctl.flip_risks.risk import measure_flip_risk
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite
from tests.fakes.shot_runs import CLASSES, shot_run

TRIES = ("gain-80", "hue-10")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = write_tflite(tmp_path_factory.mktemp("model") / "tiny.tflite")
    path.with_suffix(".tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory, model):
    folder = shot_run(tmp_path_factory.mktemp("runs") / "run", objects=12)
    return folder, measure_flip_risk(folder, model=str(model), perturbations=TRIES)


def test_the_result_is_of_the_run(measured):
    folder, found = measured
    result = found.result
    assert (result["model"], result["fitted_on"], result["virtual"]) == ("tiny", ["one", "two", "three"], True)
    assert result["flips"] == sum(row["flips"] for row in result["devices"] if row["device"] == "all") / 2
    assert result["rows"] == 2 * result["pictures"]
    assert json.loads(json.dumps(result)) == result
    with Run.open(folder, write=False) as run:
        assert {one.perturbation for one in run.environments()} == {"", *TRIES}
        assert run.summary()["predictions"] == 3 * run.summary()["pictures"]


def test_again_and_with_a_device_held_out_nothing_is_predicted_twice(measured, model):
    folder, found = measured
    again = measure_flip_risk(folder, model=str(model), perturbations=TRIES)
    assert again.result == found.result
    held = measure_flip_risk(folder, held_out=("three",), perturbations=TRIES, model=str(model), out=folder / "f.json")
    assert held.result["fitted_on"] == ["one", "two"]
    assert read_flip_risk(folder / "f.json").about["held_out"] == [["three"]]
    with Run.open(folder, write=False) as run:
        assert run.summary()["predictions"] == 3 * run.summary()["pictures"]


def test_the_agent_gives_the_risk_that_the_fit_gave(measured, model):
    folder, found = measured
    risk = read_flip_risk(folder / "report" / "flip-risk.json")
    with Run.open(folder, write=False) as run:
        base = next(one for one in run.environments() if not one.perturbation)
        record = next(run.picture_records())
        pictures = (JobPicture(record.picture, str(run.file(record.sha256)), record.corners),)
    ((_, value),) = predict_with_risk(Job(str(model), tiny_sidecar(), pictures, (base,)), risk)
    assert 0 < value < 1
    assert risk.perturbations == TRIES
    assert dict(zip(risk.features, risk.weights, strict=True)) == found.result["weights"]


def test_as_a_user_types_it(measured, model, capsys):
    folder, _ = measured
    (command,) = COMMANDS
    parser = argparse.ArgumentParser()
    command.options(parser)
    words = [str(folder), "--model", str(model), "--perturbations", ",".join(TRIES), "--workers", "1"]
    options = parser.parse_args(words)
    options.quiet, options.json = True, False
    assert command.run(options) == 0
    text = capsys.readouterr().out
    assert "score margin alone: ROC area" in text
    page = (folder / "report" / "flip-risk.html").read_text()
    assert page.count("<figure") == 3 + 24
    assert "Is a risk what it says?" in page
    assert (folder / "report" / "flip-risk.csv").read_text().count("\n") > 100
    options.json = True
    assert command.run(options) == 0
    assert json.loads(capsys.readouterr().out)["page"].endswith("flip-risk.html")


def test_what_a_run_lacks(tmp_path, model):
    two = shot_run(tmp_path / "two", objects=2, devices=("one", "two"))
    with pytest.raises(BadInput, match="by three devices or more, two to learn from and one to hold out, got 2"):
        measure_flip_risk(two, model=str(model))
    few = shot_run(tmp_path / "few", objects=2)
    with pytest.raises(BadInput, match="expected the predictions of one model, or --model, got none"):
        measure_flip_risk(few)
    with pytest.raises(BadInput, match="unknown perturbation 'fog-9'"):
        measure_flip_risk(few, model=str(model), perturbations=("fog-9",))
    with pytest.raises(BadInput, match="--perturbations: expected one or more"):
        measure_flip_risk(few, model=str(model), perturbations=())
    alone = [(f"{label}-0", device) for label in CLASSES[1:] for device in ("two", "three")]
    one = shot_run(tmp_path / "one", objects=1, lacking=alone)
    with pytest.raises(BadInput, match=r"expected 10 flips between devices or more to learn from, got \d of 6 "):
        measure_flip_risk(one, model=str(model))
    with Run.open(one, write=False) as run:
        assert set(run.predictions()["perturbation"]) == {""}  # said before the tries are predicted
