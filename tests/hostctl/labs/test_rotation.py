"""The design of who stands where: each device once in each place, every pair of neighbours equally often."""

import io
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput, DeviceError
from hostctl.lab import parse_lab
from hostctl.labs.rotation import Station, move_devices, rotated, station_of, williams, words_of
from hostctl.plans import sweep
from hostctl.quality.golden_scene import with_golden


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 17))
def test_each_once_in_each_place_and_all_neighbours_equally_often(count):
    rows = williams(count)
    assert len(rows) == (count if count % 2 == 0 else 2 * count)
    assert all(sorted(row) == list(range(count)) for row in rows)
    square = rows[:count]
    assert all(sorted(row[place] for row in square) == list(range(count)) for place in range(count))
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    assert len(pairs) == count * (count - 1)
    assert set(pairs.values()) == {1 if count % 2 == 0 else 2}


def planned(devices, repeats, *, angles=(0, 10), scenes=3, seed=1):
    steps = sweep([f"s{n}" for n in range(scenes)], angles=angles, repeats=repeats, devices=devices, seed=seed)
    return rotated(list(steps), devices=devices, seed=seed)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_a_plan_is_the_same_photographs_at_other_places_in_blocks(count, seed):
    devices = [f"d{n}" for n in range(count)]
    steps = planned(devices, count, seed=seed)
    plain = list(sweep(["s0", "s1", "s2"], angles=(0, 10), repeats=count, devices=devices, seed=seed))
    assert {(s.key, s.stimulus) for s in steps} == {(s.key, s.stimulus) for s in plain}
    for scene, angle in (("s0", 0), ("s2", 10)):
        stood = Counter((s.device, s.place) for s in steps if (s.scene, s.angle) == (scene, angle))
        assert stood == Counter({(device, place): 1 for device in devices for place in range(1, count + 1)})
    orders = sorted({s.order for s in steps})
    assert orders == list(range(len(orders)))
    blocks = [(s.angle, s.repeat) for s in sorted(steps, key=lambda s: s.order)]
    assert len([1 for a, b in pairwise(blocks) if a != b]) == 2 * count - 1
    assert len({s.stimulus for s in steps}) == len({s.order for s in steps})


def test_stations_follow_the_blocks_with_the_golden_scene_too():
    steps = with_golden(planned(["a", "b", "c"], 3), every=2, first_stimulus=100)
    station = station_of(steps)
    moves = []
    for step in sorted(steps, key=lambda step: step.order):
        assert dict(station(step).places)[step.device] == step.place
        if not moves or moves[-1] != station(step):
            moves.append(station(step))
    assert len(moves) == 6
    assert [move.angle for move in moves] == [0, 0, 0, 10, 10, 10]


def lab_of(**session):
    table = [{"name": "phone", "kind": "adb", "serial": "X"}]
    return parse_lab({"session": session, "device": table}, folder=None)


def test_a_command_is_given_the_angle_and_the_places(tmp_path):
    script = f"import sys; open(r'{tmp_path / 'told'}', 'w').write(' '.join(sys.argv[1:]))"
    lab = lab_of(move_command=[sys.executable, "-c", script])
    move_devices(lab, None, Station(10, (("b", 1), ("a", 2))))
    assert Path(tmp_path / "told").read_text() == "10 b=1 a=2"


def test_a_command_that_fails_stops_the_session():
    lab = lab_of(move_command=[sys.executable, "-c", "import sys; sys.exit('stuck')"])
    with pytest.raises(DeviceError, match="stuck"):
        move_devices(lab, None, Station(0, (("a", 1),)))


def test_a_person_is_told_where_each_device_goes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    move_devices(lab_of(), None, Station(0, (("b", 1), ("a", 2))))
    assert "put the devices into their places (1: b, 2: a), then press Enter" in capsys.readouterr().err
    with pytest.raises(DeviceError, match="got the input's end"):
        move_devices(lab_of(), None, Station(0, (("b", 1),)))
    assert words_of(Station(20, (("b", 1),)), several_angles=True).startswith("move the mount to 20 degrees and put")


def test_one_device_cannot_rotate():
    with pytest.raises(BadInput, match="two devices or more"):
        williams(1)
