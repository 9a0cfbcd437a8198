"""Limits on a suite's flips: pass, fail, cannot say yet, and what is no question of flips."""

import pytest

from analysis.repeatability.suites import SUITES
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.runs.checking import Limits, check_run, check_text
from hostctl.suites.asked import pick_suite
from hostctl.suites.gate import flip_gates
from tests.hostctl.drawn_runs import draw_run

SHIFTED = ({}, {"perturbation": "shift-crop-0"}, {"perturbation": "shift-crop-1"})
LIMITS = Limits(suite="shift", families=("shift-crop",), max_flip=0.05)


def run_of(folder, *, scenes, flips):
    """One device; the first scenes have another label a pixel to the side."""
    told = {n: ["cat", "cat", "dog" if n < flips else "cat"] for n in range(scenes)}
    return draw_run(folder, {"": told}, environments=SHIFTED)


def test_pass_fail_and_cannot_say_yet(tmp_path):
    codes = {}
    for name, (scenes, flips) in {"good": (150, 1), "bad": (60, 12), "few": (10, 0)}.items():
        found = check_run(run_of(tmp_path / name, scenes=scenes, flips=flips), LIMITS)
        (gate,) = found["gates"]
        assert gate["name"] == "flips of tiny in shift-crop"
        assert gate["value"] == pytest.approx(flips / scenes)
        codes[found["verdict"]] = found["exit_code"]
    assert codes == {"pass": 0, "fail": 1, "cannot say yet": 4}
    assert gate["more_scenes"] in range(62, 67)  # as for any rate: 72 scenes without an event are enough


def test_a_suite_of_which_some_was_not_run_cannot_pass(tmp_path):
    folder = run_of(tmp_path / "run", scenes=150, flips=0)
    found = check_run(folder, Limits(suite="shift", max_flip=0.05))
    verdicts = {gate["name"].rpartition(" ")[2]: gate["verdict"] for gate in found["gates"]}
    assert verdicts.pop("shift-crop") == "pass"
    assert set(verdicts) == {"shift-black", "shift-inpaint", "scale-black", "consistency"}
    assert set(verdicts.values()) == {"cannot say yet"}
    assert found["exit_code"] == 4
    assert "flips of tiny in consistency: no picture has all its answers" in check_text(found)


def test_devices_are_held_against_the_limit_apart(tmp_path):
    still = {n: ["cat", "cat", "cat"] for n in range(80)}
    moved = {n: ["cat", "cat", "dog" if n < 40 else "cat"] for n in range(80)}
    folder = draw_run(tmp_path / "run", {"a": still, "b": moved}, environments=SHIFTED)
    with Run.open(folder, write=False) as run:
        found = dict(flip_gates(run, pick_suite("shift", ["shift-crop"]), limit=0.1))
    assert {name: gate.verdict for name, gate in found.items()} == {
        "flips of tiny on a in shift-crop": "pass",
        "flips of tiny on b in shift-crop": "fail",
    }


def test_predictions_that_nothing_perturbed_are_of_other_work(tmp_path):
    """A board predicts by its own agent what a suite predicts here: the same picture, unperturbed, twice."""
    told = {n: ["cat", "dog", "dog", "dog"] for n in range(80)}
    folder = draw_run(tmp_path / "run", {"board": told}, environments=({"machine": "board"}, *SHIFTED))
    (gate,) = check_run(folder, LIMITS)["gates"]
    assert (gate["name"], gate["value"], gate["verdict"]) == ("flips of tiny on board in shift-crop", 0.0, "pass")


def test_other_limits_hold_beside_it(tmp_path):
    folder = run_of(tmp_path / "run", scenes=150, flips=0)
    found = check_run(folder, Limits(max_instability=0.5, suite="shift", families=("shift-crop",), max_flip=0.05))
    assert [gate["name"] for gate in found["gates"]] == ["flips of tiny in shift-crop", "instability"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(suite="shift"), "expected --suite NAME together with --max-flip SHARE"),
        (Limits(max_flip=0.1), "expected --suite NAME together with --max-flip SHARE"),
        (Limits(max_instability=0.1, families=("shift-crop",)), "expected --suite NAME together"),
        (Limits(suite="shfit", max_flip=0.1), "unknown suite 'shfit'; did you mean 'shift'"),
        (Limits(suite="shift", families=("shift-crap",), max_flip=0.1), "did you mean 'shift-crop'"),
        (Limits(suite="corruptions", max_flip=0.1), "counts errors and no flips; expected one of shift, "),
        (Limits(suite="natural", max_flip=0.1), "expected predictions of the suite 'natural', got none"),
        (Limits(suite="shift", max_flip=5.0), "expected a limit between 0 and 1"),
    ],
)
def test_bad_input(tmp_path, limits, message):
    with pytest.raises(BadInput, match=message):
        check_run(run_of(tmp_path / "run", scenes=3, flips=0), limits)


def test_every_suite_is_of_flips_or_of_errors():
    for suite in SUITES.values():
        assert len({family.kind == "severities" for family in suite.families}) == 1, suite.name
