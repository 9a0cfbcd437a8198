"""The report of a run with a suite: the section on repeatability, and all else about the pictures as they are."""

from pathlib import Path

import pytest

from analysis.repeatability.suites import SUITES
from analysis.store import Run
from hostctl.runs.checking import Limits, check_run
from hostctl.runs.reporting import findings, report_run, summarise
from tests.hostctl.drawn_runs import draw_run

PAIR = ("shift-crop-0", "shift-crop-1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Six photographs, predicted as they are and shifted; the shift flips the second, and the first was wrong."""
    answers = {"host": {n: ["cat", "cat", "cat"] for n in range(6)}}
    answers["host"][0], answers["host"][1] = ["dog", "dog", "dog"], ["cat", "cat", "dog"]
    environments = ({}, *({"perturbation": name} for name in PAIR))
    return draw_run(tmp_path_factory.mktemp("perturbed") / "run", answers, environments=environments)


def test_the_section_stands_first_and_the_headline_is_of_the_pictures_as_they_are(run):
    with Run.open(run, write=False) as opened:
        found, summary = findings(opened), summarise(opened)
    section = found.sections[0]
    assert section.name == "perturbed"
    told = section.tables[0].frame.set_index("perturbed by")
    assert told.loc["shift-crop", "label_rate"] == pytest.approx(1 / 6)
    assert summary["compared"] == "device"
    assert (summary["predictions"], summary["accuracy_overall"]["accuracy"]) == (6, pytest.approx(5 / 6))
    assert all(one.name != "differences" for one in found.sections)


def test_gates_on_instability_are_of_the_pictures_as_they_are(run):
    found = check_run(run, Limits(max_accuracy_drop=0.5))
    assert found["compared"] == "device"


def test_the_page_has_it_in_its_head(run):
    text = Path(report_run(run)["report"]).read_text("utf-8")
    assert '<a href="#perturbed">Repeatability</a>' in text
    assert SUITES["shift"].about[1:] in text
