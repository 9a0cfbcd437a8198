"""Tests of instability by exchanging labels: do devices differ beyond shot noise, and do two instabilities differ.

Nothing is assumed of how verdicts are distributed: under the null hypothesis some photographs could have borne each
other's labels, so all the exchanges of labels are as likely as what was seen. Where the exchanges can be counted they
are, and p is exact; else it is estimated from random ones, as (1 + at least as extreme) / (1 + draws).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.instability import Result, group_codes, verdict_column
from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
DRAWS = 9_999
MOST_ARRANGEMENTS = 5_000  # of one scene's labels, to count them all
MOST_VALUES = 200_000  # that a sum over scenes may take, to count them all
MOST_SWAPS = 14  # scenes whose swaps are counted all, 2^14
CHUNK = 2_000_000  # random numbers at once
NEAR = 1e-9  # statistics closer than that are equal


@dataclass(frozen=True)
class Test:
    """A test: its statistic, the mean of it under the null hypothesis, and p (0..1), exact or from random exchanges.

    draws: how many random exchanges, 0 where exact. informative: blocks (scenes, clusters) that can come out otherwise.
    """

    __test__ = False  # pytest: this is no test case

    statistic: float
    expected: float
    p: float
    exact: bool
    draws: int
    informative: int


def beyond_shot_noise(
    table: pd.DataFrame,
    *,
    rng: np.random.Generator,
    exchange: Sequence[str] = ("scene", "angle"),
    top_n: int = 1,
    draws: int = DRAWS,
) -> Test:
    """Test whether devices differ by more than their own shots do; one-sided, p small where they do.

    table: predictions with scene, angle, repeat, device and verdicts. Null hypothesis: all devices are one, so that the
    photographs of one scene at one angle could have been taken by any device. Hold "repeat" in exchange too where the
    moments of the repeats differ for all devices at once (a light that changes): labels are then exchanged within a
    moment. Statistic: the mean chance that two repeats of one device contradict each other (I_2 within devices), which
    is low where devices differ. Ambiguous and missing answers stay where they are.
    Raises BadInput where no device has two counted repeats.
    """
    found = verdict_column(table, top_n=top_n)
    counted = np.isin(found, ("right", "wrong"))
    rows = table[counted]
    right = found[counted] == "right"
    block, cell = group_codes(rows, exchange), group_codes(rows, ("scene", "angle", "device"))
    return exchange_test(right, block, cell, rng=rng, draws=draws)


def exchange_test(
    right: NDArray[np.bool_], block: Codes, cell: Codes, *, rng: np.random.Generator, draws: int = DRAWS
) -> Test:
    """Test as beyond_shot_noise on rows given as numbers: right, block (exchanged within), cell (one device's repeats).

    All (rows,), codes from 0. A cell of one row is in no pair; its row is exchanged with the others all the same.
    """
    size = np.bincount(cell)
    pairs = size * (size - 1) / 2
    cells = int((pairs > 0).sum())
    if not cells:
        raise BadInput("expected devices with two counted repeats of a scene at an angle, got none; photograph repeats")
    weight = np.where(pairs > 0, 1 / np.maximum(pairs, 1), 0.0) / cells
    some, there = np.bincount(block, weights=right), np.bincount(cell, weights=right)
    mixed = (some > 0) & (some < np.bincount(block))
    parts = there * (size - there) * weight
    free = np.zeros(len(size), dtype=bool)
    free[cell[mixed[block]]] = True  # the cells that can come out otherwise; one may span blocks
    seen, fixed, informative = float(parts.sum()), float(parts[~free].sum()), int(mixed.sum())
    rows = np.flatnonzero(free[cell])
    rows = rows[np.argsort(block[rows], kind="stable")]
    moving = _Rows(right[rows], block[rows], (np.cumsum(free) - 1)[cell[rows]], weight[free], size[free])
    exact = _exact_distribution(moving)
    if exact is not None:
        values, chances = exact
        p = float(chances[values + fixed <= seen + NEAR].sum())
        return Test(seen, float(values @ chances) + fixed, min(1.0, p), True, 0, informative)
    drawn = fixed + np.concatenate(list(_exchanged(moving, rng, draws)))
    p = (1 + int((drawn <= seen + NEAR).sum())) / (1 + draws)
    return Test(seen, float(drawn.mean()), p, False, draws, informative)


def compare_instabilities(a: Result, b: Result, *, m: int = 2, rng: np.random.Generator, draws: int = DRAWS) -> Test:
    """Test whether two sets of conditions, on the same scenes, have the same instability of m conditions; two-sided.

    a, b: the results of instability() for the two sets (before and after an update; phones and boards). Null
    hypothesis: for each cluster the two sets could have borne each other's names, so all its items are swapped
    together. Both are rarefied to the same m, since instability grows with the number of conditions. Statistic:
    I_m(a) - I_m(b) over the clusters that both have. Raises BadInput where they share none.
    """
    import pandas as pd

    totals = [
        one.shares(m).groupby("cluster", observed=True)["share"].agg(["sum", "size"]).astype(float) for one in (a, b)
    ]
    both = pd.concat(totals, axis=1, join="inner", keys=["a", "b"])
    if both.empty:
        raise BadInput(f"expected clusters with {m} or more counted conditions in both results, got none")
    return swap_test(both.to_numpy(float), rng=rng, draws=draws)


def swap_test(totals: Array, *, rng: np.random.Generator, draws: int = DRAWS) -> Test:
    """Test as compare_instabilities, from each cluster's sum and items of a, and of b: (clusters, 4)."""
    a, b = totals[:, :2], totals[:, 2:]
    change = b - a
    informative = np.any(np.abs(change) > NEAR, axis=1)
    start_a, start_b, change = a.sum(axis=0), b.sum(axis=0), change[informative]

    def difference(swapped: NDArray[np.bool_]) -> Array:
        moved = swapped @ change
        at, bt = start_a + moved, start_b - moved
        return np.asarray(at[:, 0] / at[:, 1] - bt[:, 0] / bt[:, 1], dtype=np.float64)

    count = len(change)
    seen = float(difference(np.zeros((1, count), dtype=bool))[0])
    exact = count <= MOST_SWAPS
    if exact:
        drawn = difference(
            np.array(list(itertools.product([False, True], repeat=count)), dtype=bool).reshape(2**count, count)
        )
        p = float(np.mean(np.abs(drawn) >= abs(seen) - NEAR))
        return Test(seen, 0.0, p, True, 0, count)
    drawn = np.concatenate([difference(rng.random((part, count)) < 0.5) for part in _parts(draws, count)])
    p = (1 + int((np.abs(drawn) >= abs(seen) - NEAR).sum())) / (1 + draws)
    return Test(seen, 0.0, p, False, draws, count)


def sum_distribution(parts: Iterable[tuple[Array, Array]]) -> tuple[Array, Array] | None:
    """Give values and chances of a sum of independent parts, each (values, chances); None where they are too many."""
    values, chances = np.zeros(1), np.ones(1)
    for more, likely in parts:
        if len(values) * len(more) > 20 * MOST_VALUES:
            return None
        sums = np.round(np.add.outer(values, more).ravel() / NEAR) * NEAR
        values, place = np.unique(sums, return_inverse=True)
        chances = np.bincount(place, weights=np.multiply.outer(chances, likely).ravel()).astype(np.float64)
        if len(values) > MOST_VALUES:
            return None
    return values, chances


@dataclass(frozen=True)
class _Rows:
    """Rows that can be exchanged, sorted by block; each cell's weight in the statistic, and its size."""

    right: NDArray[np.bool_]
    block: Codes
    cell: Codes
    weights: Array
    sizes: Codes


def _exchanged(rows: _Rows, rng: np.random.Generator, draws: int) -> Iterable[Array]:
    """Draw the statistic with the verdicts of each block put in random order."""
    width = len(rows.weights)
    for part in _parts(draws, len(rows.right)):
        order = np.argsort(rows.block + rng.random((part, len(rows.right))), axis=1)
        places = rows.cell + width * np.arange(part)[:, None]
        there = np.bincount(places[rows.right[order]], minlength=part * width).reshape(part, width)
        yield (there * (rows.sizes - there)) @ rows.weights


def _exact_distribution(rows: _Rows) -> tuple[Array, Array] | None:
    """Count all exchanges, where blocks hold whole cells and have few arrangements; else None."""
    right, block, cell, weights, sizes = rows.right, rows.block, rows.cell, rows.weights, rows.sizes
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    ends = np.append(starts[1:], len(block))[: len(starts)]
    parts = []
    for start, end in zip(starts, ends, strict=True):
        cells, inside = np.unique(cell[start:end], return_counts=True)
        if np.any(inside != sizes[cells]):
            return None
        layout = tuple(sorted(zip(inside.tolist(), weights[cells].tolist(), strict=True)))
        found = _arrangements(layout, int(right[start:end].sum()))
        if found is None:
            return None
        parts.append(found)
    return sum_distribution(parts)


@lru_cache(maxsize=4096)
def _arrangements(layout: tuple[tuple[int, float], ...], right: int) -> tuple[Array, Array] | None:
    """The values and chances of one block's part, for cells of (rows, weight) and so many right: ways multiply."""
    from math import comb

    found: dict[tuple[int, float], int] = {(0, 0.0): 1}  # (right placed, statistic) -> ways
    for rows, weight in layout:
        longer: dict[tuple[int, float], int] = {}
        for (placed, value), ways in found.items():
            for some in range(min(rows, right - placed) + 1):
                key = placed + some, round(value + some * (rows - some) * weight, 12)
                longer[key] = longer.get(key, 0) + ways * comb(rows, some)
        found = longer
        if len(found) > MOST_ARRANGEMENTS:
            return None
    ended = {value: ways for (placed, value), ways in found.items() if placed == right}
    total = sum(ended.values())
    return np.array(list(ended)), np.array([ways / total for ways in ended.values()])


def _parts(draws: int, width: int) -> list[int]:
    each = max(1, CHUNK // max(1, width))
    return [min(each, draws - start) for start in range(0, draws, each)]
