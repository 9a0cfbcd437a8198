import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_agents.errors import CommandFailed, DeviceError, TimedOut, Unreachable
from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.shutter import RemoteFile, Shutter
from hostctl.stock_camera import StockCamera, remote_sha256
from hostctl.transport import Output
from hostctl.virtual.phone import FAULTS, PHONES, Faults, PhoneProfile, VirtualPhone, serving
from tests.fakes.scripted_transport import ScriptedTransport

FOLDER = "/sdcard/DCIM/Camera"
LS = f"ls -1 {FOLDER}"
FRONT = "dumpsys activity activities"
CAMERA_IN_FRONT = "  topResumedActivity=ActivityRecord{1a2 u0 com.maker.camera/.Main t12}\n"
PREPARE: list[tuple[str, str | Output | Exception]] = [
    ("settings get global stay_on_while_plugged_in", "0\n"),
    ("settings get system screen_off_timeout", "60000\n"),
    ("svc power stayon true", ""),
    ("settings put system screen_off_timeout 1800000", ""),
    ("input keyevent KEYCODE_WAKEUP", ""),
    ("wm dismiss-keyguard", ""),
    (f"mkdir -p {FOLDER}", ""),
    ("am start -W -a android.media.action.STILL_IMAGE_CAMERA", "Status: ok\nActivity: com.maker.camera/.Main\n"),
    (FRONT, CAMERA_IN_FRONT),
]
RELEASE: list[tuple[str, str | Output | Exception]] = [
    ("settings put global stay_on_while_plugged_in 0", ""),
    ("settings put system screen_off_timeout 60000", ""),
    ("svc power stayon false", ""),
    ("input keyevent KEYCODE_HOME", ""),
    ("am force-stop com.maker.camera", ""),
]


def camera(transport: ScriptedTransport, **options: object) -> StockCamera:
    """A camera whose time passes only while it sleeps, a second a time."""
    now = [0.0]

    def sleep(_: float) -> None:
        now[0] += 1.0

    return StockCamera(transport, clock=lambda: now[0], sleep=sleep, **options)


def sizes(**files: int) -> str:
    return "".join(f"{size} {FOLDER}/{name.replace('_', '.')}\n" for name, size in files.items())


def stat(*names: str) -> str:
    return " ".join(["stat -c %s %n", *(f"{FOLDER}/{name}" for name in names)])


def test_one_photograph_command_by_command() -> None:
    shooting = [
        (LS, "old.jpg\n"),
        ("input keyevent KEYCODE_CAMERA", ""),
        (LS, "old.jpg\n"),
        (LS, "new.jpg\nold.jpg\n.pending-5-late.jpg\n"),
        (stat("new.jpg"), sizes(new_jpg=0)),
        (LS, "new.jpg\nold.jpg\n"),
        (stat("new.jpg"), sizes(new_jpg=100)),
        (LS, "new.jpg\nold.jpg\n"),
        (stat("new.jpg"), sizes(new_jpg=200)),
        (LS, "new.jpg\nold.jpg\n"),
        (stat("new.jpg"), sizes(new_jpg=200)),
    ]
    with ScriptedTransport([*PREPARE, *shooting, *RELEASE]) as transport:
        shutter: Shutter = camera(transport)
        shutter.prepare()
        assert shutter.shoot(timeout_s=10) == [RemoteFile(f"{FOLDER}/new.jpg", 200)]
        shutter.release()


def test_waits_for_the_raw_and_ignores_other_formats() -> None:
    script = [
        (LS, ""),
        ("input keyevent KEYCODE_FOCUS KEYCODE_CAMERA", ""),
        (LS, "a.JPEG\na.mp4\n"),
        (stat("a.JPEG"), f"5 {FOLDER}/a.JPEG\n"),
        (LS, "a.JPEG\na.dng\n"),
        (stat("a.JPEG", "a.dng"), f"5 {FOLDER}/a.JPEG\r\n9 {FOLDER}/a.dng\r\n"),
        (LS, "a.JPEG\r\na.dng\r\n"),
        (stat("a.JPEG", "a.dng"), f"5 {FOLDER}/a.JPEG\r\n9 {FOLDER}/a.dng\r\n"),
    ]
    with ScriptedTransport(script) as transport:
        shutter = camera(transport, key="KEYCODE_FOCUS KEYCODE_CAMERA", formats=("jpg", "dng"))
        assert shutter.shoot(timeout_s=10) == [RemoteFile(f"{FOLDER}/a.JPEG", 5), RemoteFile(f"{FOLDER}/a.dng", 9)]


def test_another_app_in_front_is_told() -> None:
    lock = "  mResumedActivity: ActivityRecord{1a2 u0 com.android.systemui/.Lock t12}\n"
    script = [*PREPARE[:-1], *[(FRONT, lock)] * 12]
    with (
        ScriptedTransport(script) as transport,
        pytest.raises(
            DeviceError, match=r"fake: expected the camera \(com\.maker\.camera\).*got com\.android\.systemui"
        ),
    ):
        camera(transport).prepare()


def test_a_command_that_fails_is_told_with_the_phones_words() -> None:
    denied = Output(b"", b"Exception occurred\nSecurity exception: no permission\n", 255)
    with (
        ScriptedTransport([("settings get global stay_on_while_plugged_in", denied)]) as transport,
        pytest.raises(
            CommandFailed, match=r"fake: settings get .*: Security exception: no permission \(exit status 255\)"
        ),
    ):
        camera(transport).prepare()


def test_release_restores_what_was_there_and_survives_a_lost_phone() -> None:
    remembered = [(PREPARE[0][0], "7\n"), (PREPARE[1][0], "null\n"), *PREPARE[2:]]
    release = [
        ("settings put global stay_on_while_plugged_in 7", ""),
        ("settings delete system screen_off_timeout", ""),
        ("input keyevent KEYCODE_HOME", ""),
        ("am force-stop com.maker.camera", Unreachable("fake: gone")),
    ]
    with ScriptedTransport([*remembered, *release]) as transport:
        shutter = camera(transport)
        shutter.prepare()
        shutter.release()
        shutter.release()  # nothing is left to be put back


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (Output(b"", b"sha256sum: /x: No such file\n", 1), r"No such file \(exit status 1\)"),
        (Output(b"short  /x\n", b"", 0), "sha256sum /x: short"),
        (Output(b"", b"", 0), "no message"),
    ],
)
def test_remote_sha256_refuses_what_is_no_hash(output: Output, reason: str) -> None:
    with ScriptedTransport([("sha256sum /x", output)]) as transport, pytest.raises(CommandFailed, match=reason):
        remote_sha256(transport, "/x")


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
