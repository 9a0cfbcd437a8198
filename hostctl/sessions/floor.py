"""What is going on at once in a session: photographs being taken, coming home, being verified; and what came of each.

Each photograph passes three pools: its device takes it, it is copied home, it is verified and committed. One
condition (the attendance's) tells the session's loop of every change; what it waits for has a limit, so that a device
that hangs holds up nobody but itself.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from device_agents.errors import DeviceError
from device_agents.records import Step
from hostctl.labs.device import Device
from hostctl.labs.shutter import RemoteFile
from hostctl.sessions.attendance import Attendance
from hostctl.sessions.collect import Painted, Photograph, bring_home, verify
from hostctl.sessions.timing import Timing

if TYPE_CHECKING:
    from hostctl.runner import Session

COMING_HOME = 3  # photographs of one device that are copied at a time; beyond it the device waits
WAITING = 8  # photographs a device, of all devices together, that wait to be verified; beyond it the rack waits
POLL_S = 0.1
LATE = "its photograph came after the mount had moved"


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt at a step: "ok", "rejected" or "failed" and why.

    ``thumbnail`` is the sha256 of an accepted photograph's thumbnail.
    """

    step: Step
    status: str
    reason: str = ""
    thumbnail: str = ""


@dataclass
class Shot:
    """A photograph that a device was asked for."""

    step: Step
    device: Device
    painted: Painted
    start_s: float
    started_utc: str
    attempt: int
    block: int
    over: bool = False


