"""Processes that stay: the same ones for every call, results in any order, errors and deaths told."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from device_agents.errors import BadInput, KitError
from hostctl.workers.processes import processes


def who(job: int) -> tuple[int, int]:
    return job, os.getpid()


def fails(job: int) -> int:
    if job == 3:
        raise BadInput("expected another job than 3")
    return job


def dies(job: int) -> int:
    os._exit(1)


def test_all_jobs_are_made_by_the_same_processes_in_both_calls() -> None:
    with processes(2) as spread:
        first, second = (dict(spread(who, iter(range(9)), workers=2)) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(9))
    used = {*first.values(), *second.values()}
    assert len(used) <= 2
    assert os.getpid() not in used


def test_with_one_they_are_made_here_in_order() -> None:
    with processes(1) as spread:
        assert list(spread(who, iter(range(3)), workers=1)) == [(job, os.getpid()) for job in range(3)]


def test_jobs_are_taken_only_as_they_are_made() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for job in range(100):
            taken.append(job)
            yield job

    with processes(2) as spread:
        next(spread(who, jobs(), workers=2))
        assert len(taken) <= 4 + 2


def test_an_error_of_a_job_comes_home() -> None:
    with pytest.raises(BadInput, match="expected another job than 3"), processes(2) as spread:
        list(spread(fails, iter(range(9)), workers=2))


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(KitError, match="a worker process died, .*; what was finished is kept"):
        with processes(2) as spread:
            list(spread(dies, iter(range(3)), workers=2))
