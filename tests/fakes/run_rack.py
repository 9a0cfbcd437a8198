"""A fake rack with its run and session, and the patience to see what its threads do."""

from __future__ import annotations

import time

from analysis.store import Run
from hostctl.lab import SessionSettings
from hostctl.plans import sweep
from hostctl.runner import Session, run_session
from hostctl.sessions.timeline import Event
from tests.fakes.rack import FakeDisplay, device, scenes


class Rack:
    """A fake rack with its run and session."""

    def __init__(self, tmp_path, *, scripts, count=4, late=(), angles=(0,), repeats=1, settings=()):
        self.display = FakeDisplay(late=set(late))
        self.scenes = scenes(count)
        self.devices = [device(name, self.display, tmp_path / "phones", list(s)) for name, s in scripts.items()]
        self.run = Run.create(tmp_path / "run", settings={"seed": 1}, scenes=self.scenes)
        self.steps = list(
            sweep([scene.scene for scene in self.scenes], angles=angles, repeats=repeats, devices=list(scripts), seed=1)
        )
        self.run.add_steps(self.steps)
        self.moves: list[int] = []
        self.timeline: list[Event] = []
        (tmp_path / "spool").mkdir()
        self.session = Session(
            run=self.run,
            scenes={scene.scene: scene for scene in self.scenes},
            devices=self.devices,
            display=self.display,
            settings=SessionSettings(
                **{"angles": tuple(angles), "repeats": repeats, "health_every_s": 0.0, **dict(settings)}
            ),
            spool=tmp_path / "spool",
            display_timeout_s=10.0,
            move=self.moves.append,
            noted=self.timeline.append,
        )

    def do(self):
        run_session(self.session, self.run.steps_missing())

    def shutter(self, name):
        return next(one.shutter for one in self.devices if one.name == name)

    def attempts(self):
        table = self.run.attempts()
        return [(row.step.split("|")[3], row.status, row.reason) for row in table.itertuples()]


def wait_until(true, timeout_s=30.0):
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)
