"""COMMANDS: the programs of a virtual board that deal with files, the date and the machine; none runs a real shell."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hostctl.transport import Output
from hostctl.virtual.board_files import HOME, BoardFiles

Command = Callable[[BoardFiles, list[str]], Output]
NOT_OFFERED = set(";&|<>()`\n")
QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)


def parse(line: str) -> list[str]:
    """Split a command line into words as a shell does; raises ValueError for what would take more than one program.

    Quotes and backslashes are read; ; & | < > ( ) and ` outside of quotes are refused; $ and * stand for themselves.
    """
    if NOT_OFFERED & set(QUOTED.sub("", line)):
        raise ValueError("only one command at a time is offered")
    return shlex.split(line)


def done(text: str = "", *, exit_code: int = 0) -> Output:
    """A good end, with what is printed."""
    return Output(text.encode(), b"", exit_code)


def failed(text: str, *, exit_code: int = 1) -> Output:
    """A bad end, with what is printed on standard error."""
    return Output(b"", f"{text}\n".encode(), exit_code)


def run_command(files: BoardFiles, words: list[str]) -> Output:
    """Run one of COMMANDS; an unknown one ends as in a shell, with 127."""
    if words[0] not in COMMANDS:
        return failed(f"bash: line 1: {words[0]}: command not found", exit_code=127)
    try:
        return COMMANDS[words[0]](files, words[1:])
    except OSError as problem:
        return failed(files.on_board(f"{words[0]}: {problem.filename}: {problem.strerror}"))
    except ValueError as problem:
        return failed(f"{words[0]}: {problem}", exit_code=2)


def split_flags(words: list[str], known: str) -> tuple[set[str], list[str]]:
    """Take one-letter flags from the words before "--"; raises ValueError for one that is not known."""
    flags: set[str] = set()
    paths: list[str] = []
    for number, word in enumerate(words):
        if word == "--":
            return flags, paths + words[number + 1 :]
        if word.startswith("-") and len(word) > 1:
            unknown = set(word[1:]) - set(known)
            if unknown:
                raise ValueError(f"invalid option -- '{min(unknown)}'")
            flags |= set(word[1:])
        else:
            paths.append(word)
    return flags, paths


def _mkdir(files: BoardFiles, words: list[str]) -> Output:
    flags, paths = split_flags(words, "p")
    for path in paths:
        files.place(path).mkdir(parents="p" in flags, exist_ok="p" in flags)
    return done()


def _rm(files: BoardFiles, words: list[str]) -> Output:
    flags, paths = split_flags(words, "rRf")
    for path in paths:
        place = files.place(path)
        if place == files.root:
            raise PermissionError(13, "Permission denied", path)
        if place.is_dir() and flags & {"r", "R"}:
            shutil.rmtree(place)
        elif place.exists() or "f" not in flags:
            place.unlink()
    return done()


def _ls(files: BoardFiles, words: list[str]) -> Output:
    flags, paths = split_flags(words, "1aAl")
    lines: list[str] = []
    for path in paths or ["."]:
        place = files.place(path)
        found = sorted(place.iterdir()) if place.is_dir() else [place]
        place.stat()
        lines += [_listed(one, flags) for one in found if flags & {"a", "A"} or not one.name.startswith(".")]
    return done("".join(f"{line}\n" for line in lines))


def _listed(place: Path, flags: set[str]) -> str:
    if "l" not in flags:
        return place.name
    found = place.stat()
    when = datetime.fromtimestamp(found.st_mtime, UTC).strftime("%b %d %H:%M")
    return f"{stat.filemode(found.st_mode)} {found.st_nlink} pi pi {found.st_size} {when} {place.name}"


def _stat(files: BoardFiles, words: list[str]) -> Output:
    form, paths = (words[1], words[2:]) if words[:1] == ["-c"] and len(words) > 1 else ("%n %s %Y", words)
    lines = []
    for path in paths:
        found = files.place(path).stat()
        kind = "directory" if stat.S_ISDIR(found.st_mode) else "regular file"
        values = {"%n": path, "%s": str(found.st_size), "%Y": str(int(found.st_mtime)), "%F": kind}
        line = form
        for mark, value in values.items():
            line = line.replace(mark, value)
        lines.append(line)
    return done("".join(f"{line}\n" for line in lines))


def _cat(files: BoardFiles, words: list[str]) -> Output:
    return Output(b"".join(files.place(path).read_bytes() for path in words), b"", 0)


def _sum(name: str) -> Command:
    """Make sha256sum or md5sum: "HEX  NAME" a line."""

    def sums(files: BoardFiles, words: list[str]) -> Output:
        _, paths = split_flags(words, "b")
        lines = []
        for path in paths:
            digest = hashlib.new(name, files.place(path).read_bytes(), usedforsecurity=False)
            lines.append(f"{digest.hexdigest()}  {path}\n")
        return done("".join(lines))

    return sums


def _date(files: BoardFiles, words: list[str]) -> Output:
    _, rest = split_flags(words, "u")
    now_ns = time.time_ns()
    form = rest[0][1:] if rest and rest[0].startswith("+") else "%a %b %d %H:%M:%S UTC %Y"
    form = form.replace("%s", str(now_ns // 10**9)).replace("%N", f"{now_ns % 10**9:09d}")
    return done(datetime.fromtimestamp(now_ns / 1e9, UTC).strftime(form) + "\n")


def _df(files: BoardFiles, words: list[str]) -> Output:
    """Print POSIX columns in blocks of 1024 bytes, whatever is asked: df -Pk."""
    split_flags(words, "Pk")
    usage = shutil.disk_usage(files.root)
    total, used, free = (count // 1024 for count in usage)
    head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
    return done(f"{head}/dev/mmcblk0p2 {total} {used} {free} {100 * used // max(total, 1)}% /\n")


def _uname(files: BoardFiles, words: list[str]) -> Output:
    flags, _ = split_flags(words, "asnrmo")
    names = {"s": "Linux", "n": "virtual-board", "r": "6.12.0-virtual", "m": "aarch64", "o": "GNU/Linux"}
    wanted = [text for flag, text in names.items() if flag in flags or "a" in flags]
    return done(" ".join(wanted or ["Linux"]) + "\n")


def _test(files: BoardFiles, words: list[str]) -> Output:
    checks: Mapping[str, Callable[[Path], bool]] = {
        "-e": Path.exists,
        "-f": Path.is_file,
        "-d": Path.is_dir,
        "-s": lambda place: place.exists() and place.stat().st_size > 0,
    }
    if len(words) != 2 or words[0] not in checks:
        raise ValueError(f"expected one of {' '.join(checks)} and a path")
    return done(exit_code=0 if checks[words[0]](files.place(words[1])) else 1)


def _pwd(files: BoardFiles, words: list[str]) -> Output:
    return done(f"{HOME}\n")


def _echo(files: BoardFiles, words: list[str]) -> Output:
    return done(" ".join(words) + "\n")


COMMANDS: dict[str, Command] = {
    "cat": _cat,
    "date": _date,
    "df": _df,
    "echo": _echo,
    "ls": _ls,
    "md5sum": _sum("md5"),
    "mkdir": _mkdir,
    "pwd": _pwd,
    "rm": _rm,
    "sha256sum": _sum("sha256"),
    "stat": _stat,
    "test": _test,
    "uname": _uname,
}