class Floor:
    """The photographs of a session that are in the making; a context manager, whose end waits for all of them."""

    def __init__(self, session: Session, total: int) -> None:
        self.session, self.total = session, total
        self.by_name = {device.name: device for device in session.devices}
        self.attendance = Attendance(
            session.devices,
            session.settings,
            clock=session.clock,
            ask=session.ask,
            standing=self._stand,
            noted=self._note_absences,
        )
        self.changed = self.attendance.changed
        self._former = session.run.note("absences") or []
        self.block = 0  # how often the mount was moved
        self.done: set[str] = set()
        self.reasons: dict[str, str] = {}  # of each step that was tried in vain, the last one
        self._attempts: Counter[str] = Counter()
        self._busy: set[str] = set()  # steps in the making
        self._shots: dict[str, Shot] = {}  # by device
        self._copying: dict[str, dict[str, float]] = defaultdict(dict)  # by device: since when, by step
        self._verifying = 0
        self._shooting_time = Timing(limit_s=session.settings.shoot_timeout_s)
        self._copying_time = Timing(limit_s=session.settings.shoot_timeout_s)
        self._stack = ExitStack()

    def __enter__(self) -> Floor:
        size = max(1, len(self.by_name))
        for name, reason in self.session.unready.items():
            self.attendance.failed(name, reason)
        self._stack.enter_context(self.attendance)
        self._verify = self._stack.enter_context(ThreadPoolExecutor((os.cpu_count() or 1) + 1, "verify"))
        self._home = self._stack.enter_context(ThreadPoolExecutor(size, "home"))
        self._fire = self._stack.enter_context(ThreadPoolExecutor(size, "fire"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def broken(self) -> list[BaseException]:
        """What ends the session: a run that cannot be written, a mistake of the kit."""
        return self.attendance.broken

    def raise_broken(self) -> None:
        """Raise what ends the session, if anything does."""
        if self.broken:
            raise self.broken[0]

    def moving(self) -> None:
        """The mount is about to move: what devices have been asked for and not taken yet is not wanted any more."""
        with self.changed:
            self.block += 1

    # What there is to do

    def left(self, steps: Iterable[Step]) -> list[Step]:
        """The steps without a photograph that are not in the making and may be tried once more."""
        most = self.session.settings.attempts
        with self.changed:
            return [
                step
                for step in steps
                if step.key not in self.done and step.key not in self._busy and self._attempts[step.key] < most
            ]

    def ready(self, steps: Iterable[Step]) -> list[Step]:
        """Those of them whose devices take part now."""
        return [step for step in self.left(steps) if self.attendance.here(step.device)]

    def wait_for_work(self, steps: Sequence[Step]) -> bool:
        """Wait until one of these steps can be done; False if none of them will be."""
        while True:
            self.raise_broken()
            if self.ready(steps):
                return True
            left = self.left(steps)
            hope = self.attendance.may_return({step.device for step in left})
            with self.changed:
                if not (hope or self._busy or self.ready(left)):
                    return False
                self.changed.wait(0.5)

    def take_part(self, group: Sequence[Step]) -> list[Step]:
        """Wait until the devices of these steps are free and few photographs wait to be verified; give who is there.

        A device that takes longer than it usually does is left out of this frame.
        """
        most = max(WAITING * len(self.by_name), len(group))
        with self.changed:
            while not self.broken:
                ready = [step for step in self.ready(group) if not self._late(step.device)]
                free = [step for step in ready if self._free(step.device, copies=COMING_HOME - 1)]
                if len(free) == len(ready) and len(self._busy) + len(ready) <= most:
                    return free
                self.changed.wait(POLL_S)
        return []

    def settle(self) -> None:
        """Wait until all photographs are home and verified, but not for devices that take longer than usual."""
        with self.changed:
            while not self.broken and (
                self._verifying or any(not self._free(name) and not self._late(name) for name in self.by_name)
            ):
                self.changed.wait(POLL_S)

    def _free(self, name: str, *, copies: int = 0) -> bool:
        return name not in self._shots and len(self._copying[name]) <= copies

    def _late(self, name: str) -> bool:
        """Whether what a device does takes longer than the others wait for it."""
        now, shot, copies = self.session.clock(), self._shots.get(name), self._copying[name].values()
        return bool(shot and now - shot.start_s > self._shooting_time.patience_s(name)) or bool(
            copies and now - min(copies) > self._copying_time.patience_s(name)
        )

    # A photograph

    def fire(self, steps: Sequence[Step], painted: Painted) -> None:
        """Have all devices of these steps take their photographs at once, and wait for them as long as is usual."""
        shots = []
        with self.changed:
            for step in filter(lambda step: self.attendance.claim(step.device), steps):
                key = step.key  # one string for all that is held of a step
                self._attempts[key] += 1
                attempt = self.session.attempts[key] = self.session.attempts.get(key, 0) + 1
                now = datetime.now(UTC).isoformat(timespec="milliseconds")
                device = self.by_name[step.device]
                shot = Shot(step, device, painted, self.session.clock(), now, attempt, self.block)
                self._busy.add(step.key)
                self._shots[step.device] = shot
                shots.append(shot)
        for shot in shots:
            self._submit(self._fire, self._shoot, shot)
        with self.changed:
            while not self.broken and any(not shot.over and not self._late(shot.step.device) for shot in shots):
                self.changed.wait(POLL_S)

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[..., None], *arguments: object) -> None:
        def look(future: Future[None]) -> None:
            problem = None if future.cancelled() else future.exception()
            if problem is not None:
                with self.changed:
                    self.broken.append(problem)
                    self.changed.notify_all()

        pool.submit(work, *arguments).add_done_callback(look)

    def _shoot(self, shot: Shot) -> None:
        """Make one device take its photograph; a failure is recorded."""
        name, limit_s = shot.step.device, self.session.settings.shoot_timeout_s
        reason, files = "", tuple[RemoteFile, ...]()
        try:
            files = tuple(shot.device.shutter.shoot(timeout_s=limit_s))
        except DeviceError as problem:
            reason = str(problem)
        duration_s = self.session.clock() - shot.start_s
        if reason:  # before anybody knows that the shot is over: nobody shall ask it for the next one
            self.attendance.failed(name, reason)
        with self.changed:
            shot.over = True
            del self._shots[name]
            late = shot.block != self.block
            if not reason and not late:
                self._shooting_time.add(name, duration_s)
                self._copying[name][shot.step.key] = self.session.clock()
            self.changed.notify_all()
        if reason or late:
            self.attendance.free(name)
            times, words = {"shoot_s": duration_s}, reason or f"{name}: {LATE}"
            self._failed(shot.step, words, shot.started_utc, times)
            return
        self.session.note("shoot", name, shot.step.stimulus, shot.start_s)
        times = {"shoot_s": duration_s}
        photograph = Photograph(shot.step, shot.device, shot.painted, files, shot.attempt, shot.started_utc, times)
        self._submit(self._home, self._bring, photograph)

    def _bring(self, photograph: Photograph) -> None:
        """Copy a photograph home, off the critical path."""
        step, start_s, reason = photograph.step, self.session.clock(), ""
        try:
            pulled = bring_home(photograph, spool=self.session.spool)
        except DeviceError as problem:
            reason = str(problem)
        photograph.durations["pull_s"] = self.session.clock() - start_s
        if reason:
            self.attendance.failed(step.device, reason)
        else:
            self.attendance.worked(step.device)
        self.attendance.free(step.device)
        with self.changed:
            del self._copying[step.device][step.key]
            if not reason:
                self._copying_time.add(step.device, photograph.durations["pull_s"])
                self._verifying += 1
            self.changed.notify_all()
        self.session.note("home", step.device, step.stimulus, start_s)
        if reason:
            self._failed(step, reason, photograph.started_utc, photograph.durations)
            return
        self._submit(self._verify, self._check, photograph, pulled)

    def _check(self, photograph: Photograph, pulled: list[Path]) -> None:
        """Verify a photograph and commit it, or record why it is refused."""
        session, step = self.session, photograph.step
        start_s = session.clock()
        reason, thumbnail = verify(
            photograph,
            pulled,
            limits=session.limits,
            examine=session.examine,
            run=session.run,
            keep_place=session.settings.keep_place,
            clock=session.clock,
        )
        session.note("verify", step.device, step.stimulus, start_s)
        session.told(Outcome(step, "rejected" if reason else "ok", reason, thumbnail))
        with self.changed:
            self._verifying -= 1
            self._end(step, reason)

    def _failed(self, step: Step, reason: str, started_utc: str, durations: dict[str, float]) -> None:
        """Record an attempt without a photograph."""
        self.session.run.add_attempt(step.key, "failed", reason=reason, started_utc=started_utc, durations=durations)
        self.session.told(Outcome(step, "failed", reason))
        with self.changed:
            self._end(step, reason)

    def _end(self, step: Step, reason: str) -> None:
        """Take a step out of the making: done if there is no reason, else to be tried again; the lock is held."""
        self._busy.discard(step.key)
        if reason:
            self.reasons[step.key] = reason
        else:
            self.done.add(step.key)
        self.session.accepted = len(self.done)
        self.session.progress(len(self.done), self.total, f"{step.device}: {reason}" if reason else "")
        self.changed.notify_all()

    def _note_absences(self, absences: list[dict[str, str]]) -> None:
        """Keep who was away when and why with the run, behind those of former sessions."""
        self.session.run.set_note("absences", [*self._former, *absences])

    def _stand(self, device: str, reason: str) -> None:
        """Tell and record that a device takes no part any more, or does again ("")."""
        self.session.standing(device, reason)
        if reason:
            self.session.run.add_failure(f"device {device}", reason)
        with self.changed:
            self.session.progress(len(self.done), self.total, f"{device}: {reason or 'is back'}")
