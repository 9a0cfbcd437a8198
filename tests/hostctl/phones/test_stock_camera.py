from pathlib import Path

import pytest

from device_agents.errors import CommandFailed, DeviceError, TimedOut, Unreachable
from hostctl.labs.shutter import RemoteFile, Shutter
from hostctl.phones.stock_camera import StockCamera, remote_sha256
from hostctl.transport import Output
from tests.fakes.scripted_transport import ScriptedTransport

FOLDER = "/sdcard/DCIM/Camera"
LS = f"ls -l {FOLDER}/"
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


def listing(**sizes: int) -> str:
    """What toybox prints of a folder with these files ("_" stands for the dot) and another folder."""
    files = [f"-rw-rw---- 1 u0_a12 media_rw {size:>7} 2026-11-22 07:00 {name}\n" for name, size in sizes.items()]
    return "total 8\ndrwxrwx--- 2 u0_a12 media_rw    4096 2026-11-22 07:00 new.jpg.d\n" + "".join(files).replace(
        "_jpg", ".jpg"
    )


def test_one_photograph_command_by_command() -> None:
    pending = listing(old_jpg=7) + "-rw------- 1 u0_a12 media_rw 5 2026-11-22 07:00 .pending-5-late.jpg\n"
    trashed = "-rw------- 1 u0_a12 media_rw 5 2026-11-22 07:00 .trashed-5-gone.jpg\n"
    shooting = [
        (LS, listing(old_jpg=7)),
        ("input keyevent KEYCODE_CAMERA", ""),
        (LS, listing(old_jpg=7)),
        (LS, pending),
        (LS, pending),
        (LS, listing(new_jpg=0, old_jpg=7) + trashed),
        (LS, listing(new_jpg=0, old_jpg=7) + trashed),
        (LS, listing(new_jpg=100, old_jpg=8)),
        (LS, listing(new_jpg=200, old_jpg=9)),
        (LS, listing(new_jpg=200, old_jpg=10)),
    ]
    with ScriptedTransport([*PREPARE, *shooting, *RELEASE]) as transport:
        shutter: Shutter = camera(transport)
        shutter.prepare()
        assert shutter.shoot(timeout_s=20) == [RemoteFile(f"{FOLDER}/new.jpg", 200)]
        shutter.release()


def test_waits_for_the_raw_and_ignores_other_formats() -> None:
    picture = "-rw-rw---- 1 1 2 5 2026-11-22 07:00 a.JPEG\r\n"
    raw = "-rw-rw---- 1 1 2 9 2026-11-22 07:00 a.dng\r\n"
    script = [
        (LS, ""),
        ("input keyevent KEYCODE_FOCUS KEYCODE_CAMERA", ""),
        (LS, picture + "-rw-rw---- 1 1 2 5 2026-11-22 07:00 a.mp4\n"),
        (LS, picture + raw),
        (LS, picture + raw),
    ]
    with ScriptedTransport(script) as transport:
        shutter = camera(transport, key="KEYCODE_FOCUS KEYCODE_CAMERA", formats=("jpg", "dng"))
        assert shutter.shoot(timeout_s=10) == [RemoteFile(f"{FOLDER}/a.JPEG", 5), RemoteFile(f"{FOLDER}/a.dng", 9)]


def shot(*after: str | Output, before: str | Output = "") -> list[RemoteFile]:
    """Take a photograph with a phone that lists this before and after the key."""
    script = [(LS, before), *[("input keyevent KEYCODE_CAMERA", "")][: len(after)], *((LS, look) for look in after)]
    with ScriptedTransport(script) as transport:
        return camera(transport).shoot(timeout_s=10)


LINES = {
    "numbers-for-owners": ("-rw-rw---- 1 1023 1023 12345 2026-11-22 07:00 a.jpg", "a.jpg"),
    "aligned": ("-rw-rw----  1 root     everybody    12345 2026-11-22 07:00 a.jpg", "a.jpg"),
    "owners-in-two-words": ("-rw-rw----+ 1 Jan 1 Müller 12345 2026-11-22 07:00 a.jpg", "a.jpg"),
    "no-links-counted": ("-rw-rw---- root     sdcard_rw    12345 2015-01-01 00:00 a.jpg", "a.jpg"),
    "no-owners": ("-rw-rw---- 12345 2015-01-01 00:00 a.jpg", "a.jpg"),
    "seconds": ("-rw-rw---- 1 1 2 12345 2026-11-22 07:00:01 a.jpg", "a.jpg"),
    "nanoseconds": ("-rw-rw---- 1 1 2 12345 2026-11-22 07:00:01.123456789 +0100 a.jpg", "a.jpg"),
    "blanks": ("-rw-rw---- 1 1 2 12345 2026-11-22 07:00  a  b .jpg", " a  b .jpg"),
    "another-line-in-the-name": (
        "-rw-rw---- 1 1 2 12345 2026-11-22 07:00 1 2 2026-11-22 07:00 a.jpg",
        "1 2 2026-11-22 07:00 a.jpg",
    ),
    "separator-of-unicode": ("-rw-rw---- 1 1 2 12345 2026-11-22 07:00 a\u2028b.jpg", "a\u2028b.jpg"),
    "carriage-return": ("-rw-rw---- 1 1 2 12345 2026-11-22 07:00 a.jpg\r", "a.jpg"),
}


