"""The stock camera over the real adb, on virtual phones of every kind."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import DeviceError, TimedOut
from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.phones.stock_camera import StockCamera, remote_sha256
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import FAULTS, PHONES, Faults, PhoneProfile, VirtualPhone

JPEG = b"\xff\xd8" + bytes(range(256)) * 400 + b"\xff\xd9"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with AdbServer(tmp_path_factory.mktemp("adb")) as running:
        yield running


class Rig:
    """A virtual phone behind the real adb, with a camera whose pictures are numbered."""

    def __init__(self, server: AdbServer, profile: PhoneProfile, suffixes: tuple[str, ...] = (".jpg",)) -> None:
        self.count = 0
        self.suffixes = suffixes
        self.phone = VirtualPhone(profile, shoot=self.shoot)
        self.server = server

    def shoot(self) -> dict[str, bytes]:
        self.count += 1
        return {suffix: JPEG + suffix.encode() + bytes([self.count]) for suffix in self.suffixes}

    def __enter__(self) -> "Rig":
        self._serving = serving([self.phone])
        (port,) = self._serving.__enter__()
        self.transport = AdbTransport(self.server, connect(self.server, f"127.0.0.1:{port}"), name="it")
        return self

    def __exit__(self, *rest: object) -> None:
        self._serving.__exit__(None, None, None)


OPTIONS: dict[str, dict[str, object]] = {
    "heic": {"key": "KEYCODE_VOLUME_UP", "formats": ("heic",)},
    "modern-raw": {"formats": ("jpg", "dng")},
}


@pytest.mark.parametrize("name", PHONES)
def test_every_phone_gives_its_own_new_whole_files(server: AdbServer, tmp_path: Path, name: str) -> None:
    suffixes = (".heic",) if name == "heic" else (".jpg", ".dng")
    with Rig(server, PHONES[name], suffixes) as rig:
        shutter = StockCamera(rig.transport, **OPTIONS.get(name, {}))
        shutter.prepare()
        for number in (1, 2, 3):
            files = shutter.shoot(timeout_s=30)
            assert [Path(file.path).suffix[1:] for file in files] == list(shutter._formats)
            for file in files:
                expected = JPEG + Path(file.path).suffix.encode() + bytes([number])
                rig.transport.pull(file.path, tmp_path / "it")
                assert (tmp_path / "it").read_bytes() == expected
                assert file.size == len(expected)
                assert remote_sha256(rig.transport, file.path) == hashlib.sha256(expected).hexdigest()
        shutter.release()
        assert not rig.phone.state.camera_ready
        assert rig.phone.state.settings[("system", "screen_off_timeout")] == "30000"
        assert not rig.phone.state.stay_on


TOLD: dict[str, tuple[type[DeviceError], str]] = {
    "no-new-file": (TimedOut, r"it: expected a new jpg within 1 s, got none in .* is the storage full"),
    "full-disk": (TimedOut, "it: expected a new jpg within 1 s, got none"),
    "two-files": (DeviceError, r"it: expected one new jpg, got 2: IMG_\S+\.jpg, IMG_\S+_BURST001\.jpg; switch off"),
    "outside-name": (DeviceError, r"expected a plain file name in /sdcard/DCIM/Camera, got '\.\./.*evil1\.jpg'"),
}


@pytest.mark.parametrize("fault", TOLD)
def test_faults_are_told_in_one_line(server: AdbServer, fault: str) -> None:
    error, words = TOLD[fault]
    with Rig(server, FAULTS[fault](PHONES["instant"])) as rig:
        shutter = StockCamera(rig.transport)
        shutter.prepare()
        with pytest.raises(error, match=words) as caught:
            shutter.shoot(timeout_s=1)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 3


def test_a_wrong_key_says_which_app_is_in_front(server: AdbServer) -> None:
    with Rig(server, PHONES["instant"]) as rig:
        shutter = StockCamera(rig.transport, key="KEYCODE_VOLUME_DOWN")
        shutter.prepare()
        with pytest.raises(TimedOut, match=r"with com\.android\.camera2 in front.*react to KEYCODE_VOLUME_DOWN\?"):
            shutter.shoot(timeout_s=0.3)


def test_a_frozen_phone_is_given_up(server: AdbServer) -> None:
    with Rig(server, PHONES["instant"]) as rig:
        shutter = StockCamera(rig.transport)
        shutter.prepare()
        rig.phone.daemon.freeze()
        with pytest.raises(TimedOut, match="it: expected an answer within"):
            shutter.shoot(timeout_s=0.6)
        rig.phone.daemon.freeze(False)


def test_a_file_is_not_taken_for_whole_while_it_grows(server: AdbServer) -> None:
    profile = dataclasses.replace(PHONES["ancient"], write_s=1.0, faults=Faults())
    with Rig(server, profile) as rig:
        shutter = StockCamera(rig.transport, poll_s=0.4)
        shutter.prepare()
        (file,) = shutter.shoot(timeout_s=30)
        assert file.size == len(JPEG) + 5
