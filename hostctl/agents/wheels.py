"""Wheels for a board's own platform and Python, fetched on this host and kept with their hashes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, DeviceError, MissingExtra
from device_agents.hashing import hash_file
from stability_train.wheels import offline

FETCH_TIMEOUT_S = 900.0
LIST = "wheels.json"
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*((==|>=|<=|<|>|~=|!=)[A-Za-z0-9.*+!]+(,|$))*")
# PEP 600: the glibc of the oldest manylinux tag, and the names that tags had before.
OLDEST_GLIBC = {"aarch64": 17, "x86_64": 5}
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class BoardPython:
    """What decides which wheels fit a board: its Python's version, its architecture, and its glibc."""

    version: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    @property
    def platforms(self) -> list[str]:
        """The platform tags that the board takes, the newest first."""
        tags = []
        for minor in range(self.glibc[1], OLDEST_GLIBC[self.machine] - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            tags += [f"{LEGACY[minor]}_{self.machine}"] if minor in LEGACY else []
        return [*tags, f"linux_{self.machine}"]


def board_python(found: Mapping[str, Any], *, name: str) -> BoardPython:
    """Read what device_agents.board_environment describes; raises DeviceError for a board that no wheels fit."""
    system = 'set environment = "system" in the lab file'
    try:
        major, minor = (int(number) for number in found["python"])
        bits, machine, where = int(found["bits"]), str(found["machine"]), str(found["system"])
        implementation, libc, libc_version = (str(found[key]) for key in ("implementation", "libc", "libc_version"))
    except (KeyError, TypeError, ValueError) as problem:
        raise DeviceError(f"{name}: expected a description of its Python, got {dict(found)}") from problem
    if where == "android":
        raise DeviceError(
            f"{name}: no wheels are made for Termux; there: pkg install python-numpy python-pillow; {system}"
        )
    if bits != 64 or machine not in OLDEST_GLIBC:
        raise DeviceError(
            f"{name}: expected a 64-bit system of {' or '.join(OLDEST_GLIBC)}, for which wheels are made, got "
            f"{machine} with {bits} bits; install the 64-bit system, or install the libraries by hand and {system}"
        )
    glibc = re.fullmatch(r"2\.(\d{1,3})", libc_version)
    if implementation != "CPython" or libc != "glibc" or glibc is None:
        raise DeviceError(
            f"{name}: expected CPython with glibc 2, got {implementation} with {libc or 'another libc'} "
            f"{libc_version}; install the libraries by hand and {system}"
        )
    return BoardPython((major, minor), machine, (2, int(glibc[1])))


def check_requirements(requirements: Sequence[str]) -> None:
    """Raise BadInput for what is no plain name of a library with versions: no option, path or address gets to pip."""
    for one in requirements:
        if not REQUIREMENT.fullmatch(one):
            raise BadInput(f"libraries: expected names such as onnxruntime or numpy==2.4.6, got '{one}'")


def fetch_wheels(
    board: BoardPython, requirements: Sequence[str], *, cache: Path, progress: Callable[[str], None]
) -> dict[Path, str]:
    """Give the wheels of these libraries and all they need, each with its sha256; fetched by pip unless they are kept.

    Libraries without a version get this host's own where that is made for the board, else the newest that is. Kept
    wheels whose hash has changed are fetched again. Raises MissingExtra without pip, DeviceError with pip's last words.
    """
    check_requirements(requirements)
    asked = {"requirements": [as_here(one) for one in requirements], "board": repr(board)}
    folder = cache / hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    with _ONE_AT_A_TIME:
        kept = _kept(folder)
        if kept:
            return kept
        progress(
            f"fetching {', '.join(requirements)} for Python {board.version[0]}.{board.version[1]} on {board.machine}"
        )
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            problem = _download(board, asked["requirements"], Path(aside))
            if problem:
                progress(f"this host's versions are not made for it ({problem}); taking the newest that are")
                problem = _download(board, list(requirements), Path(aside))
            if problem:
                raise DeviceError(f"expected wheels of {', '.join(requirements)} for {board}, got: {problem}")
            return _keep(Path(aside), folder)


def as_here(requirement: str) -> str:
    """The requirement with this host's version, if it names none and the library is here."""
    if not re.fullmatch(r"[\w.-]+", requirement):
        return requirement
    try:
        return f"{requirement}=={importlib.metadata.version(requirement)}"
    except importlib.metadata.PackageNotFoundError:
        return requirement


def _download(board: BoardPython, requirements: Sequence[str], folder: Path) -> str:
    """Let pip fetch; "" if all went well, else its last words."""
    if offline():
        return f"--offline forbids to fetch {', '.join(requirements)}; run it once where there is a network"
    if importlib.util.find_spec("pip") is None:
        raise MissingExtra("expected pip in this Python, which fetches the wheels for boards, got none; install pip")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--dest", str(folder), "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", ".".join(map(str, board.version))]
    command += [word for tag in board.platforms for word in ("--platform", tag)]
    try:
        done = subprocess.run(
            [*command, "--", *requirements], stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"pip download took more than {FETCH_TIMEOUT_S:g} s"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return (said[-1] if said else f"pip ended with status {done.returncode}") if done.returncode else ""


def _keep(aside: Path, folder: Path) -> dict[Path, str]:
    for other in aside.iterdir():
        if other.suffix != ".whl":
            raise DeviceError(f"expected wheels from pip, got {other.name}")
    hashes = {wheel.name: hash_file(wheel) for wheel in sorted(aside.glob("*.whl"))}
    (aside / LIST).write_text(json.dumps(hashes))
    folder.mkdir(exist_ok=True)
    (folder / LIST).unlink(missing_ok=True)
    for name in (*hashes, LIST):  # the list last: without it nothing here counts
        os.replace(aside / name, folder / name)
    return {folder / name: sha256 for name, sha256 in hashes.items()}


def _kept(folder: Path) -> dict[Path, str]:
    """The wheels of an earlier time if they are all there and whole, else {}."""
    try:
        hashes = json.loads((folder / LIST).read_text())
    except (OSError, ValueError):
        return {}
    paths = {folder / name: sha256 for name, sha256 in hashes.items()}
    whole = all(path.is_file() and hash_file(path) == sha256 for path, sha256 in paths.items())
    return paths if whole else {}
