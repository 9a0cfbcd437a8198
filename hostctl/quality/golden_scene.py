"""The golden scene among the steps of a plan: shown before every n-th scene and at the end of each block."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.run_folder.golden import GOLDEN, LABEL
from device_agents.errors import BadInput
from device_agents.records import Scene, Step
from hostctl.plans import MOST_STIMULI

if TYPE_CHECKING:
    from analysis.store import Run

SPREAD = 3  # each scene's place in the session becomes three: a golden photograph before it, itself, one after it


def golden_scene(folder: Path) -> Scene:
    """Draw the golden scene into a folder and give it; the same bytes on every call."""
    from analysis.run_folder.files import write_whole
    from capture.charts import golden
    from capture.encode import encode_png

    data = encode_png(golden())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "golden.png"
    write_whole(path, data)
    return Scene(GOLDEN, str(path), hashlib.sha256(data).hexdigest(), (LABEL,))


def with_golden(steps: Sequence[Step], *, every: int, first_stimulus: int, taken: int = 0) -> list[Step]:
    """Put golden steps among those of scenes: before the first and every n-th stimulus of a block, and at its end.

    A block is an angle, and where devices are rotated, one of their arrangements.

    every: n, 0 for none. A golden step's repeat counts up over the whole session from ``taken`` (those planned before),
    its stimulus from ``first_stimulus`` + taken, which no scene may have; its devices stand where they do for the scene
    beside it. The steps' order is spread so that every stimulus keeps one of its own, whichever scenes are planned.
    Raises BadInput if the frame code cannot hold them all.
    """
    if not every or not steps:
        return list(steps)
    made: list[Step] = []
    ordered = sorted(steps, key=lambda step: step.order)
    shown = [list(group) for _, group in itertools.groupby(ordered, key=lambda step: step.order)]
    for _, block in itertools.groupby(shown, key=_stands):
        groups = list(block)
        for number, group in enumerate(groups):
            if number % every == 0:
                made += _golden(group, taken, first_stimulus, SPREAD * group[0].order)
                taken += 1
            made += [replace(step, order=SPREAD * step.order + 1) for step in group]
        made += _golden(groups[-1], taken, first_stimulus, SPREAD * groups[-1][0].order + 2)
        taken += 1
    if first_stimulus + taken - 1 > MOST_STIMULI:
        raise BadInput(f"expected at most {MOST_STIMULI} stimuli with the golden scene, got more; split the session")
    return made


def _stands(group: Sequence[Step]) -> tuple[int, tuple[tuple[str, int], ...]]:
    return group[0].angle, tuple((step.device, step.place) for step in group)


def _golden(group: Sequence[Step], number: int, first_stimulus: int, order: int) -> list[Step]:
    stimulus = first_stimulus + number
    return [replace(one, scene=GOLDEN, repeat=number, stimulus=stimulus, order=order) for one in group]


def golden_taken(run: Run) -> int:
    """How many golden photographs of each device are planned in a run."""
    return 1 + max((step.repeat for step in run.steps() if step.scene == GOLDEN), default=-1)
