"""FILE_COMMANDS: the toybox commands of a virtual phone that deal with files, dates and text."""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import stat
import time
from collections.abc import Callable, Iterator

from hostctl.virtual.phone_commands import Command, Result, Shell, done, failed, refused, split_flags
from hostctl.virtual.phone_listing import ls


def _stat(shell: Shell, words: list[str]) -> Result:
    form = "%n %s %F %Y\n"
    if words[:1] == ["-c"] and len(words) > 1:
        form, words = words[1] + "\n", words[2:]
    return _each(shell, "stat", words, lambda path, word: _filled(shell, form, path, word).encode())


def _filled(shell: Shell, form: str, path: str, word: str) -> str:
    found = shell.phone.files.stat(path)
    values = {
        "%n": word,
        "%s": str(found.st_size),
        "%Y": str(int(found.st_mtime)),
        "%F": "directory" if stat.S_ISDIR(found.st_mode) else "regular file",
        "%a": f"{stat.S_IMODE(found.st_mode):o}",
    }
    for key, value in values.items():
        form = form.replace(key, value)
    return form


def _each(shell: Shell, command: str, words: list[str], act: Callable[[str, str], bytes]) -> Result:
    """Do something with each path; failures are printed and the rest is still done."""
    out, errors = b"", b""
    if not words:
        return failed(f"{command}: Needs 1 argument")
    for word in words:
        try:
            out += act(shell.path(word), word)
        except OSError as problem:
            errors += refused(command, problem, word).stderr
    return Result(out, errors, int(bool(errors)))


def _cat(shell: Shell, words: list[str]) -> Result:
    if not words:
        return Result(shell.stdin)
    return _each(shell, "cat", words, lambda path, word: shell.phone.files.read(path))


def _head(shell: Shell, words: list[str]) -> Result:
    return _end(shell, words, "head", lambda data, count: data[:count])


def _tail(shell: Shell, words: list[str]) -> Result:
    return _end(shell, words, "tail", lambda data, count: data[-count:] if count else b"")


def _end(shell: Shell, words: list[str], command: str, cut: Callable[[bytes, int], bytes]) -> Result:
    if len(words) < 3 or words[0] != "-c" or not words[1].isdigit():
        return failed(f"{command}: this phone offers only {command} -c COUNT FILE")
    return _each(shell, command, words[2:], lambda path, word: cut(shell.phone.files.read(path), int(words[1])))


def _sums(name: str) -> Command:
    """Make md5sum or sha256sum: "HEX  NAME" a line."""

    def sums(shell: Shell, words: list[str]) -> Result:
        brief = words[:1] == ["-b"]

        def one(path: str, word: str) -> bytes:
            digest = hashlib.new(name, shell.phone.files.read(path), usedforsecurity=False).hexdigest()
            return (digest if brief else f"{digest}  {word}").encode() + b"\n"

        return _each(shell, f"{name}sum", words[1:] if brief else words, one)

    return sums


def _find(shell: Shell, words: list[str]) -> Result:
    """Walk a folder; -maxdepth N, -type f|d, -name PATTERN, -newer FILE are known, all joined by "and"."""
    given = words[:1] if words and not words[0].startswith("-") else []
    start = given[0] if given else "."
    tests, rest = (
        dict.fromkeys(("-maxdepth", "-type", "-name", "-newer"), ""),
        words[start != "." or words[:1] == ["."] :],
    )
    while rest:
        if rest[0] not in tests or len(rest) < 2:
            return failed(f"find: bad arg '{rest[0]}'")
        tests[rest[0]], rest = rest[1], rest[2:]
    try:
        newer = shell.phone.files.stat(shell.path(tests["-newer"])).st_mtime if tests["-newer"] else -1.0
        depth = int(tests["-maxdepth"] or 99)
        found = [
            word
            for word in _walk(shell, start, depth)
            if _fits(shell, word, kind=tests["-type"], pattern=tests["-name"] or "*", newer=newer)
        ]
    except OSError as problem:
        return refused("find", problem, tests["-newer"] or start)
    return done("".join(f"{word}\n" for word in found))


def _walk(shell: Shell, word: str, depth: int) -> Iterator[str]:
    shell.phone.files.stat(shell.path(word))
    yield word
    if depth > 0 and shell.phone.files.is_folder(shell.path(word)):
        for name in shell.phone.files.names(shell.path(word)):
            if "/" not in name:
                yield from _walk(shell, posixpath.join(word, name), depth - 1)


def _fits(shell: Shell, word: str, *, kind: str, pattern: str, newer: float) -> bool:
    found = shell.phone.files.stat(shell.path(word))
    kinds = {"": True, "f": stat.S_ISREG(found.st_mode), "d": stat.S_ISDIR(found.st_mode)}
    return kinds.get(kind, False) and fnmatch.fnmatchcase(posixpath.basename(word), pattern) and found.st_mtime > newer


def _rm(shell: Shell, words: list[str]) -> Result:
    try:
        flags, paths = split_flags(words, known="rRf")
    except ValueError as problem:
        return failed(f"rm: {problem}")

    def remove(path: str, word: str) -> bytes:
        try:
            shell.phone.files.remove(path, recursive=bool(flags & {"r", "R"}))
        except FileNotFoundError:
            if "f" not in flags:
                raise
        return b""

    return Result() if "f" in flags and not paths else _each(shell, "rm", paths, remove)


