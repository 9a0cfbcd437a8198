"""Devices held by one command at a time on this host: a locked file for each device, with its holder's name in it.

The lock is the operating system's (flock): it goes with the process, however that ends, so a crashed holder's device is
free at once and no lock is ever stale. The files stay; only who has one locked holds the device.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from device_agents.errors import BadInput, DeviceError
from hostctl.lab import DeviceSettings, Lab

FOLDER = "held"  # in laboratory.state_folder()
POLL_S = 0.5
SHOWN = 200  # characters of a holder's name; the file is another process's

Taken = TypeVar("Taken")
Want = tuple[int, Mapping[str, str]]  # how many of these devices; each device's name -> its identity


@dataclass(frozen=True)
class Holder:
    """Who has a device: the command's own name for itself, its process on this host, since when."""

    name: str
    pid: int
    since_utc: str

    def __str__(self) -> str:
        return f"'{self.name}' (process {self.pid}, since {self.since_utc})"


class Hold:
    """A device held until ``release``, or until this process ends."""

    def __init__(self, file: int) -> None:
        self._file = file

    def release(self) -> None:
        """Give the device back; may be called once."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def identity(device: DeviceSettings, lab: Lab) -> str:
    """Say which thing a lab's device is, the same in every lab file that names it: its kind and address.

    A virtual device belongs to its lab file's folder and name, and so does a page: which phone will open it, nobody
    knows before. One phone by USB and by TCP is two things to this.
    """
    if device.virtual or device.in_page:
        kind = "virtual" if device.virtual else "page"
        return f"{kind} {lab.folder.resolve()} {lab.name} {device.name}"
    if device.kind == "ssh":
        return f"ssh {device.host.lower()}:{device.port}"
    if device.kind == "local":
        return f"local {platform.node()}"
    return f"adb {device.serial or device.address}"


def take(identity: str, *, folder: Path, holder: Holder) -> Hold | Holder:
    """Try to hold a device: gives the hold, or who has it; ``folder`` is where this host's lock files lie.

    Raises BadInput where they cannot be written.
    """
    path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        words = f"expected {folder} to take the lock files of held devices, got: {problem.strerror}"
        raise BadInput(f"{words}; make it writable, or set XDG_DATA_HOME to another folder") from problem
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(file, 4096, 0)
        os.close(file)
        return _read(text)
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps({**asdict(holder), "device": identity}).encode(), 0)
    return Hold(file)


@contextmanager
def held(
    wants: Sequence[Want],
    *,
    name: str,
    folder: Path,
    wait_s: float = 0.0,
    said: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[list[str]]]:
    """Hold devices for a block: for each want as many of its devices as it says, the first that are free.

    ``name`` is what others are told of this holder. Gives the devices taken for each want; see all_free.
    """
    holder = Holder(name, os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))
    identities = {device: its_identity for _, devices in wants for device, its_identity in devices.items()}

    def take_one(device: str) -> tuple[str, Hold] | str:
        found = take(identities[device], folder=folder, holder=holder)
        return (device, found) if isinstance(found, Hold) else f"{device} is held by {found}"

    def release(one: tuple[str, Hold]) -> None:
        one[1].release()

    names = [(count, tuple(devices)) for count, devices in wants]
    taken = all_free(names, take_one, release, wait_s=wait_s, said=said, clock=clock, sleep=sleep)
    try:
        yield [[device for device, _ in some] for some in taken]
    finally:
        for one in itertools.chain(*taken):
            release(one)


def all_free(
    wants: Sequence[tuple[int, Sequence[str]]],
    take_one: Callable[[str], Taken | str],
    release: Callable[[Taken], None],
    *,
    wait_s: float,
    said: Callable[[str], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> list[list[Taken]]:
    """Take for each want as many of its devices as it says; ``take_one`` gives a device, or why not in words.

    All are taken or none, so that two who wait cannot block each other. Raises DeviceError with those words where that
    does not work within ``wait_s``; ``said`` hears once that it waits.
    """
    until, told = clock() + wait_s, False
    while True:
        taken, problem = _try(wants, take_one)
        if not problem:
            return taken
        for one in itertools.chain(*taken):
            release(one)
        if clock() >= until:
            raise DeviceError(f"{problem}; wait for it with --wait SECONDS, or name other devices")
        if not told:
            said(f"waiting: {problem}")
            told = True
        sleep(POLL_S)


def _try(
    wants: Sequence[tuple[int, Sequence[str]]], take_one: Callable[[str], Taken | str]
) -> tuple[list[list[Taken]], str]:
    """Take what can be had, up to the first want that cannot; with words for that one."""
    taken: list[list[Taken]] = []
    for count, devices in wants:
        got: list[Taken] = []
        others: list[str] = []
        taken.append(got)
        for device in devices:
            if len(got) == count:
                break
            found = take_one(device)
            if isinstance(found, str):
                others.append(found)
            else:
                got.append(found)
        if len(got) < count:
            what = devices[0] if len(devices) == 1 else f"{count} of {', '.join(devices)}"
            return taken, f"expected {what} to be free; {'; '.join(others)}"
    return taken, ""


def _read(text: bytes) -> Holder:
    """The holder that a file names; one that was just locked may name none yet."""
    try:
        values = json.loads(text)
        return Holder(str(values["name"])[:SHOWN], int(values["pid"]), str(values["since_utc"])[:SHOWN])
    except (ValueError, KeyError, TypeError):
        return Holder("a command that is just starting", 0, "now")
