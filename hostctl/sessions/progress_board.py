"""The board of a running session: what each device has done, what went wrong, how long it will take; in memory only.

The session writes to it in passing, a lock and a few counters each time; the live page reads it. No file, no database.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hostctl.runner import Outcome
from hostctl.sessions.attendance import RESTING
from hostctl.sessions.vitals import Vitals

RECENT = 12  # photographs shown
THUMBNAILS = 500  # that may be asked for: a page asks a little after they have left the list
RETAKES = 20  # refusals and failures listed
PACE = 20  # accepted photographs from which a device's pace is taken
BAD_IN_A_ROW = 2  # a single retake is no trouble
PHOTOGRAPHS = "photographs"


@dataclass
class _Row:
    """One device: what was planned, what came of it, and what is wrong with it now."""

    planned: int = 0
    done: int = 0
    rejected: int = 0
    failed: int = 0
    given_up: int = 0
    bad_in_a_row: int = 0
    last_reason: str = ""
    out: str = ""
    vitals: Vitals = field(default_factory=Vitals)
    accepted_s: deque[float] = field(default_factory=lambda: deque(maxlen=PACE))


@dataclass
class _Stage:
    """One stage of the work, with where it stood when it was first heard of."""

    since_s: float
    first: int
    done: int
    total: int
    note: str = ""


class Board:
    """What a session has come to; every method may be called from any thread.

    ``attempts`` is how often a step is tried in a session, ``clock`` gives seconds.
    """

    def __init__(
        self, *, devices: Mapping[str, str], attempts: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with the lab's devices: their names, each with its kind."""
        self._lock = threading.Lock()
        self._clock = clock
        self._started_s = clock()
        self._attempts = attempts
        self._kinds = dict(devices)
        self._rows = {name: _Row() for name in devices}
        self._tried: dict[str, int] = {}
        self._stages: dict[str, _Stage] = {}
        self._stage = ""
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._thumbnails: deque[str] = deque(maxlen=THUMBNAILS)
        self._retakes: deque[dict[str, Any]] = deque(maxlen=RETAKES)
        self._answer: Mapping[str, Any] | None = None
        self._ended = ""

    def plan(self, planned: Mapping[str, int], missing: Mapping[str, int]) -> None:
        """Take how many steps each device has in the whole run, and how many of them have no photograph yet."""
        with self._lock:
            for name, row in self._rows.items():
                row.planned = planned.get(name, 0)
                row.done = row.planned - missing.get(name, 0)

    def tell(self, outcome: Outcome) -> None:
        """Take what came of one attempt at a step; this is the session's own hook, so it only counts."""
        with self._lock:
            row, key = self._rows[outcome.step.device], outcome.step.key
            self._tried[key] = self._tried.get(key, 0) + 1
            if outcome.status == "ok":
                row.done, row.bad_in_a_row, row.last_reason = row.done + 1, 0, ""
                row.accepted_s.append(self._clock())
                self._recent.appendleft({**_where(outcome), "thumbnail": outcome.thumbnail})
                self._thumbnails.append(outcome.thumbnail)
                self._tried.pop(key)
                return
            row.rejected += outcome.status == "rejected"
            row.failed += outcome.status == "failed"
            row.bad_in_a_row, row.last_reason = row.bad_in_a_row + 1, outcome.reason
            row.given_up += self._tried[key] == self._attempts
            told = {"status": outcome.status, "reason": outcome.reason, "attempt": self._tried[key]}
            self._retakes.appendleft({**_where(outcome), **told, "at_s": self._clock()})

    def stage(self, name: str, done: int, total: int, note: str) -> None:
        """Take progress as the terminal gets it; ``total`` 0 is a stage without a count."""
        with self._lock:
            now = self._clock()
            stage = self._stages.setdefault(name, _Stage(now, done, done, total))
            if total:
                stage.done, stage.total = done, total
            stage.note = note or stage.note
            self._stage = name

    def trouble(self, device: str, reason: str) -> None:
        """Take why a device takes no part: not reached, left out, resting; "" where it takes part again."""
        with self._lock:
            self._rows[device].out = reason

    def vitals(self, device: str, found: Vitals) -> None:
        """Take how a device is."""
        with self._lock:
            self._rows[device].vitals = found

    def answer(self, found: Mapping[str, Any]) -> None:
        """Take the result so far, as hostctl.sessions.so_far gives it; after the end the last one stays."""
        with self._lock:
            if not self._ended:
                self._answer = found

    def end(self, words: str) -> None:
        """Say that nothing more will come, and why."""
        with self._lock:
            self._ended = self._ended or words

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return bool(self._ended)

    def predicted(self) -> int:
        """How many predictions have been committed, of those that the stages counted."""
        with self._lock:
            return sum(stage.done for name, stage in self._stages.items() if name != PHOTOGRAPHS)

    def working(self, device: str) -> bool:
        """Whether a device takes part and has something left to do."""
        with self._lock:
            row = self._rows[device]
            return not row.out and _left(row) > 0

    def has_thumbnail(self, sha256: str) -> bool:
        """Whether a hash is that of a thumbnail shown lately; no other file of the run may be asked for."""
        with self._lock:
            return sha256 in self._thumbnails

    def state(self) -> dict[str, Any]:
        """Give everything at this moment, ready for JSON; times are seconds before or after now."""
        with self._lock:
            now = self._clock()
            devices = [self._device(name, row, now) for name, row in self._rows.items()]
            return {
                "elapsed_s": now - self._started_s,
                "stage": self._stage,
                "ended": self._ended,
                "photographs": _photographs(devices),
                "stages": [_stage(name, one, now) for name, one in self._stages.items() if name != PHOTOGRAPHS],
                "devices": devices,
                "recent": list(self._recent),
                "retakes": [_ago(one, now) for one in self._retakes],
                "answer": self._answer,
            }

    def _device(self, name: str, row: _Row, now: float) -> dict[str, Any]:
        why = [row.out] if row.out else []
        if not why and row.bad_in_a_row >= BAD_IN_A_ROW:
            why.append(f"{row.bad_in_a_row} attempts in a row went wrong; the last: {row.last_reason}")
        if row.given_up:
            noun = "photograph" if row.given_up == 1 else "photographs"
            why.append(f"{row.given_up} {noun} given up, tried {self._attempts} times")
        why += row.vitals.problems
        left = _left(row)
        away = "resting" if row.out.startswith(RESTING) else "left out"
        state = "finished" if row.planned and not left else away if row.out else "working"
        return {
            "name": name,
            "kind": self._kinds[name],
            "state": state,
            **{key: getattr(row, key) for key in ("planned", "done", "rejected", "failed", "given_up")},
            "left_s": left * pace if state == "working" and (pace := _pace_s(row.accepted_s, now)) else None,
            "battery_percent": row.vitals.battery_percent,
            "temperature_c": row.vitals.temperature_c,
            "why": why,
        }


