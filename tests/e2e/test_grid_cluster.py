"""A grid on a local Dask cluster, a worker killed in the middle: nothing lost, nothing doubled, the same table."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from analysis.store import Run
from device_agents.errors import BadInput
from tests.fakes.command import start
from tests.fakes.host_grid import words_for

LIMIT_S = 240.0  # far beyond what it takes, for a busy machine

SCHEDULER = """
import asyncio, sys
from distributed import Scheduler

async def serve():
    async with Scheduler(protocol="tcp", host="127.0.0.1", port=0, dashboard=False) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()

asyncio.run(serve())
"""
WORKER = """
import asyncio, os, sys
from distributed import Worker

async def serve():
    async with Worker(sys.argv[1], nthreads=1, dashboard=False, local_directory=sys.argv[2]) as worker:
        print(os.getpid(), flush=True)
        await worker.finished()

asyncio.run(serve())
"""


@contextlib.contextmanager
def process(script: str, *words: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python process of its own, killed at the end, and the first line that it prints."""
    child = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    try:
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def predicted(folder: Path) -> int:
    try:
        with Run.open(folder, write=False) as run:
            return run.summary()["predictions"]
    except BadInput:  # not made yet
        return 0


def everything(folder: Path) -> pd.DataFrame:
    with Run.open(folder, write=False) as run:
        table = run.predictions().drop(columns="latency_ms")
    assert not table.duplicated(["picture", "environment"]).any()
    return table


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "nothing came in time"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_workers_lose_and_double_nothing(tmp_path: Path, host_grid_run: Path) -> None:
    words, expected = words_for(tmp_path), everything(host_grid_run)
    there = tmp_path / "there"
    with contextlib.ExitStack() as stack:
        _, address = stack.enter_context(process(SCHEDULER))

        def worker(name: str) -> subprocess.Popen[str]:
            return stack.enter_context(process(WORKER, address, tmp_path / name))[0]

        workers = [worker("first"), worker("second")]
        child = start(*words, "--out", there, "--cluster", address, cwd=tmp_path)
        try:
            # One dies in the middle of a block; once the other has gone on, it dies too, and a third takes over.
            for victim in workers:
                before = predicted(there)
                wait_for(lambda enough=before: predicted(there) > enough or child.poll() is not None)
                os.kill(victim.pid, signal.SIGKILL)
                victim.wait()
                assert child.poll() is None, f"ended before the kill with {child.returncode}"
                assert predicted(there) < len(expected)
            worker("third")
            assert child.wait(timeout=LIMIT_S) == 0
        finally:
            child.kill()
            child.wait()
    pd.testing.assert_frame_equal(everything(there), expected)
