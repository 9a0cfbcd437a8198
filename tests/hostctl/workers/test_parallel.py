"""Work in processes: every result once, errors of making and of doing a job are raised, a death is told."""

import os
import signal

import pytest

from device_agents.errors import BadInput, KitError
from hostctl.workers.parallel import in_parallel


def square(number):
    if number == 99:
        raise BadInput("expected another number, got 99")
    return number * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def until(stop):
    for number in range(8):
        if number == stop:
            raise BadInput(f"no job {stop}")
        yield number


def test_every_result_comes_once():
    assert sorted(in_parallel(square, iter(range(20)), workers=2)) == [n * n for n in range(20)]


def test_errors_of_jobs_and_of_their_making_are_raised():
    with pytest.raises(BadInput, match="got 99"):
        list(in_parallel(square, iter([1, 99, 2]), workers=2))
    found = []
    with pytest.raises(BadInput, match="no job 5"):
        found.extend(in_parallel(square, until(5), workers=2))


def test_a_process_that_dies_is_one_clear_error():
    with pytest.raises(KitError, match="a worker process died, often for lack of memory"):
        list(in_parallel(die, iter(range(4)), workers=2))
