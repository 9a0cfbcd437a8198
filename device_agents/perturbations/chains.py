"""A chain of perturbations ("fog-3+stored-jpeg-85"): checked, and done to one picture with shared work."""

from __future__ import annotations

import difflib
import hashlib
import re
from typing import Any, Callable, Hashable, List, Tuple

import numpy as np

from device_agents.decode import RGB
from device_agents.errors import BadInput
from device_agents.perturbations.families import VIEWED, Perturbation, generator

JOINED = "+"


def pick_perturbation(name: str) -> Perturbation:
    """Give one of PERTURBATIONS, or raise BadInput with the nearest name; there are too many to list."""
    # An agent that is asked for none need not read them all.
    from device_agents.perturbations.known import PERTURBATIONS

    if name in PERTURBATIONS:
        return PERTURBATIONS[name]
    close = difflib.get_close_matches(name, PERTURBATIONS, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ";"
    streams = dict.fromkeys(re.sub(r"-(frame-)?-?\d+$", r"-\1..", known) for known in PERTURBATIONS)
    raise BadInput(f"unknown perturbation '{name}'{hint} known: {', '.join(streams)}")


def chain(names: str) -> List[Perturbation]:
    """Give the perturbations of a chain, [] of ""; raises BadInput for an unknown one and for a wrong order."""
    if not names:
        return []
    found = [pick_perturbation(name) for name in names.split(JOINED)]
    for name, one in list(zip(names.split(JOINED), found))[1:]:
        if one.of == VIEWED:
            raise BadInput(f"perturbation '{name}' chooses what the model sees: expected it first, got '{names}'")
    return found


def check_perturbation(names: str, *, task: str) -> None:
    """Raise BadInput where a chain is unknown, or moves what a picture shows and the task's answers have places."""
    if task != "classification" and any(one.of == VIEWED or one.moves for one in chain(names)):
        raise BadInput(
            f"perturbation '{names}' moves what the model sees: expected a classifier, got a model for {task}"
        )


def perturbed(
    names: str,
    data: bytes,
    *,
    key: Tuple[Hashable, ...],
    once: Callable[..., Any],
    resized: Callable[[], RGB],
    moved: Callable[[Perturbation, np.random.Generator], RGB],
) -> Tuple[Tuple[Hashable, ...], RGB]:
    """Do a chain to a picture; gives the key of what was done, and uint8 (height, width, 3).

    ``data`` is the picture's file, whose hash seeds the random numbers; ``key`` says what the picture is; ``once`` is a
    Share's. The latest result of each step is held, for the next chain that begins alike, and what it remembers, for
    the next of its stream on the same picture. ``resized`` gives the picture
    at the model's size, ``moved`` what the first step makes of the viewed picture. Raises StageFailed.
    """
    steps = once("perturb", names, lambda: chain(names))
    seed = once("hash", None, lambda: hashlib.sha256(data).hexdigest())
    picture = np.empty((0, 0, 3), np.uint8) if steps[0].of == VIEWED else resized()
    for number, (name, one) in enumerate(zip(names.split(JOINED), steps), 1):

        def step(
            one: Perturbation = one,
            before: RGB = picture,
            number: int = number,
            made: Tuple[Hashable, ...] = (key, one.stream),
        ) -> Any:
            rng = generator(seed, one.stream)
            if one.remembers:
                return one.apply(before, rng, memory=once(f"perturb memory {number}", made, dict, keep=False))
            return moved(one, rng) if one.of == VIEWED else one.apply(before, rng)

        key = (*key, name)
        picture = once(f"perturb step {number}", key, step, keep=False)
    return key, picture
