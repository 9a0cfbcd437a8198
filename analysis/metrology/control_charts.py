"""Control charts of single values: centre, limits from moving ranges, and the four rules of Western Electric.

Individuals and moving-range chart (Montgomery, Introduction to Statistical Quality Control, 8th ed., section 6.4;
NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2): sigma is the mean range of neighbours over d2 = 1.128, so
that it holds the spread of a moment and not a slow change. Rules: Western Electric, Statistical Quality Control
Handbook, 1956 (NIST e-Handbook 6.3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Array = NDArray[np.float64]
D2 = 1.128  # mean range of two normal values, in sigmas (2 / sqrt pi)
D4 = 3.267  # upper limit of the moving range over its mean
FEWEST = 4
RULES = {
    1: "a value beyond 3 sigma",
    2: "two of three in a row beyond 2 sigma on one side",
    3: "four of five in a row beyond 1 sigma on one side",
    4: "eight in a row on one side of the centre",
}
ZONES = {1: (1, 1, 3.0), 2: (2, 3, 2.0), 3: (4, 5, 1.0), 4: (8, 8, 0.0)}  # so many of so many beyond so many sigmas


@dataclass(frozen=True)
class Chart:
    """A control chart: values in the order of time, centre and sigma, and which values complete a rule.

    floor: whether sigma is the smallest that counts, and not the values' own. signals: rule -> places (from 0).
    baseline: how many of the first values centre and sigma are from. range_limit: of the moving range (D4 x mean).
    """

    values: Array
    centre: float
    sigma: float
    floor: bool
    baseline: int
    range_limit: float
    signals: dict[int, tuple[int, ...]]

    @property
    def limits(self) -> tuple[float, float]:
        """Centre less and plus 3 sigma."""
        return self.centre - 3 * self.sigma, self.centre + 3 * self.sigma

    @property
    def change(self) -> float:
        """The mean of the last quarter less that of the first, in the values' unit."""
        part = max(1, len(self.values) // 4)
        return float(self.values[-part:].mean() - self.values[:part].mean())


def control_chart(values: Sequence[float], *, baseline: int = 0, least_sigma: float = 0.0) -> Chart:
    """Chart values in the order of time.

    baseline: centre and sigma are those of the first so many values, 0: of all. least_sigma: a smaller sigma is taken
    as this, so that what does not matter makes no signal (a modified chart, Montgomery section 10.3); rule 4, which
    asks for no size at all, is left out then. Raises BadInput for fewer than FEWEST values in the baseline, or values
    that are not finite.
    """
    array = np.asarray(values, np.float64)
    first = array[: baseline or None]
    if len(first) < FEWEST or not bool(np.isfinite(array).all()) or (baseline and len(array) < baseline):
        got = f"{len(array)} values" + (f" and a baseline of {baseline}" if baseline else "")
        raise BadInput(f"expected {FEWEST} finite values or more to take limits from, got {got}")
    ranges = float(np.abs(np.diff(first)).mean())
    own = ranges / D2
    sigma = max(own, least_sigma)
    centre = float(first.mean())
    found = signals(array - centre, sigma)
    if own < least_sigma:
        found.pop(4, None)
    return Chart(array, centre, sigma, own < least_sigma, len(first), D4 * D2 * sigma, found)


def signals(deviations: Array, sigma: float) -> dict[int, tuple[int, ...]]:
    """Give for each rule that fires the places (from 0) of the values that complete it; a sigma of 0 fires on any."""
    found = {}
    for rule, (count, among, zone) in ZONES.items():
        places = {
            at for side in (1, -1) for at in _completed(side * deviations > zone * sigma, count=count, among=among)
        }
        if places:
            found[rule] = tuple(sorted(places))
    return found


def _completed(beyond: NDArray[np.bool_], *, count: int, among: int) -> list[int]:
    """Places of values beyond the zone at which so many of the last ``among`` are."""
    total = np.cumsum(np.concatenate([np.zeros(among, np.int64), beyond.astype(np.int64)]))
    running = total[among:] - total[:-among]
    return [int(at) for at in np.flatnonzero(beyond & (running >= count))]


def trend(values: Sequence[float]) -> float:
    """Probability (0..1) of so clear a rise or fall if there were none: Mann and Kendall's test, two-sided.

    Mann 1945, Econometrica 13, 245-259; ties as scipy.stats.kendalltau takes them. 1 where all values are alike.
    """
    from scipy.stats import kendalltau

    if np.ptp(values) == 0:
        return 1.0
    return float(kendalltau(np.arange(len(values)), np.asarray(values, np.float64)).pvalue)


def false_alarm_rate(points: int, *, baseline: int = 0, rng: np.random.Generator, trials: int = 2000) -> float:
    """How often a chart of so many independent normal values without any change signals (0..1), by simulation."""
    made = 0
    for values in rng.normal(size=(trials, points)):
        made += bool(control_chart(values, baseline=baseline).signals)
    return made / trials
