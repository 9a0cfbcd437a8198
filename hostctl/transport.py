"""The Transport protocol, the one seam between the host and any device, and the local transport."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


@dataclass(frozen=True)
class LocalTransport:
    """This machine as a device: commands run as child processes without a shell, files are copied."""

    name: str = "local"

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run a program of this machine."""
        try:
            done = subprocess.run(
                list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as problem:
            raise TimedOut(f"{self.name}: {command[0]} did not end within {timeout_s:g} s") from problem
        except OSError as problem:
            raise Unreachable(f"{self.name}: cannot run {command[0]}: {problem}") from problem
        return Output(done.stdout, done.stderr, done.returncode)

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        """Run a program of this machine and give its output as it comes; the program ends with the generator."""
        until = time.monotonic() + timeout_s
        with tempfile.TemporaryFile() as stderr:
            try:
                child = subprocess.Popen(
                    list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, bufsize=0
                )
            except OSError as problem:
                raise Unreachable(f"{self.name}: cannot run {command[0]}: {problem}") from problem
            try:
                yield from _pieces(child, until)
                child.wait(max(0.0, until - time.monotonic()))
            except (subprocess.TimeoutExpired, TimeoutError) as problem:
                raise TimedOut(f"{self.name}: {command[0]} did not end within {timeout_s:g} s") from problem
            finally:
                _end(child)
            stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - KEPT_STDERR_BYTES))
            return Output(b"", stderr.read(), child.returncode)

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to another place on this machine."""
        copy_whole(local, Path(remote))

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from another place on this machine."""
        copy_whole(Path(remote), local)

    def close(self) -> None:
        """Nothing to end."""


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
    assert child.stdout is not None
    child.stdout.close()
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
