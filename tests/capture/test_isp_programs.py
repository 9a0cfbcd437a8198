"""Outside programs by strict fakes on PATH: exact arguments, a private home, and everything that can go wrong."""

import io
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from capture import isp, isp_programs, outside_programs
from capture.isp_programs import PROGRAMS
from capture.raw import Raw, write_dng
from device_agents.errors import BadInput, CommandFailed, MissingExtra, TimedOut

# Looks at how it was called, then does what the test says; anything unexpected ends it with a status of 9.
FAKE = """#!{python} -IS
import os, pathlib, sys
expected, said, picture, output, status = {script!r}
if sys.argv[1:] in (["--version"], ["-v"], ["-version"], []):
    print({version!r})
    sys.exit(1)
here = pathlib.Path.cwd()
words = [word.replace(str(here), "HERE") for word in sys.argv[1:]]
home = all(os.environ[name] == str(here / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"))
if words != expected or not home or "DISPLAY" in os.environ or sys.stdin.read() or os.getpgid(0) != os.getpid():
    print("unexpected call", words, file=sys.stderr)
    sys.exit(9)
if not (here / "in.dng").read_bytes().startswith(b"II*"):
    sys.exit(9)
print(said, file=sys.stderr)
if output == "stdout":
    sys.stdout.buffer.write(picture)
elif output:
    (here / output).write_bytes(picture)
sys.exit(status)
"""
DT = ["--core", "--configdir", "HERE/config", "--library", ":memory:", "--disable-opencl", "-t", "1", "--conf"]
PROFILE = "TREE/share/rawtherapee/profiles/Standard Film Curve - ISO Low.pp3"
OURS = ["-p", "HERE/geometry.pp3", "-o", "out.png", "-c", "HERE/in.dng"]
# For each ISP: executable, arguments, where the picture goes.
CALLS = {
    "dcraw": ("dcraw", ["-c", "-w", "HERE/in.dng"], "stdout"),
    "imagemagick": ("convert", ["dng:HERE/in.dng", "-depth", "8", "ppm:out.ppm"], "out.ppm"),
    "rawtherapee-neutral": (
        "rawtherapee-cli",
        ["-Y", "-n", "-b8", *OURS],
        "out.png",
    ),
    "rawtherapee-film-curve": (
        "rawtherapee-cli",
        ["-Y", "-n", "-b8", "-p", PROFILE, *OURS],
        "out.png",
    ),
    "darktable-scene-referred": (
        "darktable-cli",
        ["HERE/in.dng", "out.png", *DT, "plugins/darkroom/workflow=scene-referred"],
        "out.png",
    ),
    "darktable-display-referred": (
        "darktable-cli",
        ["HERE/in.dng", "out.png", *DT, "plugins/darkroom/workflow=display-referred"],
        "out.png",
    ),
}
PACKAGES = {"convert": "imagemagick", "rawtherapee-cli": "rawtherapee", "darktable-cli": "darktable"}


def test_the_calls_are_those_of_all_programs():
    assert list(CALLS) == list(PROGRAMS)


def small_raw():
    grey = data.astronaut()[:128, :192].mean(axis=2)
    return Raw((64 + 3 * grey).astype(np.uint16), (64.0,) * 4, 1023, "RGGB", (1.0, 1.0, 1.0), np.eye(3))


