from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from device_agents.camera import CAMERAS, cameras_here
from device_agents.errors import BadInput, CommandFailed, DeviceError, MissingExtra, TimedOut

PICTURE = b"\xff\xd8picture\xff\xd9"

# A stand-in for every camera program: it notes its words, and does what the file "behaviour" beside it says.
PROGRAM = f"""#!{sys.executable}
import pathlib, sys, time
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
(here / "words").write_text("\\n".join([pathlib.Path(__file__).name, *words]))
behaviour = (here / "behaviour").read_text()
if behaviour == "fail":
    print("no cameras available!", file=sys.stderr)
    sys.exit(3)
if behaviour == "hang":
    time.sleep(600)
target = next((word.split("=", 1)[1] for word in words if word.startswith("--stream-to=")), words[-1])
if "--filename" in words:
    target = words[words.index("--filename") + 1].replace("%%", "%").replace("%C", "jpg")
content = b"" if behaviour == "empty" else {PICTURE!r}
if behaviour != "nothing":
    pathlib.Path(target).write_bytes(content)
if "--raw" in words:
    pathlib.Path(target).with_suffix(".dng").write_bytes(b"raw")
"""

NAMES = {
    "rpicam": "rpicam-still",
    "v4l2": "v4l2-ctl",
    "ffmpeg": "ffmpeg",
    "gphoto2": "gphoto2",
    "termux": "termux-camera-photo",
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*NAMES.values(), "libcamera-still"):
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    (folder / "behaviour").write_text("shoot")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def words(programs: Path) -> list[str]:
    return (programs / "words").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("rpicam", ["--gain", "1"], ["rpicam-still", "-n", "--immediate", "--gain", "1", "-o", "TARGET"]),
        (
            "v4l2",
            ["-d", "/dev/video0", "--set-ctrl=auto_exposure=1"],
            [
                "v4l2-ctl", "-d", "/dev/video0", "--set-ctrl=auto_exposure=1", "--stream-mmap", "--stream-skip=20",
                "--stream-count=1", "--stream-to=TARGET",
            ],
        ),
        (
            "ffmpeg",
            [],
            [
                "ffmpeg", "-nostdin", "-y", "-f", "v4l2", "-input_format", "mjpeg", "-video_size", "1920x1080", "-i",
                "/dev/video0", "-ss", "1", "-frames:v", "1", "-c", "copy", "TARGET",
            ],
        ),
        ("termux", [], ["termux-camera-photo", "-c", "0", "TARGET"]),
        ("termux", ["-c", "1"], ["termux-camera-photo", "-c", "1", "TARGET"]),
    ],
)  # fmt: skip
def test_commands_are_those_of_the_documentation(
    programs: Path, tmp_path: Path, name: str, arguments: list[str], expected: list[str]
) -> None:
    files = CAMERAS[name](tmp_path / "shots", "0001", arguments=arguments, timeout_s=60)
    target = tmp_path / "shots" / "0001.jpg"
    assert files == [target]
    assert target.read_bytes() == PICTURE
    assert words(programs) == [word.replace("TARGET", str(target)) for word in expected]


