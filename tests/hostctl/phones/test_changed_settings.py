import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import CommandFailed, DeviceError, Unreachable
from hostctl.adb import AdbServer
from hostctl.phones.changed_settings import FOLDER, ChangedSettings, serial_hash
from hostctl.phones.stock_camera import StockCamera
from hostctl.transport import Output
from hostctl.virtual.phone import PHONES
from tests.fakes.phones import phone, reach
from tests.fakes.scripted_transport import ScriptedTransport

TIMEOUT = ("system", "screen_off_timeout")
AWAKE = ("global", "stay_on_while_plugged_in")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb"), usb=False) as running:
        yield running


def record(state: Path) -> dict:
    (path,) = (state / FOLDER).iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    return json.loads(path.read_bytes())


def test_settings_are_on_disk_before_they_are_changed_and_put_back(tmp_path: Path) -> None:
    script = [
        ("getprop ro.serialno", "S1\n"),
        ("settings get system screen_off_timeout", "60000\n"),
        ("settings get secure night_display_activated", "null\n"),
        ("settings put system screen_off_timeout 5", ""),
        ("settings put secure night_display_activated 0", ""),
        ("settings put system screen_off_timeout 60000", ""),
        ("settings delete secure night_display_activated", ""),
    ]
    with ScriptedTransport(script) as transport:
        changed = ChangedSettings(transport, name="it", state=tmp_path)
        changed.change({TIMEOUT: "5", ("secure", "night_display_activated"): "0"})
        assert record(tmp_path)["values"] == [[*TIMEOUT, "60000"], ["secure", "night_display_activated", "null"]]
        assert "S1" not in next((tmp_path / FOLDER).iterdir()).name
        changed.put_back()
        assert record(tmp_path)["values"] == []
        changed.put_back()  # nothing is left


def test_what_a_killed_command_left_is_put_back_and_not_what_it_had_set(tmp_path: Path) -> None:
    killed = [("getprop ro.serialno", "S1\n"), ("settings get system screen_off_timeout", "60000\n")]
    with ScriptedTransport([*killed, ("settings put system screen_off_timeout 5", "")]) as transport:
        changed = ChangedSettings(transport, name="it", state=tmp_path)
        changed.change({TIMEOUT: "5"})
        changed.forget()  # as the end of a process does
    after = [("getprop ro.serialno", "S1\n"), ("settings get system screen_off_timeout", "5\n")]
    with ScriptedTransport([*after, ("settings put system screen_off_timeout 60000", "")]) as transport:
        changed = ChangedSettings(transport, name="another name", state=tmp_path)
        changed.remember([TIMEOUT])
        assert changed.values == {TIMEOUT: "60000"}
        changed.put_back()


def test_a_phone_that_is_gone_keeps_its_record_and_a_refusal_does_not_stop_the_rest(tmp_path: Path) -> None:
    start = [("getprop ro.serialno", "S1\n"), ("settings get global stay_on_while_plugged_in", "0\n")]
    start += [("settings get system screen_off_timeout", "60000\n")]
    with ScriptedTransport(
        [*start, ("settings put global stay_on_while_plugged_in 0", Unreachable("gone"))]
    ) as transport:
        changed = ChangedSettings(transport, name="it", state=tmp_path)
        changed.remember([AWAKE, TIMEOUT])
        with pytest.raises(Unreachable):
            changed.put_back()
        assert len(record(tmp_path)["values"]) == 2
    refused = Output(b"", b"Security exception: no permission\n", 255)
    again = [("settings put global stay_on_while_plugged_in 0", refused)]
    with ScriptedTransport([*start, *again, ("settings put system screen_off_timeout 60000", "")]) as transport:
        changed = ChangedSettings(transport, name="it", state=tmp_path)
        changed.remember([AWAKE, TIMEOUT])
        with pytest.raises(CommandFailed, match=r"it: settings put global .*no permission.*Security settings"):
            changed.put_back()
        assert record(tmp_path)["values"] == [[*AWAKE, "0"]]


@pytest.mark.parametrize(
    "left", [b"", b"{", b'{"values": 3}', b'{"device": "x", "pid": 1, "values": [["rm", "a", "b"]]}']
)
def test_a_damaged_record_is_no_failure_and_names_no_other_namespace(tmp_path: Path, left: bytes) -> None:
    script = [("getprop ro.serialno", "S1\n"), ("getprop ro.serialno", "S1\n")]
    script += [("settings get system screen_off_timeout", "7\n"), ("settings put system screen_off_timeout 7", "")]
    with ScriptedTransport(script) as transport:
        (tmp_path / FOLDER).mkdir()
        (tmp_path / FOLDER / f"{serial_hash(transport)}.json").write_bytes(left)
        changed = ChangedSettings(transport, name="it", state=tmp_path)
        changed.remember([TIMEOUT])
        assert changed.values == {TIMEOUT: "7"}
        changed.put_back()


def test_two_commands_cannot_drive_one_phone(tmp_path: Path) -> None:
    script = [("getprop ro.serialno", "S1\n"), ("settings get system screen_off_timeout", "7\n")]
    with ScriptedTransport([*script, ("getprop ro.serialno", "S1\n")]) as transport:
        first = ChangedSettings(transport, name="by usb", state=tmp_path)
        first.remember([TIMEOUT])
        with pytest.raises(DeviceError, match=rf"by address: .* held by 'by usb' \(process {os.getpid()}\); .* twice"):
            ChangedSettings(transport, name="by address", state=tmp_path).remember([TIMEOUT])
        first.forget()


SESSION = """
import sys, time
from pathlib import Path
from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.phones.stock_camera import StockCamera
with AdbServer(Path(sys.argv[1]) / "adb", usb=False) as server:
    transport = AdbTransport(server, connect(server, sys.argv[2]))
    camera = StockCamera(transport, name="it", state=Path(sys.argv[1]))
    try:
        camera.prepare()
        print("ready", flush=True)
        time.sleep(600)
    finally:
        camera.release()
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_session_that_is_stopped_leaves_the_phone_as_it_was(server: AdbServer, tmp_path: Path, how: int) -> None:
    with phone(PHONES["instant"]) as (virtual, address):
        child = subprocess.Popen(
            [sys.executable, "-c", SESSION, str(tmp_path), address],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == "ready\n"
            assert virtual.state.settings[TIMEOUT] == "1800000"
            child.send_signal(how)
            child.wait(timeout=60)
        if how == signal.SIGKILL:
            assert virtual.state.settings[TIMEOUT] == "1800000"
            assert virtual.state.stay_on
            camera = StockCamera(reach(server, address), name="it", state=tmp_path)
            camera.prepare()
            camera.release()
        assert virtual.state.settings[TIMEOUT] == "30000"
        assert virtual.state.settings[AWAKE] == "0"
        assert not virtual.state.stay_on
