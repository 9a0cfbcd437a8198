"""Coverage of the 95 % intervals and levels of the tests, over a stated grid of simulated studies. `make coverage`.

Printed for each family of studies: how many, the worst cells, and the widths. A cell is fair where its coverage lies
between 93 and 97 %, or is at least 93 % where fewer than ten clusters are unstable; simulation error is half a point.

    python -m benchmarks.coverage [STUDIES A CELL]
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis import simulate
from analysis.effective import effective_beta

STUDIES = 2000
CHUNK = 4_000_000  # numbers drawn at once
LEVEL = 0.95
ENOUGH = 10  # unstable clusters
SCENES = (20, 50, 100, 300, 1000)
RATES = (0.002, 0.01, 0.05, 0.15, 0.30)
CLUSTERING = ((1, 0.0), (10, 0.0), (10, 0.1), (10, 0.3), (10, 0.5))
CONDITIONS = (2, 5, 20)


@dataclass(frozen=True)
class Cell:
    """What was found in one cell of the grid: coverage 0..1, unstable clusters and width as means over its studies."""

    name: str
    coverage: float
    unstable: float
    width: float
    studies: int

    @property
    def fair(self) -> bool:
        """Whether coverage is what is promised."""
        return self.coverage >= 0.93 and (self.coverage <= 0.97 or self.unstable < ENOUGH)

    @property
    def off(self) -> float:
        """How far the coverage is from 95 %, too wide counting only where events are many."""
        return max(0.95 - self.coverage, self.coverage - 0.95 if self.unstable >= ENOUGH else 0.0)

    def __str__(self) -> str:
        mark = "" if self.fair else "  NOT FAIR"
        return (
            f"{self.name}: {self.coverage:.1%}, width {self.width:.4f}, "
            f"{self.unstable:.1f} unstable clusters{mark}"
        )


Draw = Callable[[np.random.Generator, int], tuple[Any, Any, Any]]  # (rng, studies) -> sums, sizes, squares


def measure(name: str, draw: Draw, truth: float, *, studies: int, each: int, rng: np.random.Generator) -> Cell:
    """Draw studies, at most each at once, and count those whose interval holds the truth."""
    held = width = unstable = done = 0.0
    while done < studies:
        count = int(min(each, studies - done))
        sums, sizes, squares = draw(rng, count)
        low, high = effective_beta(sums, sizes, squares, level=LEVEL)
        held += int(((low <= truth) & (truth <= high)).sum())
        width += float((high - low).sum())
        unstable += float((sums > 0).sum())
        done += count
    return Cell(name, held / done, unstable / done, width / done, int(done))


def marks(studies: int, rng: np.random.Generator) -> Iterator[Cell]:
    """The instability itself: beta-binomial scenes, whose items are unstable or not."""
    for scenes, rate, (items, icc) in itertools.product(SCENES, RATES, CLUSTERING):

        def draw(rng: np.random.Generator, count: int) -> tuple[Any, Any, Any]:
            drawn = simulate.beta_binomial(rng, studies=count, scenes=scenes, items=items, rate=rate, icc=icc)  # noqa: B023
            return drawn, float(items), None  # noqa: B023

        name = f"{scenes} scenes, rate {rate:.1%}, {items} items, ICC {icc}"
        yield measure(name, draw, rate, studies=studies, each=CHUNK // scenes, rng=rng)


def shares(studies: int, rng: np.random.Generator) -> Iterator[Cell]:
    """The chance that a random pair of conditions differs: each item's value is a share, not a mark."""
    for k, scenes, rate, (items, icc) in itertools.product(
        CONDITIONS, (20, 100, 300), RATES, ((1, 0.0), (5, 0.0), (5, 0.1), (5, 0.5))
    ):

        def draw(rng: np.random.Generator, count: int) -> tuple[Any, Any, Any]:
            right = simulate.verdict_counts(
                rng, studies=count, scenes=scenes, items=items, rate=rate, icc=icc, conditions=k  # noqa: B023
            )
            found = 2 * right * (k - right) / (k * (k - 1))  # noqa: B023
            return found.sum(axis=-1), float(items), np.square(found).sum(axis=-1)  # noqa: B023

        name = f"random pairs of {k}, {scenes} scenes, rate {rate:.1%}, {items} items, ICC {icc}"
        truth = rate * simulate.mean_pair_share(k)
        yield measure(name, draw, truth, studies=studies, each=max(1, CHUNK // (scenes * items)), rng=rng)
