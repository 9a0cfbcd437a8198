"""A suite's numbers as one tidy table: every measure of every family and model, with its interval by clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.repeatability.answers import Answers, answers
from analysis.repeatability.corruption import ALEXNET
from analysis.repeatability.suites import CLEAN, SUITES, Suite
from analysis.repeatability.values import CE, DISTANCE, ERROR, FLIP, Values, averaged, measured
from analysis.statistics import rate_interval
from device_agents.errors import BadInput

ALL = "all"  # the family of a mean over families
MCE = "mce"
COLUMNS = ("model", "family", "measure", "value", "low", "high", "pictures", "clusters", "missing")
ByFamily = Mapping[str, Mapping[str, Values]]


def suite_numbers(table: pd.DataFrame, suite: Suite, *, level: float = 0.95) -> pd.DataFrame:
    """Give every measure of a suite's families, one row each with the columns of COLUMNS, for each model.

    table: predictions with the columns picture, perturbation, label_1.., score_1.., labels, ambiguous; also cluster,
    model and the environment's other fields. value: a mean over pictures, 0..1 except for top-5 distances (0..18) and
    ce and mce (1 is AlexNet's). low, high: its interval. pictures: those that count; missing: those that lack an answer
    of the family and are left out for it. Where a class fell out of the stored labels its probability is known
    between bounds: value is then their middle, and the interval reaches over both.

    The family "all" is the mean over families: of flip-probability and top-5-distance (the paper's mFP and mT5D where
    families are sequences), of error over the corruptions, and mce over all fifteen.
    Raises BadInput where the run has nothing of the suite, and as answers() does.
    """
    found = answers(table)
    wanted = set(suite.perturbations)
    if not any(wanted & set(one.columns) for one in found):
        raise BadInput(
            f"expected predictions of the suite '{suite.name}', got none; `instability suite {suite.name}` makes them"
        )
    rows = [row for one in found for row in _rows(one, picture_values(one, suite), level)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def picture_values(found: Answers, suite: Suite) -> dict[str, dict[str, Values]]:
    """Give what each picture contributes to each measure, by family: its families, and the means over them."""
    values = {family.name: made for family in suite.families if (made := measured(found, family))}
    means = {name: one for name, one in _means(values).items() if one is not None}
    return {**values, ALL: means} if means else values


def suites_in(perturbations: Iterable[str]) -> tuple[list[Suite], list[str]]:
    """Give the suites that a run has, with the families of which it has everything, and the perturbations beyond them.

    A suite whose perturbations another one contains is left out: the quick ones, where the whole one was run.
    """
    there = set(perturbations)
    parts = [
        suite._replace(families=tuple(one for one in suite.families if there.issuperset(one.perturbations)))
        for suite in SUITES.values()
    ]
    parts = [suite for suite in parts if any(family.name != CLEAN for family in suite.families)]
    sets = [set(suite.perturbations) for suite in parts]
    kept = [
        suite
        for at, suite in enumerate(parts)
        if not any(sets[at] < other or (sets[at] == other and place < at) for place, other in enumerate(sets))
    ]
    told = {name for suite in kept for name in suite.perturbations}
    return kept, sorted(there - told - {""})


def _means(values: ByFamily) -> dict[str, Values | None]:
    """The means over families of the measures that are comparable between them."""
    several = {name: made for name, made in values.items() if name != CLEAN}
    means = {measure: _mean(several, measure, several) for measure in (FLIP, DISTANCE, ERROR)}
    return {**means, MCE: _mean(several, CE, ALEXNET)}


def _mean(values: ByFamily, measure: str, families: Iterable[str]) -> Values | None:
    """The mean of a measure over families; None where one of them lacks it, or there is one only."""
    some = [values[name][measure] for name in families if name in values and measure in values[name]]
    return averaged(some) if len(some) == len(list(families)) > 1 else None


def _rows(found: Answers, values: ByFamily, level: float) -> Iterable[dict[str, Any]]:
    for family, measures in values.items():
        for measure, one in measures.items():
            yield {"model": found.model, "family": family, "measure": measure, **told(one, found.clusters, level)}


def told(values: Values, clusters: NDArray[np.object_], level: float) -> dict[str, Any]:
    """Give the mean of a measure with its interval and what it is counted from: the last columns of COLUMNS."""
    counted = ~np.isnan(values.least)
    names = clusters[counted]
    ends = [rate_interval(np.clip(some[counted] / values.top, 0, 1), names, level=level) for some in values[:2]]
    return {
        "value": float(values.middle[counted].mean()) if counted.any() else float("nan"),
        "low": ends[0].low * values.top,
        "high": ends[1].high * values.top,
        "pictures": int(counted.sum()),
        "clusters": ends[0].clusters,
        "missing": int(values.lacking.sum()),
    }
