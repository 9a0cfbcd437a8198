"""What a camera's program left of one shot: its files, whole and under our name, and the settings that they tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Optional

from device_agents.errors import BadInput, DeviceError

JPEG_SUFFIXES = (".jpg", ".jpeg")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
# EXIF 2.32 (CIPA DC-008), table 8: the tag, and our name with its unit; numbers only.
_EXIF_FOLDER = 0x8769
_SETTINGS = {0x829A: "exposure_s", 0x829D: "f_number", 0x8827: "iso"}


def prepare_folder(folder: Path, stem: str) -> None:
    """Make the folder, and remove what lies there under this stem: it must not pass for the next shot."""
    if not stem.strip(".") or Path(stem).name != stem:
        raise BadInput(f"expected a file name without folders as the stem, got '{stem}'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in files_of(folder, stem):
            old.unlink()
    except OSError as problem:
        raise DeviceError(f"cannot write pictures into {folder}: {problem}") from problem


def files_of(folder: Path, stem: str) -> List[Path]:
    """The files in a folder that have this stem, in the order of their names."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name.startswith(f"{stem}."))


def whole_files(folder: Path, stem: str, *, needed: Optional[Path], said: str = "") -> List[Path]:
    """Give the files of a shot, each renamed to the stem and a plain suffix in lower case.

    Raises DeviceError where there is none (or not the one that is needed), one is empty, or a JPEG has no end; with
    the last line that the program ``said``.
    """
    files = [_renamed(file, stem) for file in files_of(folder, stem)]
    words = f"; the program said: {said}" if said else ""
    if not files or (needed is not None and needed not in files):
        raise DeviceError(f"the camera wrote no {needed.name if needed else stem} into {folder}{words}")
    empty = [file.name for file in files if file.stat().st_size == 0]
    if empty:
        raise DeviceError(f"the camera wrote empty files: {', '.join(empty)}; wake the device and try again{words}")
    half = [file.name for file in files if file.suffix in JPEG_SUFFIXES and not is_whole_jpeg(file.read_bytes())]
    if half:
        raise DeviceError(f"the camera wrote no whole JPEG: {', '.join(half)}; is there room on the card?{words}")
    return files


def _renamed(file: Path, stem: str) -> Path:
    """A camera gives its own suffixes, such as .CR2 or .JPG."""
    suffix = file.name[len(stem) :].lower()
    if not _SUFFIX.fullmatch(suffix):
        raise DeviceError(f"expected a suffix of letters and digits from the camera, got '{file.name}'")
    target = file.with_name(f"{stem}{suffix}")
    return file if target == file else file.replace(target)


def is_whole_jpeg(data: bytes) -> bool:
    """Whether a JPEG (ITU-T T.81, annex B) goes from its start to an end of image behind its scan.

    Segments are passed by their lengths, so that the end of a thumbnail within does not count; what stands behind the
    end (a frame's padding, a phone's video) does no harm.
    """
    if data[:2] != b"\xff\xd8":
        return False
    place = 2
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == 0xDA:  # entropy-coded data follows, in which FF D9 does not occur
            return data.find(b"\xff\xd9", place) >= 0
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False


def camera_settings(files: List[Path]) -> Dict[str, float]:
    """What the shot's JPEG tells by its EXIF: exposure_s, f_number, iso; what it does not tell is left out.

    rpicam-still writes there the exposure, and as iso a hundred times the analogue and digital gain.
    """
    from PIL import Image

    for file in files:
        if file.suffix not in JPEG_SUFFIXES:
            continue
        try:
            with Image.open(file) as picture:
                exif = picture.getexif().get_ifd(_EXIF_FOLDER)
        except (OSError, ValueError, SyntaxError, KeyError, TypeError):
            return {}  # a damaged block of notes makes no bad photograph; the host looks at its pixels
        found = {name: _number(exif.get(tag)) for tag, name in _SETTINGS.items()}
        return {name: value for name, value in found.items() if value is not None}
    return {}


def _number(value: object) -> Optional[float]:
    one = value[0] if isinstance(value, tuple) and value else value
    try:
        number = float(one)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if 0 < number < 1e7 else None
