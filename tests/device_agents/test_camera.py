from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from device_agents.camera import CAMERAS, cameras_here
from device_agents.errors import BadInput, DeviceError, MissingExtra, TimedOut
from device_agents.shots import camera_settings, is_whole_jpeg


def jpeg() -> bytes:
    """A real JPEG with a thumbnail's end of image in its notes, and the settings that rpicam-still notes."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 100), 0x8827: 200, 0x927C: b"thumbnail \xff\xda\xff\xd9"})
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", exif=exif.tobytes())
    return buffer.getvalue()


PICTURE = jpeg()

# A stand-in for every camera program. Strict: it knows the options of the real one (the sources are in camera.py) and
# nothing else. It notes its words, and does what the file "behaviour" beside it says.
PROGRAM = f"""#!{sys.executable}
import argparse, pathlib, subprocess, sys, time
here, name, words = pathlib.Path(__file__).parent, pathlib.Path(__file__).name, sys.argv[1:]
(here / "words").write_text("\\n".join([name, *words]))
behaviour, picture = (here / "behaviour").read_text(), (here / "picture").read_bytes()
parser = argparse.ArgumentParser(allow_abbrev=False)
add = parser.add_argument
if name in ("rpicam-still", "libcamera-still"):
    for flag in ("-n", "--immediate", "--raw"):
        add(flag, action="store_true")
    for option, kind in (("--shutter", int), ("--gain", float), ("--awbgains", str)):
        add(option, type=kind)
    add("-o", required=True, dest="target")
elif name == "v4l2-ctl":
    add("-d"), add("--set-ctrl"), add("--set-fmt-video")
    add("--stream-mmap", action="store_true", required=True), add("--stream-skip", type=int)
    add("--stream-count", type=int, choices=[1], required=True), add("--stream-to", required=True, dest="target")
elif name == "gphoto2":
    add("--set-config", action="append")
    add("--capture-image-and-download", action="store_true", required=True)
    add("--force-overwrite", action="store_true", required=True), add("--filename", required=True, dest="target")
elif name == "termux-camera-photo":
    add("-c", type=int), add("target")
else:
    add("-nostdin", action="store_true", required=True), add("-y", action="store_true", required=True)
    for option in ("-f", "-input_format", "-video_size", "-i", "-ss", "-c"):
        add(option, required=True)
    add("-frames:v", required=True, choices=["1"]), add("target")
options = parser.parse_args(words)
if behaviour.startswith("says "):
    status, _, text = behaviour[5:].partition(" ")
    print(text, file=sys.stderr)
    sys.exit(int(status))
if behaviour == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / "child").write_text(str(child.pid))
    time.sleep(600)
target = options.target
places = [target]
if name == "gphoto2":
    suffixes = ["JPG"] if behaviour != "outside" else ["J P"]
    suffixes += ["CR2"] if "imageformat=RAW + Large Fine JPEG" in (options.set_config or []) else []
    places = [target.replace("%C", suffix).replace("%%", "%") for suffix in suffixes]
if name == "termux-camera-photo":
    pathlib.Path(target).touch()  # as the real script does before it asks the app
