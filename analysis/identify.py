"""Which of some candidates made these pixels, or none of them: distances, and the rule that decides.

Knows arrays and names only; hostctl/causes/identifying.py makes the candidates. The tolerance lies in a gap that was
measured on photographs: variants that compute the same thing in other floating point differ in at most 0.9 % of the
values, always by 1, and any others (fixed point, another filter, another decoder) in 8.8 % or more.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput

Name = TypeVar("Name", bound=Hashable)
Array = npt.NDArray[Any]

EXACT, ROUNDING, UNKNOWN = "exact", "rounding", "unknown"
TOLERATED_STEP = 1.0  # levels of 255
TOLERATED_SHARE = 0.03  # of the values: the geometric middle of the measured gap, 0.9 % to 8.8 %
MARGIN = 2.0  # the nearest that is not tolerated must be so many times as far away as the nearest


@dataclass(frozen=True)
class Distance:
    """How far pixels lie from a candidate: mean and largest difference in levels (0 to 255), share that differs."""

    mean: float
    largest: float
    share: float

    @property
    def tolerated(self) -> bool:
        """Whether no more than rounding lies between the two."""
        return self.largest <= TOLERATED_STEP and self.share <= TOLERATED_SHARE


@dataclass(frozen=True)
class Decision(Generic[Name]):
    """What made the pixels: ``kind`` "exact" (a proof), "rounding" (equal up to rounding) or "unknown".

    ``names`` are all candidates that fit alike, () for "unknown"; ``nearest`` is named either way, and ``runner_up`` is
    the nearest that does not fit, None where all do.
    """

    kind: str
    names: tuple[Name, ...]
    nearest: Name
    distance: Distance
    runner_up: Name | None
    runner_up_distance: Distance | None


def distance(pixels: Array, candidate: Array, *, slack: float = 0.0) -> Distance:
    """Measure pixels (height, width, 3), levels 0 to 255 of any type, against a candidate of the same shape.

    ``slack`` is how far a value may lie from the candidate's and still count as the same: 0 for bytes, 0.5 for values
    that were never rounded to bytes. Raises BadInput for two shapes.
    """
    if pixels.shape != candidate.shape:
        raise BadInput(f"expected pixels of the candidate's shape {candidate.shape}, got {pixels.shape}")
    if pixels.dtype == candidate.dtype == np.uint8 and slack == 0.0:
        apart: Array = np.maximum(pixels, candidate) - np.minimum(pixels, candidate)
    else:
        apart = np.abs(pixels.astype(np.float32) - candidate.astype(np.float32))
        apart = np.where(apart <= slack, np.float32(0), apart)
    return Distance(float(apart.mean()), float(apart.max()), float(np.count_nonzero(apart)) / apart.size)


def decide(distances: Mapping[Name, Distance], *, slack: float = 0.0) -> Decision[Name]:
    """Decide between candidates by their distances.

    With bytes (slack 0) a distance of nothing is a proof, and every candidate at it is named. Otherwise those within
    the tolerance are named together, unless the next one is not MARGIN times as far away as the nearest: then, and
    where none is within it, the answer is "unknown". Raises BadInput where there is no candidate.
    """
    if not distances:
        raise BadInput("expected at least one candidate to compare the pixels with, got none")
    order = sorted(distances, key=lambda name: (distances[name].mean, distances[name].largest))
    nearest = order[0]
    found = distances[nearest]
    exact = found.largest == 0.0 and slack == 0.0
    names = tuple(name for name in order if (distances[name].largest == 0.0 if exact else distances[name].tolerated))
    runner_up = next((name for name in order if name not in set(names)), None)
    beyond = None if runner_up is None else distances[runner_up]
    clear = exact or beyond is None or beyond.mean >= MARGIN * found.mean
    kind = EXACT if exact else ROUNDING if names and clear else UNKNOWN
    if kind == UNKNOWN:
        runner_up = order[1] if len(order) > 1 else None
        beyond = None if runner_up is None else distances[runner_up]
    return Decision(kind, names if kind != UNKNOWN else (), nearest, found, runner_up, beyond)
