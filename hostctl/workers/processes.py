"""Processes that keep what they have loaded from one job to the next, for work that takes seconds to get ready.

hostctl.workers.parallel is for light work: joblib ends a process that has grown by 300 MB, which TensorFlow and kept
features do at once, and starts another.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from device_agents.errors import KitError
from hostctl.workers.parents import end_with

Spread = Callable[..., Iterator[Any]]  # (work, jobs, workers=) -> results as they come


@contextmanager
def processes(workers: int) -> Iterator[Spread]:
    """Give a function that makes jobs on the same ``workers`` processes each time; with one, in this process.

    ``work`` and jobs must be picklable; results come in any order, and only a few jobs a process exist at a time. At
    the end, or when the block is left by an error or Ctrl-C, jobs under way are finished and no others begun. Raises
    KitError where a process dies. A script that calls this needs the usual guard, if __name__ == "__main__".
    """
    if workers == 1:
        yield _here
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of the progress bar
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),)) as pool:

        def spread(work: Callable[[Any], Any], jobs: Iterator[Any], *, workers: int = workers) -> Iterator[Any]:
            return _spread(pool, work, jobs, ahead=2 * workers)

        try:
            yield spread
        except BrokenProcessPool as problem:
            raise KitError(
                "a worker process died, often for lack of memory; what was finished is kept: give fewer --workers, and "
                "run the same command again"
            ) from problem
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _spread(pool: ProcessPoolExecutor, work: Callable[[Any], Any], jobs: Iterator[Any], *, ahead: int) -> Iterator[Any]:
    waiting: set[Future[Any]] = {pool.submit(work, job) for job in itertools.islice(jobs, ahead)}
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for one in done:
            waiting |= {pool.submit(work, job) for job in itertools.islice(jobs, 1)}
            yield one.result()


def _here(work: Callable[[Any], Any], jobs: Iterator[Any], *, workers: int = 1) -> Iterator[Any]:
    return map(work, jobs)


def _begin(parent: int) -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the parent, and end when that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)
    end_with(parent)
