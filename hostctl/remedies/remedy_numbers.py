"""From the answers of all remedies to numbers: a row a remedy, with intervals, and paired tests against the standard.

A measure counts, for each picture, in how many of its comparisons something went wrong; so that every measure is a
share between 0 and 1, smaller is steadier, and pictures can be paired. Intervals of shares count objects. Those of
ratios draw seeds with replacement, and objects within them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.intervals.accuracy_tests import holm, sign_flip
from analysis.repeatability.comparisons import compared, flips
from analysis.repeatability.suites import FRAMES_BEFORE, FRAMES_FIRST
from analysis.statistics import difference_interval, rate_interval
from stability_train.remedies.conditions import (
    CLEAN,
    CORRUPTIONS,
    ENVIRONMENTS,
    NATURAL,
    NOISE_SEQUENCES,
    SEQUENCES,
    SHIFT,
    Condition,
    seen_by,
)
from stability_train.remedies.remedies import REMEDIES, STANDARD
from stability_train.remedies.study import Collected

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
DRAWS = 2000
LEVEL = 0.95
CLEAN_ERROR, ALL = "clean error", "instability"
CORRUPTION_ERROR, FLIPS, SHIFTED, NATURAL_FLIPS = (
    "corruption error",
    "flip rate",
    "shift inconsistency",
    "natural flips",
)


@dataclass(frozen=True)
class Measure:
    """What was counted: int (remedies, pictures, groups), of ``of`` (groups,) comparisons a picture."""

    name: str
    groups: tuple[str, ...]
    counts: Array
    of: Array

    @property
    def shares(self) -> Floats:
        """The share a picture, all groups together: float64 (remedies, pictures)."""
        return np.asarray(self.counts.sum(2) / self.of.sum(), np.float64)


def measures(found: Collected) -> list[Measure]:
    """Count everything that the conditions of a study allow; labels are the most probable class."""
    answers = found.probabilities.argmax(3)
    accepted = np.array([[name in photo.labels for name in found.classes] for photo in found.photos])
    right = accepted[np.arange(len(found.photos))[None, :, None], answers]
    families = {one.family for one in found.conditions}
    made = [Measure(CLEAN_ERROR, (CLEAN,), (~right[:, :, :1]).astype(int), np.ones(1, int))]
    there = [family for family in ENVIRONMENTS if family in families]
    if there:
        made.append(_instability(ALL, found.conditions, right, there))
        made += [_instability(family, found.conditions, right, [family]) for family in there]
    if CORRUPTIONS in families:
        made.append(_grouped(CORRUPTION_ERROR, found.conditions, CORRUPTIONS, lambda group, at: ~right[:, :, at]))
    if SEQUENCES in families:
        made.append(_grouped(FLIPS, found.conditions, SEQUENCES, lambda group, at: _flips(answers[:, :, at], group)))
    if SHIFT in families:
        made.append(_grouped(SHIFTED, found.conditions, SHIFT, lambda group, at: _pairs(answers[:, :, at])))
    if NATURAL in families:
        clean = answers[:, :, :1]
        made.append(_grouped(NATURAL_FLIPS, found.conditions, NATURAL, lambda group, at: answers[:, :, at] != clean))
    return made


def overview(found: Collected, counted: Sequence[Measure], *, rng: np.random.Generator) -> pd.DataFrame:
    """Give a row a remedy: each measure with its interval, the two ratios, and the cost.

    Columns: remedy, accuracy, every measure's name (0..1), each with _low and _high; relative_ce, unlike_ce (of the
    corruptions that are not like what it trains with) and relative_flips (1 is plain fine-tuning); training_s and
    inference_ms (a picture).
    """
    clusters = np.array([photo.cluster for photo in found.photos], object)
    drawn = resampled(found.seeds, clusters, rng=rng)
    rows: list[dict[str, Any]] = []
    for place, remedy in enumerate(found.remedies):
        row: dict[str, Any] = {"remedy": remedy}
        for one in counted:
            shares = one.shares[place]
            told = rate_interval(shares, clusters, level=LEVEL)
            row |= {one.name: shares.mean(), f"{one.name}_low": told.low, f"{one.name}_high": told.high}
        row |= {"accuracy": 1 - row[CLEAN_ERROR]}
        row |= {"accuracy_low": 1 - row[f"{CLEAN_ERROR}_high"], "accuracy_high": 1 - row[f"{CLEAN_ERROR}_low"]}
        row |= {"training_s": found.training_s[place].mean(), "inference_ms": 1000 * found.inference_s[place]}
        rows.append(row)
    for one in counted:
        every = [range(len(one.groups))] * len(rows)
        if one.name == CORRUPTION_ERROR:
            _add_ratios(rows, "relative_ce", one, every, drawn)
            _add_ratios(rows, "unlike_ce", one, _unlike(one, found), drawn)
        if one.name == FLIPS:
            _add_ratios(rows, "relative_flips", one, every, drawn)
    return pd.DataFrame(rows)


def against_standard(found: Collected, counted: Sequence[Measure]) -> pd.DataFrame:
    """Compare every remedy with plain fine-tuning, picture by picture: a row a remedy and measure.

    Columns: remedy, measure, difference (0..1, below 0 is better) with _low and _high by object, p (exact sign-flip
    test by object), holm (over the remedies of a measure), seed_low and seed_high (the difference of single seeds).
    """
    clusters = np.array([photo.cluster for photo in found.photos], object)
    codes = pd.factorize(clusters)[0]
    base = found.remedies.index(STANDARD)
    rows = []
    for one in counted:
        part = []
        for place, remedy in enumerate(found.remedies):
            if place == base:
                continue
            here, there = one.shares[place], one.shares[base]
            told = difference_interval(here, clusters, there, clusters, level=LEVEL)
            sums = np.bincount(codes, weights=(one.counts[place] - one.counts[base]).sum(1))
            by_seed = [float((here - there)[found.seeds == seed].mean()) for seed in np.unique(found.seeds)]
            part.append(
                {
                    **{"remedy": remedy, "measure": one.name, "difference": float((here - there).mean())},
                    **{"difference_low": told.low, "difference_high": told.high, "p": sign_flip(np.rint(sums))},
                    **{"seed_low": min(by_seed), "seed_high": max(by_seed)},
                }
            )
        if part:
            frame = pd.DataFrame(part)
            rows.append(frame.assign(holm=holm(frame["p"].to_numpy(float))))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def by_group(found: Collected, measure: Measure) -> pd.DataFrame:
    """Give a measure by its groups: the standard's shares (0..1), and every other remedy's ratio to it."""
    base = found.remedies.index(STANDARD)
    shares = measure.counts.mean(1) / measure.of
    rows = []
    for place, remedy in enumerate(found.remedies):
        values = shares[place] if place == base else _over(shares[place], shares[base])
        rows.append({"remedy": remedy, **dict(zip(measure.groups, values, strict=True))})
    return pd.DataFrame(rows)


def resampled(seeds: Array, clusters: Array, *, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Draw seeds with replacement and objects within each: how often each picture counts, float64 (draws, pictures)."""
    weights = np.zeros((draws, len(seeds)))
    names = np.unique(seeds)
    parts = []
    for seed in names:
        places = np.flatnonzero(seeds == seed)
        parts.append((places, pd.factorize(clusters[places])[0]))
    for draw in range(draws):
        for chosen in rng.integers(len(names), size=len(names)):
            places, codes = parts[chosen]
            groups = int(codes.max()) + 1
            weights[draw, places] += np.bincount(rng.integers(groups, size=groups), minlength=groups)[codes]
    return weights


