from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import DeviceError
from hostctl.adb import AdbServer
from hostctl.lab import DeviceSettings
from hostctl.phones import learnt_keys
from hostctl.phones.camera import phone_shutter
from hostctl.phones.learnt_keys import find_key, remember_key, remembered_key
from hostctl.phones.stock_camera import StockCamera
from hostctl.virtual.phone import PHONES
from tests.fakes.phones import MAKES, phone, reach

PIXEL = {"maker": "Google", "model": "Pixel 7", "build": "google/panther:14"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb"), usb=False) as running:
        yield running


def test_a_key_is_remembered_by_model_and_build(tmp_path: Path) -> None:
    assert remembered_key(PIXEL, tmp_path) == ""
    remember_key(PIXEL, "KEYCODE_CAMERA", tmp_path)
    remember_key({"model": "Pixel 7"}, "KEYCODE_ENTER", tmp_path)  # without a build nothing is remembered
    assert remembered_key(PIXEL, tmp_path) == "KEYCODE_CAMERA"
    assert remembered_key({**PIXEL, "build": "google/panther:15"}, tmp_path) == ""
    (path,) = (tmp_path / learnt_keys.FOLDER).iterdir()
    path.write_text("[]")
    assert remembered_key(PIXEL, tmp_path) == ""


def test_auto_finds_the_key_once_and_presses_it_from_then_on(
    server: AdbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learnt_keys, "TRIAL_S", 1.0)
    settings = DeviceSettings(name="it", kind="adb", shutter_key="auto")
    with phone(MAKES["xiaomi"]) as (virtual, address):
        transport = reach(server, address)
        for shots in (3, 4):
            shutter = phone_shutter(settings, transport, folder=tmp_path / "lab", state=tmp_path)
            shutter.prepare()
            assert len(shutter.shoot(timeout_s=10)) == 1
            shutter.release()
            assert virtual.camera.shots == shots
        assert virtual.state.settings[("system", "screen_off_timeout")] == "30000"


def test_no_key_works(server: AdbServer) -> None:
    with phone(PHONES["instant"]) as (_, address):
        camera = StockCamera(reach(server, address), name="it")
        camera.prepare()
        with pytest.raises(
            DeviceError, match=r"it: expected one of the keys KEYCODE_ENTER, KEYCODE_FOCUS .*shutter_key"
        ):
            find_key(camera, ["KEYCODE_ENTER", "KEYCODE_FOCUS"], trial_s=0.3)
