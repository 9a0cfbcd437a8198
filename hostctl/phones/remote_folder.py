"""Reads what `ls -l` prints of a phone's folder of photographs: names of whole files and their sizes."""

from __future__ import annotations

import re

from device_agents.errors import DeviceError

UNFINISHED = (".pending-", ".trashed-")  # MediaStore's names of files that are being written, or were deleted
SAME_FORMAT = {"jpeg": "jpg", "heif": "heic"}
# What stands before the time differs (toybox counts links, the toolbox of Android 5 does not), and so does the time.
LISTED = re.compile(r"^-\S* (?:.*? )?(\d{1,18}) \d{4}-\d\d-\d\d \d\d:\d\d\S*(?: [+-]\d{4})? (.+)$")


def listed_sizes(text: str, *, device: str) -> dict[str, int]:
    """Give the size in bytes of each file by its name, without those that are not finished, links and folders.

    Raises DeviceError, naming the device, for a line of a form that is not known.
    """
    sizes: dict[str, int] = {}
    for line in text.split("\n"):
        if line.startswith("-"):  # else a folder, a link, the total, or a complaint
            name, size = _entry(line.removesuffix("\r"), device)
            if not name.lower().startswith(UNFINISHED):
                sizes[name] = size
    return sizes


def check_plain(name: str, *, folder: str, device: str) -> None:
    """Raise DeviceError if a name that a phone gave leads out of its folder."""
    if "/" in name or name in (".", ".."):
        raise DeviceError(
            f"{device}: expected a plain file name in {folder}, got '{name}', which leads out of it; "
            "nothing was copied: do not trust this phone"
        )


def file_format(name: str) -> str:
    """Give the format of a file name or suffix: "IMG_1.JPEG" and ".jpg" are both "jpg"."""
    suffix = name.rsplit(".", 1)[-1].lower()
    return SAME_FORMAT.get(suffix, suffix)


def _entry(line: str, device: str) -> tuple[str, int]:
    match = LISTED.match(line)
    if match is None:
        raise DeviceError(f"{device}: expected a file, its size and time like 2026-11-22 07:00, got '{line}'")
    return match[2], int(match[1])
