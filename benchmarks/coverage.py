"""Coverage of the 95 % intervals and levels of the tests, over a stated grid of simulated studies. `make coverage`.

A cell is fair where its coverage lies between 93 and 97 %, or is at least 93 % where fewer than ten clusters are
unstable; a cell of 2,000 studies is known to half a point (one standard error). Printed for each family: the number of
studies, cells that are not fair, the three cells furthest off, and the widths.

    python -m benchmarks.coverage [STUDIES A CELL]
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from analysis.intervals import planning, sequential, significance, simulate
from analysis.intervals.accuracy_tests import sign_flip
from analysis.intervals.effective import effective_beta
from analysis.intervals.population import population_of

STUDIES = 2000
CHUNK = 2_000_000  # numbers drawn at once
LEVEL = 0.95
ENOUGH = 10  # unstable clusters
SCENES = (20, 50, 100, 300, 1000)
RATES = (0.002, 0.01, 0.05, 0.15, 0.30)
CLUSTERING = ((1, 0.0), (10, 0.0), (10, 0.1), (10, 0.3), (10, 0.5))  # items a scene, ICC
CONDITIONS = (2, 5, 20)

Drawn = tuple[Any, Any, Any]  # sums, sizes, squares
Draw = Callable[[np.random.Generator, int], Drawn]


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: coverage 0..1; unstable clusters and width as means over its studies."""

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
        """How far the coverage is from 95 %; too much counts only where events are many."""
        return max(0.95 - self.coverage, self.coverage - 0.95 if self.unstable >= ENOUGH else 0.0)

    def __str__(self) -> str:
        found = f"{self.name}: {self.coverage:.1%}, {self.unstable:.1f} unstable clusters, width {self.width:.4f}"
        return found if self.fair else f"{found}  NOT FAIR"


def measure(name: str, draw: Draw, truth: float, *, studies: int, each: int, rng: np.random.Generator) -> Cell:
    """Draw studies, at most each at once, and count those whose interval holds the truth."""
    held = width = unstable = done = 0.0
    while done < studies:
        count = int(min(max(1, each), studies - done))
        sums, sizes, squares = draw(rng, count)
        low, high = effective_beta(sums, sizes, squares, level=LEVEL)
        held += int(((low <= truth) & (truth <= high)).sum())
        width += float((high - low).sum())
        unstable += float((sums > 0).sum())
        done += count
    return Cell(name, held / done, unstable / done, width / done, int(done))


