"""A lab's settings made into a plan: golden scene and rotation, checked, planned, resumed, photographed."""

import itertools

import pytest

from analysis.run_folder.golden import GOLDEN
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.lab import parse_lab
from hostctl.labs.asked import asked
from hostctl.labs.laboratory import Laboratory
from hostctl.sessions import session_plan, sitting
from tests.fakes.rack import FakeDisplay, device, picture_of, scenes


def lab_of(*, names=("a", "b"), folder=None, **session):
    tables = [{"name": name, "kind": "local", "camera": "fake"} for name in names]
    return parse_lab({"session": session, "device": tables}, folder=folder)


@pytest.mark.parametrize(
    ("session", "names", "words"),
    [
        ({"golden_every": -1}, "ab", "'golden_every': expected 0"),
        ({"rotate": True}, "ab", "'rotate': expected 'repeats' of 2 or more"),
        ({"rotate": True, "repeats": 2}, "a", "'rotate': expected two devices or more to change places, got 1"),
        ({"golden_every": True}, "ab", "golden_every"),
    ],
)
def test_what_cannot_be_is_told(session, names, words):
    with pytest.raises(BadInput, match=words):
        lab_of(names=names, **session)


def test_settings_that_are_not_used_stand_in_no_run():
    plain = asked(lab_of())["session"]
    assert not {"golden_every", "rotate"} & set(plain)
    used = asked(lab_of(golden_every=5, rotate=True, repeats=2))["session"]
    assert (used["golden_every"], used["rotate"]) == (5, True)


def test_a_plan_is_the_same_when_it_is_made_again_and_goes_on_when_more_is_added(tmp_path):
    lab, shown = lab_of(golden_every=2, rotate=True, repeats=2), scenes(6)
    plan = session_plan.plan_of(lab, shown)
    first, later = ([s for s in plan if s.scene in wanted] for wanted in (("s0", "s1", "s2"), ("s3", "s4", "s5")))
    with Run.create(tmp_path / "whole", settings={}, scenes=shown) as run:
        session_plan.add_planned(run, lab, shown, plan, further=False)
        before = run.steps()
        session_plan.add_planned(run, lab, shown, plan, further=False)
        assert run.steps() == before
        assert {s.place for s in before} == {1, 2}
        by_order = [[s for s in before if s.order == order] for order in {s.order for s in before}]
        assert all(len({s.place for s in group}) == 2 for group in by_order)
    with Run.create(tmp_path / "parts", settings={}, scenes=shown) as run:
        for part in (first, later):
            session_plan.add_planned(run, lab, shown, part, further=True)
        session_plan.add_planned(run, lab, shown, [], further=True)
        steps = run.steps()
        assert {s.key for s in steps if s.scene != GOLDEN} == {s.key for s in plan}
        orders = {(s.order, s.stimulus) for s in steps}
        assert len({order for order, _ in orders}) == len(orders) == len({stimulus for _, stimulus in orders})


def test_the_space_counts_the_golden_photographs():
    assert session_plan.counted_scenes(lab_of(), 10) == 10
    assert session_plan.counted_scenes(lab_of(golden_every=4), 10) == 14


class PaintedByName(FakeDisplay):
    """A fake display that remembers which scenes it was asked for."""

    def __init__(self):
        super().__init__()
        self.names = []

    def show(self, scene, stimulus, *, next_scene=None, timeout_s):
        self.names.append(scene.scene)
        assert picture_of(scene.scene).any()
        return super().show(scene, stimulus, next_scene=next_scene, timeout_s=timeout_s)


def test_a_session_moves_the_devices_between_blocks_and_shows_the_golden_scene(tmp_path, monkeypatch):
    display, shown, moves = PaintedByName(), scenes(3), []
    lab = lab_of(folder=tmp_path, golden_every=2, rotate=True, repeats=2, reserve_mb=0, patience_s=0)
    monkeypatch.setattr(
        session_plan, "move_devices", lambda lab, rack, station: moves.append((station, len(display.names)))
    )
    devices = [device(name, display, tmp_path / "devices") for name in "ab"]
    laboratory = Laboratory(display=display, devices=tuple(devices), failures={}, rack=None)
    with Run.create(tmp_path / "run", settings={}, scenes=shown) as run:
        session_plan.add_planned(run, lab, shown, session_plan.plan_of(lab, shown), further=False)
        sitting._photograph(run, lab, laboratory, devices, shown, run.steps_missing(), lambda *_: None)
        assert run.steps_missing() == []
        assert len(run.pictures()) == 2 * 2 * 3
        assert len(list(run.picture_records({"scene": GOLDEN}))) == 2 * 2 * 3
        table = run.pictures()
    assert [at for _, at in moves] == [0, 6]
    places = [dict(station.places) for station, _ in moves]
    assert places[0] == {"a": places[1]["b"], "b": places[1]["a"]}
    assert display.names[0] == display.names[5] == display.names[6] == display.names[11] == GOLDEN
    assert all(
        len(set(table[(table["device"] == name) & (table["scene"] == scene.scene)]["place"])) == 2
        for name, scene in itertools.product("ab", shown)
    )
