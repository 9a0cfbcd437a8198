"""The shell of a virtual phone: runs parsed lines with the commands of a table, never with a shell of this machine."""

from __future__ import annotations

import asyncio
import fnmatch
import inspect
import posixpath
from collections.abc import AsyncIterator

from hostctl.virtual.phone_android_commands import ANDROID_COMMANDS
from hostctl.virtual.phone_commands import Command, Result, Shell, done, failed, refused
from hostctl.virtual.phone_file_commands import FILE_COMMANDS
from hostctl.virtual.phone_state import PhoneState
from hostctl.virtual.shell_syntax import Fragment, Redirection, ShellSyntaxError, Simple, Word, expand, has_glob, parse

NOT_FOUND = 127


async def run_line(phone: PhoneState, line: str) -> AsyncIterator[Result]:
    """Run a command line in a new shell; gives the result of each command as it ends, never none."""
    shell = Shell(phone, variables={"EXTERNAL_STORAGE": "/sdcard", "HOSTNAME": phone.profile.device, "HOME": "/"})
    async for result in run_in(shell, line):
        yield result


async def run_in(shell: Shell, line: str) -> AsyncIterator[Result]:
    """Run a command line in a given shell."""
    try:
        commands = parse(line)
    except ShellSyntaxError as problem:
        yield failed(f"/system/bin/sh: syntax error: {problem}")
        return
    for command in commands:
        if (command.connector == "&&" and shell.status) or (command.connector == "||" and not shell.status):
            continue
        result = await _run_simple(shell, command)
        shell.status = result.status
        yield result._replace(last=command is commands[-1] or shell.ended)
        if shell.ended:
            return
    if not commands:
        yield Result(last=True)


async def _run_simple(shell: Shell, command: Simple) -> Result:
    words = [text for word in command.words for text in _expanded(shell, word)]
    before = Result()
    shell.stdin = b""
    for redirection in command.redirections:
        before = _open(shell, redirection)
        if before.status:
            return before
    if not words:
        return before
    function = COMMANDS.get(posixpath.basename(words[0]))
    if function is None:
        result = failed(f"/system/bin/sh: {words[0]}: inaccessible or not found", status=NOT_FOUND)
    else:
        answer = function(shell, words[1:])
        result = await answer if inspect.isawaitable(answer) else answer
    return _redirected(shell, command, result)


def _expanded(shell: Shell, word: Word) -> list[str]:
    """Give a word's texts: one, or the paths that its * and ? match; a pattern that matches nothing stays itself."""
    text = expand(word, {**shell.variables, "?": str(shell.status), "PWD": shell.cwd})
    if not has_glob(word):
        return [text]
    folder, pattern = posixpath.split(text)
    try:
        names = shell.phone.files.names(shell.path(folder))
    except OSError:
        return [text]
    fitting = [name for name in names if fnmatch.fnmatchcase(name, pattern) and name[:1] != "."]
    return [posixpath.join(folder, name) for name in fitting] or [text]


def _open(shell: Shell, redirection: Redirection) -> Result:
    """Prepare a redirection as a shell does before it runs the command: read the input, empty the output."""
    if not redirection.target:
        return Result()
    word = _text(shell, redirection.target)
    try:
        if redirection.operator == "<":
            shell.stdin = shell.phone.files.read(shell.path(word))
        else:
            shell.phone.files.write(shell.path(word), b"", append=">>" in redirection.operator)
    except OSError as problem:
        return refused("/system/bin/sh: can't create", problem, word)
    return Result()


def _redirected(shell: Shell, command: Simple, result: Result) -> Result:
    """Send the result's streams where the redirections say, from left to right."""
    streams = {"1": result.stdout, "2": result.stderr}
    for redirection in command.redirections:
        if redirection.operator == "2>&1":
            streams = {"1": streams["1"] + streams["2"], "2": b""}
        elif redirection.operator.endswith(">&2"):
            streams = {"1": b"", "2": streams["2"] + streams["1"]}
        elif redirection.operator != "<":
            stream = "2" if redirection.operator.startswith("2") else "1"
            word = _text(shell, redirection.target)
            merged = stream == "1" and any(other.operator == "2>&1" for other in command.redirections)
            data = streams[stream] + (streams["2"] if merged else b"")
            streams[stream] = b""
            if merged:
                streams["2"] = b""
            try:
                shell.phone.files.write(shell.path(word), data, append=True)
            except OSError as problem:
                return refused("write", problem, word)
    return Result(streams["1"], streams["2"], result.status)


def _text(shell: Shell, word: tuple[Fragment, ...]) -> str:
    return expand(word, {**shell.variables, "?": str(shell.status)})


def _cd(shell: Shell, words: list[str]) -> Result:
    target = shell.path(words[0] if words else "/")
    if not shell.phone.files.is_folder(target):
        return failed(f"/system/bin/sh: cd: {target}: No such file or directory", status=2)
    shell.cwd = target
    return Result()


def _exit(shell: Shell, words: list[str]) -> Result:
    shell.ended = True
    return Result(status=int(words[0]) & 0xFF if words and words[0].isdigit() else shell.status)


async def _sh(shell: Shell, words: list[str]) -> Result:
    if len(words) < 2 or words[0] != "-c":
        return failed("sh: this phone offers only sh -c LINE")
    inner = Shell(shell.phone, cwd=shell.cwd, variables=dict(shell.variables))
    results = [result async for result in run_in(inner, words[1])]
    return Result(b"".join(r.stdout for r in results), b"".join(r.stderr for r in results), results[-1].status)


async def _sleep(shell: Shell, words: list[str]) -> Result:
    try:
        await asyncio.sleep(float(words[0]))
    except (IndexError, ValueError):
        return failed(f"sleep: bad seconds {words}")
    return Result()


async def _python(shell: Shell, words: list[str]) -> Result:
    """Run the agent, off the loop; phone paths that are there become their places on this machine."""
    phone = shell.phone
    if phone.agent is None or not phone.profile.termux:
        return failed("/system/bin/sh: python: inaccessible or not found", status=NOT_FOUND)
    here = [_host_word(shell, word) for word in words]
    return Result(*await asyncio.to_thread(phone.agent, here))


def _host_word(shell: Shell, word: str) -> str:
    place = shell.phone.files.host_path(shell.path(word))
    return str(place) if "/" in word or place.exists() else word


COMMANDS: dict[str, Command] = {
    **FILE_COMMANDS,
    **ANDROID_COMMANDS,
    "cd": _cd,
    "exit": _exit,
    "sh": _sh,
    "sleep": _sleep,
    "python": _python,
    "python3": _python,
    "true": lambda shell, words: Result(),
    "false": lambda shell, words: Result(status=1),
    ":": lambda shell, words: Result(),
    "pwd": lambda shell, words: done(shell.cwd + "\n"),
}
