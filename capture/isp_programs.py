"""PROGRAMS: outside raw converters as ISPs, each run headless and alone with nothing of the user's configuration.

A program gets the raw file itself (or our DNG of it), a fresh folder for its home and settings, one thread, a closed
standard input and a time limit; what it writes is checked before it counts. Presets are a program's own, or stand here
whole; they were chosen before any instability was computed from them and are never tuned on it.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.isp_area import turn_upright
from capture.outside_programs import Program, find_program, program_version, read_picture, run_program
from capture.raw import Raw, raw_file
from capture.tiff_tags import with_whole_crop, without_orientation
from device_agents.errors import MissingExtra

RGB = NDArray[np.uint8]

TIME_LIMIT_S = 300.0  # 12 megapixels take 4 to 10 s; a machine under load gets thirty times that
# Some programs choose their reader by the file's name. Offset, first bytes, name; all other raws pass as DNG.
SUFFIXES = (
    (0, b"FUJIFILMCCD-RAW", ".raf"),
    (4, b"ftypcrx", ".cr3"),
    (8, b"CR\x02", ".cr2"),
    (6, b"HEAPCCDR", ".crw"),
    (0, b"IIRO", ".orf"),
    (0, b"IIRS", ".orf"),
    (0, b"MMOR", ".orf"),
    (0, b"IIU\x00", ".rw2"),
    (0, b"\x00MRM", ".mrw"),
)

# ImageMagick's own delegate for raws is ufraw-batch, gone from Debian 12. As that one, this gives it 16 bits.
MAGICK_DELEGATES = """<?xml version="1.0"?>
<delegatemap>
  <delegate decode="dng:decode" command="&quot;dcraw_emu&quot; -w -6 -Z &quot;%u.ppm&quot; &quot;%i&quot;"/>
</delegatemap>
"""
# RawTherapee's bundled profile of this name (5.9): its film-like curve, highlights blended, no noise reduction.
FILM_CURVE = "Standard Film Curve - ISO Low.pp3"
# Laid over every profile: pixels stay where the sensor had them, so no lens is straightened (the film curve's profile
# would, by 4 pixels on the pack's Canon), and an X-Trans picture loses as little at its border as a Bayer one.
KEEP_GEOMETRY = "[LensProfile]\nUseDistortion=false\n\n[RAW X-Trans]\nBorder=4\n"
MIRRORED = (2, 4, 5, 7)  # EXIF orientations
# darktable renamed its workflows in 4.4; a name that it does not know means "none", without a word.
WORKFLOWS = {"scene-referred": "scene-referred (filmic)", "display-referred": "display-referred (legacy)"}
RENAMED_WORKFLOWS = (4, 4)


DCRAW = Program("dcraw", "dcraw", ("dcraw",))
DCRAW_EMU = Program("dcraw_emu", "libraw-bin", ("dcraw_emu",))
IMAGEMAGICK = Program("ImageMagick", "imagemagick", ("magick", "convert"))
RAWTHERAPEE = Program("RawTherapee", "rawtherapee", ("rawtherapee-cli",))
DARKTABLE = Program("darktable", "darktable", ("darktable-cli",))


def develop_dcraw(raw: Raw) -> RGB:
    """Develop by dcraw with the as-shot white balance, else as it comes (auto-bright).

    Measured on the pack's three raws: the same as "libraw-auto-bright" but for one value in a thousand or less.
    """
    return _develop(raw, DCRAW, lambda source: ["-c", "-w", str(source)], output="stdout")


def develop_imagemagick(raw: Raw) -> RGB:
    """Develop by ImageMagick through a raw delegate of our own: dcraw_emu -w to 16 bits, then ImageMagick to 8.

    Measured on the pack's three raws: "dcraw" but for the rounding to 8 bits, which moves 9 to 32 % of the values by
    one level. GraphicsMagick gives these same values (its delegate is dcraw -w -6) and so is no variant of its own.
    """
    find_program(DCRAW_EMU)

    def arguments(source: Path) -> list[str]:
        (source.parent / "delegates.xml").write_text(MAGICK_DELEGATES, encoding="utf-8")
        return [f"dng:{source}", "-depth", "8", "ppm:out.ppm"]

    return _develop(raw, IMAGEMAGICK, arguments, output="out.ppm")


def develop_rawtherapee(raw: Raw, *, profile: str = "") -> RGB:
    """Develop by RawTherapee: neutral without a profile, or with one that it brings, by file name.

    It turns a picture but does not mirror it (5.9), so mirrored orientations are done here.
    """

    def arguments(source: Path) -> list[str]:
        ours = source.parent / "geometry.pp3"
        ours.write_text(KEEP_GEOMETRY, encoding="utf-8")
        profiles = [_bundled(profile), ours] if profile else [ours]
        chosen = [word for path in profiles for word in ("-p", str(path))]
        return ["-Y", "-n", "-b8", *chosen, "-o", "out.png", "-c", str(source)]

    return _develop(raw, RAWTHERAPEE, arguments, output="out.png", turn_here=raw.orientation in MIRRORED)


def develop_darktable(raw: Raw, *, workflow: str) -> RGB:
    """Develop by darktable with the modules that its "scene-referred" or "display-referred" workflow switches on.

    Turning a linear raw by a quarter, it reads from a row too low and stretches the rest (4.2.1): we turn those. It
    alone of all heeds a DNG's default crop, which is widened to the whole so that all show the same.
    """

    def arguments(source: Path) -> list[str]:
        known = WORKFLOWS[workflow] if _darktable_number() >= RENAMED_WORKFLOWS else workflow
        files = ["--configdir", str(source.parent / "config"), "--library", ":memory:"]
        settings = ["--conf", f"plugins/darkroom/workflow={known}"]
        return [str(source), "out.png", "--core", *files, "--disable-opencl", "-t", "1", *settings]

    height, width = raw.mosaic.shape[:2]
    whole = dataclasses.replace(raw, source=with_whole_crop(raw_file(raw), height=height, width=width))
    return _develop(whole, DARKTABLE, arguments, output="out.png", turn_here=not raw.pattern)


def _develop(
    raw: Raw, program: Program, arguments: Callable[[Path], Sequence[str]], *, output: str, turn_here: bool = False
) -> RGB:
    """Give a program the raw's file in a folder of its own and read the picture it writes there, by name.

    turn_here: the program gets the file without its orientation, and its picture is turned upright afterwards.
    """
    executable = find_program(program)
    data = without_orientation(raw_file(raw)) if turn_here else raw_file(raw)
    with tempfile.TemporaryDirectory(prefix="instability-isp-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        source = folder / f"in{_suffix(data)}"
        source.write_bytes(data)
        run_program([executable, *arguments(source)], program, folder, timeout_s=TIME_LIMIT_S)
        picture = read_picture(folder, output, program)
    return turn_upright(picture, raw.orientation) if turn_here else picture


def _bundled(profile: str) -> Path:
    """Path of a profile that RawTherapee brings, beside its executable's folder; raises MissingExtra."""
    path = Path(find_program(RAWTHERAPEE)).resolve().parents[1] / "share" / "rawtherapee" / "profiles" / profile
    if not path.is_file():
        raise MissingExtra(f"expected RawTherapee's own profile {path}, found none; apt-get install rawtherapee-data")
    return path


