"""The threads of a batch: once work has ended, however it ended, nobody makes a job or touches the run any more."""

import threading
import time

import pytest

from hostctl.batches.schedule import Schedule
from hostctl.batches.work import Shift
from tests.fakes.scripted_worker import Does, ScriptedWorker


def test_a_stopped_batch_waits_for_jobs_in_the_making_and_makes_no_more():
    making, left = threading.Event(), threading.Event()

    def make_job(shard):
        if shard.device == "a":
            return JOB
        making.set()
        time.sleep(0.3)  # long enough for work to end first, if it did not wait
        left.set()
        return JOB

    def keep(attempt, predictions):
        making.wait(10)
        raise KeyboardInterrupt

    schedule = Schedule({"r": [f"p{n}" for n in range(40)]}, {"r": ["a", "b"]}, retries=0, aim_s=1.0)
    workers = [ScriptedWorker("a", then=Does()), ScriptedWorker("b", then=Does())]
    shift = Shift(schedule, workers, make_job=make_job, keep=keep, lost=lambda device, reason: None)
    with pytest.raises(KeyboardInterrupt):
        shift.work()
    assert left.is_set()


class _NoPictures:
    """A job without pictures: what is in it does not matter here."""

    pictures = ()
    environments = ()


JOB = _NoPictures()
