from dataclasses import replace
from pathlib import Path

import pytest

from analysis.store import Run
from device_agents.errors import DeviceError, Unauthorised
from device_agents.records import Scene
from hostctl.adb import AdbServer
from hostctl.lab import parse_lab
from hostctl.labs.device import connect
from hostctl.labs.inspection import inspect_lab
from hostctl.labs.laboratory import Laboratory
from hostctl.labs.same_device import Roll
from hostctl.phones.changed_settings import FOLDER
from hostctl.phones.stock_camera import StockCamera
from hostctl.sessions import sitting
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import VirtualPhone
from tests.fakes.phones import MAKES, camera, phone, reach

PIXEL = {"maker": "Google", "model": "Pixel 7", "hashed_serial": "aa", "android": "14"}


def test_the_same_device_may_have_new_software_and_tell_less() -> None:
    roll = Roll({"pixel": PIXEL, "old": {"maker": "Google", "model": "Pixel 7"}})
    roll.check("pixel", {**PIXEL, "android": "15"})
    roll.check("pixel", {"model": "Pixel 7"})
    roll.check("old", {**PIXEL, "hashed_serial": "bb"})
    roll.check("new", {"maker": "Sony"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "Pixel 8"}, r"got another, Google Pixel 8 \(its model differs\)"),
        ({"hashed_serial": "bb"}, r"got another, Google Pixel 7 \(its serial number differs\); connect the right one"),
    ],
)
def test_another_device_under_the_same_name_is_refused(change: dict, words: str) -> None:
    with pytest.raises(
        DeviceError, match=r"pixel: expected the device that this run recorded, Google Pixel 7, " + words
    ):
        Roll({"pixel": PIXEL}).check("pixel", {**PIXEL, **change})


def test_one_phone_under_two_names_is_refused() -> None:
    roll = Roll({})
    roll.check("by-usb", PIXEL)
    roll.check("by-usb", PIXEL)
    with pytest.raises(
        DeviceError, match=r"by-address: .* the same phone as 'by-usb', Google Pixel 7; .* names it twice"
    ):
        roll.check("by-address", PIXEL)


def test_a_phone_that_took_anothers_address_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (VirtualPhone(MAKES["samsung"], shoot=camera("x"), seed=seed) for seed in (1, 2))
    with AdbServer(tmp_path / "adb", usb=False) as server:
        with serving([one]) as (port,):
            transport = reach(server, f"127.0.0.1:{port}")
            shutter = StockCamera(transport, key="KEYCODE_VOLUME_DOWN", state=tmp_path)
            shutter.prepare()
            shutter.shoot(timeout_s=20)
        with pytest.raises(DeviceError):
            shutter.shoot(timeout_s=1)
        before = dict(other.state.settings)
        started = other.start
        monkeypatch.setattr(other, "start", lambda: started(port))
        with serving([other]):
            for _ in range(2):
                with pytest.raises(Unauthorised, match=rf"it: expected the phone that was at 127.0.0.1:{port} before"):
                    shutter.shoot(timeout_s=20)
            with pytest.raises(Unauthorised):
                shutter.release()
            assert other.camera.shots == 0
            assert other.state.settings == before
        (record,) = (tmp_path / FOLDER).iterdir()
        assert "30000" in record.read_text()


def test_a_sitting_refuses_the_wrong_phone_before_it_photographs(tmp_path: Path) -> None:
    lab = parse_lab({"device": [{"name": "it", "kind": "adb", "address": "h:1"}]}, folder=tmp_path)
    settings = lab.devices[0]
    with (
        AdbServer(tmp_path / "adb", usb=False) as server,
        phone(MAKES["samsung"], seed=1) as (_, first),
        phone(MAKES["samsung"], seed=2) as (wrong, second),
        Run.create(tmp_path / "run", settings={}, scenes=[Scene("s", "s.png", "0" * 64, ("n1",))]) as run,
    ):
        made = [connect(replace(settings, address=one), server=server, folder=tmp_path) for one in (first, second)]
        right, other = (Laboratory(None, (device,), {}, None) for device in made)
        assert sitting._note_devices(run, lab, right) == [made[0]]
        with pytest.raises(DeviceError, match=r"it: expected the device that this run recorded.*serial number differs"):
            sitting._note_devices(run, lab, other)
        assert list(run.failures()["where"]) == ["device it"]
        twice = replace(right, devices=(made[0], replace(made[0], settings=replace(settings, name="again"))))
        two = replace(lab, devices=(settings, replace(settings, name="again")))
        assert sitting._note_devices(run, two, twice) == [made[0]]
        assert "the same phone as 'it'" in list(run.failures()["reason"])[-1]
        assert wrong.camera.shots == 0


def test_the_check_of_a_lab_names_a_phone_that_stands_there_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with phone(MAKES["samsung"], seed=1) as (_, first), phone(MAKES["samsung"], seed=1) as (_, second):
        tables = [{"name": name, "kind": "adb", "address": one} for name, one in [("usb", first), ("wifi", second)]]
        found = inspect_lab(parse_lab({"device": tables}, folder=tmp_path)).set_index("device")["problem"]
    assert found["usb"] == ""
    assert "expected a device of its own, got the same phone as 'usb', samsung SM-G991B" in found["wifi"]
