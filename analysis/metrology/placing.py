"""Whose is the spread of a score: the devices', their places on the mount, or the order of the blocks.

Where devices were rotated, each stood in each place (rotation: a Latin square), so that the three can be told apart.
Model: value = scene at an angle (fixed) + device + place + block + rest, the last four random, by restricted maximum
likelihood (Patterson and Thompson 1971; the likelihood by Woodbury's formula in the few levels of the three). On a
whole Latin square this is its analysis of variance (Montgomery, Design and Analysis of Experiments, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import group_codes
from analysis.measures.margins import MEASURES
from device_agents.errors import BadInput, pick

Array = NDArray[np.float64]
FACTORS = {"device": ("device",), "place": ("place",), "order": ("angle", "repeat")}
SCENE = ("scene", "angle")


@dataclass(frozen=True)
class Placing:
    """Shares of variance: components has a row for device, place, order and rest.

    Columns: source, levels, variance (in the square of the measure's unit), percent (of the four), p (of no such
    component, by the likelihood ratio; NaN for the rest). values: how many scores entered.
    """

    components: pd.DataFrame
    values: int
    scenes: int


def placing(table: pd.DataFrame, *, measure: str = "margin") -> Placing:
    """Split the variance of a measure of MEASURES of one environment's predictions; rows without a value are left out.

    order: the blocks, one repeat at one angle. Interactions, such as of a device with a scene, are in the rest. Raises
    BadInput where devices did not change places, or too few values are there.
    """
    absent = [name for columns in (SCENE, *FACTORS.values()) for name in columns if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    values = pick(MEASURES, measure, what="measure")(table).values
    kept = table[np.isfinite(values)]
    values = values[np.isfinite(values)]
    if not rotates(kept):
        raise BadInput("expected devices that stood in several places ([session] rotate), got each in one")
    codes = {name: group_codes(kept, columns) for name, columns in FACTORS.items()}
    return split(values, group_codes(kept, SCENE), codes)


def rotates(table: pd.DataFrame) -> bool:
    """Whether some device of a predictions table stood in several places."""
    if "place" not in table.columns:  # a table that was no session's
        return False
    return bool((table.groupby("device", observed=True)["place"].nunique() > 1).any())


def split(values: Array, scenes: NDArray[np.int64], factors: dict[str, NDArray[np.int64]]) -> Placing:
    """Split the variance of values (rows,) by factors, codes from 0 of each row; scenes are taken out.

    Raises BadInput for fewer values than the model needs, or values without any spread within a scene.
    """
    from scipy.stats import chi2

    inner, seen, square, free, levels = _absorbed(values, scenes, list(factors.values()))
    if free <= sum(levels):
        raise BadInput(f"expected more than {sum(levels)} values beyond one a scene, got {free}; repeat more")
    if square <= 1e-12 * max(float(np.square(values).sum()), 1e-300):
        raise BadInput("expected scores that differ within a scene, got all alike")
    study = (inner, seen, square, free, np.repeat(np.arange(len(levels)), levels))
    ratios, best = _fit(study, np.ones(len(levels), bool))
    error = _error(study, ratios)
    variances = [*(float(ratio * error) for ratio in ratios), error]
    tests = []
    for at in range(len(levels)):
        without = np.ones(len(levels), bool)
        without[at] = False
        gain = max(0.0, _fit(study, without)[1] - best)
        tests.append(float(chi2.sf(gain, 1) / 2) if gain > 1e-9 else 1.0)  # at the edge: half of chi-square with 1 df
    rows = {
        "source": [*factors, "rest"],
        "levels": [*levels, free],
        "variance": variances,
        "percent": [100 * one / sum(variances) for one in variances],
        "p": [*tests, np.nan],
    }
    return Placing(pd.DataFrame(rows), len(values), int(scenes.max()) + 1)


Study = tuple[Array, Array, float, int, NDArray[np.int64]]


def _absorbed(
    values: Array, scenes: NDArray[np.int64], factors: list[NDArray[np.int64]]
) -> tuple[Array, Array, float, int, list[int]]:
    """Products of the factors' indicators and the values, each less its scene's mean; rows less scenes; levels."""
    levels = [int(codes.max()) + 1 for codes in factors]
    total = sum(levels)
    starts = np.cumsum([0, *levels[:-1]])
    count = np.bincount(scenes).astype(np.float64)
    by_scene = np.zeros((len(count), total))
    inner = np.zeros((total, total))
    columns = [codes + start for codes, start in zip(factors, starts, strict=True)]
    centred = values - (np.bincount(scenes, weights=values) / np.maximum(count, 1))[scenes]
    seen = np.zeros(total)
    for one in columns:
        np.add.at(by_scene, (scenes, one), 1.0)
        seen += np.bincount(one, weights=centred, minlength=total)
        for other in columns:
            np.add.at(inner, (one, other), 1.0)
    inner -= by_scene.T @ (by_scene / np.maximum(count, 1)[:, None])
    return inner, seen, float(np.square(centred).sum()), len(values) - int((count > 0).sum()), levels


def _solved(study: Study, ratios: Array) -> tuple[float, float]:
    """The quadratic form over the error's variance, and the logarithm of the determinant, at ratios to the error."""
    inner, seen, square, _, which = study
    root = np.sqrt(ratios[which])
    core = np.eye(len(root)) + root[:, None] * inner * root
    form = square - float((root * seen) @ np.linalg.solve(core, root * seen))
    return form, float(np.linalg.slogdet(core)[1])


def _error(study: Study, ratios: Array) -> float:
    return _solved(study, ratios)[0] / study[3]


def _fit(study: Study, free: NDArray[np.bool_]) -> tuple[Array, float]:
    """Minimise -2 x the restricted log-likelihood, the error profiled out; ratios of those that are not free are 0."""
    from scipy.optimize import minimize

    def value(found: Array) -> float:
        ratios = np.zeros(len(free))
        ratios[free] = np.square(found)
        form, size = _solved(study, ratios)
        return study[3] * float(np.log(form)) + size

    if not free.any():
        return np.zeros(len(free)), value(np.zeros(0))
    best: tuple[float, Array] | None = None
    for start in (0.05, 0.7):  # the likelihood of variances may have several valleys
        done = minimize(
            value, np.full(int(free.sum()), start), method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-8}
        )
        if best is None or done.fun < best[0]:
            best = float(done.fun), np.asarray(done.x)
    assert best is not None
    ratios = np.zeros(len(free))
    ratios[free] = np.square(best[1])
    return ratios, best[0]
