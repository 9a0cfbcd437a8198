"""What an attribution says: shares and interactions with intervals, what-ifs, and a condition not yet seen.

All of it comes from the verdicts of the same hybrids (analysis/attribution.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.attribution import (
    UNCOUNTED,
    Plan,
    Verdicts,
    cluster_codes,
    interaction_weights,
    reference_totals,
    shapley_weights,
    split,
)
from analysis.causes.attribution_intervals import METHODS, Estimate, estimates
from analysis.statistics import Interval, difference_interval, rate_interval

FEWEST_CONDITIONS = 3  # of a statement about further ones: with two there is one pair, and nothing to compare it to


@dataclass(frozen=True)
class Pairs:
    """The instability of a random pair of conditions (m = 2), and what it says of further conditions like these.

    such: the interval of its mean over all such conditions; unseen: of one condition not yet seen, against one of
    these. Both resample conditions and clusters; None for fewer than three conditions.
    """

    rate: float
    such: Interval | None
    unseen: Interval | None


@dataclass(frozen=True)
class Attribution:
    """The instability of the conditions, each player's share in it, and each two players' interaction, 0..1.

    checks: the shares' intervals by each of METHODS, where they were asked for.
    """

    items: int
    whole: Estimate
    shares: dict[str, Estimate]
    interactions: dict[tuple[str, str], Estimate]
    pairs: Pairs
    checks: dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class WhatIf:
    """The instability if every condition used one variant at a stage: its rate, and the change against the whole."""

    stage: str
    variant: Hashable
    rate: Estimate
    change: Estimate
    pairs: Pairs


def attribute(
    plan: Plan,
    verdicts: Verdicts,
    clusters: ArrayLike,
    *,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Attribution:
    """Share out the instability of a plan's conditions.

    verdicts: int8 (ways, items) of RIGHT, WRONG and UNCOUNTED. clusters: (items,) names. The whole has the metric's own
    interval, shares have "weighted-events", interactions, which have no natural sign, "paired-clusters"; with rng the
    shares have all METHODS as checks. Raises BadInput as reference_totals does.
    """
    totals, players = reference_totals(plan, verdicts, clusters), len(plan.players)
    weights, own = shapley_weights(players), verdicts[list(plan.conditions)]
    together = estimates(totals, interaction_weights(players), method="paired-clusters", level=level)
    by_method = {
        name: estimates(totals, weights, method=name, level=level, rng=rng) for name in METHODS if rng is not None
    }
    return Attribution(
        items=int(split(own)[0].sum()),
        whole=rate_of(own, clusters, level=level),
        shares=dict(zip(plan.players, estimates(totals, weights, method="weighted-events", level=level), strict=True)),
        interactions=dict(zip(itertools.combinations(plan.players, 2), together, strict=True)),
        pairs=random_pairs(own, clusters, level=level),
        checks={
            name: {player: interval for player, (_, interval) in zip(plan.players, found, strict=True)}
            for name, found in by_method.items()
        },
    )


def what_ifs(plan: Plan, verdicts: Verdicts, clusters: ArrayLike, *, level: float = 0.95) -> list[WhatIf]:
    """Give the instability with each variant of each player in all conditions, by player, the lowest rate first.

    It is the hybrids' that take a condition's own variants at all other stages and the reference's at this one, so it
    needs no further cells. verdicts, clusters: as for attribute.
    """
    names = np.asarray(clusters, dtype=object)
    before_counts, before_flips = split(verdicts[list(plan.conditions)])
    before = before_flips[before_counts], names[before_counts]
    found = []
    for j, stage in enumerate(plan.players):
        variants = [plan.ways[place][j] for place in plan.conditions]
        for variant in dict.fromkeys(variants):
            ways = verdicts[plan.cells[variants.index(variant), plan.whole & ~(1 << j)]]
            counts, flips = split(ways)
            after = flips[counts], names[counts]
            change = float(after[0].mean() - before[0].mean())
            interval = difference_interval(*after, *before, level=level)
            pairs = random_pairs(ways, clusters, level=level)
            found.append(WhatIf(stage, variant, rate_of(ways, clusters, level=level), (change, interval), pairs))
    return sorted(found, key=lambda one: (plan.players.index(one.stage), one.rate[0]))


def rate_of(verdicts: Verdicts, clusters: ArrayLike, *, level: float) -> Estimate:
    """The instability between conditions, verdicts (conditions, items), with the metric's own interval."""
    counts, flips = split(verdicts)
    interval = rate_interval(flips[counts], np.asarray(clusters, dtype=object)[counts], level=level)
    return float(flips[counts].mean()), interval


def random_pairs(verdicts: Verdicts, clusters: ArrayLike, *, level: float = 0.95) -> Pairs:
    """Give the mean instability of two conditions out of these, verdicts (conditions, items), and its intervals.

    The mean over pairs is a U-statistic of degree 2 in the conditions (Hoeffding 1948; Arvesen 1969 for its jackknife):
    leaving out each condition in turn gives the variance V_d = 4 z / k of its mean, where z is the variance of one
    condition's own mean; the clusters' linearised parts give V_c. V_d + V_c is the variance for such conditions,
    and z + V_d + V_c for one not yet seen, each with Student's t at Satterthwaite's degrees of freedom. What is due to
    condition and cluster together is in both V, which errs on the wide side.
    """
    from scipy.stats import t as student

    k, codes = len(verdicts), cluster_codes(clusters)
    groups = int(codes.max(initial=-1)) + 1
    rates, parts = np.full((k, k), np.nan), []
    for i, j in itertools.combinations(range(k), 2):
        both = (verdicts[[i, j]] != UNCOUNTED).all(axis=0)
        if both.any():
            gap = (verdicts[i] != verdicts[j]) & both
            rates[i, j] = rates[j, i] = gap.sum() / both.sum()
            parts.append(np.bincount(codes, weights=gap - rates[i, j] * both, minlength=groups) / both.sum())
    rate = float(np.nanmean(rates)) if parts else float("nan")
    if k < FEWEST_CONDITIONS or groups < 2 or len(parts) < k * (k - 1) // 2:
        return Pairs(rate, None, None)
    without = [np.nanmean(np.delete(np.delete(rates, i, 0), i, 1)) for i in range(k)]
    of_conditions = (k - 1) / k * float(np.square(without - np.mean(without)).sum())
    # With the two made-up clusters of +1/2 and -1/2 that other differences have, so that no event is not certainty.
    of_clusters = (float(np.square(groups * np.mean(parts, axis=0)).sum()) + 0.5) / ((groups + 1) * (groups + 2))
    intervals = []
    for mine in (of_conditions, of_conditions * (1 + k / 4)):
        variance = mine + of_clusters
        freedom = variance**2 / (mine**2 / (k - 1) + of_clusters**2 / (groups - 1))
        reach = float(student.ppf((1 + level) / 2, freedom)) * variance**0.5
        ends = max(0.0, rate - reach), min(1.0, rate + reach)
        intervals.append(Interval(*ends, level, "conditions-and-clusters", groups))
    return Pairs(rate, intervals[0], intervals[1])