def relative(counts: Array, base: Array) -> Floats:
    """The mean over groups of a remedy's count over the standard's: counts (..., groups); NaN where all of base are 0.

    For corruptions, summed over severities, this is the mean corruption error with plain fine-tuning in AlexNet's
    place (Hendrycks and Dietterich 2019, 4.1); for sequences, the mean flip rate. A group without any error is left
    out.
    """
    ratios = _over(counts, base)
    there = ~np.isnan(ratios)
    total = np.where(there, ratios, 0.0).sum(-1)
    return np.asarray(_over(total, there.sum(-1)), np.float64)


def _over(counts: Array, base: Array) -> Floats:
    counts, base = np.asarray(counts, np.float64), np.asarray(base, np.float64)
    empty = np.full(np.broadcast(counts, base).shape, np.nan)
    return np.asarray(np.divide(counts, base, out=empty, where=base > 0), np.float64)


def _add_ratios(
    rows: list[dict[str, Any]], name: str, one: Measure, kept: Sequence[Sequence[int]], drawn: Floats
) -> None:
    """Add a ratio to plain fine-tuning, with its interval, of the groups kept of each row's remedy."""
    base = next(place for place, row in enumerate(rows) if row["remedy"] == STANDARD)
    counts = one.counts.astype(np.float64)
    for place, row in enumerate(rows):
        here, there = counts[place][:, kept[place]], counts[base][:, kept[place]]
        row[name] = float(relative(here.sum(0), there.sum(0)))
        if place != base and not np.isnan(row[name]):
            again = relative(drawn @ here, drawn @ there)
            ends = np.nanquantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            row |= {f"{name}_low": float(ends[0]), f"{name}_high": float(ends[1])}
        else:
            row |= {f"{name}_low": float("nan"), f"{name}_high": float("nan")}


def _unlike(one: Measure, found: Collected) -> list[list[int]]:
    """Of each remedy, the corruptions that are not like what it trains with."""
    seen = [seen_by(REMEDIES[name], found.conditions) for name in found.remedies]
    return [[place for place, group in enumerate(one.groups) if f"{CORRUPTIONS}: {group}" not in like] for like in seen]


def _instability(name: str, conditions: Sequence[Condition], right: Array, families: Sequence[str]) -> Measure:
    """Right in one environment and wrong in another: one comparison a picture."""
    at = [place for place, one in enumerate(conditions) if one.family in (CLEAN, *families)]
    unstable = np.asarray(right[:, :, at].any(2) & ~right[:, :, at].all(2))
    return Measure(name, (name,), unstable[:, :, None].astype(int), np.ones(1, int))


def _grouped(name: str, conditions: Sequence[Condition], family: str, marks: Any) -> Measure:
    """Marks bool (remedies, pictures, comparisons) of every group of a family, counted."""
    groups = list(dict.fromkeys(one.group for one in conditions if one.family == family))
    places: Mapping[str, list[int]] = {
        group: [place for place, one in enumerate(conditions) if (one.family, one.group) == (family, group)]
        for group in groups
    }
    found = [marks(group, places[group]) for group in groups]
    counts = np.stack([one.sum(2) for one in found], 2)
    return Measure(name, tuple(groups), counts.astype(int), np.array([one.shape[2] for one in found]))


def _flips(answers: Array, group: str) -> Array:
    """Whether each frame's label is another than the first one's (noise), or than that of the frame before."""
    kind = FRAMES_FIRST if group in NOISE_SEQUENCES else FRAMES_BEFORE
    earlier, later = compared(kind, answers.shape[2])
    return flips(answers[:, :, earlier, None], answers[:, :, later, None])  # the one label kept is rank 1 of 1


def _pairs(answers: Array) -> Array:
    """Whether two crops have different labels, for all pairs of crops."""
    pairs = list(combinations(range(answers.shape[2]), 2))
    return np.stack([answers[:, :, one] != answers[:, :, other] for one, other in pairs], 2)
