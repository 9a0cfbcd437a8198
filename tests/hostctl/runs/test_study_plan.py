"""Sizes and times of a planned study, from assumptions, a lab file and an earlier run."""

import pytest

from analysis.intervals.planning import Plan, plan
from device_agents.errors import BadInput
from hostctl.runs import study_plan
from hostctl.runs.study_plan import plan_study, session_time
from tests.fakes.command import write_lab


def test_without_a_lab_and_a_run_everything_is_assumed_and_said(tmp_path):
    found = plan_study(0.1, 0.1)
    assert (found["icc"], found["icc_from"], found["step_s"], found["step_from"]) == (0.3, "assumed", 4.0, "assumed")
    first = found["rows"][0]
    assert (first["repeats"], first["photographs_a_device"]) == (1, first["scenes"])
    assert first["scenes"] == plan(0.1, 0.1, items_per_cluster=1, icc=0.3).clusters
    assert first["hours"] == pytest.approx(first["scenes"] * 4 / 3600)
    assert plan_study(0.1, 0.1, icc=0.0)["icc_from"] == "given"


def test_a_lab_says_the_angles_and_its_repeats(tmp_path):
    lab = write_lab(tmp_path, repeats=4)
    lab.write_text(lab.read_text().replace("angles = [0]", "angles = [-20, 0, 20]"))
    found = plan_study(0.1, 0.1, lab=lab)
    assert (found["angles"], found["devices"]) == (3, 1)
    assert [row["repeats"] for row in found["rows"]] == [1, 2, 3, 4, 5, 10]
    for row in found["rows"]:
        assert row["photographs_a_device"] == 3 * row["repeats"] * row["scenes"]


def test_a_session_takes_its_stimuli_and_the_moves_of_the_mount():
    one = Plan(clusters=100, items=600, angles=3, repeats=2, width=0.1, design_effect=1.0)
    assert session_time(one, step_s=2.0, move_s=30.0) == 600 * 2 + 2 * 30


def test_an_earlier_run_says_how_long_and_how_alike(monkeypatch, tmp_path):
    monkeypatch.setattr(study_plan, "_measured", lambda folder: (7.5, 0.6))
    found = plan_study(0.1, 0.1, run=tmp_path)
    assert (found["icc"], found["icc_from"], found["step_s"], found["step_from"]) == (0.6, "measured", 7.5, "measured")


def test_a_run_without_repeats_tells_no_likeness(packaged_run):
    step_s, icc = study_plan._measured(packaged_run)
    assert step_s != step_s or step_s > 0
    assert icc != icc or 0 <= icc <= 1


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="a width between 0 and 1"):
        plan_study(0.1, 2.0)


@pytest.fixture
def packaged_run(tmp_path):
    import shutil
    from pathlib import Path

    there = Path(__file__).parents[2] / "data" / "run-v1"
    return shutil.copytree(there, tmp_path / "run")
