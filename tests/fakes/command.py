"""The command line as its user calls it: the installed program, in a folder, with its output and exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("instability")

LAB = """
name = "test rack"
[display]
screen = "virtual"
width = 960
height = 720
settle_ms = 60
paint_delay_ms = 10
{display}
[session]
angles = [0]
repeats = {repeats}
seed = 7
reserve_mb = 0
shoot_timeout_s = 60
[[device]]
name = "phone"
kind = "virtual-phone"
camera = "{camera}"
phone = "modern"
"""
BOARD = """
[[device]]
name = "board"
kind = "virtual-board"
camera = "board-plain"
predicts = "agent"
"""


def write_lab(folder: Path, *, camera="budget-jpeg", board=False, repeats=1, display="", extra="") -> Path:
    """Write a virtual lab's file and give its path."""
    path = folder / "lab.toml"
    path.write_text(LAB.format(camera=camera, repeats=repeats, display=display) + (BOARD if board else "") + extra)
    return path


def instability(*words: object, cwd: Path, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [str(PROGRAM), *map(str, words)],
        cwd=cwd,
        env=_environment(cwd),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def start(*words: object, cwd: Path) -> subprocess.Popen[bytes]:
    """Start the program and leave it running."""
    return subprocess.Popen(
        [str(PROGRAM), *map(str, words)],
        cwd=cwd,
        env=_environment(cwd),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _environment(cwd: Path) -> dict[str, str]:
    """This process's, with what outlives a run (held devices, keys) in the test's folder unless it has a place."""
    return {"XDG_DATA_HOME": str(cwd / "state"), **os.environ}
