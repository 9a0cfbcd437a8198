"""Keeps the last lines of a phone's log when a photograph failed, in files named by us, bounded in size and time."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from device_agents.errors import DeviceError
from hostctl.transport import Output, Transport

LOG_MARK = "; its log: "  # between a failure's words and where its log was kept
FOLDER = "logcat"  # in the run's folder "lab", which is never exported
LINES = 2_000
LARGEST = 256_000  # bytes kept of one log
LIMIT_S = 5.0
FILES = 40  # a device, in one session
EARLIER_S = 1.0  # what the phone logged just before the key may say why


class Logcat:
    """Writes the log of one phone into ``folder`` when asked. A log may hold names, places, messages: personal data."""

    def __init__(
        self,
        transport: Transport,
        folder: Path,
        *,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._folder = folder / FOLDER
        self._name = name
        self._clock = clock
        self._now = now
        self._count = 0

    def keep(self, *, began: float, reason: str) -> str:
        """Write what the phone logged since ``began`` (of the clock) and give the file's name, "lab/logcat/...".

        Gives "" if the phone does not answer within LIMIT_S, has nothing to say, or FILES were kept already.
        """
        if self._count >= FILES:
            return ""
        end = self._clock() + LIMIT_S
        try:
            since, lines = self._lines(began, end)
        except DeviceError:
            return ""  # the photograph's own failure is what is told
        if not lines:
            return ""
        self._count += 1
        path = self._folder / self._file_name()
        self._folder.mkdir(parents=True, exist_ok=True)
        head = f"# {self._name}: {reason}\n# {since}; may hold personal data; never exported\n".encode()
        body = b"\n".join(lines)
        path.write_bytes(head + (body if len(body) <= LARGEST else body[-LARGEST:]) + b"\n")
        return f"lab/{FOLDER}/{path.name}"

    def _lines(self, began: float, end: float) -> tuple[str, list[bytes]]:
        """The last lines, without those from before; phones before Android 7 know no -v epoch: then all of them."""
        clock = self._ask(["date", "+%s"], end).text.strip()
        output = self._ask(["logcat", "-d", "-t", str(LINES), "-v", "epoch"], end)
        if output.exit_code or not re.fullmatch(r"\d{1,18}", clock):
            output = self._ask(["logcat", "-d", "-t", str(LINES), "-v", "time"], end)
            lines = output.stdout.splitlines()[-LINES:] if not output.exit_code else []
            return f"its last {LINES} lines; this phone does not give times that can be compared", lines
        since = float(clock) - (self._clock() - began) - EARLIER_S
        return f"since {since:.0f} by its own clock", _since(output.stdout.splitlines()[-LINES:], since)

    def _ask(self, command: list[str], end: float) -> Output:
        return self._transport.run(command, timeout_s=max(0.1, end - self._clock()))

    def _file_name(self) -> str:
        """A name of ours: part of a hash for the device, whose own name may hold anything, the time, a number."""
        short = hashlib.sha256(self._name.encode()).hexdigest()[:8]
        return f"{short}-{self._now().strftime('%Y%m%dT%H%M%SZ')}-{self._count}.txt"


def _since(lines: list[bytes], since: float) -> list[bytes]:
    """The lines from the first one that is late enough; those without a time belong to the one before."""
    for number, line in enumerate(lines):
        match = re.match(rb"\s*(\d+\.\d+)", line)
        if match and float(match[1]) >= since:
            return lines[number:]
    return []
