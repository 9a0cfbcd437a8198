"""Remembers a phone's settings before they are changed, also on this host's disk, and puts them back."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from device_agents.errors import CommandFailed, DeviceError
from hostctl.transport import Transport

FOLDER = "changed-settings"  # in laboratory.state_folder()
COMMAND_TIMEOUT_S = 15.0
LARGEST = 64_000  # bytes of a record that is believed
SPACES = ("global", "secure", "system")

Setting = tuple[str, str]  # namespace and key, as `settings get` takes them


class ChangedSettings:
    """What a phone's settings were, from ``remember`` until ``put_back``.

    With ``state`` (a folder of this user) they are on disk before anything is changed. If this process is killed, or
    the phone is away at the end, the next one that remembers settings of the same phone puts back what was there in the
    first place. The record is locked meanwhile, so that two commands cannot drive one phone; the lock goes with the
    process. A phone is known by its serial number, of which only a hash is written.
    """

    def __init__(self, transport: Transport, *, name: str, state: Path | None = None) -> None:
        self.values: dict[Setting, str] = {}
        self._transport = transport
        self._name = name
        self._state = state
        self._record = -1

    def remember(self, settings: Iterable[Setting]) -> None:
        """Note what these settings are now; may be called again for more.

        Raises DeviceError if another command holds this phone, CommandFailed if the phone does not tell.
        """
        left = self._take() if self._state is not None and self._record < 0 else {}
        for space, key in settings:
            if (space, key) not in self.values:
                self.values[(space, key)] = self._settings("get", space, key)
        self.values.update(left)
        self._write()

    def change(self, wanted: Mapping[Setting, str]) -> None:
        """Remember settings and give them new values; raises CommandFailed if the phone refuses one."""
        self.remember(wanted)
        for (space, key), value in wanted.items():
            self._settings("put", space, key, value)

    def put_back(self) -> None:
        """Give every remembered setting its old value, and forget it.

        What could not be put back stays on disk for the next time. Raises DeviceError of the phone, CommandFailed with
        the first refusal after all others were put back.
        """
        refused: list[CommandFailed] = []
        try:
            for (space, key), value in list(self.values.items()):
                words = ("delete", space, key) if value in ("", "null") else ("put", space, key, value)
                try:
                    self._settings(*words)
                    del self.values[(space, key)]
                except CommandFailed as problem:
                    refused.append(problem)
        finally:
            self._write()
            self.forget()
        if refused:
            raise refused[0]

    def forget(self) -> None:
        """Let the phone go without putting anything back; what is on disk stays there."""
        self.values = {}
        if self._record >= 0:
            os.close(self._record)
            self._record = -1

    def _take(self) -> dict[Setting, str]:
        """Open and lock this phone's record; give what an earlier command left in it."""
        assert self._state is not None
        folder = self._state / FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{serial_hash(self._transport) or _hash(self._name)}.json"
        record = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _read(os.pread(record, LARGEST, 0))[1]
            os.close(record)
            raise DeviceError(
                f"{self._name}: expected a phone that no other command drives, got one held by {who}; is it in the lab "
                "file twice (by USB and by address), or does another run use it?"
            ) from None
        self._record = record
        return _read(os.pread(record, LARGEST, 0))[0]

    def _write(self) -> None:
        """Bring the record up to date; the new text is whole before the rest of the old one is cut off."""
        if self._record < 0:
            return
        values = [[space, key, value] for (space, key), value in self.values.items()]
        text = json.dumps({"device": self._name, "pid": os.getpid(), "values": values}).encode()
        os.pwrite(self._record, text, 0)
        os.ftruncate(self._record, len(text))
        os.fsync(self._record)

    def _settings(self, *words: str) -> str:
        output = self._transport.run(["settings", *words], timeout_s=COMMAND_TIMEOUT_S)
        if output.exit_code:
            lines = (output.stderr.strip() or output.stdout).decode("utf-8", "replace").strip().splitlines()
            said = lines[-1] if lines else "no message"
            raise CommandFailed(
                f"{self._name}: settings {' '.join(words)}: {said} (exit status {output.exit_code}); some makers want "
                "'USB debugging (Security settings)' switched on beside USB debugging"
            )
        return output.text.strip()


def serial_hash(transport: Transport) -> str:
    """32 hexadecimal digits of the hash of an Android device's serial number; "" if it tells none."""
    serial = transport.run(["getprop", "ro.serialno"], timeout_s=COMMAND_TIMEOUT_S).text.strip()
    return _hash(serial) if serial and serial != "unknown" else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(text: bytes) -> tuple[dict[Setting, str], str]:
    """The settings in a record and who wrote it; a record cut short by a kill had changed nothing yet."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
        values = {(str(space), str(key)): str(value) for space, key, value in found["values"] if space in SPACES}
        return values, f"'{found['device']}' (process {int(found['pid'])})"
    except (ValueError, KeyError, TypeError):
        return {}, "a command that is just starting"
