"""Devices that stay away, come back, hang or grow hot do not stop a session, and nothing late is taken."""

import pytest

from hostctl.sessions import attendance, gates, timing
from tests.fakes.run_rack import Rack, wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attendance, "RETRY_S", (0.0, 0.02, 0.05))
    monkeypatch.setattr(attendance, "REST_EVERY_S", 0.05)


@pytest.fixture
def rack(tmp_path):
    made = []

    def make(**options):
        made.append(Rack(tmp_path, **options))
        return made[0]

    yield make
    for one in made:
        one.run.close()
        assert all(device.shutter.used_up() for device in one.devices)
        assert not list((tmp_path / "spool").iterdir())


def test_a_device_that_stays_away_does_not_stop_the_others(rack):
    one = rack(scripts={"a": ["unreachable"], "b": []}, settings={"patience_s": 0.0})
    one.shutter("a").away = lambda: True
    one.do()
    assert list(one.run.pictures()["device"]) == ["b"] * 4
    assert [entry for entry in one.attempts() if entry[0] == "a"] == [("a", "failed", "phone: no answer")]
    assert len(one.run.steps_missing()) == 4
    assert one.session.out["a"].startswith("left out: ")
    assert one.session.out["a"].endswith("phone: still away")
    assert one.shutter("a").prepared >= 2  # once at its failure, and a last time when the others were done
    assert [one.step.device for one in one.session.missing] == ["a"] * 4
    assert {one.reason.split(": ")[0] for one in one.session.missing} == {"phone", "left out"}
    (listed, *rest) = one.run.note("missing photographs")
    assert sum(len(entry["steps"]) for entry in [listed, *rest]) == 4


def test_a_device_that_comes_back_does_what_it_missed(rack):
    one = rack(scripts={"a": ["good", "unreachable"], "b": []}, count=3, angles=(-10, 10))
    told, display = [], one.display
    one.session.standing = lambda device, reason: told.append((device, reason))
    one.shutter("a").away = lambda: len(display.shown) < 6 or one.shutter("a").prepared < 4
    one.do()
    assert len(one.run.pictures()) == 12
    assert one.moves == [-10, 10, -10]  # back for what was missed: first what is left at this angle
    assert [entry for entry in one.attempts() if entry[1] != "ok"] == [("a", "failed", "phone: no answer")]
    (left_out, back) = told
    assert left_out[1].startswith("left out after 3 failures in a row, the last: phone: still away")
    assert back == ("a", "")
    (absence,) = one.run.note("absences")
    assert (absence["device"], absence["kind"]) == ("a", "left out")
    assert absence["from_utc"] < absence["to_utc"]
    assert one.session.out == {}
    assert one.session.missing == []
    assert one.run.note("missing photographs") == []


def test_a_device_that_comes_back_and_fails_again_is_not_waited_for_for_ever(rack):
    one = rack(scripts={"a": ["unreachable"] * 3, "b": []}, count=4, settings={"patience_s": 0.0, "attempts": 1})
    one.do()
    assert sum(entry[:2] == ("a", "failed") for entry in one.attempts()) == 3
    assert len(one.run.pictures()) in (5, 4)  # its last chance is the fourth scene, or none
    one.shutter("a").script.clear()


def test_nobody_waits_for_a_device_that_hangs(rack, monkeypatch):
    monkeypatch.setattr(timing, "PLUS_S", 0.2)
    one = rack(scripts={"a": ["good", "hangs"], "b": []}, count=6)
    show = one.display.show

    def showing(scene, stimulus, **rest):
        if len(one.display.shown) == 5:  # all others have been shown without it
            one.shutter("a").hung.set()
        return show(scene, stimulus, **rest)

    monkeypatch.setattr(one.display, "show", showing)
    one.do()
    assert len(one.run.pictures()) == 12
    bad = [entry for entry in one.attempts() if entry[1] != "ok"]
    assert [entry[:2] for entry in bad] in ([("a", "rejected")], [])  # it saw another frame, which its photograph shows
    assert all("wrong frame" in entry[2] or "torn" in entry[2] for entry in bad)
    assert one.display.shown[:6] == [step.stimulus for step in one.steps if step.device == "b"]
    assert set(one.display.shown[6:]) <= set(one.display.shown[1:6])  # only what it missed is shown again


