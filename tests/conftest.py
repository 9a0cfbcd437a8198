"""How the suite shares a machine: compiled modules are kept, a worker has one thread, the longest tests begin first."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterable

import pytest

# Hundreds of tests start the kit's programs: none of them has to compile it again, whatever this machine's default is.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Threads of several workers would wait for each other; OpenCV's do so at work.
for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_library, "1")
# glibc gives each larger array back to the system when it is freed, and the next one is cleared page by page again: a
# tenth of the time of tests on photographs. Only in this process: what the tests start is as its users have it.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
if _mallopt is not None:
    for _option, _megabytes in ((M_MMAP_THRESHOLD, 32), (M_TRIM_THRESHOLD, 256), (M_TOP_PAD, 64)):
        _mallopt(_option, _megabytes << 20)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker of xdist: deal the tests so that each worker has long ones, and has them first."""
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = dealt(items, workers)


def pytest_collection_finish() -> None:
    """Tell the garbage collector that the thousands of tests stay: it need not look at each of them again and again."""
    gc.collect()
    gc.freeze()


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order tests for `--dist worksteal`, which gives each worker one stretch of the list.

    Files that have slow tests go to the workers in turn, those with the most time allowed first, and lie at the
    beginnings of the stretches; one worker has none, for most of them wait much and leave it a processor. The other
    tests, in the order of their files, fill the stretches up; they lie at the ends and so are what idle workers steal.
    """
    slow, rest = files_of(items)
    slow.sort(key=lambda tests: -max(map(allowed_s, tests)))  # stable: else in the order of their names
    dealers = max(1, workers - 1)
    heads = [[test for tests in slow[place::dealers] for test in tests] for place in range(dealers)]
    heads += [[] for _ in range(workers - dealers)]
    ordered: list[pytest.Item] = []
    for place, head in enumerate(heads):
        stretch = (len(items) - len(ordered)) // (workers - place)  # as xdist cuts it
        missing = max(0, stretch - len(head))
        ordered += [*head, *rest[:missing]]
        del rest[:missing]
    return ordered + rest


def files_of(items: Iterable[pytest.Item]) -> tuple[list[list[pytest.Item]], list[pytest.Item]]:
    """Part the tests into files that have slow ones, and the tests of all others."""
    files: dict[object, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [tests for tests in files.values() if any(test.get_closest_marker("slow") for test in tests)]
    return slow, [test for tests in files.values() if tests not in slow for test in tests]


def allowed_s(item: pytest.Item) -> float:
    """Give the time limit that a test asks for itself, in seconds; 0: it has the usual one."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0
