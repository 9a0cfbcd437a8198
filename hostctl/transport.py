"""The Transport protocol, the one seam between the host and any device, and the local transport."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
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


class Transport(Protocol):
    """Commands to a device and files to and from it.

    ``command`` is a list of words; a transport that must send one string quotes each word itself. A non-zero exit
    status is returned, not raised. Raises Unreachable, Unauthorised or TimedOut, each naming the device.
    """

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        """Run one command on the device and wait for it, at most timeout_s seconds."""
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

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to another place on this machine."""
        copy_whole(local, Path(remote))

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from another place on this machine."""
        copy_whole(Path(remote), local)

    def close(self) -> None:
        """Nothing to end."""


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
