"""A run's summary and report, from the stored run of schema 1: names, order, provenance, one more cut, bad input."""

import shutil
from pathlib import Path

import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.runs.reporting import report_run, report_text, summarise
from tests.hostctl.drawn_runs import draw_run

STORED = Path(__file__).parents[2] / "data" / "run-v1"


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


def test_the_other_formats_stand_beside_the_page_or_come_as_text(folder):
    files = report_run(folder, formats=["md", "json", "junit"])["files"]
    assert {name: Path(path).name for name, path in files.items()} == {
        "md": "report.md",
        "json": "report.json",
        "junit": "report.xml",
    }
    for name, path in files.items():
        assert report_text(folder, name) == Path(path).read_text("utf-8")
        assert str(folder) not in Path(path).read_text("utf-8")
    with pytest.raises(BadInput, match="unknown format 'pdf'"):
        report_run(folder, formats=["pdf"])


def test_a_run_without_devices_compares_its_environments(tmp_path):
    answers = {"host": {n: ["cat", "dog" if n < 2 else "cat"] for n in range(6)}}
    run = draw_run(tmp_path / "run", answers, environments=({}, {"decoder": "opencv"}))
    found = report_run(run)
    assert (found["compared"], found["instability"]["unstable"]) == ("environment", 2)
    page = Path(found["report"]).read_text("utf-8")
    assert "across these two conditions" in page
    assert "Raw against the device" in page[page.index("Not computed") :]
