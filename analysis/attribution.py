"""Attribution: how much of an instability each stage brings, by the Shapley value over hybrids of the conditions.

A player is a stage at which the conditions differ. v(S) is the instability between the hybrids that take each
condition's own variant at the stages of S and a reference's at the others, averaged over all conditions as references;
v(none) = 0, since all hybrids are then the reference's one answer, and v(all) is the measured instability. A stage's
share is what it adds, averaged over all orders in which stages may be swapped in (Shapley 1953: A value for n-person
games): the shares sum to the whole, equal stages get equal shares, and a stage that never matters gets none. The
interaction of two stages is Grabisch and Roubens's (1999, Int. J. Game Theory 28) index: positive where they flip
together what neither flips alone, negative where each flips the same pictures.

This file says which hybrids are needed and does the arithmetic; hostctl/causes/attributing.py computes them. Subsets
are numbered by their bits: player j is in subset s where s has the bit 1 << j.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.verdicts import VERDICTS
from device_agents.errors import BadInput

MOST_PLAYERS = 8
RIGHT, WRONG, UNCOUNTED = 1, 0, -1
# The verdicts' places in VERDICTS as what counts here.
COUNTED = np.array([{"right": RIGHT, "wrong": WRONG}.get(name, UNCOUNTED) for name in VERDICTS], dtype=np.int8)

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Verdicts = NDArray[np.int8]  # (..., items) of RIGHT, WRONG and UNCOUNTED
Way = tuple[Hashable, ...]


@dataclass(frozen=True)
class Plan:
    """Which hybrids an attribution needs.

    players: stages at which conditions differ; alike: the others. ways: the distinct hybrids, a variant for each
    player. cells: int64 (references, subsets, conditions), the place in ways of condition i's hybrid.
    """

    players: tuple[str, ...]
    alike: tuple[str, ...]
    ways: tuple[Way, ...]
    cells: Codes

    @property
    def whole(self) -> int:
        """The number of the subset of all players."""
        return (1 << len(self.players)) - 1

    @property
    def conditions(self) -> tuple[int, ...]:
        """The places in ways of the conditions themselves."""
        return tuple(int(place) for place in self.cells[0, self.whole])


@dataclass(frozen=True)
class Totals:
    """Unstable and counted items of each reference's hybrids by cluster: float64 (references, subsets, clusters)."""

    unstable: Array
    counted: Array

    @property
    def values(self) -> Array:
        """v(S): (subsets,), 0..1, the mean over references of unstable / counted items."""
        return np.asarray((self.unstable.sum(axis=2) / self.counted.sum(axis=2)).mean(axis=0), dtype=np.float64)


def plan_cells(conditions: Sequence[Mapping[str, Hashable]]) -> Plan:
    """Say which hybrids are needed of some conditions, each given as its variant at every stage; equal ones once.

    k conditions that differ at all of n stages need k + k (k - 1) / 2 * (2^n - 2) hybrids. Raises BadInput for fewer
    than two conditions, other stages in one than in another, no stage that differs, or more than MOST_PLAYERS.
    """
    if len(conditions) < 2 or any(list(one) != list(conditions[0]) for one in conditions):
        raise BadInput(f"expected two conditions or more of the same stages, got {[list(one) for one in conditions]}")
    players = tuple(stage for stage in conditions[0] if len({one[stage] for one in conditions}) > 1)
    if not players or len(players) > MOST_PLAYERS:
        raise BadInput(
            f"expected conditions that differ at 1 to {MOST_PLAYERS} stages, got {len(players)}"
            + (f" ({', '.join(players)}); leave some as they are in the others" if players else "")
        )
    own = [tuple(one[stage] for stage in players) for one in conditions]
    numbers: dict[Way, int] = {}
    cells = [
        [[numbers.setdefault(_hybrid(one, other, s), len(numbers)) for one in own] for s in range(1 << len(players))]
        for other in own
    ]
    alike = tuple(stage for stage in conditions[0] if stage not in players)
    return Plan(players, alike, tuple(numbers), np.array(cells, dtype=np.int64))


