"""Who takes part at this moment: a device that fails or is hot steps aside, and its own thread fetches it back.

The session's loop only asks who is there. Everything that may take long (making a device ready again, asking how it
is) happens in one thread for each device, so that nobody waits for a device that is away.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from device_agents.errors import DeviceError, KitError
from hostctl.lab import SessionSettings
from hostctl.labs.device import Device
from hostctl.sessions import gates

FAILURES_IN_A_ROW = 3  # from so many on, of photographs or of attempts to bring it back, a device is called left out
RETRY_S = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0)  # pauses before a device is made ready again
REST_EVERY_S = 30.0  # how often a device that rests is asked how it is
HERE, AWAY, RESTING = "here", "left out", "rests"
Ask = Callable[[Device], gates.Condition]


@dataclass
class _Place:
    """One device: whether it is here, why not and since when, and when its thread has something to do for it."""

    state: str = HERE
    reason: str = ""
    failures: int = 0  # in a row, without a photograph in between
    told: bool = False  # that it is left out
    since_s: float = 0.0  # when it failed first since its last photograph, or began to rest
    due_s: float = float("inf")  # when to make it ready again
    ask_s: float = float("inf")  # when to ask how it is
    last_call: bool = False  # everybody else has finished: it was asked once more, at once
    busy: int = 0  # photographs that it takes or gives: it is left alone meanwhile
    open: bool = True  # its camera; closed while it rests
    absence: dict[str, Any] = field(default_factory=dict)
    wake: threading.Event = field(default_factory=threading.Event)


class Attendance:
    """A context manager; .changed is notified after every change, and its lock guards them.

    ``standing`` is told a device and why it takes no part, "" when it does again; ``noted`` gets the list of all
    absences at each change of it (device, kind, reason, from_utc, to_utc, "" while it lasts). Both are called in
    threads.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        settings: SessionSettings,
        *,
        clock: Callable[[], float],
        ask: Ask = gates.ask,
        standing: Callable[[str, str], None],
        noted: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self.changed = threading.Condition()
        self.absences: list[dict[str, Any]] = []
        self.broken: list[BaseException] = []
        self._settings = settings
        self._clock, self._ask, self._standing, self._noted = clock, ask, standing, noted
        self._places = {device.name: _Place() for device in devices}
        self._over = False
        self._threads = [
            threading.Thread(target=self._keep, args=(device,), name=f"keeper-{device.name}") for device in devices
        ]

    def __enter__(self) -> Attendance:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads: each within the time limit of what it is asking its device."""
        self._over = True
        for place in self._places.values():
            place.wake.set()
        for thread in self._threads:
            thread.join()

    def here(self, name: str) -> bool:
        """Whether a device takes part now."""
        return self._places[name].state == HERE

    def why_not(self, name: str) -> str:
        """Why a device takes no part, "" if it does."""
        place = self._places[name]
        return "" if place.state == HERE else f"{place.state}: {place.reason}"

    def may_return(self, names: Iterable[str]) -> bool:
        """Whether one of these devices is away and still waited for; its time starts with its first failure.

        A device whose time is over is made ready once more, at once: its last chance.
        """
        return any([self._waited_for(self._places[name]) for name in names])  # a list: each gets its last call

    def _waited_for(self, place: _Place) -> bool:
        with self.changed:
            if place.state == HERE:
                return False
            away_s = self._clock() - place.since_s
            if place.state == RESTING:
                return away_s < self._settings.rest_s
            if not place.last_call:
                place.last_call, place.due_s = True, self._clock()
                place.wake.set()
            return place.due_s <= self._clock() or away_s < self._settings.patience_s

    def ask_all(self) -> None:
        """Have every device asked how it is, if the session has limits for it; nobody waits for the answers."""
        if self._settings.health_every_s:
            for place in self._places.values():
                place.ask_s = self._clock()
                place.wake.set()

    def claim(self, name: str) -> bool:
        """Take a device for one photograph, until it is freed: nothing else is done with its camera; False if away."""
        with self.changed:
            place = self._places[name]
            place.busy += place.state == HERE
            return place.state == HERE

    def free(self, name: str) -> None:
        """Give a claimed device back."""
        with self.changed:
            self._places[name].busy -= 1
        if self._places[name].state != HERE:
            self._places[name].wake.set()

    def worked(self, name: str) -> None:
        """Note that a photograph of a device came home: it is as good as new."""
        with self.changed:
            place = self._places[name]
            place.failures, place.told, place.last_call = 0, False, False

    def failed(self, name: str, reason: str) -> None:
        """Note a failure: the device steps aside until it was made ready again."""
        with self.changed:
            place = self._places[name]
            if place.failures == 0:
                place.since_s = self._clock()
            place.failures += 1
            place.due_s = self._clock() + RETRY_S[min(place.failures, len(RETRY_S)) - 1]
            if place.state == RESTING:
                return
            place.state, place.reason = AWAY, reason
            left_out = place.failures >= FAILURES_IN_A_ROW and not place.told
            if left_out:
                place.told = True
                place.reason = f"{place.failures} failures in a row, the last: {reason}"
                self._begin(name, place)
            self.changed.notify_all()
        place.wake.set()
        if left_out:
            self._standing(name, f"left out after {place.reason}")
            self._noted(self.absences)

    def _keep(self, device: Device) -> None:
        """The life of a device's thread: wait until something is due for it, do it, and again."""
        place = self._places[device.name]
        try:
            while not self._over:
                due_s = place.due_s if place.state == AWAY and not place.busy else float("inf")
                wait_s = min(due_s, place.ask_s) - self._clock()
                if place.state == RESTING and place.open and not place.busy:
                    self._close(device, place)
                elif wait_s > 0:
                    place.wake.wait(min(wait_s, threading.TIMEOUT_MAX))
                    place.wake.clear()
                elif due_s <= self._clock():
                    self._make_ready(device, place)
                else:
                    self._ask_how(device, place)
        except KitError as problem:  # the run cannot be written: the session ends with it
            with self.changed:
                self.broken.append(problem)
                self.changed.notify_all()

    def _close(self, device: Device, place: _Place) -> None:
        """Leave the camera: a screen that is lit and a camera that looks keep a phone warm."""
        place.open = False
        with contextlib.suppress(DeviceError):  # whatever is wrong shows when it is made ready again
            device.shutter.release()

    def _make_ready(self, device: Device, place: _Place) -> None:
        try:
            device.shutter.prepare()
        except DeviceError as problem:
            place.state = AWAY  # also one that had rested: from now on it is tried again as any other
            self.failed(device.name, str(problem))
            return
        self._let_in(device.name, place)

    def _ask_how(self, device: Device, place: _Place) -> None:
        """Ask a device that is here or rests; of one that is away nothing can be asked."""
        resting = place.state == RESTING
        found = self._ask(device) if place.state != AWAY else gates.Condition()
        reason = gates.why_rest(found, self._settings, resting=resting)
        every_s = self._settings.health_every_s
        place.ask_s = self._clock() + (min(REST_EVERY_S, every_s) if reason else every_s)
        if resting and not reason:
            self._make_ready(device, place)
        elif reason and not resting and place.state == HERE:
            with self.changed:
                place.state, place.reason, place.since_s = RESTING, reason, self._clock()
                self._begin(device.name, place)
                self.changed.notify_all()
            self._standing(device.name, f"rests: {reason}")
            self._noted(self.absences)

    def _let_in(self, name: str, place: _Place) -> None:
        with self.changed:
            absent = bool(place.absence)
            place.state, place.reason, place.due_s, place.open = HERE, "", float("inf"), True
            if absent:
                place.absence["to_utc"] = _now()
                place.absence = {}
            self.changed.notify_all()
        if absent:
            self._standing(name, "")
            self._noted(self.absences)

    def _begin(self, name: str, place: _Place) -> None:
        if place.absence:  # it rested, and now it cannot be made ready
            place.absence["to_utc"] = _now()
        times = {"from_utc": _now(), "to_utc": ""}
        place.absence = {"device": name, "kind": place.state, "reason": place.reason, **times}
        self.absences.append(place.absence)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
