"""Outside programs run headless and alone: found, given a home of their own, timed, stopped, asked their version."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import CommandFailed, MissingExtra, TimedOut

VERSION_LIMIT_S = 60.0


@dataclass(frozen=True)
class Program:
    """An outside program: its name, the Debian package that brings it, what its executable may be called."""

    name: str
    package: str
    executables: tuple[str, ...]


def find_program(program: Program) -> str:
    """Path of a program's executable; raises MissingExtra."""
    for executable in program.executables:
        if path := shutil.which(executable):
            return path
    names = " or ".join(program.executables)
    raise MissingExtra(f"expected the program {names} ({program.name}), found none; apt-get install {program.package}")


def run_program(
    command: Sequence[str], program: Program, folder: Path, *, timeout_s: float, check: bool = True
) -> None:
    """Run a program with its output going to files of that folder; raises TimedOut or CommandFailed."""
    homes = {name: str(folder / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    magick = {"MAGICK_CONFIGURE_PATH": str(folder), "MAGICK_TEMPORARY_PATH": str(folder)}
    # Nothing else is handed down: no display, no user's settings, and one thread for reproducible sums.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1", **homes}
    (folder / "home").mkdir(exist_ok=True)
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env={**environment, **magick, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as problem:
            raise CommandFailed(f"{program.name}: cannot run {command[0]}: {problem}") from problem
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired as problem:
            raise TimedOut(
                f"{program.name}: expected a picture within {timeout_s:g} s, got none; stopped it"
            ) from problem
        finally:
            _kill_group(process)
    if check and process.returncode:
        raise CommandFailed(f"{program.name}: expected a picture, got exit code {process.returncode}{_said(folder)}")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what a program started and left behind; on the way out of a hang, the program too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # all gone already, as after every good run
    finally:
        process.wait()


def read_picture(folder: Path, output: str, program: Program) -> NDArray[np.uint8]:
    """Read what a program wrote as uint8 (height, width, 3); raises CommandFailed if that is no picture."""
    import cv2

    path = folder / output
    if not path.is_file() or not path.stat().st_size:
        raise CommandFailed(f"{program.name}: expected a picture, got no file{_said(folder)}")
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    try:
        # The programs turn the pixels and may leave the raw's orientation in the file: once is enough.
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # as for a header that promises too many pixels
        picture = None
    if picture is None:
        raise CommandFailed(f"{program.name}: expected a picture, got {data.size} bytes that are none{_said(folder)}")
    return np.asarray(picture, dtype=np.uint8)


def _said(folder: Path) -> str:
    """The last line that a program wrote to a stream, as ": line", "" if it wrote none."""
    for stream in ("stderr", "stdout"):
        text = (folder / stream).read_bytes()[-2000:].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip().isprintable() and line.strip()]
        if lines:
            return f": {lines[-1].replace(f'{folder}/', '')[:200]}"
    return ""


def program_version(program: Program, *options: str, pattern: str = r"\d+(?:[.-]\d+)+") -> str:
    """Give the version that a program prints: "RawTherapee 5.9"; raises MissingExtra where it is absent."""
    return f"{program.name} {_version(program, find_program(program), options, pattern)}"


@functools.lru_cache(maxsize=32)
def _version(program: Program, executable: str, options: tuple[str, ...], pattern: str) -> str:
    with tempfile.TemporaryDirectory(prefix="instability-isp-", ignore_cleanup_errors=True) as name:
        run_program([executable, *options], program, Path(name), timeout_s=VERSION_LIMIT_S, check=False)
        said = b"".join((Path(name) / stream).read_bytes() for stream in ("stdout", "stderr"))
    found = re.search(pattern, said.decode("utf-8", "replace"))
    if not found:
        raise CommandFailed(f"{program.name}: expected a version from {executable}, got {len(said)} bytes without one")
    return found[0]