def _mkdir(shell: Shell, words: list[str]) -> Result:
    parents = words[:1] == ["-p"]

    def make(path: str, word: str) -> bytes:
        shell.phone.files.make_folder(path, parents=parents)
        return b""

    return _each(shell, "mkdir", words[parents:], make)


def _touch(shell: Shell, words: list[str]) -> Result:
    def touch(path: str, word: str) -> bytes:
        shell.phone.files.touch(path)
        return b""

    return _each(shell, "touch", words, touch)


def _chmod(shell: Shell, words: list[str]) -> Result:
    if len(words) < 2 or not words[0].isdigit():
        return failed("chmod: this phone offers only chmod OCTAL FILE...")

    def change(path: str, word: str) -> bytes:
        shell.phone.files.writable(path).chmod(int(words[0], 8) & 0o777 | 0o600)
        return b""

    return _each(shell, "chmod", words[1:], change)


def _two(command: str, act: Callable[[Shell, str, str], None]) -> Command:
    """Make mv or cp: SOURCE... TARGET, the target a folder or a new name."""

    def run(shell: Shell, words: list[str]) -> Result:
        words = [word for word in words if word not in ("-f", "-a", "-p")]
        if len(words) < 2:
            return failed(f"{command}: Needs 2 arguments")
        target = shell.path(words[-1])

        def one(path: str, word: str) -> bytes:
            inside = shell.phone.files.is_folder(target)
            act(shell, path, posixpath.join(target, posixpath.basename(path)) if inside else target)
            return b""

        return _each(shell, command, words[:-1], one)

    return run


def _date(shell: Shell, words: list[str]) -> Result:
    now = shell.phone.clock()
    words = [word for word in words if word != "-u"]
    if words and not words[0].startswith("+"):
        return failed(f"date: cannot set date: {words[0]}: Operation not permitted")
    form = words[0][1:] if words else "%a %b %e %H:%M:%S UTC %Y"
    seconds, microseconds = divmod(round(now * 1e6), 1_000_000)  # a float of today holds no finer time
    form = form.replace("%s", str(seconds))
    # toybox knows %N since Android 7 or so; before, the letters come back as they are.
    form = form.replace("%N", f"{microseconds:06d}000" if shell.phone.profile.sdk >= 24 else "%%N")
    return done(time.strftime(form, time.gmtime(seconds)) + "\n")


def _df(shell: Shell, words: list[str]) -> Result:
    files = shell.phone.files
    total = files.capacity // 1024
    used = min(total, -(-(files.capacity - files.free) // 1024))
    free = total - used
    head = "Filesystem     1K-blocks     Used Available Use% Mounted on"
    share = 100 * used // total if total else 100
    return done(f"{head}\n/dev/fuse {total:>14} {used:>8} {free:>9} {share:>3}% /storage/emulated\n")


def _echo(shell: Shell, words: list[str]) -> Result:
    bare = words[:1] == ["-n"]
    return done(" ".join(words[bare:]) + ("" if bare else "\n"))


def _test(shell: Shell, words: list[str]) -> Result:
    negative = words[:1] == ["!"]
    words = words[negative:]
    try:
        answer = _answer(shell, words)
    except (KeyError, ValueError):
        return failed(f"test: {' '.join(words)}: unexpected operator", status=2)
    return Result(status=int(answer == negative))


def _answer(shell: Shell, words: list[str]) -> bool:
    if len(words) == 3:
        left, operator, right = words
        return bool(COMPARISONS[operator](left, right))
    if len(words) != 2:
        return words not in ([], [""])
    operator, word = words
    if operator in ("-n", "-z"):
        return bool(word) == (operator == "-n")
    try:
        found = shell.phone.files.stat(shell.path(word))
    except OSError:
        return False
    return bool(FILE_TESTS[operator](found.st_mode, found.st_size))


COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda left, right: left == right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "-eq": lambda left, right: int(left) == int(right),
    "-ne": lambda left, right: int(left) != int(right),
    "-lt": lambda left, right: int(left) < int(right),
    "-le": lambda left, right: int(left) <= int(right),
    "-gt": lambda left, right: int(left) > int(right),
    "-ge": lambda left, right: int(left) >= int(right),
}
FILE_TESTS: dict[str, Callable[[int, int], bool]] = {
    "-e": lambda mode, size: True,
    "-f": lambda mode, size: stat.S_ISREG(mode),
    "-d": lambda mode, size: stat.S_ISDIR(mode),
    "-r": lambda mode, size: True,
    "-w": lambda mode, size: True,
    "-s": lambda mode, size: size > 0,
}


def _bracket(shell: Shell, words: list[str]) -> Result:
    return _test(shell, words[:-1]) if words[-1:] == ["]"] else failed("[: missing ]", status=2)


FILE_COMMANDS: dict[str, Command] = {
    "ls": ls,
    "stat": _stat,
    "cat": _cat,
    "head": _head,
    "tail": _tail,
    "md5sum": _sums("md5"),
    "sha256sum": _sums("sha256"),
    "find": _find,
    "rm": _rm,
    "mkdir": _mkdir,
    "touch": _touch,
    "chmod": _chmod,
    "mv": _two("mv", lambda shell, source, target: shell.phone.files.move(source, target)),
    "cp": _two("cp", lambda shell, source, target: shell.phone.files.write(target, shell.phone.files.read(source))),
    "date": _date,
    "df": _df,
    "echo": _echo,
    "test": _test,
    "[": _bracket,
}
