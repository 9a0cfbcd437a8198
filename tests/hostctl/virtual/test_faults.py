"""Faults in a lab file are checked, drawn ones follow from their seed, and each strikes when it should."""

from pathlib import Path

import pytest

from device_agents.errors import BadInput
from hostctl.lab import parse_lab
from hostctl.virtual.faults import KINDS, Fault, hitting, mistakes_in, parse_faults, random_faults, tell


def lab(faults: list[object], kind: str = "virtual-phone"):
    device = {"name": "p", "kind": kind, "camera": "instant", "faults": faults}
    if not kind.startswith("virtual"):
        device = {"name": "p", "kind": kind, "serial": "x", "faults": faults}
    return parse_lab({"display": {"screen": "virtual"}, "device": [device]}, folder=Path())


def test_a_lab_takes_faults() -> None:
    entries = [{"kind": "late-file", "at_shot": 3, "seconds": 2}, {"kind": "link-cut", "after_bytes": 10}]
    made = lab(entries)
    assert parse_faults(made.devices[0].faults) == (
        Fault("late-file", at_shot=3, seconds=2),
        Fault("link-cut", after_bytes=10),
    )
    assert all(lab([{"kind": kind}], devices[0]) for kind, (devices, _) in KINDS.items())


@pytest.mark.parametrize(
    ("entry", "kind", "message"),
    [
        ({"kind": "late-fil"}, "virtual-phone", "'p': fault 1: a virtual-phone has no fault 'late-fil'; did you mean"),
        ({"kind": "late-file"}, "virtual-board", "a virtual-board has no fault 'late-file'"),
        ({"kind": "offline"}, "adb", "a adb has no fault 'offline'; known: none"),
        ({"kind": "hot", "at": 3}, "virtual-phone", "unknown key 'at'; known: kind, at_shot, times, seconds"),
        ({"kind": "hot", "at_shot": -1}, "virtual-phone", "'at_shot': expected a whole number of at least 0, got -1"),
        ({"kind": "hot", "times": 0}, "virtual-phone", "'times': expected a whole number of at least 1, got 0"),
        ({"kind": "hot", "seconds": "3"}, "virtual-phone", "'seconds': expected a number of at least 0, got '3'"),
        ({"kind": "hot", "at_shot": True}, "virtual-phone", "'at_shot': expected a whole number"),
        ("hot", "virtual-phone", "fault 1: expected a table like"),
        ({"at_shot": 1}, "virtual-phone", "fault 1: expected a table like"),
    ],
)
def test_a_wrong_entry_is_told(entry: object, kind: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        lab([entry], kind)
    assert message in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(mistakes_in([{"kind": "x"}, {"kind": "hot", "a": 1, "times": 0}], device="virtual-phone")) == 3


def test_when_a_fault_strikes() -> None:
    late, always = Fault("late-file", at_shot=2, times=2), Fault("hot")
    struck = [sorted(hitting([late, always], shot)) for shot in (1, 2, 3, 4)]
    assert struck == [["hot"], ["hot", "late-file"], ["hot", "late-file"], ["hot"]]


def test_drawn_faults_follow_from_their_seed() -> None:
    kinds = ("no-new-file", "two-files", "previous-frame")
    drawn = random_faults(kinds, shots=400, rate=0.1, seconds=0.5, seed="1|phone")
    assert drawn == random_faults(kinds, shots=400, rate=0.1, seconds=0.5, seed="1|phone")
    assert drawn != random_faults(kinds, shots=400, rate=0.1, seconds=0.5, seed="2|phone")
    assert 20 <= len(drawn) <= 60  # 40 expected, deviation 6
    assert {fault.kind for fault in drawn} == set(kinds)
    assert len({fault.at_shot for fault in drawn}) == len(drawn)
    with pytest.raises(BadInput, match="unknown fault .*'rain'"):
        random_faults(["rain"], shots=1, rate=1.0, seconds=0, seed="")


def test_what_strikes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="hostctl.virtual.faults"):
        tell("board", ["no-camera", "truncated"], 3)
        tell("board", [], 4)
    assert [one.getMessage() for one in caplog.records] == ["struck board no-camera 3", "struck board truncated 3"]