def reference_totals(plan: Plan, verdicts: Verdicts, clusters: ArrayLike) -> Totals:
    """Count unstable and counted items of every reference and subset by cluster, in the order of first appearance.

    verdicts: int8 (ways, items). clusters: (items,) names. As for the metric, an item counts where two conditions or
    more do. Raises BadInput for shapes that do not fit, or hybrids of which no item counts, naming their variants.
    """
    codes = cluster_codes(clusters)
    if verdicts.shape != (len(plan.ways), len(codes)) or not len(codes):
        raise BadInput(f"expected verdicts of {len(plan.ways)} ways x {len(codes)} items, got {verdicts.shape}")
    groups = int(codes.max()) + 1
    unstable, counted = (np.zeros((*plan.cells.shape[:2], groups)) for _ in range(2))
    known: dict[tuple[int, ...], tuple[int, int]] = {}
    for r, s in itertools.product(*map(range, plan.cells.shape[:2])):
        same = known.setdefault(tuple(sorted(plan.cells[r, s])), (r, s))
        if same != (r, s):
            unstable[r, s], counted[r, s] = unstable[same], counted[same]
            continue
        counts, flips = split(verdicts[plan.cells[r, s]])
        unstable[r, s] = np.bincount(codes, weights=flips, minlength=groups)
        counted[r, s] = np.bincount(codes, weights=counts, minlength=groups)
        if not counted[r, s].any():
            raise BadInput(f"expected items that two hybrids or more answer, got none for {_described(plan, r, s)}")
    return Totals(unstable, counted)


def split(verdicts: Verdicts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of each item whether two conditions or more count, and whether it is unstable: bool (items,) twice.

    verdicts: int8 (conditions, items).
    """
    right, wrong = (verdicts == RIGHT).sum(axis=0), (verdicts == WRONG).sum(axis=0)
    return right + wrong >= 2, (right > 0) & (wrong > 0)


def cluster_codes(clusters: ArrayLike) -> Codes:
    """Number clusters (items,) by first appearance."""
    return np.asarray(pd.factorize(np.asarray(clusters, dtype=object), use_na_sentinel=False)[0], dtype=np.int64)


def shapley_weights(players: int) -> Array:
    """Give the matrix (players, subsets) that makes shares of values v (subsets,): shares = weights @ v.

    share of j = sum over S without j of |S|! (n - |S| - 1)! / n! (v(S and j) - v(S)).
    """
    weights = np.zeros((players, 1 << players))
    for j, s in itertools.product(range(players), range(1 << players)):
        size = s.bit_count()
        if not s >> j & 1:
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            weights[j, s | 1 << j] += weight
            weights[j, s] -= weight
    return weights


def interaction_weights(players: int) -> Array:
    """Give the matrix (pairs, subsets) that makes interactions of values v; pairs as itertools.combinations gives them.

    interaction of i, j = sum over S without both of |S|! (n - |S| - 2)! / (n - 1)!
    (v(S and i and j) - v(S and i) - v(S and j) + v(S)).
    """
    pairs = list(itertools.combinations(range(players), 2))
    weights = np.zeros((len(pairs), 1 << players))
    for row, (i, j) in enumerate(pairs):
        both = 1 << i | 1 << j
        for s in (s for s in range(1 << players) if not s & both):
            size = s.bit_count()
            weight = math.factorial(size) * math.factorial(players - size - 2) / math.factorial(players - 1)
            weights[row, [s | both, s]] += weight
            weights[row, [s | 1 << i, s | 1 << j]] -= weight
    return weights


def rounded(parts: Sequence[float], whole: float, *, digits: int = 1) -> list[float]:
    """Round parts so that they sum to the rounded whole: those with the largest remainders are rounded up.

    The parts must sum to the whole. No part moves by a unit of the last digit or more.
    """
    unit = 10.0**-digits
    floors = [math.floor(part / unit + 1e-9) for part in parts]
    left = round(whole / unit) - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda place: floors[place] - parts[place] / unit)
    up = set(by_remainder[: max(0, left)])
    return [round((floor + (place in up)) * unit, digits) for place, floor in enumerate(floors)]


def sentence(shares: Mapping[str, float], whole: float, half_width: float) -> str:
    """Say it in one line, in percent, the largest share first: "Of 15.1 % +- 1.8: isp 8.9, codec 6.2".

    shares: of each stage, 0..1, in sum the whole; rounded so that what is printed sums too.
    """
    ordered = sorted(shares, key=lambda stage: -shares[stage])
    printed = rounded([100 * shares[stage] for stage in ordered], 100 * whole)
    told = ", ".join(f"{stage} {share + 0.0:.1f}" for stage, share in zip(ordered, printed, strict=True))
    return f"Of {100 * whole:.1f} % +- {100 * half_width:.1f}: {told}"


def _hybrid(one: Way, other: Way, subset: int) -> Way:
    return tuple(a if subset >> j & 1 else b for j, (a, b) in enumerate(zip(one, other, strict=True)))


def _described(plan: Plan, reference: int, subset: int) -> str:
    ways = [plan.ways[place] for place in dict.fromkeys(plan.cells[reference, subset])]
    return "; ".join(" ".join(f"{a}={b}" for a, b in zip(plan.players, way, strict=True)) for way in ways)
