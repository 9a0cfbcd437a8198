"""A run's summary and report, from the stored run of schema 1: names, order, provenance, one more cut, bad input."""

import shutil
from pathlib import Path

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.reporting import report_run, summarise

STORED = Path(__file__).parents[1] / "data" / "run-v1"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(STORED, tmp_path / "run")
    return tmp_path / "run"


def test_the_summary_counts_what_is_there(folder):
    with Run.open(folder, write=False) as run:
        found = summarise(run)
    assert (found["scenes"], found["devices"], found["pictures"], found["predictions"]) == (2, 2, 8, 8)
    assert (found["photographs_missing"], found["retaken"], found["failures"]) == (0, 0, [])
    assert found["virtual"] is True
    assert list(found["accuracy"]) == ["first", "second"]


def test_the_report_names_its_devices_as_the_lab_does(folder):
    found = report_run(folder)
    page = Path(found["report"]).read_text("utf-8")
    assert "the run of schema 1" in page
    devices = page[page.index("Devices</") :]
    assert "<td" in devices
    for name in ("first", "second"):
        assert f">{name}</td>" in devices
    assert ">Ancient Zero</td>" in devices
    assert str(folder) not in page  # a report is sent around: no path of the machine that made it


def test_one_more_cut_between_other_conditions(folder):
    cut = report_run(folder, across=["repeat"], item=["scene", "angle"], top_n=3)["cut"]
    assert cut["item"] == ["scene", "angle", "device"]
    assert (cut["items"], cut["rate"], cut["top_n"]) == (4, 0.0, 3)


def test_an_unknown_column_and_a_run_without_predictions_are_refused(folder, tmp_path):
    with pytest.raises(BadInput, match="unknown columns colour_of_the_sky; known: "):
        report_run(folder, across=["colour_of_the_sky"])
    with Run.create(tmp_path / "empty", settings={}, scenes=[]):
        pass
    with pytest.raises(BadInput, match="expected predictions, got none; run `instability predict"):
        report_run(tmp_path / "empty")
