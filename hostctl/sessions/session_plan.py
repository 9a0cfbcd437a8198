"""What a lab's session does in which order: the scenes' steps, devices rotated, the golden scene in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from hostctl.labs.mount import turn
from hostctl.labs.rotation import move_devices, rotated, station_of
from hostctl.plans import sweep
from hostctl.quality.golden_scene import golden_scene, golden_taken, with_golden

if TYPE_CHECKING:
    from analysis.store import Run
    from device_agents.records import Scene, Step
    from hostctl.lab import Lab
    from hostctl.virtual.rack import Rack


def plan_of(lab: Lab, scenes: Sequence[Scene]) -> list[Step]:
    """The steps of all scenes, without the golden one's, in the order and at the places that the lab asks for."""
    session = lab.session
    names, devices = [scene.scene for scene in scenes], [device.name for device in lab.devices]
    steps = list(sweep(names, angles=session.angles, repeats=session.repeats, devices=devices, seed=session.seed))
    return rotated(steps, devices=devices, seed=session.seed) if session.rotate else steps


def add_planned(run: Run, lab: Lab, scenes: Sequence[Scene], steps: Sequence[Step], *, further: bool) -> None:
    """Put steps of the plan into a run with the golden ones among them; ``further``: more of a plan begun before."""
    session = lab.session
    if session.golden_every:
        run.add_golden(golden_scene(run.folder / "lab"))
    first = 1 + len(scenes) * len(session.angles) * session.repeats  # no scene's stimulus is as high
    taken = golden_taken(run) if further else 0
    run.add_steps(with_golden(steps, every=session.golden_every, first_stimulus=first, taken=taken))


def shown_scenes(run: Run, lab: Lab, scenes: Sequence[Scene]) -> dict[str, Scene]:
    """All that the screen may be asked to show, by name."""
    golden = [golden_scene(run.folder / "lab")] if lab.session.golden_every else []
    return {scene.scene: scene for scene in (*scenes, *golden)}


def counted_scenes(lab: Lab, count: int) -> int:
    """How many scenes' worth of photographs a session takes, for an estimate of the space."""
    every = lab.session.golden_every
    return count + (math.ceil(count / every) + 1 if every else 0)


def standing(run: Run, lab: Lab, rack: Rack | None) -> tuple[Callable[[Step], Any], Callable[[Any], None]]:
    """How a session knows where things must stand for a step, and brings them there: its ``station`` and ``move``."""
    if lab.session.rotate:
        return station_of(run.steps()), partial(move_devices, lab, rack)
    return attrgetter("angle"), partial(turn, lab, rack)
