"""The session: show a scene, fire all devices together, bring the photographs home while the next scene is shown.

There is no engine: for each step not yet done, do it. What fails is recorded and tried again at the end of its angle
block; what still fails is listed, and running the same session again retries exactly that.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from analysis.store import Run
from capture import screen
from device_agents.errors import DeviceError, KitError
from device_agents.records import Scene, Step
from hostctl.collect import Painted, Photograph, collect
from hostctl.device import Device
from hostctl.examine import Examine, examine
from hostctl.lab import SessionSettings

FAILURES_IN_A_ROW = 3  # after so many, a device sits out the rest of this session
LEFT_OUT = "left out"
IN_FLIGHT_PER_DEVICE = 3  # photographs on their way home; beyond it the next scene waits


class Screen(Protocol):
    """What the session needs of a display: show a scene under a stimulus number, back when it is on the glass."""

    def show(
        self, scene: Scene, stimulus: int, *, next_scene: tuple[Scene, int] | None = None, timeout_s: float
    ) -> Painted:
        """Show a scene and wait until it is painted and settled; say where it lies."""
        ...


@dataclass(frozen=True)
class Event:
    """One span of the session's timeline, in seconds of the session's clock."""

    what: str
    device: str
    stimulus: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt at a step: "ok", "rejected" or "failed" and why; LEFT_OUT: its device takes no more part.

    ``thumbnail`` is the sha256 of an accepted photograph's thumbnail.
    """

    step: Step
    status: str
    reason: str = ""
    thumbnail: str = ""


@dataclass
class Session:
    """One call of the runner: its parts, and what it has learnt while running (attempts, failing devices, timeline)."""

    run: Run
    scenes: Mapping[str, Scene]
    devices: Sequence[Device]
    display: Screen
    settings: SessionSettings
    spool: Path
    display_timeout_s: float
    limits: screen.Limits = field(default_factory=screen.Limits)
    examine: Examine = examine
    clock: Callable[[], float] = time.monotonic
    progress: Callable[[int, int, str], None] = lambda done, total, note: None
    move: Callable[[int], None] = lambda angle: None
    told: Callable[[Outcome], None] = lambda outcome: None
    accepted: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    timeline: list[Event] = field(default_factory=list)
    failures_in_a_row: dict[str, int] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    broken: list[KitError] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def run_session(session: Session, steps: Sequence[Step]) -> None:
    """Do the given steps, angle block by angle block, each at most settings.attempts times.

    Raises KitError if the run or the display breaks; a device that fails does not stop the others. Ctrl-C lets the
    photographs in flight come home and leaves a run that resumes.
    """
    session.accepted, total = 0, len(steps)
    for angle, block in itertools.groupby(sorted(steps, key=lambda step: step.order), key=lambda step: step.angle):
        session.move(angle)
        todo = list(block)
        for _ in range(session.settings.attempts):
            todo = [step for step in todo if step.device not in session.out]
            if not todo:
                break
            todo = _one_round(session, todo, total)


def _one_round(session: Session, todo: Sequence[Step], total: int) -> list[Step]:
    """Show every stimulus of these steps once; give the steps whose photographs were refused or failed."""
    stimuli = [list(group) for _, group in itertools.groupby(todo, key=lambda step: step.order)]
    by_name = {device.name: device for device in session.devices}
    slots = threading.BoundedSemaphore(IN_FLIGHT_PER_DEVICE * len(by_name))
    results: list[tuple[Step, Future[str]]] = []
    with ThreadPoolExecutor(len(by_name), "fire") as fire, ThreadPoolExecutor(len(by_name), "home") as home:
        try:
            for group, following in _with_next(stimuli):
                painted = _show(session, group[0], following[0] if following else None)
                shots = [
                    (step, fire.submit(_shoot, session, step, by_name[step.device], painted))
                    for step in group
                    if step.device not in session.out
                ]
                for step, shot in shots:
                    photograph = shot.result()
                    if photograph is None:
                        results.append((step, _done("failed")))
                        continue
                    slots.acquire()
                    results.append((step, home.submit(_bring_home, session, photograph, slots, total)))
                if session.broken:
                    raise session.broken[0]
        except BaseException:
            fire.shutdown(cancel_futures=True)
            raise
    if session.broken:
        raise session.broken[0]
    return [step for step, result in results if result.result()]


def _with_next(groups: Sequence[list[Step]]) -> Iterable[tuple[list[Step], list[Step] | None]]:
    return itertools.zip_longest(groups, groups[1:])


def _show(session: Session, step: Step, following: Step | None) -> Painted:
    upcoming = (session.scenes[following.scene], following.stimulus) if following else None
    start = session.clock()
    scene = session.scenes[step.scene]
    painted = session.display.show(scene, step.stimulus, next_scene=upcoming, timeout_s=session.display_timeout_s)
    _note(session, "show", "", step.stimulus, start)
    return painted


def _shoot(session: Session, step: Step, device: Device, painted: Painted) -> Photograph | None:
    """Make one device take its photograph; None if it failed, which is recorded."""
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    start = session.clock()
    with session.lock:
        attempt = session.attempts[step.key] = session.attempts.get(step.key, 0) + 1
    try:
        files = device.shutter.shoot(timeout_s=session.settings.shoot_timeout_s)
    except DeviceError as problem:
        _failed(session, step, str(problem), started, {"shoot_s": session.clock() - start})
        return None
    session.failures_in_a_row[device.name] = 0
    _note(session, "shoot", device.name, step.stimulus, start)
    return Photograph(step, device, painted, tuple(files), attempt, started, {"shoot_s": session.clock() - start})


def _bring_home(session: Session, photograph: Photograph, slots: threading.BoundedSemaphore, total: int) -> str:
    """Collect one photograph off the critical path; give the reason it was refused for, "" if it is accepted."""
    step = photograph.step
    start = session.clock()
    try:
        reason, thumbnail = collect(
            photograph,
            limits=session.limits,
            examine=session.examine,
            run=session.run,
            spool=session.spool,
            clock=session.clock,
        )
        session.told(Outcome(step, "rejected" if reason else "ok", reason, thumbnail))
    except DeviceError as problem:
        reason = str(problem)
        _failed(session, step, reason, photograph.started_utc, photograph.durations)
    except KitError as problem:
        reason = str(problem)
        session.broken.append(problem)
    finally:
        slots.release()
    _note(session, "home", step.device, step.stimulus, start)
    with session.lock:
        session.accepted += not reason
        session.progress(session.accepted, total, f"{step.device}: {reason}" if reason else "")
    return reason


def _failed(session: Session, step: Step, reason: str, started_utc: str, durations: dict[str, float]) -> None:
    """Record a failed attempt; a device that fails too often in a row sits out the rest of this session."""
    session.run.add_attempt(step.key, "failed", reason=reason, started_utc=started_utc, durations=durations)
    session.told(Outcome(step, "failed", reason))
    with session.lock:
        count = session.failures_in_a_row[step.device] = session.failures_in_a_row.get(step.device, 0) + 1
        if count >= FAILURES_IN_A_ROW and step.device not in session.out:
            session.out[step.device] = reason
            session.told(Outcome(step, LEFT_OUT, f"left out after {count} failures in a row: {reason}"))
            session.run.add_failure(f"device {step.device}", f"{count} failures in a row, left out: {reason}")


def _done(reason: str) -> Future[str]:
    future: Future[str] = Future()
    future.set_result(reason)
    return future


def _note(session: Session, what: str, device: str, stimulus: int, start: float) -> None:
    session.timeline.append(Event(what, device, stimulus, start, session.clock()))
