"""A batch at work: a thread a device takes shards from the schedule, and what comes back is committed as it comes."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from analysis.run_folder import parts
from device_agents.errors import BadInput, CommandFailed, DeviceError, KitError, TimedOut
from device_agents.predict import Job
from device_agents.records import Prediction
from hostctl.batches.devices import Worker
from hostctl.batches.schedule import DONE, FAILED, INFRA, TIMEOUT, Schedule, Shard

PATIENCE_S = 90.0  # that a device which fell silent has to come back, as after a reboot
LOOK_S = 2.0
AHEAD = 2  # shards of a device that wait for their commit before it gets no other
STRIKES = 3  # infrastructure failures in a row after which a device that still answers gets no more


@dataclass(frozen=True)
class Attempt:
    """One shard given to one device, and how that ended; ``final``: pictures that were not made are given up."""

    shard: int
    row: str
    device: str
    attempt: int
    pictures: int
    made: int
    errors: int
    outcome: str
    reason: str
    final: bool
    started_utc: str
    seconds: float


Keep = Callable[[Attempt, Sequence[Prediction]], None]


class Shift:
    """A batch's threads. ``make_job`` gives a shard's job; ``keep`` commits an attempt and its predictions.

    ``keep`` and ``lost`` (device, reason) are called in the thread that calls work.
    """

    def __init__(
        self,
        schedule: Schedule,
        workers: Iterable[Worker],
        *,
        make_job: Callable[[Shard], Job],
        keep: Keep,
        lost: Callable[[str, str], None],
        limit_s: float = 0.0,
        patience_s: float = PATIENCE_S,
        look_s: float = LOOK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schedule, self._workers = schedule, list(workers)
        self._make_job, self._keep, self._lost = make_job, keep, lost
        self._limit_s, self._patience_s, self._look_s, self._clock = limit_s, patience_s, look_s, clock
        self._changed = threading.Condition()
        self._handed_in: queue.SimpleQueue[tuple[str, Callable[[], None]] | None] = queue.SimpleQueue()
        self._uncommitted: Counter[str] = Counter()
        self._stopped = False
        self._problem: KitError | None = None

    def work(self) -> None:
        """Work until nothing is left that anyone can do; raises KitError where the run cannot be written.

        After Ctrl-C nothing more is kept; what the devices are doing then is lost, and done again by the next call.
        """
        # Daemons: a device that hangs shall not keep a stopped program from ending.
        threads = [
            threading.Thread(target=self._serve, args=(worker,), name=f"batch {worker.name}", daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        try:
            self._commit_all(len(threads))
        finally:
            self._stop()
        if self._problem is not None:
            raise self._problem

    def _commit_all(self, working: int) -> None:
        """Commit what the devices' threads hand in, in the caller's thread, until all have ended or one died."""
        while working and not (self._problem and self._handed_in.empty()):
            item = self._handed_in.get()
            if item is None:
                working -= 1
                continue
            device, commit = item
            commit()
            with self._changed:
                self._uncommitted[device] -= 1
                self._changed.notify_all()

    def _hand_in(self, device: str, commit: Callable[[], None]) -> None:
        """Leave a commit to the caller's thread, so that the device goes on at once; the condition is held."""
        self._uncommitted[device] += 1
        self._handed_in.put((device, commit))

    def _serve(self, worker: Worker) -> None:
        whole = False
        strikes = 0
        try:
            while (shard := self._next(worker.name)) is not None:
                outcome, reason, alive = self._do(worker, shard)
                strikes = strikes + 1 if outcome == INFRA else 0
                if strikes == STRIKES:
                    self._lose(worker.name, f"{STRIKES} infrastructure failures in a row, the last: {reason}")
                elif not alive:
                    self._await(worker, reason)
            whole = True
        except KitError as problem:
            self._problem = problem
            whole = True
            self._stop()
        finally:
            if not whole:  # a mistake in this program: the others must not wait for this thread's shard for ever
                self._problem = KitError(f"the thread of {worker.name} died; what was finished is kept")
                self._stop()
            self._handed_in.put(None)

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _next(self, device: str) -> Shard | None:
        """Wait for a device's next shard: one that fails elsewhere may still become its."""
        with self._changed:
            while not self._stopped:
                shard = self._schedule.take(device) if self._uncommitted[device] < AHEAD else None
                if shard is not None:
                    return shard
                if self._schedule.over(device):
                    return None
                self._changed.wait()
        return None

    def _do(self, worker: Worker, shard: Shard) -> tuple[str, str, bool]:
        """Have a shard made and keep what came; gives how it ended, why, and whether the device still answers."""
        started_utc, started = datetime.now(UTC).isoformat(timespec="milliseconds"), self._clock()
        with self._changed:  # making a job writes to the run, which its owner may close once work has stopped
            if self._stopped:
                return DONE, "", True
            job = self._make_job(shard)
        made: list[Prediction] = []
        problem: KitError | None = None
        try:
            _collect(worker.predict(job, limit_s=self._limit_s), job, made, name=worker.name)
        except (DeviceError, BadInput) as found:  # BadInput: what the device said is no prediction
            problem = found
        seconds = self._clock() - started
        alive = problem is None or worker.alive()
        outcome = _outcome(problem, alive=alive, late=bool(self._limit_s) and seconds >= self._limit_s)
        reason = _failed_pictures(made) if problem is None else str(problem)
        with self._changed:
            if not self._stopped:
                pictures = {one.picture for one in made}
                final = self._schedule.finish(shard, outcome, made=pictures, seconds=seconds)
                attempt = Attempt(
                    shard=shard.number,
                    row=shard.row,
                    device=shard.device,
                    attempt=shard.attempt,
                    pictures=len(shard.pictures),
                    made=len(pictures),
                    errors=sum(bool(one.error) for one in made),
                    outcome=outcome,
                    reason=reason,
                    final=final,
                    started_utc=started_utc,
                    seconds=round(seconds, 3),
                )
                self._hand_in(shard.device, partial(self._keep, attempt, made))
            self._changed.notify_all()
        return outcome, reason, alive

    def _await(self, worker: Worker, reason: str) -> None:
        """Look for a silent device until it answers, nothing is left for it, or patience ends; then it is lost."""
        until = self._clock() + self._patience_s
        while self._clock() < until:
            with self._changed:
                self._changed.wait(self._look_s)
                if self._stopped or self._schedule.over(worker.name):
                    return
            if worker.alive():
                return
        self._lose(worker.name, reason)

    def _lose(self, device: str, reason: str) -> None:
        with self._changed:
            self._schedule.lose(device)
            self._hand_in(device, partial(self._lost, device, reason))
            self._changed.notify_all()