def _suffix(data: bytes) -> str:
    return next((suffix for offset, mark, suffix in SUFFIXES if data[offset:].startswith(mark)), ".dng")


def _darktable_number() -> tuple[int, ...]:
    version = program_version(DARKTABLE, "--version").split()[-1]
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _imagemagick_version() -> str:
    """ImageMagick's version and that of the LibRaw behind its delegate, which only the sample beside it tells."""
    find_program(DCRAW_EMU)
    libraw = program_version(Program("LibRaw", "libraw-bin", ("simple_dcraw",)))
    return f"{program_version(IMAGEMAGICK, '-version')} with {libraw}"


PROGRAMS: dict[str, Callable[[Raw], RGB]] = {
    "dcraw": develop_dcraw,
    "imagemagick": develop_imagemagick,
    "rawtherapee-neutral": develop_rawtherapee,
    "rawtherapee-film-curve": partial(develop_rawtherapee, profile=FILM_CURVE),
    "darktable-scene-referred": partial(develop_darktable, workflow="scene-referred"),
    "darktable-display-referred": partial(develop_darktable, workflow="display-referred"),
}
VERSIONS: dict[str, Callable[[], str]] = {
    "dcraw": partial(program_version, DCRAW),
    "imagemagick": _imagemagick_version,
    "rawtherapee-neutral": partial(program_version, RAWTHERAPEE, "-v"),
    "rawtherapee-film-curve": partial(program_version, RAWTHERAPEE, "-v"),
    "darktable-scene-referred": partial(program_version, DARKTABLE, "--version"),
    "darktable-display-referred": partial(program_version, DARKTABLE, "--version"),
}
CROP_PX = {"rawtherapee-neutral": 4, "rawtherapee-film-curve": 4}  # of a mosaic; a linear raw loses nothing
