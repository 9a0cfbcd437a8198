"""The command on small runs: repeats by lag, R&R, agreement, advice; and runs that lack what it needs."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

from analysis.metrology.gage import gage
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.command_line.repeats import COMMANDS
from hostctl.commands import predict
from hostctl.repeats.measuring import measure_repeats
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite
from tests.fakes.shot_runs import shot_run


def predicted(folder: Path, **more) -> Path:
    model = write_tflite(folder.parent / "tiny.tflite")
    model.with_suffix(".tflite.json").write_text(json.dumps(dataclasses.asdict(tiny_sidecar())))
    run = shot_run(folder, **more)
    predict(run, model=str(model), workers=1)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return predicted(tmp_path_factory.mktemp("repeats") / "run", repeats=2)


def test_the_reading_of_a_run(run):
    found = measure_repeats(run)
    result = found.result
    scenes = result["summary"]["scenes"]
    assert [row["lag"] for row in result["lags"]] == ["unknown", "same device, again"]  # the fake notes no times
    assert result["lags"][-1]["pairs"] == 3 * scenes
    assert result["other"][0]["pairs"] == 2 * 3 * scenes
    assert [row["device"] for row in result["devices"]] == ["one", "two", "three"]
    own = gage(found.study.table.drop(columns="picture"))
    assert result["gage"]["percent_grr"] == own.percent_grr
    assert result["gage"]["parts"] == scenes
    assert {row["of"] for row in result["agreement"]["coefficients"]} >= {"within one", "between all"}
    assert result["advice"]["width"] == pytest.approx(result["advice"]["width_now"] / 2)
    assert {row["devices"] for row in result["advice"]["grr"]} >= {3, 5, 10}
    assert result["lacking"] == []
    assert json.loads(json.dumps(result)) == result


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """Each scene three times: again after 4 seconds, and, past midnight, an hour and 100 seconds after the first."""
    folder = tmp_path_factory.mktemp("an-hour") / "run"
    return predicted(folder, objects=4, devices=("one", "two"), repeats=3, taken_s=(0, 4, 3700))


def test_seconds_and_an_hour_stand_apart(long_run):
    result = measure_repeats(long_run).result
    rows = {row["lag"]: row for row in result["lags"]}
    assert list(rows) == ["under 10 s", "1 to 4 h", "same device, again"]
    shots = result["summary"]["scenes"] * 2
    assert [row["pairs"] for row in rows.values()] == [shots, 2 * shots, 3 * shots]
    assert [row["median_lag_s"] for row in rows.values()] == [4, 3698, 3696]
    with Run.open(long_run, write=False) as run:
        table = run.predictions(["scene", "device", "repeat", "label_1"])
    label = table.pivot(index=["scene", "device"], columns="repeat", values="label_1")
    soon, late = (label[0] != label[1]).mean(), [(label[one] != label[2]).mean() for one in (0, 1)]
    assert rows["under 10 s"]["rate"] == pytest.approx(soon)
    assert rows["1 to 4 h"]["rate"] == pytest.approx(sum(late) / 2)
    longer = result["longer"]
    assert (longer["short"], longer["long"]) == ("under 10 s", "1 to 4 h")
    assert longer["difference"] == pytest.approx(sum(late) / 2 - soon)


def test_a_reader_sees_both_lags(long_run, capsys):
    (command,) = COMMANDS
    options = argparse.Namespace(run=long_run, width=None, level=0.95, quiet=True, json=False)
    assert command.run(options) == 0
    lines = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines.index("under 10 s") < lines.index("1 to 4 h") < lines.index("same device, again")
    page = (long_run / "report" / "repeats.html").read_text()
    assert "under 10 s" in page
    assert "1 to 4 h" in page


def test_a_wanted_width(run):
    wide, narrow = (measure_repeats(run, width=width).result["advice"]["changes"] for width in (0.2, 0.05))
    assert all(few["scenes"] < many["scenes"] for few, many in zip(wide, narrow, strict=True))
    with pytest.raises(BadInput, match="--width: expected a share between 0 and 1"):
        measure_repeats(run, width=5)


def test_as_a_user_types_it(run, capsys):
    (command,) = COMMANDS
    parser = argparse.ArgumentParser()
    command.options(parser)
    options = parser.parse_args([str(run)])
    options.quiet, options.json = True, False
    assert command.run(options) == 0
    text = capsys.readouterr().out
    assert "shot again by the same device, " in text
    assert "%GRR" in text
    page = (run / "report" / "repeats.html").read_text()
    assert page.count("<figure") == 2
    assert "Analysis of variance" in page
    assert (run / "report" / "repeats.csv").read_text().startswith("device,other,scene,cluster,lag_s")
    options.json = True
    assert command.run(options) == 0
    assert json.loads(capsys.readouterr().out)["page"].endswith("repeats.html")


def test_one_device_is_still_read_and_told_what_lacks(tmp_path):
    found = measure_repeats(predicted(tmp_path / "run", devices=("one",), objects=3, repeats=2)).result
    assert found["gage"] is None
    assert found["other"] == []
    assert len(found["lacking"]) == 1
    assert found["lacking"][0].startswith("no R&R (it needs two devices; add a [[device]] to the lab's file): ")


def test_runs_without_repeats_or_predictions(tmp_path):
    with pytest.raises(BadInput, match="two shots or more of a scene by the same device, got one each: set"):
        measure_repeats(predicted(tmp_path / "once", objects=2))
    with pytest.raises(BadInput, match="expected predictions, got none; `instability predict RUN"):
        measure_repeats(shot_run(tmp_path / "bare", objects=2))
