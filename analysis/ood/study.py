"""Every set of unknown pictures, and all together, against the known: areas, differences, what is accepted, medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.flip_risk.curves import area_difference, roc_area
from analysis.measures.latency import holm
from analysis.ood.scores import OURS
from analysis.statistics import Interval, rate_interval
from device_agents.errors import BadInput

Array = NDArray[np.float64]
ALL = "all unknown"
ACCEPTED = 0.95  # of the known pictures, as in ODIN's FPR at 95 % TPR
SAMPLES, SEED = 1000, 0


@dataclass(frozen=True)
class Study:
    """areas: a row a set and score; differences: ours less a baseline's; medians: a row a set, a column a score."""

    areas: pd.DataFrame
    differences: pd.DataFrame
    medians: pd.DataFrame


def study(rows: pd.DataFrame, scores: Sequence[str], *, level: float = 0.95) -> Study:
    """Compare the scores of pictures: rows with set, unknown (bool), cluster and a column for each of the scores.

    Every score is finite: pictures without an answer are left out before, for all scores alike. The event is
    "unknown", so that an area of 1 calls every unknown picture more unknown than any known one. p of the differences
    over all sets together is adjusted for their number by Holm's steps (p_holm); those of single sets have intervals
    only. Raises BadInput where there are no known or no unknown pictures.
    """
    if not rows["unknown"].any() or rows["unknown"].all():
        raise BadInput("expected known and unknown pictures, got one kind only")
    sets = list(dict.fromkeys(rows.loc[rows["unknown"], "set"]))
    parts = {name: rows[~rows["unknown"] | (rows["set"] == name)] for name in sets}
    if len(sets) > 1:
        parts[ALL] = rows
    areas = [_area(part, name, score, level) for name, part in parts.items() for score in scores]
    pooled = list(parts)[-1]
    differences = pd.concat([_differences(part, name, scores, level) for name, part in parts.items()])
    headline = differences["set"] == pooled
    differences["p_holm"] = np.nan
    differences.loc[headline, "p_holm"] = holm(differences.loc[headline, "p"])
    medians = rows.groupby("set", sort=False)[list(scores)].median().reset_index()
    medians.insert(1, "pictures", rows.groupby("set", sort=False).size().to_numpy())
    return Study(pd.DataFrame(areas), differences.reset_index(drop=True), medians)


def accepted_unknown(
    known: ArrayLike,
    unknown: ArrayLike,
    known_clusters: ArrayLike,
    unknown_clusters: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> tuple[float, Interval, float]:
    """Give the share of unknown pictures accepted where 95 % of the known are (ODIN's FPR at 95 % TPR), 0 to 1.

    known, unknown: (n,), (m,) scores, the higher the more unknown. A picture is accepted where its score is at most the
    least score that accepts 95 % of the known or more; ties with it are accepted, so that a score of few values accepts
    more of the known than asked. The share that it does accept is the third value. The interval goes to the outer ends
    of two: a bootstrap of clusters, known and unknown apart, with the threshold found anew each time (percentiles), and
    the share's own by clusters, without which 0 or 1 of few pictures would look sure.
    """
    ins, outs = np.sort(np.asarray(known, np.float64)), np.asarray(unknown, np.float64)
    order = np.argsort(np.asarray(known, np.float64), kind="stable")
    threshold = ins[_place(np.ones((1, len(ins))))[0]]
    accepted = (outs <= threshold).astype(np.float64)
    weights = _draws(np.asarray(known_clusters, dtype=object)[order], rng)
    limits = ins[_place(weights)]
    again = _draws(np.asarray(unknown_clusters, dtype=object), rng)
    shares = (again * (outs <= limits[:, None])).sum(axis=1) / again.sum(axis=1)
    drawn = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    own = rate_interval(accepted, unknown_clusters, level=level)
    low, high = min(float(drawn[0]), own.low), max(float(drawn[1]), own.high)
    interval = Interval(low, high, level, "cluster-bootstrap and effective-beta", own.clusters)
    return float(accepted.mean()), interval, float((ins <= threshold).mean())


def _place(weights: Array) -> NDArray[np.int64]:
    """The first place, by rising score, up to which 95 % of each row's weight lies: (draws, n) to (draws,)."""
    whole = weights.sum(axis=1, keepdims=True)
    return np.asarray((weights.cumsum(axis=1) < ACCEPTED * whole - 1e-9).sum(axis=1), dtype=np.int64)


def _draws(clusters: NDArray[np.object_], rng: np.random.Generator) -> Array:
    """How often each row is drawn, (SAMPLES, rows), when whole clusters are drawn with replacement."""
    codes = pd.factorize(clusters)[0]
    groups = int(codes.max()) + 1
    counts = rng.multinomial(groups, np.full(groups, 1 / groups), size=SAMPLES)
    return counts[:, codes].astype(np.float64)


def _area(part: pd.DataFrame, name: str, score: str, level: float) -> dict[str, Any]:
    area = roc_area(part[score], part["unknown"], part["cluster"], level=level)
    inside, outside = part[~part["unknown"]], part[part["unknown"]]
    passed, ends, of_known = accepted_unknown(
        inside[score],
        outside[score],
        inside["cluster"],
        outside["cluster"],
        rng=np.random.default_rng(SEED),
        level=level,
    )
    return {
        "set": name,
        "score": score,
        "unknown": len(outside),
        "area": area.value,
        "low": area.interval.low,
        "high": area.interval.high,
        "accepted": passed,
        "accepted_low": ends.low,
        "accepted_high": ends.high,
        "known_accepted": of_known,
    }


def _differences(part: pd.DataFrame, name: str, scores: Sequence[str], level: float) -> pd.DataFrame:
    rows = []
    for ours in (one for one in OURS if one in scores):
        for other in (one for one in scores if one not in OURS):
            found = area_difference(part[ours], part[other], part["unknown"], part["cluster"], level=level)
            ends = {"low": found.interval.low, "high": found.interval.high}
            rows.append({"set": name, "score": ours, "baseline": other, "value": found.value, **ends, "p": found.p})
    return pd.DataFrame(rows)
