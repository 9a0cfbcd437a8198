"""The order in which variants are timed: every one in every place, and after every other, equally often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Order = NDArray[np.int64]


def williams(count: int) -> Order:
    """Give the rows of Williams' design for so many variants: int64 (rows, count), each row an order of 0..count - 1.

    A Latin square (every variant once in every place) in which every variant follows every other once: one square of
    ``count`` rows where that is even, two of them (the second the first's rows backwards; each pair twice) where it is
    odd (Williams, Experimental designs balanced for the estimation of residual effects of treatments, 1949). So what
    one variant leaves in caches, and a slow drift, fall upon all alike. Raises BadInput for a count below 1.
    """
    if count < 1:
        raise BadInput(f"expected one variant or more to order, got {count}")
    ends = [(place + 1) // 2 if place % 2 else count - place // 2 for place in range(count)]
    first = np.array([end % count for end in ends], dtype=np.int64)
    square = (first[None, :] + np.arange(count)[:, None]) % count
    return square if count % 2 == 0 or count == 1 else np.concatenate([square, square[:, ::-1]])


def orders(count: int, rounds: int, *, rng: np.random.Generator) -> Order:
    """Give an order for each round, int64 (rounds, count): the design's rows again and again, shuffled each time.

    A whole number of designs is balanced; a part of one leaves a variant in a place at most twice more than another.
    """
    square = williams(count)
    turns = [square[rng.permutation(len(square))] for _ in range(-(-rounds // len(square)))]
    return np.concatenate([*turns, square[:0]])[:rounds]


def imbalance(order: Order) -> int:
    """Give how much more often the most frequent variant stands in a place than the least frequent one; 0 is best."""
    count = order.shape[1]
    seen = np.stack([np.bincount(order[:, place], minlength=count) for place in range(count)])
    return int((seen.max(axis=1) - seen.min(axis=1)).max(initial=0))
