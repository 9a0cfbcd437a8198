"""Gates of a build pipeline: pass, fail, cannot say yet, and what each is worth as an exit code."""

import xml.etree.ElementTree as ET

import pytest

from device_agents.errors import BadInput
from hostctl.runs.checking import Limits, check_run, check_text
from tests.hostctl.drawn_runs import draw_run


def run_of(folder, *, scenes, wrong, **options):
    """Two devices; the second is wrong on the first scenes."""
    good = dict.fromkeys(range(scenes), "cat")
    return draw_run(folder, {"a": good, "b": {n: "dog" if n < wrong else "cat" for n in range(scenes)}}, **options)


def test_pass_fail_and_cannot_say_yet(tmp_path):
    limits = Limits(max_instability=0.05)
    codes = {}
    for name, (scenes, wrong) in {"good": (150, 1), "bad": (60, 12), "few": (10, 0)}.items():
        found = check_run(run_of(tmp_path / name, scenes=scenes, wrong=wrong), limits)
        codes[found["verdict"]] = found["exit_code"]
    assert codes == {"pass": 0, "fail": 1, "cannot say yet": 4}
    (gate,) = found["gates"]
    assert gate["more_scenes"] in range(62, 67)  # 72 scenes without an event are enough, found to a twentieth
    assert check_text(found).splitlines() == [
        f"cannot say yet  {gate['sentence']}",
        "",
        "cannot say yet (exit code 4)",
    ]
    assert "0.0 [0.0, 30.8] %, limit 5.0 %; about 6" in gate["sentence"]


def test_every_gate_and_the_junit_file(tmp_path):
    folder = run_of(tmp_path / "run", scenes=60, wrong=12)
    limits = Limits(0.5, 0.05, 0.9, base="b")
    found = check_run(folder, limits, junit=tmp_path / "new" / "gates.xml")
    assert [(gate["name"], gate["verdict"]) for gate in found["gates"]] == [
        ("instability", "pass"),
        ("instability of a and b", "fail"),
        ("accuracy drop from b to a", "pass"),
    ]
    assert found["gates"][2]["value"] == pytest.approx(-0.2)
    assert found["exit_code"] == 1
    root = ET.parse(tmp_path / "new" / "gates.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("3", "1")


def test_what_cannot_be_compared_neither_passes_nor_fails(tmp_path):
    folder = draw_run(tmp_path / "run", {"a": {0: "cat", 1: ""}, "b": {0: "", 1: "cat"}, "c": {0: "", 1: ""}})
    found = check_run(folder, Limits(0.05, 0.05, 0.05))
    assert {gate["verdict"] for gate in found["gates"]} == {"cannot say yet"}
    assert found["exit_code"] == 4
    assert "instability: no photograph has two answers that count" in check_text(found)
    assert "accuracy drop from a to c: one of them has no answer that counts" in check_text(found)
    alone = draw_run(tmp_path / "alone", {"a": {0: "cat"}})
    assert check_run(alone, Limits(0.05, 0.05, 0.05))["exit_code"] == 4


def test_one_device_in_several_environments(tmp_path):
    answers = {"host": {n: ["cat", "dog" if n < 30 else "cat"] for n in range(60)}}
    folder = draw_run(tmp_path / "run", answers, environments=({}, {"decoder": "opencv"}))
    found = check_run(folder, Limits(0.05, 0.05))
    assert found["compared"] == "environment"
    assert found["gates"][1]["name"] == "instability of base and decoder=opencv"
    assert found["exit_code"] == 1


def test_bad_input(tmp_path):
    folder = run_of(tmp_path / "run", scenes=3, wrong=0)
    with pytest.raises(BadInput, match="expected a limit such as --max-instability 0.05"):
        check_run(folder, Limits())
    with pytest.raises(BadInput, match="unknown base 'z'; known: a, b"):
        check_run(folder, Limits(max_accuracy_drop=0.1, base="z"))
    with pytest.raises(BadInput, match="between 0 and 1 such as 0.05, got 5"):
        check_run(folder, Limits(max_instability=5))
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        check_run(folder, Limits(0.5), junit=tmp_path / "file" / "x.xml")