content = {{"empty": b"", "half": picture[: len(picture) // 2]}}.get(behaviour, picture)
if behaviour != "nothing":
    for place in places:
        pathlib.Path(place).write_bytes(b"raw" if place.endswith("CR2") else content)
if getattr(options, "raw", False):
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
    (folder / "picture").write_bytes(PICTURE)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def words(programs: Path) -> list[str]:
    return (programs / "words").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "rpicam",
            ["--shutter", "10000", "--gain", "1", "--awbgains", "2.0,1.6"],
            [
                "rpicam-still", "-n", "--immediate", "--shutter", "10000", "--gain", "1", "--awbgains", "2.0,1.6", "-o",
                "TARGET",
            ],
        ),
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


def test_gphoto2_gives_raw_and_jpeg_under_our_names(programs: Path, tmp_path: Path) -> None:
    folder, config = tmp_path / "100% shots", ["--set-config", "imageformat=RAW + Large Fine JPEG"]
    files = CAMERAS["gphoto2"](folder, "7", arguments=config, timeout_s=60)
    assert files == [folder / "7.cr2", folder / "7.jpg"]
    assert sorted(os.listdir(folder)) == ["7.cr2", "7.jpg"]
    assert words(programs)[1:] == [
        *config,
        "--capture-image-and-download",
        "--filename",
        str(folder / "7").replace("%", "%%") + ".%C",
        "--force-overwrite",
    ]
    (programs / "behaviour").write_text("outside")
    with pytest.raises(DeviceError, match=r"expected a suffix of letters and digits from the camera, got '7\.J P'"):
        CAMERAS["gphoto2"](folder, "7", timeout_s=60)


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
    with pytest.raises(DeviceError, match="wrote empty files" if name == "termux" else "wrote no 1"):
        CAMERAS[name](tmp_path / "shots", "1", timeout_s=60)
    (programs / "behaviour").write_text("half")
    with pytest.raises(DeviceError, match=r"wrote no whole JPEG: 1\.jpg; is there room"):
        CAMERAS[name](tmp_path / "shots", "1", timeout_s=60)


@pytest.mark.parametrize(
    ("name", "status", "said", "expected"),
    [
        ("rpicam", 255, "ERROR: *** no cameras available ***", "no cameras available.*; check the camera's cable"),
        ("rpicam", 255, "ERROR: *** failed to acquire camera /base/soc ***", "another program has the camera"),
        ("v4l2", 1, "Cannot open device /dev/video0, exiting.", r"status 1: .*; check that the camera is there"),
        ("v4l2", 0, "VIDIOC_STREAMON returned -1 (Device or resource busy)", "wrote no 1.jpg.*busy.*another program"),
        ("gphoto2", 1, "*** Error (-53: 'Could not claim the USB device') ***", "gvfs-gphoto2-volume-monitor"),
        ("gphoto2", 1, "*** Error: No camera found. ***", "switch the camera on"),
        ("ffmpeg", 1, "/dev/video0: Device or resource busy", "another program has the camera"),
        ("termux", 0, '{"error": "Please grant the following permission"}', r"wrote no 1\.jpg.*give the program leave"),
    ],
)  # fmt: skip
def test_what_the_program_says_comes_with_what_to_do(
    programs: Path, tmp_path: Path, name: str, status: int, said: str, expected: str
) -> None:
    (programs / "behaviour").write_text(f"says {status} {said}")
    with pytest.raises(DeviceError, match=expected) as caught:
        CAMERAS[name](tmp_path / "shots", "1", timeout_s=60)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_older_file_does_not_pass_for_the_shot(programs: Path, tmp_path: Path) -> None:
    CAMERAS["rpicam"](tmp_path / "shots", "1", arguments=["--raw"], timeout_s=60)
    (tmp_path / "shots" / "10.jpg").write_bytes(b"another shot")
    (programs / "behaviour").write_text("nothing")
    with pytest.raises(DeviceError, match=r"wrote no 1\.jpg"):
        CAMERAS["rpicam"](tmp_path / "shots", "1", timeout_s=60)
    assert os.listdir(tmp_path / "shots") == ["10.jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_a_hanging_program_is_ended_with_all_that_it_started(programs: Path, tmp_path: Path, name: str) -> None:
    (programs / "behaviour").write_text("hang")
    with pytest.raises(TimedOut, match=r"took no picture within 2 s"):
        CAMERAS[name](tmp_path, "1", timeout_s=2)
    if (programs / "child").exists():  # else this machine was too busy to start it
        process = Path("/proc") / (programs / "child").read_text() / "stat"
        end = time.monotonic() + 60
        while process.exists() and process.read_text().split()[2] != "Z":  # nobody waits for it in a container
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_settings_come_out_of_the_jpeg(programs: Path, tmp_path: Path) -> None:
    files = CAMERAS["rpicam"](tmp_path / "shots", "1", arguments=["--raw"], timeout_s=60)
    assert camera_settings(files) == {"exposure_s": 0.01, "iso": 200.0}
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    assert camera_settings([tmp_path / "x.jpg"]) == {}
    assert camera_settings(files[:1]) == {}


def test_a_whole_jpeg_ends_behind_its_scan() -> None:
    assert is_whole_jpeg(PICTURE)
    assert is_whole_jpeg(PICTURE + bytes(1000))
    assert not any(is_whole_jpeg(PICTURE[:size]) for size in range(len(PICTURE) - 1))
    assert not is_whole_jpeg(b"\xff\xd8picture\xff\xd9")


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
        (tmp_path / name).write_bytes(PICTURE + name.encode())
    sources = [str(tmp_path / "a.jpg"), str(tmp_path / "a.dng")]
    files = CAMERAS["replay"](tmp_path / "shots", "3", arguments=sources, timeout_s=1)
    assert [file.read_bytes() for file in files] == [PICTURE + b"a.dng", PICTURE + b"a.jpg"]
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
