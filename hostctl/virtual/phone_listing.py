"""The ls command of a virtual phone, as toybox prints it, or the toolbox of Android 5 and before."""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Sequence

from hostctl.virtual.phone_commands import Result, Shell, failed, refused, split_flags

TOYBOX_SDK = 23  # Android 6 is the first whose ls is toybox's


def ls(shell: Shell, words: list[str]) -> Result:
    """List files and folders; -1, -a, -A, -d, -l, -r and -t are known."""
    try:
        flags, paths = split_flags(words, known="1aAltdr")
    except ValueError as problem:
        return failed(f"ls: {problem}")
    lines: list[str] = []
    errors: list[str] = []
    for word in paths or ["."]:
        path = shell.path(word)
        try:
            found = shell.phone.files.stat(path)
            folder = stat.S_ISDIR(found.st_mode) and "d" not in flags
            if folder and len(paths) > 1:
                lines.append(f"{word}:")
            lines += _listed(shell, path, flags) if folder else _lines(shell, [(word, found)], flags)
        except OSError as problem:
            errors.append(refused("ls", problem, word).stderr.decode())
    return Result("".join(f"{line}\n" for line in lines).encode(), "".join(errors).encode(), int(bool(errors)))


def _listed(shell: Shell, folder: str, flags: set[str]) -> list[str]:
    found = [entry for entry in shell.phone.files.entries(folder) if _shown(entry[0], flags)]
    if "t" in flags:
        found.sort(key=lambda entry: entry[1].st_mtime, reverse=True)
    if "r" in flags:
        found.reverse()
    lines = _lines(shell, found, flags)
    if "l" in flags and shell.phone.profile.sdk >= TOYBOX_SDK:
        lines.insert(0, f"total {sum(entry[1].st_blocks for entry in found)}")
    return lines


def _shown(name: str, flags: set[str]) -> bool:
    return name[0] != "." or bool(flags & {"a", "A"}) or "/" in name


def _lines(shell: Shell, found: Sequence[tuple[str, os.stat_result]], flags: set[str]) -> list[str]:
    """Give a line for each file as toybox does, or the toolbox before it, which counted no links."""
    if "l" not in flags:
        return [name for name, _ in found]
    if shell.phone.profile.sdk < TOYBOX_SDK:
        return [
            f"{stat.filemode(of.st_mode)} {'root':<8} {'sdcard_rw':<8} "
            f"{'' if stat.S_ISDIR(of.st_mode) else of.st_size:>8} {_minute(of)} {name}"
            for name, of in found
        ]
    links = len(str(max((of.st_nlink for _, of in found), default=0)))
    size = len(str(max((of.st_size for _, of in found), default=0)))
    return [
        f"{stat.filemode(of.st_mode)} {of.st_nlink:>{links}} root media_rw {of.st_size:>{size}} {_minute(of)} {name}"
        for name, of in found
    ]


def _minute(found: os.stat_result) -> str:
    return _written(int(found.st_mtime // 60))


@functools.lru_cache(maxsize=256)
def _written(number: int) -> str:
    """Write a time that is given in minutes since 1970."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(60 * number))