def test_gphoto2_names_its_files_by_pattern(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "100% shots"
    files = CAMERAS["gphoto2"](folder, "7", arguments=["--set-config", "imageformat=RAW"], timeout_s=60)
    assert files == [folder / "7.jpg"]
    assert words(programs)[1:] == [
        "--set-config",
        "imageformat=RAW",
        "--capture-image-and-download",
        "--filename",
        str(folder / "7").replace("%", "%%") + ".%C",
        "--force-overwrite",
    ]


def test_raw_comes_along(programs: Path, tmp_path: Path) -> None:
    files = CAMERAS["rpicam"](tmp_path / "shots", "1", arguments=["--raw"], timeout_s=60)
    assert [file.name for file in files] == ["1.dng", "1.jpg"]


def test_older_images_call_it_libcamera(programs: Path, tmp_path: Path) -> None:
    (programs / "rpicam-still").unlink()
    CAMERAS["rpicam"](tmp_path, "1", timeout_s=60)
    assert words(programs)[0] == "libcamera-still"


@pytest.mark.parametrize("name", NAMES)
def test_empty_and_absent_files_are_refused(programs: Path, tmp_path: Path, name: str) -> None:
    (programs / "behaviour").write_text("empty")
    with pytest.raises(DeviceError, match=r"wrote empty files: 1\.jpg"):
        CAMERAS[name](tmp_path / "shots", "1", timeout_s=60)
    (programs / "behaviour").write_text("nothing")
    with pytest.raises(DeviceError, match="wrote no 1"):
        CAMERAS[name](tmp_path / "shots", "1", timeout_s=60)


def test_an_older_file_does_not_pass_for_the_shot(programs: Path, tmp_path: Path) -> None:
    CAMERAS["rpicam"](tmp_path / "shots", "1", arguments=["--raw"], timeout_s=60)
    (tmp_path / "shots" / "10.jpg").write_bytes(b"another shot")
    (programs / "behaviour").write_text("nothing")
    with pytest.raises(DeviceError, match=r"wrote no 1\.jpg"):
        CAMERAS["rpicam"](tmp_path / "shots", "1", timeout_s=60)
    assert os.listdir(tmp_path / "shots") == ["10.jpg"]


def test_failing_and_hanging_programs(programs: Path, tmp_path: Path) -> None:
    (programs / "behaviour").write_text("fail")
    with pytest.raises(CommandFailed, match="status 3: no cameras available!"):
        CAMERAS["rpicam"](tmp_path, "1", timeout_s=60)
    (programs / "behaviour").write_text("hang")
    with pytest.raises(TimedOut, match=r"took no picture within 0\.2 s"):
        CAMERAS["rpicam"](tmp_path, "1", timeout_s=0.2)


@pytest.mark.parametrize("name", NAMES)
def test_absent_programs_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match=f"{NAMES[name]}.*; install the package"):
        CAMERAS[name](tmp_path, "1", timeout_s=60)
    assert cameras_here() == ["replay"]


def test_cameras_here_are_those_with_a_program(programs: Path) -> None:
    assert cameras_here() == sorted([*NAMES, "replay"])
    assert set(CAMERAS) == {*NAMES, "replay"}


def test_replay_gives_files_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.dng", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    sources = [str(tmp_path / "a.jpg"), str(tmp_path / "a.dng")]
    files = CAMERAS["replay"](tmp_path / "shots", "3", arguments=sources, timeout_s=1)
    assert [file.read_bytes() for file in files] == [b"a.dng", b"a.jpg"]
    with pytest.raises(BadInput, match="got none"):
        CAMERAS["replay"](tmp_path, "3", timeout_s=1)
    with pytest.raises(BadInput, match="different suffixes"):
        CAMERAS["replay"](tmp_path, "3", arguments=[sources[0], str(tmp_path / "b.jpg")], timeout_s=1)
    with pytest.raises(BadInput, match="cannot give out"):
        CAMERAS["replay"](tmp_path / "shots", "3", arguments=[str(tmp_path / "none.jpg")], timeout_s=1)


@pytest.mark.parametrize("stem", ["", "../1", "a/b", ".."])
def test_a_stem_is_a_plain_name(tmp_path: Path, stem: str) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(PICTURE)
    with pytest.raises(BadInput, match="without folders"):
        CAMERAS["replay"](tmp_path / "shots", stem, arguments=[str(source)], timeout_s=1)


def test_a_folder_that_cannot_be_made_is_the_devices_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(PICTURE)
    with pytest.raises(DeviceError, match="cannot write pictures into"):
        CAMERAS["replay"](tmp_path / "file", "1", arguments=[str(tmp_path / "file")], timeout_s=1)