def test_a_photograph_that_comes_after_the_mount_has_moved_is_not_taken(rack, monkeypatch):
    monkeypatch.setattr(timing, "PLUS_S", 0.2)
    one = rack(scripts={"a": ["good", "hangs"], "b": []}, count=2, angles=(-10, 10))

    def move(angle):
        one.moves.append(angle)
        if angle == 10:
            one.shutter("a").hung.set()

    one.session.move = move
    one.do()
    assert len(one.run.pictures()) == 8
    bad = [entry for entry in one.attempts() if entry[1] != "ok"]
    assert bad == [("a", "failed", "a: its photograph came after the mount had moved")]
    assert one.moves == [-10, 10, -10]


def test_a_hot_device_rests_and_does_its_steps_later(rack):
    one = rack(scripts={"a": [], "b": []}, count=8, settings={"health_every_s": 0.05})
    asked, told = [], []

    def ask(device):
        asked.append(device.name)
        hot = device.name == "a" and asked.count("a") < 4
        return gates.Condition(battery_percent=80, temperature_c=46.0 if hot else 30.0, thermal_status=0)

    show = one.display.show

    def showing(scene, stimulus, **rest):
        if len(one.display.shown) == 1:  # it rests from the second scene on
            wait_until(lambda: told)
        return show(scene, stimulus, **rest)

    one.display.show = showing
    one.session.ask = ask
    one.session.standing = lambda device, reason: told.append((device, reason))
    one.do()
    assert len(one.run.pictures()) == 16
    assert told == [("a", "rests: at 46.0 C, expected at most 42"), ("a", "")]
    (absence,) = one.run.note("absences")
    assert (absence["device"], absence["kind"]) == ("a", "rests")
    assert absence["from_utc"] < absence["to_utc"]
    assert {status for _, status, _ in one.attempts()} == {"ok"}
    assert one.shutter("a").released == 1  # its camera was closed meanwhile
    assert one.shutter("a").prepared == 1


def test_a_device_that_stays_hot_is_waited_for_for_a_while_and_listed(rack):
    settings = {"health_every_s": 0.05, "rest_s": 0.3}
    one = rack(scripts={"a": [], "b": []}, count=3, settings=settings)
    one.session.ask = lambda device: gates.Condition(battery_percent=4 if device.name == "a" else 90)
    one.do()
    assert list(one.run.pictures()["device"]).count("b") == 3
    assert one.session.out == {"a": "rests: battery at 4 %, expected at least 10"}
    assert all(missing.reason == one.session.out["a"] for missing in one.session.missing)
    assert one.session.missing


def test_a_device_that_could_not_be_made_ready_at_the_start_is_fetched_later(rack):
    one = rack(scripts={"a": [], "b": []})
    one.session.unready = {"a": "a: expected the camera in front, got the lock screen"}
    one.shutter("a").away = lambda: len(one.display.shown) < 4
    one.do()
    assert len(one.run.pictures()) == 8
    assert {status for _, status, _ in one.attempts()} == {"ok"}


def test_a_device_that_is_cool_again_and_cannot_be_made_ready_is_left_out(rack):
    one = rack(scripts={"a": [], "b": []}, count=2, settings={"health_every_s": 0.05, "patience_s": 1.0})
    conditions = {"a": [gates.Condition(temperature_c=50.0)] * 2}
    one.session.ask = lambda device: (conditions.get(device.name) or [gates.Condition()]).pop(0)
    show = one.display.show

    def showing(scene, stimulus, **rest):
        wait_until(lambda: not conditions["a"])
        return show(scene, stimulus, **rest)

    one.display.show = showing
    one.shutter("a").away = lambda: True
    one.do()
    assert list(one.run.pictures()["device"]).count("b") == 2
    assert one.session.out["a"].startswith("left out: ")
    (rested, out) = one.run.note("absences")
    assert (rested["kind"], out["kind"]) == ("rests", "left out")
    assert rested["to_utc"]
    assert out["to_utc"] == ""
