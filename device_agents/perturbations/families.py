"""Perturbation: an operator on a picture, the stream that its random numbers come from, and what it is applied to."""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, NamedTuple

import numpy as np

RESIZED, VIEWED = "resized", "viewed"

# By what each part is known, such as "flakes": of one picture and one stream, for as long as neighbours ask for it.
Memory = Dict[str, Any]


class Perturbation(NamedTuple):
    """One named change of a picture.

    ``apply``, of "resized": (RGB, rng) -> RGB, uint8 (h, w, 3) of the same size: the model's input before scaling.
    Of "viewed": (RGB, resizer, height, width, rng) -> RGB (height, width, 3); it takes the place of the fit, and may
    only be the first of a chain. ``stream`` names the random numbers: perturbations of one stream begin with the same.
    ``moves``: what the picture shows is elsewhere afterwards, so that boxes and masks would not fit it.
    ``remembers``, of "resized": (RGB, rng, memory=Memory) -> RGB, where the stream's perturbations of one picture leave
    one another the parts that they share. The result is the same without a memory.
    """

    apply: Callable[..., Any]
    stream: str
    of: str = RESIZED
    moves: bool = False
    remembers: bool = False


def generator(file_sha256: str, stream: str) -> np.random.Generator:
    """Give a stream's generator for a picture's file: the same on every device and in every environment."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{file_sha256}|{stream}".encode()).digest(), "big"))
