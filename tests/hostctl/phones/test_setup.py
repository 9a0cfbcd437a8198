import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

from device_agents.errors import BadInput, DeviceError, TimedOut, Unauthorised
from hostctl.lab import read_lab
from hostctl.phones import stock_camera
from hostctl.phones import trial as phone_trial
from hostctl.phones.setup import Wanted, set_up, setup_text
from hostctl.virtual.faults import Fault
from hostctl.virtual.phone import FAULTS, PHONES
from tests.fakes.command import PROGRAM
from tests.fakes.phones import MAKES, Listener, camera, jpeg, phone


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(phone_trial, "RAW_AFTER_S", 0.5)


def quick(address: str, **options: object) -> Wanted:
    return Wanted(address=address, wait_s=20, trial_s=2, **options)


def test_a_phone_whose_key_is_volume_down_is_set_up_and_the_key_remembered(tmp_path: Path) -> None:
    lab, listener = tmp_path / "lab.toml", Listener(["My S21"])
    with phone(MAKES["samsung"]) as (virtual, address):
        found = set_up(lab, quick(address), listener.person)
        assert (found["added"], found["device"], found["profile"]) == (True, "my-s21", "samsung")
        assert (found["key"], found["formats"], found["problems"]) == ("KEYCODE_VOLUME_DOWN", ["jpg"], [])
        assert found["health"]["battery_percent"] == 83
        assert (found["files"][0]["width"], found["files"][0]["camera"]) == (64, "SM-G991B")
        assert 0 < found["shutter_s"] < 20
        assert "untested on hardware" in setup_text(found)
        assert virtual.state.settings[("system", "screen_off_timeout")] == "30000"
        assert not virtual.state.camera_ready
        (device,) = read_lab(lab).devices
        assert (device.name, device.address, device.shutter_key) == ("my-s21", address, "KEYCODE_VOLUME_DOWN")
        with pytest.raises(BadInput, match=rf"with address '{address}' is there already as 'my-s21'"):
            set_up(lab, quick(address), listener.person)
    with phone(MAKES["samsung"], seed=1) as (_, address):  # another of the same model
        again = Listener()
        assert set_up(lab, quick(address), again.person)["device"] == "sm-g991b"
        assert [line for line in again.heard if line.startswith("trying")] == ["trying KEYCODE_VOLUME_DOWN"]
    assert [device.name for device in read_lab(lab).devices] == ["my-s21", "sm-g991b"]


def test_the_raw_after_the_picture_is_found_and_a_damaged_one_is_a_problem(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    with phone(MAKES["pixel"], shoot=camera("Pixel 7", raw=True)) as (_, address):
        found = set_up(lab, quick(address), Listener().person)
        assert found["formats"] == ["jpg", "dng"]
        assert not found["added"]
        assert "RAW-02.ORIGINAL.dng: not a whole picture" in found["problems"][0]
        assert not lab.exists()
        taken = set_up(lab, quick(address, formats=("jpg",)), Listener().person)
        assert (taken["added"], taken["formats"], taken["key"]) == (True, ["jpg"], "KEYCODE_CAMERA")


def test_a_format_that_never_comes_is_told(tmp_path: Path) -> None:
    with phone(MAKES["xiaomi"]) as (_, address), pytest.raises(TimedOut, match="expected a new jpg and dng within"):
        set_up(tmp_path / "lab.toml", quick(address, formats=("jpg", "dng")), Listener().person)


def test_a_phone_that_is_locked_with_a_pin_waits_for_a_person(tmp_path: Path) -> None:
    listener = Listener()
    forever = dataclasses.replace(MAKES["samsung"], plan=(Fault("pin-locked"),))
    with phone(forever) as (_, address), pytest.raises(TimedOut, match="unlock it by hand"):
        set_up(tmp_path / "lab.toml", dataclasses.replace(quick(address), wait_s=1.5), listener.person)
    assert sum("lock screen is showing" in line for line in listener.heard) == 1
    for_a_while = dataclasses.replace(MAKES["samsung"], plan=(Fault("pin-locked", seconds=3.0),))
    with phone(for_a_while) as (_, address):
        assert set_up(tmp_path / "lab.toml", quick(address), listener.person)["added"]


def test_a_phone_that_nobody_authorised_says_what_to_do(tmp_path: Path) -> None:
    listener = Listener()
    wanted = dataclasses.replace(quick(""), wait_s=2)
    with (
        phone(FAULTS["unauthorised"](MAKES["samsung"])) as (_, address),
        pytest.raises(Unauthorised, match="within 2 s, got none that is ready; .*accept this computer's key"),
    ):
        set_up(tmp_path / "lab.toml", dataclasses.replace(wanted, address=address), listener.person)
    assert any("accept this computer's key" in line for line in listener.heard)


def test_a_permission_dialog_waits_for_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_camera, "OPEN_TIMEOUT_S", 1.0)
    asking = dataclasses.replace(MAKES["samsung"], plan=(Fault("permission-dialog"),))
    with phone(asking) as (virtual, address):
        with pytest.raises(DeviceError, match=r"sm-g991b: a permission dialog covers the camera: answer it"):
            set_up(tmp_path / "lab.toml", dataclasses.replace(quick(address), wait_s=1), Listener().person)
        assert virtual.state.settings[("system", "screen_off_timeout")] == "30000"
    assert not (tmp_path / "lab.toml").exists()
    listener = Listener()
    with phone(dataclasses.replace(asking, plan=(Fault("permission-dialog", seconds=3.0),))) as (_, address):
        assert set_up(tmp_path / "lab.toml", quick(address), listener.person)["added"]
    assert sum("answer it on the phone" in line for line in listener.heard) == 1


def test_no_key_works_and_a_wrong_key_is_named(tmp_path: Path) -> None:
    with phone(FAULTS["no-new-file"](PHONES["instant"])) as (_, address):
        wanted = dataclasses.replace(quick(address, key="KEYCODE_ENTER"), trial_s=0.5)
        with pytest.raises(DeviceError, match=r"expected one of the keys KEYCODE_ENTER .* none brought a file"):
            set_up(tmp_path / "lab.toml", wanted, Listener().person)


def test_a_file_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    with (
        phone(FAULTS["outside-name"](PHONES["instant"])) as (_, address),
        pytest.raises(DeviceError, match="leads out of it"),
    ):
        set_up(tmp_path / "lab.toml", quick(address), Listener().person)


def test_wrong_wishes_are_refused_before_anybody_waits(tmp_path: Path) -> None:
    lab = tmp_path / "lab.toml"
    lab.write_text('[[device]]\nname = "a"\nkind = "adb"\nserial = "A"\n')
    for wanted, words in [
        (Wanted(serial="S", address="h:1"), "either --serial"),
        (Wanted(serial="A"), "serial 'A' is there already"),
        (Wanted(name="a"), "a device 'a' already"),
    ]:
        with pytest.raises(BadInput, match=words):
            set_up(lab, wanted, Listener().person)


def test_the_command_without_a_terminal_prints_json(tmp_path: Path) -> None:
    with phone(PHONES["instant"], shoot=lambda: {".jpg": jpeg("Instant", 1)}) as (_, address):
        words = ["devices", "setup", "--lab", "lab.toml", "--address", address, "--json", "--quiet", "--wait", "20"]
        done = subprocess.run(
            [str(PROGRAM), *words],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["entry"] == {
        "name": "instant",
        "kind": "adb",
        "address": address,
        "shutter_key": "KEYCODE_CAMERA",
        "folder": "/sdcard/DCIM/Camera",
        "formats": ["jpg"],
    }
    assert read_lab(tmp_path / "lab.toml").devices[0].address == address
