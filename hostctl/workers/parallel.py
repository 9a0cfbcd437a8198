"""Work spread over processes of this host, or of the cluster that joblib is set to: jobs in, results as they come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from device_agents.errors import KitError
from hostctl.workers.parents import end_with

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Job], Result], jobs: Iterator[Job], *, workers: int) -> Iterator[Result]:
    """Give each job's result when it is done, in any order; only a few jobs a worker exist at a time.

    OpenCV has one thread in each process, which ends with this one; ``work`` and the jobs must be picklable. Raises
    what making or doing a job raises, and KitError where a process dies.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    problems: list[Exception] = []
    calls = (joblib.delayed(partial(_in_worker, work, os.getpid()))(job) for job in _until(jobs, problems))
    try:
        yield from joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(calls)
    except TerminatedWorkerError as problem:
        raise KitError(
            "a worker process died, often for lack of memory; what was finished is kept: give fewer --workers, and run "
            "the same command again"
        ) from problem
    if problems:
        raise problems[0]


def _until(jobs: Iterator[Job], problems: list[Exception]) -> Iterator[Job]:
    """Give jobs until making one fails: joblib asks for them in a thread of its own, where an error would be lost."""
    try:
        yield from jobs
    except (KitError, OSError) as problem:
        problems.append(problem)


def _in_worker(work: Callable[[Job], Result], parent: int, job: Job) -> Result:
    import cv2

    end_with(parent)
    cv2.setNumThreads(1)  # the processes fill the cores already
    return work(job)
