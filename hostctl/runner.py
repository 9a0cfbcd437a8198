"""The session: show a scene, fire all devices together, bring the photographs home while the next scene is shown.

There is no engine: for each step not yet done whose device is there, do it. What fails is recorded and tried again in
the next round of its angle block; what still fails is listed, and running the same session again retries exactly that.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from analysis.store import Run
from capture import screen
from device_agents.records import Scene, Step
from hostctl.lab import SessionSettings
from hostctl.labs.device import Device
from hostctl.phones.logcat import LOG_MARK
from hostctl.sessions import gates
from hostctl.sessions.attendance import Ask
from hostctl.sessions.collect import Painted
from hostctl.sessions.examine import Examine, examine
from hostctl.sessions.floor import Floor, Outcome
from hostctl.sessions.timeline import Event

__all__ = ["Missing", "Outcome", "Screen", "Session", "run_session"]


class Screen(Protocol):
    """What the session needs of a display: show a scene under a stimulus number, back when it is on the glass."""

    def show(
        self, scene: Scene, stimulus: int, *, next_scene: tuple[Scene, int] | None = None, timeout_s: float
    ) -> Painted:
        """Show a scene and wait until it is painted and settled; say where it lies."""
        ...


@dataclass(frozen=True)
class Missing:
    """A step without a photograph in the end, and why."""

    step: Step
    reason: str


@dataclass
class Session:
    """One call of the runner: its parts, and what it has learnt while running (attempts, who is out).

    ``unready``: devices that could not be made ready at the start, and why; they are fetched back like others.
    ``station``: what must stand still for a step, its angle or also the devices' places; ``move`` brings it about.
    ``noted`` is told of each span of the timeline, in any thread.
    """

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
    station: Callable[[Step], Any] = lambda step: step.angle
    move: Callable[[Any], None] = lambda station: None
    told: Callable[[Outcome], None] = lambda outcome: None
    standing: Callable[[str, str], None] = lambda device, reason: None
    noted: Callable[[Event], None] = lambda event: None
    ask: Ask = gates.ask
    unready: Mapping[str, str] = field(default_factory=dict)
    accepted: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    out: dict[str, str] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    def note(self, what: str, device: str, stimulus: int, start_s: float) -> None:
        """Tell of a span that ends now."""
        self.noted(Event(what, device, stimulus, start_s, self.clock()))


def run_session(session: Session, steps: Sequence[Step]) -> None:
    """Do the given steps, angle block by angle block, each at most settings.attempts times.

    A device that fails or is hot steps aside and the others go on; what it missed it does when it is back, in the same
    block or in a later pass over the angles. Raises KitError if the run or the display breaks. Ctrl-C lets the
    photographs in flight come home and leaves a run that resumes. What is missing in the end is in session.missing,
    each step with its reason.
    """
    ordered = sorted(steps, key=lambda step: step.order)
    with Floor(session, len(steps)) as floor:
        here: Any = None
        while floor.wait_for_work(ordered):
            blocks = itertools.groupby(ordered, key=session.station)
            for station, block in sorted(
                ((station, list(steps)) for station, steps in blocks), key=lambda one: one[0] != here
            ):
                if not floor.ready(block):
                    continue
                if station != here:
                    floor.moving()
                    session.move(station)
                    here = station
                _one_block(session, floor, block)
    floor.raise_broken()
    _list_missing(session, floor, ordered)


def _one_block(session: Session, floor: Floor, block: Sequence[Step]) -> None:
    """Show the stimuli of one angle until every device that is there has done what it can."""
    floor.attendance.ask_all()
    while todo := floor.ready(block):
        groups = [list(group) for _, group in itertools.groupby(todo, key=lambda step: step.order)]
        for group, following in itertools.zip_longest(groups, groups[1:]):
            present = floor.take_part(group)
            floor.raise_broken()
            if present:
                floor.fire(present, _show(session, group[0], following[0] if following else None))
        floor.settle()
        floor.raise_broken()


def _show(session: Session, step: Step, following: Step | None) -> Painted:
    upcoming = (session.scenes[following.scene], following.stimulus) if following else None
    start_s = session.clock()
    scene = session.scenes[step.scene]
    painted = session.display.show(scene, step.stimulus, next_scene=upcoming, timeout_s=session.display_timeout_s)
    session.note("show", "", step.stimulus, start_s)
    return painted


def _list_missing(session: Session, floor: Floor, steps: Sequence[Step]) -> None:
    """Say for each step without a photograph why, in the session and in the run's note "missing photographs"."""
    away = {device.name: floor.attendance.why_not(device.name) for device in session.devices}
    session.out = {name: reason for name, reason in away.items() if reason}
    for step in steps:
        if step.key not in floor.done:
            reason = floor.reasons.get(step.key, "").partition(LOG_MARK)[0]  # each attempt has a log of its own
            session.missing.append(Missing(step, "; ".join(filter(None, (reason, away[step.device])))))
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in session.missing:
        by_reason.setdefault((one.step.device, one.reason), []).append(one.step.key)
    told = [{"device": device, "reason": reason, "steps": keys} for (device, reason), keys in by_reason.items()]
    session.run.set_note("missing photographs", told)
    for entry in told:
        words = f"{entry['device']}: {len(entry['steps'])} missing: {entry['reason']}"
        session.progress(session.accepted, len(steps), words)