def _collect(found: Iterable[Prediction], job: Job, made: list[Prediction], *, name: str) -> None:
    """Take a device's predictions into ``made`` as they come; raises DeviceError or BadInput where they are wrong.

    Devices are not trusted: only what was asked for is taken, once, and only what fits into the run.
    """
    asked = {(one.picture, environment.environment) for one in job.pictures for environment in job.environments}
    for one in found:
        key = (one.picture, one.environment)
        if key not in asked:
            raise BadInput(f"{name}: expected predictions that were asked for, each once, got one of {key}")
        parts.check([one])
        asked.remove(key)
        made.append(one)
    if asked:
        raise DeviceError(f"{name}: the agent left out {len(asked)} predictions, such as {min(asked)}")


def _failed_pictures(made: Sequence[Prediction]) -> str:
    """Say how many of the predictions are failures, and one; "" if none is."""
    failed = [one for one in made if one.error]
    if not failed:
        return ""
    return f"{len(failed)} of {len(made)} pictures failed, such as {failed[0].picture}: {failed[0].error}"


def _outcome(problem: KitError | None, *, alive: bool, late: bool) -> str:
    """Say how a shard ended: what a device that answers did wrong is no infrastructure failure, and is not retried."""
    if problem is None:
        return DONE
    if not alive:
        return INFRA
    if isinstance(problem, (CommandFailed, BadInput)):
        return FAILED
    return TIMEOUT if late and isinstance(problem, TimedOut) else INFRA


def as_attempts(rows: Iterable[Mapping[str, object]]) -> list[Attempt]:
    """Read attempts from a run's note."""
    return [Attempt(**row) for row in rows]  # type: ignore[arg-type]
