"""The Transport protocol, the one seam between the host and any device, and the local transport."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from device_agents.errors import BadInput, TimedOut, Unreachable


@dataclass(frozen=True)
class Output:
    """What a command on a device gave back: its two streams as bytes, and its exit status."""

    stdout: bytes
    stderr: bytes
    exit_code: int

    @property
    def text(self) -> str:
        """Standard output as text, undecodable bytes replaced."""
        return self.stdout.decode("utf-8", "replace")


Stream = Generator[bytes, None, Output]
PIECE_BYTES = 64 * 1024
KEPT_STDERR_BYTES = 64 * 1024  # of a streamed command: its last words
ENDING_S = 30.0  # at most, for what was killed to be gone; a copy cannot be stopped


class Transport(Protocol):
    """Commands to a device and files to and from it.

    ``command`` is a list of words; a transport that must send one string quotes each word itself. A non-zero exit
    status is returned, not raised. Raises Unreachable, Unauthorised or TimedOut, each naming the device.
    """

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run one command on the device and wait for it, at most timeout_s seconds."""
        ...

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        """Run one command and give its standard output in pieces as they come; its Output, without that, comes last.

        Of standard error only the end is kept. A generator that is closed early ends the command where it can.
        """
        ...

    def push(self, local: Path, remote: str) -> None:
        """Copy a file of this machine onto the device."""
        ...

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file of the device into a file of this machine, which is complete or absent afterwards."""
        ...

    def close(self) -> None:
        """End the connection; may be called twice."""
        ...


class _Doing:
    """What goes on through a local transport, so that another thread can end it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._going = 0
        self._ended = False

    @contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Count one command or copy while the block lasts; raises Unreachable once all was ended."""
        with self._changed:
            if self._ended:
                raise Unreachable(f"{name}: expected a device at work, got one that this program has ended")
            self._going += 1
        try:
            yield
        finally:
            with self._changed:
                self._going -= 1
                self._changed.notify_all()

    @contextmanager
    def child(self, name: str, command: Sequence[str], *, stderr: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A program at work, its output in a pipe; it has ended when the block has. Raises Unreachable."""
        with self.operation(name):
            try:
                child = subprocess.Popen(
                    list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, bufsize=0
                )
            except OSError as problem:
                raise Unreachable(f"{name}: cannot run {command[0]}: {problem}") from problem
            with self._changed:
                self._children.add(child)
                if self._ended:  # while it was started
                    child.kill()
            try:
                yield child
            finally:
                _end(child)
                with self._changed:
                    self._children.remove(child)

    def end(self) -> None:
        with self._changed:
            self._ended = True
            for child in self._children:
                child.kill()
            self._changed.wait_for(lambda: not self._going, ENDING_S)


@dataclass(frozen=True)
class LocalTransport:
    """This machine as a device: commands run as child processes without a shell, files are copied."""

    name: str = "local"
    _doing: _Doing = field(default_factory=_Doing, init=False, repr=False, compare=False)

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run a program of this machine."""
        with self._doing.child(self.name, command, stderr=subprocess.PIPE) as child:
            try:
                stdout, stderr = child.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as problem:
                raise TimedOut(f"{self.name}: {command[0]} did not end within {timeout_s:g} s") from problem
        return Output(stdout, stderr, child.returncode)

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        """Run a program of this machine and give its output as it comes; the program ends with the generator."""
        until = time.monotonic() + timeout_s
        with tempfile.TemporaryFile() as stderr:
            with self._doing.child(self.name, command, stderr=stderr) as child:
                try:
                    yield from _pieces(child, until)
                    child.wait(max(0.0, until - time.monotonic()))
                except (subprocess.TimeoutExpired, TimeoutError) as problem:
                    raise TimedOut(f"{self.name}: {command[0]} did not end within {timeout_s:g} s") from problem
            stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - KEPT_STDERR_BYTES))
            return Output(b"", stderr.read(), child.returncode)

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to another place on this machine."""
        with self._doing.operation(self.name):
            copy_whole(local, Path(remote))

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from another place on this machine."""
        with self._doing.operation(self.name):
            copy_whole(Path(remote), local)

    def close(self) -> None:
        """Nothing to end."""

    def end(self) -> None:
        """Kill what other threads run through it, wait until that has ended, and refuse what they ask for from now on.

        For the owner of a folder that is about to go, while a thread may still be at work in it.
        """
        self._doing.end()


def _pieces(child: subprocess.Popen[bytes], until: float) -> Iterator[bytes]:
    """A program's output until its end; raises TimeoutError when that is not there at a time of time.monotonic."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        while waiting.select(max(0.0, until - time.monotonic())):
            piece = child.stdout.read(PIECE_BYTES)
            if not piece:
                return
            yield piece
    raise TimeoutError


def _end(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    if child.poll() is None:
        child.kill()
        child.wait()


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file aside and rename it, so that the target is complete or absent; raises BadInput if there is none."""
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        os.replace(part, target)
    except OSError as problem:
        part.unlink(missing_ok=True)
        raise BadInput(f"cannot copy {source} to {target}: {problem}") from problem