def marks(studies: int, rng: np.random.Generator) -> Iterator[Cell]:
    """The instability itself, of however many conditions: beta-binomial scenes whose items are unstable or not."""
    for scenes, rate, (items, icc) in itertools.product(SCENES, RATES, CLUSTERING):
        name = f"{scenes} scenes, {rate:.1%}, {items} items, ICC {icc}"
        draw = partial(_marks, scenes, rate, items, icc)
        yield measure(name, draw, rate, studies=studies, each=CHUNK // scenes, rng=rng)


def _marks(scenes: int, rate: float, items: int, icc: float, rng: np.random.Generator, count: int) -> Drawn:
    sums = simulate.beta_binomial(rng, studies=count, scenes=scenes, items=items, rate=rate, icc=icc)
    return sums, np.array(float(items)), None


def shares(studies: int, rng: np.random.Generator) -> Iterator[Cell]:
    """The chance that a random pair of conditions differs: an item's value is a share, not a mark."""
    for k, scenes, rate, (items, icc) in itertools.product(CONDITIONS, (20, 100, 300), RATES, CLUSTERING):
        name = f"pairs of {k}, {scenes} scenes, {rate:.1%}, {items} items, ICC {icc}"
        truth = rate * simulate.mean_pair_share(k)
        draw = partial(_shares, k, scenes, rate, items, icc)
        yield measure(name, draw, truth, studies=studies, each=CHUNK // (scenes * items), rng=rng)


def _shares(k: int, scenes: int, rate: float, items: int, icc: float, rng: np.random.Generator, count: int) -> Drawn:
    right = simulate.verdict_counts(rng, studies=count, scenes=scenes, items=items, rate=rate, icc=icc, conditions=k)
    found = 2 * right * (k - right) / (k * (k - 1))
    return found.sum(axis=-1), np.array(float(items)), np.square(found).sum(axis=-1)


LABS = {
    "steady": {},
    "drifting": {"slope": 2.0},
    "lost by chance": {"lost_wrong": 0.1, "lost_right": 0.1},
    "lost where wrong": {"lost_wrong": 0.2, "lost_right": 0.02},
}


def latent(studies: int, rng: np.random.Generator) -> Iterator[Cell]:
    """Latent logits of scene, device, moment and shot, which the analysis does not assume; 5 moments a scene.

    Where answers are lost the truth is that of the items left with two answers: what the losses hide is not measured.
    """
    for k, scenes, rate, kind in itertools.product(CONDITIONS, (20, 100, 300), (0.02, 0.1, 0.2), LABS):
        lab = simulate.Latent(tuple(np.linspace(-0.5, 0.5, k)), scene_sd=3.0, moment_sd=1.0)
        lab = simulate.calibrated(replace(lab, **LABS[kind]), rate, scenes=scenes)
        truth = simulate.true_instability(lab, scenes=scenes, observed=True)
        name = f"{kind}, {k} devices, {scenes} scenes, {rate:.0%}"
        draw = partial(_latent, lab, scenes)
        yield measure(name, draw, truth, studies=studies, each=CHUNK // (scenes * 5 * k), rng=rng)


def _latent(lab: simulate.Latent, scenes: int, rng: np.random.Generator, count: int) -> Drawn:
    drawn = simulate.latent(rng, lab, studies=count, scenes=scenes, moments=5)
    return *simulate.unstable_items(drawn), None


FAMILIES = {"instability": marks, "random pairs": shares, "latent logits": latent}


def missing(rng: np.random.Generator) -> Iterator[str]:
    """What losses that depend on the verdict hide: the instability of complete answers against that of those left."""
    for k in CONDITIONS:
        lab = simulate.Latent(tuple(np.linspace(-0.5, 0.5, k)), scene_sd=3.0, moment_sd=1.0, lost_wrong=0.2)
        lab = simulate.calibrated(lab, 0.15)
        left = simulate.true_instability(lab, observed=True)
        yield f"{k} devices, a fifth of the wrong answers lost: 15.0 % of complete answers looks like {left:.1%}"


def stopping(rng: np.random.Generator, studies: int = 400) -> Iterator[str]:
    """Studies that stop at a width: coverage then, and ever; scenes against those of a study of fixed size."""
    for (rate, icc, items), width in itertools.product(((0.05, 0.3, 10), (0.15, 0.0, 1), (0.3, 0.5, 10)), (0.2, 0.1)):
        most = 3 * planning.plan(rate, width, items_per_cluster=items, icc=icc).clusters
        means = simulate.beta_binomial(rng, studies=studies, scenes=most, items=items, rate=rate, icc=icc) / items
        low, high = sequential.confidence_sequence(means, width=width)
        at = np.where((narrow := high - low <= width).any(axis=1), narrow.argmax(axis=1), most - 1)
        ends = low[np.arange(studies), at], high[np.arange(studies), at]
        then = np.mean((ends[0] <= rate) & (rate <= ends[1]))
        ever = np.mean(((low <= rate) & (rate <= high)).all(axis=1))
        yield (
            f"rate {rate:.0%}, ICC {icc}, width {width}: covered when stopped {then:.1%}, at all times {ever:.1%}; "
            f"stopped after {np.median(at + 1):.0f} scenes (fixed size: {most // 3})"
        )


def levels(rng: np.random.Generator, studies: int = 1000) -> Iterator[str]:
    """How often each test finds something at 5 % where there is nothing."""
    lab = simulate.Latent((0.0,) * 5, mean=1.0)
    right = simulate.latent(rng, lab, studies=studies, scenes=30, repeats=2).right
    block, cell = (
        np.repeat(np.arange(30), 10),
        (np.arange(30)[:, None, None] * 5 + np.arange(5) + np.zeros((2, 1), int)),
    )
    found = [significance.exchange_test(one.ravel(), block, cell.ravel(), rng=rng, draws=99).p for one in right]
    yield f"devices beyond shot noise: {np.mean(np.array(found) <= 0.05):.1%}"
    sides = [simulate.beta_binomial(rng, studies=studies, scenes=40, items=5, rate=0.15, icc=0.3) for _ in "ab"]
    fives = np.full((40, 1), 5.0)
    totals = (np.hstack([a[:, None], fives, b[:, None], fives]) for a, b in zip(*sides, strict=True))
    found = [significance.swap_test(one, rng=rng, draws=199).p for one in totals]
    yield f"two instabilities compared: {np.mean(np.array(found) <= 0.05):.1%}"
    found = [sign_flip(a - b) for a, b in zip(*sides, strict=True)]
    yield f"McNemar by clusters: {np.mean(np.array(found) <= 0.05):.1%}"


def such_devices(rng: np.random.Generator, studies: int = 300) -> Iterator[str]:
    """Devices drawn anew in each study: how often each interval holds the instability of such devices."""
    for devices, scenes in itertools.product((3, 5, 10, 20), (30, 100)):
        truth, clusters = _truth_of_such(0.7), np.repeat(np.arange(scenes), 4)
        held = np.zeros(2)
        for _ in range(studies):
            lab = simulate.Latent(tuple(rng.normal(0, 0.7, devices)), mean=1.5)
            right = simulate.latent(rng, lab, studies=1, scenes=scenes, moments=4).right
            found = population_of(right.reshape(-1, devices).astype(np.int8), clusters)
            held += [one.low <= truth <= one.high for one in (found.such, found.these)]
        both = held / studies
        yield f"{devices} devices, {scenes} scenes: such devices {both[0]:.1%}, these devices {both[1]:.1%}"


def _truth_of_such(spread: float) -> float:
    """I_2 of two devices drawn from all: 2 q (1 - q) for the chance q that a random device is right, over scenes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(simulate.NODES)
    logit = 1.5 + np.hypot(2.0, 0.5) * nodes
    chance = simulate.expit(logit[:, None] + spread * nodes) @ (weights / weights.sum())
    return float((2 * chance * (1 - chance)) @ (weights / weights.sum()))


def bench(studies: int = STUDIES) -> Iterator[str]:
    """Measure all families, and print."""
    rng = np.random.default_rng(1)
    for family, cells_of in FAMILIES.items():
        start = time.perf_counter()
        cells = sorted(cells_of(studies, rng), key=lambda cell: -cell.off)
        unfair = [cell for cell in cells if not cell.fair]
        total = sum(cell.studies for cell in cells)
        took_s = time.perf_counter() - start
        yield f"{family}: {total:,} studies in {len(cells)} cells, {len(unfair)} not fair, {took_s:.0f} s"
        many = [cell.coverage for cell in cells if cell.unstable >= ENOUGH]
        few = [cell.coverage for cell in cells if cell.unstable < ENOUGH]
        yield f"  coverage {min(many):.1%} to {max(many):.1%}; below ten unstable clusters from {min(few):.1%}"
        yield from (f"  worst: {cell}" for cell in cells[: max(3, len(unfair))])
    for what in (stopping, levels, such_devices, missing):
        yield f"{what.__name__.replace('_', ' ')}:"
        yield from (f"  {line}" for line in what(rng))


if __name__ == "__main__":
    for line in bench(int(sys.argv[1]) if len(sys.argv) > 1 else STUDIES):
        print(line, flush=True)
