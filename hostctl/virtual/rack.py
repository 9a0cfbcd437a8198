"""The virtual rack: one child process that holds the virtual screen, the phones, boards and browsers of a lab.

The parent writes the rack's settings as one JSON line to the child's standard input; the child answers with one JSON
line of addresses, then obeys lines such as {"angle": 10}, and ends when its standard input does, so that it never
outlives a killed controller. Everything else goes over the real protocols: HTTP, ADB, SSH.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from device_agents.errors import DeviceError, TimedOut
from hostctl.lab import Lab

START_TIMEOUT_S = 60.0


class Rack:
    """The parent's side of a running virtual rack; a context manager."""

    def __init__(self, lab: Lab, *, url: str, folder: Path, pages: Mapping[str, str] | None = None) -> None:
        """Start the child and wait for its addresses; raises DeviceError with the child's words if it does not start.

        ``url`` is that of the display server, with its token, for the rack's screen; ``folder`` is for its keys and
        its boards' files. ``pages`` are the addresses of its browsers' pages by their names: only these are started.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._log = (folder / "rack.log").open("ab")
        self.child = subprocess.Popen(
            [sys.executable, "-m", "hostctl.virtual.racked"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        devices = [asdict(device) for device in lab.devices if device.virtual]
        settings = {"url": url, "seed": lab.session.seed, "folder": str(folder), "display": asdict(lab.display)}
        self._tell({**settings, "devices": devices, "pages": dict(pages or {})})
        self.addresses: dict[str, dict[str, Any]] = self._first_answer(folder / "rack.log")

    def turn(self, angle: int) -> None:
        """Turn the mount: every camera sees the screen from this angle, in degrees, from now on."""
        self._tell({"angle": angle})
        self._answer()

    def close(self) -> None:
        """End the child and wait for it."""
        if self.child.stdin and not self.child.stdin.closed:
            self.child.stdin.close()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()
        self._log.close()

    def __enter__(self) -> Rack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, words: Mapping[str, Any]) -> None:
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(words) + "\n")
            self.child.stdin.flush()
        except (BrokenPipeError, ValueError) as problem:
            raise DeviceError("the virtual rack has ended; its last words are in rack.log") from problem

    def _answer(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise DeviceError("the virtual rack has ended; its last words are in rack.log")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _first_answer(self, log: Path) -> dict[str, dict[str, Any]]:
        timer = threading.Timer(START_TIMEOUT_S, self.child.kill)
        timer.start()
        try:
            return self._answer()
        except DeviceError as problem:
            late = not timer.is_alive()
            self.close()
            words = log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["(none)"]
            if late:
                raise TimedOut(f"the virtual rack did not start within {START_TIMEOUT_S:g} s: {words[0]}") from problem
            raise DeviceError(f"the virtual rack did not start: {words[0]}") from problem
        finally:
            timer.cancel()