def ppm(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PPM")
    return file.getvalue()


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of nothing but fakes; a function that writes one."""
    folder = tmp_path / "tree" / "bin"
    folder.mkdir(parents=True)
    profiles = tmp_path / "tree" / "share" / "rawtherapee" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / isp_programs.FILM_CURVE).write_text("[Exposure]\n")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":7")
    outside_programs._version.cache_clear()

    def write(name, *, picture=b"", said="busy", status=0, version="fake 4.2.1", output=None):
        executable, arguments, its_output = CALLS[name]
        expected = [word.replace("TREE", str(folder.parent)) for word in arguments]
        script = (expected, said, picture, its_output if output is None else output, status)
        text = FAKE.format(python=sys.executable, script=script, version=version)
        if name == "imagemagick":
            executable_file(folder / "dcraw_emu", "#!/bin/sh\nexit 9\n")
        executable_file(folder / executable, text)

    write.folder = folder
    return write


def executable_file(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize("name", CALLS)
def test_a_program_is_called_as_planned_and_its_picture_is_read(programs, name):
    expected = data.astronaut()[:128, :192]
    crop = isp_programs.CROP_PX.get(name, 0)
    programs(name, picture=ppm(expected[crop : 128 - crop, crop : 192 - crop]))
    assert np.array_equal(isp.render(small_raw(), name), expected[4:-4, 4:-4])


@pytest.mark.parametrize("name", CALLS)
def test_a_missing_program_says_what_to_install(programs, name):
    executable = CALLS[name][0]
    package = "libraw-bin" if name == "imagemagick" else PACKAGES.get(executable, executable)
    for ask in (lambda: isp.render(small_raw(), name), lambda: isp.isp_version(name)):
        with pytest.raises(MissingExtra, match=f"expected the program .*, found none; apt-get install {package}$"):
            ask()


def test_imagemagick_without_its_own_program_says_so(programs):
    executable_file(programs.folder / "dcraw_emu", "#!/bin/sh\nexit 9\n")
    with pytest.raises(MissingExtra, match="magick or convert.*apt-get install imagemagick"):
        isp.render(small_raw(), "imagemagick")


def test_a_missing_profile_says_what_to_install(programs):
    programs("rawtherapee-film-curve")
    (programs.folder.parent / "share" / "rawtherapee" / "profiles" / isp_programs.FILM_CURVE).unlink()
    with pytest.raises(MissingExtra, match="Standard Film Curve - ISO Low.pp3, found none; apt-get install rawther"):
        isp.render(small_raw(), "rawtherapee-film-curve")


@pytest.mark.parametrize("name", CALLS)
def test_a_hanging_program_is_stopped_with_all_that_it_started(programs, name, tmp_path, monkeypatch):
    programs(name)
    note = tmp_path / "children"
    hang = f'#!/bin/sh\n[ "$1" = --version ] && echo 4.2.1 && exit\n/bin/sleep 600 & echo $! $$ > {note}\nwait\n'
    executable_file(programs.folder / CALLS[name][0], hang)
    monkeypatch.setattr(isp_programs, "TIME_LIMIT_S", 1.0)
    with pytest.raises(TimedOut, match="expected a picture within 1 s, got none; stopped it") as caught:
        isp.render(small_raw(), name)
    assert len(str(caught.value).splitlines()) == 1
    for child in note.read_text().split():
        wait_until_gone(int(child))


def wait_until_gone(process):
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":  # dead, but nobody has asked for its status
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process} still runs")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("ways", "message"),
    [
        ({"status": 3, "said": "HERE/in.dng: no such camera"}, "expected a picture, got exit code 3: HERE/in.dng: no"),
        ({"output": ""}, "expected a picture, got no file: busy"),
        ({"picture": b""}, "expected a picture, got no file: busy"),
        ({"picture": b"P6 not quite a picture"}, "expected a picture, got 22 bytes that are none: busy"),
        ({"picture": b"P6 99999 99999 255\n0"}, "expected a picture, got 20 bytes that are none: busy"),
    ],
)
def test_what_is_no_picture_is_one_clear_line(programs, name, ways, message):
    programs(name, **ways)
    with pytest.raises(CommandFailed, match=message) as caught:
        isp.render(small_raw(), name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_program_that_cannot_start_is_one_clear_line(programs):
    programs("dcraw")
    executable_file(programs.folder / "dcraw", "#!/no/such/interpreter\n")
    with pytest.raises(CommandFailed, match="dcraw: cannot run"):
        isp.render(small_raw(), "dcraw")


def test_a_picture_of_another_raw_is_refused(programs):
    programs("dcraw", picture=ppm(data.coffee()[:126, :190]))
    with pytest.raises(BadInput, match="dcraw: expected a picture that lies on LibRaw's 192 x 128"):
        isp.render(small_raw(), "dcraw")


def test_darktable_s_renamed_workflows_follow_its_version(programs, monkeypatch):
    expected = data.astronaut()[:128, :192]
    for version, suffix in (("4.2.1", ""), ("4.4.0", " (filmic)"), ("5.0.1", " (filmic)")):
        name, (executable, arguments, output) = "darktable-scene-referred", CALLS["darktable-scene-referred"]
        monkeypatch.setitem(CALLS, name, (executable, [*arguments[:-1], arguments[-1].split(" ")[0] + suffix], output))
        outside_programs._version.cache_clear()
        programs(name, picture=ppm(expected), version=f"this is darktable-cli {version}")
        assert np.array_equal(isp.render(small_raw(), name), expected[4:-4, 4:-4])
        assert isp.isp_version(name) == f"darktable {version}"


def test_versions_are_read_from_what_programs_print(programs):
    programs("rawtherapee-neutral", version="RawTherapee, version 5.9, command line.")
    programs("imagemagick", version="Version: ImageMagick 6.9.11-60 Q16 x86_64 2021-01-25 https://imagemagick.org")
    executable_file(programs.folder / "simple_dcraw", "#!/bin/sh\necho simple_dcraw - LibRaw 0.20.2-Release sample\n")
    assert isp.isp_version("rawtherapee-film-curve") == "RawTherapee 5.9"
    assert isp.isp_version("imagemagick") == "ImageMagick 6.9.11-60 with LibRaw 0.20.2"
    programs("dcraw", version="no number here")
    with pytest.raises(CommandFailed, match="dcraw: expected a version from"):
        isp.isp_version("dcraw")


def test_a_program_gets_the_original_file_where_there_is_one(programs, tmp_path):
    seen = tmp_path / "seen"
    executable_file(programs.folder / "dcraw", f"#!/bin/sh\n/bin/cp $3 {seen}\nexit 5\n")
    raw = small_raw()
    for source, expected in ((b"", write_dng(raw)), (b"FUJIFILMCCD-RAW x", b"FUJIFILMCCD-RAW x")):
        given = Raw(raw.mosaic, raw.black_levels, 1023, "RGGB", raw.neutral, raw.xyz_to_camera, source=source)
        with pytest.raises(CommandFailed, match="exit code 5"):
            isp.ISPS["dcraw"](given)
        assert seen.read_bytes() == expected


@pytest.mark.parametrize(
    ("start", "suffix"),
    [
        (b"II*\0", ".dng"),
        (b"FUJIFILMCCD-RAW", ".raf"),
        (b"\0\0\0\x18ftypcrx ", ".cr3"),
        (b"II*\0\x10\0\0\0CR\x02", ".cr2"),
        (b"IIU\0", ".rw2"),
    ],
)
def test_a_file_is_called_what_it_is(start, suffix):
    assert isp_programs._suffix(start + bytes(20)) == suffix


def test_no_temporary_folder_is_left(programs, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    os.mkdir(tmp_path / "temporary")
    programs("dcraw", picture=ppm(data.astronaut()[:128, :192]))
    isp.render(small_raw(), "dcraw")
    programs("dcraw", status=3)
    with pytest.raises(CommandFailed):
        isp.render(small_raw(), "dcraw")
    assert list((tmp_path / "temporary").iterdir()) == []