@pytest.mark.parametrize("case", LINES)
def test_every_form_of_a_listing_is_read(case: str) -> None:
    line, name = LINES[case]
    assert shot(f"{line}\n", f"{line}\n") == [RemoteFile(f"{FOLDER}/{name}", 12345)]


def test_links_folders_and_complaints_are_no_photographs() -> None:
    others = (
        "total 4\n"
        "lrwxrwxrwx 1 1 2 9 2026-11-22 07:00 b.jpg -> /data/x.jpg\n"
        "drwxrwx--- 2 1 2 4096 2026-11-22 07:00 c.jpg\n"
        "prw-rw---- 1 1 2 0 2026-11-22 07:00 d.jpg\n"
        "crw-rw---- 1 1 2 1, 3 2026-11-22 07:00 e.jpg\n"
        "WARNING: linker: unused section\n"
    )
    new = others + "-rw-rw---- 1 1 2 5 2026-11-22 07:00 a.jpg\n"
    assert shot(others, new, new) == [RemoteFile(f"{FOLDER}/a.jpg", 5)]


def test_a_listing_of_an_unknown_form_is_refused_before_the_key_is_pressed() -> None:
    with pytest.raises(
        DeviceError, match=r"fake: expected a file, its size and time .*, got '-rw.* Nov 22 07:00 a\.jpg'"
    ):
        shot(before="-rw-rw---- 1 root root 5 Nov 22 07:00 a.jpg\n")


def test_a_file_that_goes_while_it_is_listed_is_no_failure_after_the_key() -> None:
    gone = Output(b"total 0\n", f"ls: {FOLDER}/.pending-1-a.jpg: No such file or directory\n".encode(), 1)
    new = listing(a_jpg=5)
    assert shot(gone, new, new) == [RemoteFile(f"{FOLDER}/a.jpg", 5)]
    with pytest.raises(CommandFailed, match=r"fake: ls -l .*: No such file or directory \(exit status 1\)"):
        shot(before=gone)
    with pytest.raises(CommandFailed, match="Permission denied"):
        shot(Output(b"", b"ls: /sdcard: Permission denied\n", 1))


def test_a_file_that_never_gets_whole_is_told() -> None:
    with pytest.raises(TimedOut, match=r"fake: expected a new jpg within 10 s, got a\.jpg \(0 bytes, not whole\)"):
        shot(*[listing(a_jpg=0)] * 12)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (listing(a_jpg=5, b_jpg=6), "expected one new jpg, got 2: a.jpg, b.jpg; switch off burst"),
        (
            listing(a_jpg=5) + "-rw-rw---- 1 1 2 5 2026-11-22 07:00 ../../x\n",
            r"got '\.\./\.\./x', which leads out of it",
        ),
        ("-rw-rw---- 1 1 2 5 2026-11-22 07:00 ..\n", r"got '\.\.', which leads out of it"),
    ],
)
def test_two_files_and_names_that_lead_out_are_refused(lines: str, reason: str) -> None:
    looks = 2 if "one new" in reason else 1
    with pytest.raises(DeviceError, match=reason):
        shot(*[lines] * looks)


def test_after_a_failure_the_camera_is_opened_again_and_a_late_raw_is_not_paired() -> None:
    keys = [("input keyevent KEYCODE_CAMERA", "")]
    late = "-rw-rw---- 1 1 2 9 2026-11-22 07:00 IMG_1.dng\n"
    picture = "-rw-rw---- 1 1 2 5 2026-11-22 07:00 IMG_2.COVER.jpg\n"
    raw = "-rw-rw---- 1 1 2 9 2026-11-22 07:00 IMG_2.RAW.dng\n"
    old = late + picture
    script = [
        *PREPARE,
        *[(LS, ""), *keys, *[(LS, "")] * 4, (FRONT, CAMERA_IN_FRONT)],
        *[*PREPARE[4:], (LS, ""), *keys, (LS, old), (LS, old)],
        *[(LS, old), *keys, (LS, old + raw + picture.replace("COVER", "MP")), (LS, old + raw)],
        (LS, old + raw + picture.replace("COVER", "MP")),
        (LS, old + raw + picture.replace("COVER", "MP")),
    ]
    with ScriptedTransport(script) as transport:
        shutter = camera(transport, formats=("jpg", "dng"))
        shutter.prepare()
        with pytest.raises(TimedOut, match="expected a new jpg and dng within 2 s, got none"):
            shutter.shoot(timeout_s=2)
        with pytest.raises(
            DeviceError, match=r"expected files of one photograph, got IMG_2\.COVER\.jpg and IMG_1\.dng"
        ):
            shutter.shoot(timeout_s=2)
        files = shutter.shoot(timeout_s=20)
    assert [Path(file.path).name for file in files] == ["IMG_2.MP.jpg", "IMG_2.RAW.dng"]


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
