"""Generators of steps: a plan knows scenes, angles, repeats and devices by name, and no hardware."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from device_agents.errors import BadInput
from device_agents.records import Step

MOST_STIMULI = 2**24 - 1  # the frame code on the screen has 24 bits, and 0 means "nothing shown yet"


def sweep(
    scenes: Sequence[str], *, angles: Sequence[int], repeats: int, devices: Sequence[str], seed: int
) -> Iterator[Step]:
    """Give every scene x angle x repeat x device once: angles as blocks, all repeats of all scenes shuffled in each.

    The order within a block follows from the seed alone, so that drift of screen, heat and light falls on all scenes
    alike. The stimulus number is counted before shuffling: it names (scene, angle, repeat) for good, whatever the
    order. All devices of a stimulus stand next to one another. Raises BadInput if the frame code cannot hold them all.
    """
    count = len(scenes) * len(angles) * repeats
    if count > MOST_STIMULI:
        raise BadInput(f"expected at most {MOST_STIMULI} scene x angle x repeat, got {count}; split the session")
    order = 0
    for block, angle in enumerate(angles):
        cells = [(scene, repeat) for scene in range(len(scenes)) for repeat in range(repeats)]
        random.Random(f"{seed}|{angle}").shuffle(cells)
        for scene, repeat in cells:
            stimulus = 1 + (scene * len(angles) + block) * repeats + repeat
            for place, device in enumerate(devices, 1):
                yield Step(scenes[scene], angle, repeat, device, stimulus, order, place)
            order += 1


def session_length_s(stimuli: int, *, step_s: float, angles: int, move_s: float = 20.0) -> float:
    """Estimate a session's length in seconds: its stimuli one after the other, and a move of the mount per angle."""
    return stimuli * step_s + (angles - 1) * move_s