def _left(row: _Row) -> int:
    return row.planned - row.done - row.given_up


def _pace_s(accepted_s: Sequence[float], now: float) -> float | None:
    """Seconds a photograph: the mean of the last ones, or longer if the next one is overdue; None before the second."""
    if len(accepted_s) < 2:
        return None
    first, last, gaps = accepted_s[0], accepted_s[-1], len(accepted_s) - 1
    return max((last - first) / gaps, (now - first) / (gaps + 1))


def _photographs(devices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All devices together; they work side by side, so the slowest says how long it takes."""
    left = [one["left_s"] for one in devices if one["left_s"] is not None]
    return {
        "done": sum(one["done"] for one in devices),
        "total": sum(one["planned"] for one in devices),
        "left_s": max(left, default=None),
    }


def _stage(name: str, one: _Stage, now: float) -> dict[str, Any]:
    made, left = one.done - one.first, one.total - one.done
    left_s = (now - one.since_s) / made * left if made > 0 and left > 0 else None
    return {"name": name, "done": one.done, "total": one.total, "left_s": left_s, "note": one.note}


def _where(outcome: Outcome) -> dict[str, Any]:
    step = outcome.step
    return {"device": step.device, "scene": step.scene, "angle": step.angle, "repeat": step.repeat}


def _ago(one: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {**{key: value for key, value in one.items() if key != "at_s"}, "ago_s": now - one["at_s"]}
