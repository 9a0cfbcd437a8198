"""The processes of a killed command end, whatever they were doing; nobody else's do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hostctl.workers.parents import end_with

ROOT = Path(__file__).parents[3]
STAYING = """
from hostctl.workers.processes import processes
if __name__ == "__main__":
    with processes(2) as spread:
        for _ in spread(note, iter(range(10_000)), workers=2):
            pass
"""
JOBLIB = """
from hostctl.workers.parallel import in_parallel
if __name__ == "__main__":
    for _ in in_parallel(note, iter(range(10_000)), workers=2):
        pass
"""
WAITING = "time.sleep(0.2)"
RESULTS = "return bytes(30_000_000)"  # their way through the pipe is most of the work


@pytest.mark.parametrize("work", [WAITING, RESULTS])
@pytest.mark.parametrize("command", [STAYING, JOBLIB])
def test_the_children_of_a_killed_parent_end(tmp_path: Path, work: str, command: str) -> None:
    code = f"""
import os, sys, time
from pathlib import Path

def note(job):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    {work}
{command}"""
    script, pids = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(code)
    pids.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(script), str(pids)], stdout=subprocess.PIPE, env=environment) as parent:
        assert wait_for(lambda: len(list(pids.iterdir())) == 2)
        time.sleep(0.3)  # into the work
        parent.kill()
        parent.communicate(timeout=60)  # the pipe is closed when the last child is gone
    assert wait_for(lambda: not any(Path(f"/proc/{one.name}").exists() for one in pids.iterdir()))


def test_who_is_no_child_is_left_alone() -> None:
    before = threading.active_count()
    end_with(os.getpid())  # work that is done in the command's own process
    end_with(os.getppid() + 1_000_000)
    assert threading.active_count() == before


def wait_for(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()
