"""What surrounds a session: the space it needs, its settings, cameras that do not open."""

from dataclasses import replace

import pytest

from analysis.store import Run
from device_agents.errors import BadInput, CommandFailed
from hostctl.lab import parse_lab
from hostctl.labs.asked import asked
from hostctl.labs.laboratory import Laboratory
from hostctl.sessions import sitting
from hostctl.sessions.space_needed import needed_bytes
from tests.fakes.rack import FakeDisplay, FakeShutter, device, scenes


def lab_of(**session):
    phone = {"name": "phone", "kind": "adb", "serial": "X", "formats": ["jpg", "dng"]}
    return parse_lab({"session": session, "device": [phone]}, folder=None)


def test_the_space_of_a_session_is_estimated_per_format():
    lab = lab_of(angles=[-10, 10], repeats=5)
    assert needed_bytes(lab, 100) == 100 * 2 * 5 * (6_000_000 + 25_000_000)


def test_a_session_is_refused_below_the_reserve(tmp_path):
    lab = lab_of(reserve_mb=10**9)
    with pytest.raises(BadInput, match="not enough space at .*in reserve"):
        sitting.sit(lab, scenes=scenes(2), out=tmp_path / "run", model=None, progress=lambda *_: None)
    assert not (tmp_path / "run").exists()


def test_the_settings_of_a_run_are_the_labs_whole():
    lab = lab_of(repeats=3)
    told = asked(replace(lab, name="x"))
    assert told["session"]["repeats"] == 3
    assert told["device"][0]["serial"] == "X"
    assert set(told) == {"lab", "display", "session", "device"}


class ShutShutter(FakeShutter):
    """A camera that does not open."""

    def prepare(self):
        raise CommandFailed("phone: expected the camera app to come to the front, got the lock screen")

    def shoot(self, *, timeout_s):
        raise AssertionError("a camera that did not open is asked for a photograph")


def test_a_camera_that_does_not_open_is_recorded_and_the_others_go_on(tmp_path):
    display = FakeDisplay()
    devices = [device(name, display, tmp_path / "devices") for name in ("first", "shut", "last")]
    devices[1] = replace(devices[1], shutter=ShutShutter(display, tmp_path))
    with Run.create(tmp_path / "run", settings={}, scenes=scenes(1)) as run:
        able, failures = sitting._able(run, devices, lambda one: one.shutter.prepare())
        assert [one.name for one in able] == ["first", "last"]
        assert set(failures) == {"shut"}
        assert "got the lock screen" in failures["shut"]
        recorded = run.failures()
    assert list(recorded["where"]) == ["device shut"]
    assert list(recorded["reason"]) == [failures["shut"]]


def test_a_session_photographs_with_the_cameras_that_open(tmp_path):
    display, shown = FakeDisplay(), scenes(2)
    devices = [device(name, display, tmp_path / "devices") for name in ("good", "shut")]
    devices[1] = replace(devices[1], shutter=ShutShutter(display, tmp_path))
    tables = [{"name": one.name, "kind": "local", "camera": "fake"} for one in devices]
    lab = parse_lab({"session": {"reserve_mb": 0, "patience_s": 0}, "device": tables}, folder=tmp_path)
    laboratory = Laboratory(display=display, devices=tuple(devices), failures={}, rack=None)
    with Run.create(tmp_path / "run", settings={}, scenes=shown) as run:
        run.add_steps(sitting.plan_of(lab, shown))
        sitting._photograph(run, lab, laboratory, devices, shown, run.steps_missing(), lambda *_: None)
        assert sorted((one.device, one.scene) for one in run.picture_records()) == [("good", "s0"), ("good", "s1")]
        assert {step.device for step in run.steps_missing()} == {"shut"}
        assert set(run.failures()["where"]) == {"device shut"}
