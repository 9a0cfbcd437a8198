"""A virtual environment on a board for the agent: made there of wheels from this host, once for each content."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents import board_environment
from device_agents.errors import CommandFailed, DeviceError
from device_agents.hashing import hash_file
from hostctl.agent import FOLDER, Named
from hostctl.agents.wheels import board_python, fetch_wheels
from hostctl.transport import Output

LIBRARIES = ("numpy", "pillow", "ai-edge-litert")  # what predicting a .tflite model takes
ASK_TIMEOUT_S, MAKE_TIMEOUT_S = 120.0, 1800.0  # a Raspberry Pi unpacks 150 MB onto a card
ANSWER_BYTES = 1 << 20
KIND = "environment"
ERROR_LINES = 3


@dataclass(frozen=True)
class Environment:
    """An environment on a board: its Python, the versions of its libraries, and whether it was made just now."""

    python: str
    libraries: Mapping[str, str]
    made: bool


def say(text: str) -> None:
    """Tell a person who waits."""
    print(text, file=sys.stderr, flush=True)


def prepare_environment(
    transport: Named,
    *,
    cache: Path,
    python: str = "python3",
    folder: str = "",
    libraries: Sequence[str] = LIBRARIES,
    progress: Callable[[str], None] = say,
) -> Environment:
    """Give the board's environment with these libraries; makes it unless it is there, whole and unchanged.

    The board needs Python 3.9 with its module venv, and no network. ``cache`` keeps the wheels on this host, ``folder``
    is the agent's on the board. Raises DeviceError, naming the board, with what to do where it cannot be made.
    """
    board = _Board(transport, python, folder or FOLDER, lambda text: progress(f"{transport.name}: {text}"))
    board.send_script()
    found = board_python(board.ask("describe"), name=transport.name)
    wheels = fetch_wheels(found, libraries, cache=cache, progress=board.progress)
    hashes = {path.name: sha256 for path, sha256 in sorted(wheels.items())}
    content = hashlib.sha256(json.dumps([hashes, found.version, python]).encode()).hexdigest()
    place = f"{board.folder}/{KIND}-{content[:16]}"
    note = board.ask("check", place)
    made = not _is_whole(note, hashes)
    if made:
        if note:
            board.progress("its environment was changed or is not whole; making it anew")
        note = board.make(place, wheels, hashes)
        if not _is_whole(note, hashes):
            raise DeviceError(f"{transport.name}: expected an environment of {sorted(hashes)}, got {note}")
    return Environment(f"{place}/bin/python", _versions(hashes), made)


@dataclass(frozen=True)
class _Board:
    """A board that runs device_agents.board_environment."""

    transport: Named
    python: str
    folder: str
    progress: Callable[[str], None]

    @property
    def script(self) -> str:
        return f"{self.folder}/board_environment.py"

    def send_script(self) -> None:
        source = Path(board_environment.__file__)
        if self._hashes([self.script]) != {self.script: hash_file(source)}:
            self.transport.push(source, self.script)

    def ask(self, *words: str, timeout_s: float = ASK_TIMEOUT_S) -> dict[str, Any]:
        output = self.transport.run([self.python, self.script, *words], timeout_s=timeout_s)
        if output.exit_code:
            raise CommandFailed(f"{self.transport.name}: cannot {words[0]} an environment: {_last_words(output)}")
        try:
            answer = json.loads(output.text) if len(output.stdout) <= ANSWER_BYTES else None
        except json.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise DeviceError(
                f"{self.transport.name}: expected one JSON line on its environment, got {output.text[:80]!r}"
            )
        return answer

    def make(self, place: str, wheels: Mapping[Path, str], hashes: Mapping[str, str]) -> dict[str, Any]:
        size_mb = sum(path.stat().st_size for path in wheels) / 1e6
        self.progress(f"sending {len(wheels)} wheels, {size_mb:.0f} MB")
        folder = f"{self.folder}/wheels"
        there = self._hashes([f"{folder}/{path.name}" for path in wheels])
        for path, sha256 in wheels.items():
            if there.get(f"{folder}/{path.name}") != sha256:
                self.transport.push(path, f"{folder}/{path.name}")
        with tempfile.TemporaryDirectory(prefix="instability-wheels-") as aside:
            listed = Path(aside) / "wheels.json"
            listed.write_text(json.dumps(dict(hashes)))
            self.transport.push(listed, f"{folder}/wheels.json")
        self.progress("making the environment; on a slow card this takes minutes")
        note = self.ask("make", place, f"{folder}/wheels.json", timeout_s=MAKE_TIMEOUT_S)
        self.transport.run(["rm", "-rf", folder], timeout_s=ASK_TIMEOUT_S)
        self.progress(f"the environment is ready: {', '.join(f'{k} {v}' for k, v in _versions(hashes).items())}")
        return note

    def _hashes(self, remotes: Sequence[str]) -> dict[str, str]:
        """The sha256 of those of these files that are there."""
        lines = self.transport.run(["sha256sum", *remotes], timeout_s=ASK_TIMEOUT_S).text.splitlines()
        words = [line.split(maxsplit=1) for line in lines]
        return {pair[1].lstrip("*"): pair[0] for pair in words if len(pair) == 2}


def _is_whole(note: Mapping[str, Any], hashes: Mapping[str, str]) -> bool:
    """Whether a note says of an environment that it holds these wheels, in their versions, and nothing else but pip."""
    there = note.get("libraries")
    if note.get("wheels") != dict(hashes) or not isinstance(there, dict):
        return False
    return {name: version for name, version in there.items() if name not in ("pip", "setuptools")} == {
        name: version for name, version in _versions(hashes).items() if name not in ("pip", "setuptools")
    }


def _versions(hashes: Mapping[str, str]) -> dict[str, str]:
    """The version of each library, as its wheel's name has it (PEP 427)."""
    parts = (name.split("-") for name in hashes)
    return {part[0].lower().replace("_", "-").replace(".", "-"): part[1] for part in parts}


def _last_words(output: Output) -> str:
    lines = output.stderr.decode("utf-8", "replace").strip().splitlines()[-ERROR_LINES:]
    return " | ".join(line.removeprefix("error: ") for line in lines) or f"exit code {output.exit_code}"
