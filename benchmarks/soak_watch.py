"""Runs a command of the soak as its user does, looks at it from outside once a second, and at what it leaves behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAM = Path(sys.executable).with_name("instability")
LOOK_S = 1.0
ASK_S = 0.1  # how often it is asked whether the moment has come to kill a command
GONE_S = 40.0  # how long what a command started may take to end after it
FOREIGN = (".ses",)  # a file that onnxruntime leaves, one a machine, when it is imported
MARK = "INSTABILITY_SOAK"  # in the environment of all that a soak starts


@dataclass(frozen=True)
class Look:
    """What the controller, without its children, had at a time (seconds since 1970)."""

    time_s: float
    bytes: int
    threads: int
    files: int


@dataclass
class Ended:
    """A command that has ended: how, when, what was seen of it, what it said, and what it left behind."""

    code: int
    begin_s: float
    end_s: float
    killed: bool
    out: str
    errors: str
    looks: list[Look] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    files_left: list[str] = field(default_factory=list)


def run_command(
    words: Sequence[object], *, root: Path, limit_s: float, its_time: Callable[[], bool] | None = None
) -> Ended:
    """Run `instability WORDS` with its state under ``root``; SIGKILL it as soon as ``its_time`` says so, None: not.

    A command that takes longer than ``limit_s`` is killed too, and its code is -9 though nobody asked for that.
    """
    temporary = Path(tempfile.mkdtemp(prefix="soak-"))  # short: Chromium has a socket there
    environment = {**os.environ, "XDG_DATA_HOME": str(root / "state"), "TMPDIR": str(temporary), MARK: str(root)}
    begin_s, over, looks = time.time(), threading.Event(), list[Look]()
    with (root / "out").open("wb") as out, (root / "errors").open("wb") as errors:
        child = subprocess.Popen([str(PROGRAM), *map(str, words)], cwd=root, env=environment, stdout=out, stderr=errors)
        watching = threading.Thread(target=_look, args=(child.pid, looks, over))
        watching.start()
        try:
            killed = _wait(child, limit_s=limit_s, its_time=its_time)
        finally:
            child.kill()
            over.set()
            watching.join()
    end_s = time.time()
    out_text, errors_text = ((root / name).read_text("utf-8", "replace") for name in ("out", "errors"))
    left = left_behind(root)
    files = sorted(path.name for path in temporary.iterdir() if path.name not in FOREIGN)
    shutil.rmtree(temporary)
    return Ended(child.returncode, begin_s, end_s, killed, out_text, errors_text, looks, left, files)


def _wait(child: subprocess.Popen[bytes], *, limit_s: float, its_time: Callable[[], bool] | None) -> bool:
    """Wait until it has ended, killed or not; True if its time had come."""
    until_s = time.monotonic() + limit_s
    while True:
        try:
            child.wait(timeout=ASK_S)
            return False
        except subprocess.TimeoutExpired:
            come = its_time is not None and its_time()
            if come or time.monotonic() > until_s:
                child.send_signal(signal.SIGKILL)
                child.wait()
                return come


def _look(pid: int, looks: list[Look], over: threading.Event) -> None:
    process = psutil.Process(pid)
    while not over.wait(LOOK_S):
        try:
            with process.oneshot():
                seen = process.memory_info().rss, process.num_threads(), process.num_fds()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has just ended
            return
        looks.append(Look(time.time(), *seen))


def left_behind(root: Path) -> list[str]:
    """What still runs of a soak's commands, after some time to end: processes that have its mark or its folder."""
    until_s = time.monotonic() + GONE_S
    while found := _running(root):
        if time.monotonic() > until_s:
            return found
        time.sleep(0.1)
    return []


def _running(root: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        known = process.info
        words = " ".join(known["cmdline"] or ())
        marked = (known["environ"] or {}).get(MARK) == str(root)
        if known["pid"] != os.getpid() and (marked or f"{root}/" in words):
            found.append(f"process {known['pid']}: {words[:200]}")
    return found
