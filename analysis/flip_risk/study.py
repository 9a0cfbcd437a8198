"""Devices held out of the fit: how well the risk of their pictures' flips is told, beside what needs no fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.flip_risk.calibration import brier, calibration_error, reliability, skill
from analysis.flip_risk.curves import area_difference, precision_area, roc_area
from analysis.flip_risk.logistic import FOLDS, Logistic, cluster_folds, cross_risks, fit_chosen
from analysis.statistics import difference_interval
from device_agents.errors import BadInput

Marks = NDArray[np.bool_]
Array = NDArray[np.float64]
RISK, MARGIN, ALONE = "flip risk", "margin", "margin alone"
# Of the features, those that told most on a first study of 200 scenes; docs/flip-risk.md: then tried on another.
FITTED = ("margin", "mean-margin", "mean-entropy", "mean-lead")
DIRECTIONS = ("its pictures", "others' pictures")
LEAST_FLIPS = 10
SEED = 0


@dataclass(frozen=True)
class Tested:
    """The test rows of a study with what each score says of them, and the tables that follow.

    rows: rows of rows.pair_rows, with a column for each score (RISK and ALONE, a fit of the margin only, are 0..1; the
    baselines are not) and the fit that told them. devices: one row a held-out device and direction. scores: one row a
    score. reliability: bins of the risk.
    """

    rows: pd.DataFrame
    devices: pd.DataFrame
    scores: pd.DataFrame
    reliability: pd.DataFrame
    summary: dict[str, Any]


def hold_out(pictures: pd.DataFrame, pairs: pd.DataFrame, risks: pd.DataFrame, *, held_out: Sequence[str]) -> Tested:
    """Hold devices out and tell the risk of their pictures: would another device answer otherwise?

    pictures, pairs: of rows.py; risks: of baselines.py. held_out: devices that are held out together; none: each in
    turn. A fit sees neither the held-out devices nor any photograph of the clusters that it is asked about. The
    devices table also holds the other direction: pictures of the others, asked about the held-out device's answer.
    Raises BadInput for an unknown device, fewer than two devices to learn from, or fewer than ten flips.
    """
    groups = _groups(pictures, held_out)
    check_flips(pairs)
    values = pictures[list(FITTED)].to_numpy(dtype=np.float64)[pairs["row"]]
    asked: dict[str, list[pd.DataFrame]] = {direction: [] for direction in DIRECTIONS}
    per_device = []
    for held in groups:
        inside, outside = pairs["device"].isin(held), pairs["other"].isin(held)
        learn = (~inside & ~outside).to_numpy()
        for direction, test_rows in zip(DIRECTIONS, (inside & ~outside, outside & ~inside), strict=True):
            found = _asked(values, pairs, risks, learn, test_rows.to_numpy(), held)
            per_device += [_of_device(part, name, direction) for name, part in _by_device(found, held, direction)]
            asked[direction].append(found)
    rows, others = (pd.concat(asked[direction], ignore_index=True) for direction in DIRECTIONS)
    if len(groups) > 1:
        per_device += [_of_device(some, "all", name) for some, name in zip((rows, others), DIRECTIONS, strict=True)]
    bins = reliability(rows[RISK], rows["flip"], rows["cluster"])
    scores = pd.DataFrame([_of_score(rows, name) for name in (RISK, *risks.columns)])
    summary = _summary(rows, bins, groups)
    return Tested(rows, pd.DataFrame(per_device), scores, bins, summary)


def check_flips(pairs: pd.DataFrame) -> None:
    """Raise BadInput for pairs of rows.pair_rows of which too few flip to learn from."""
    flips = int(pairs["flip"].sum())
    if flips < LEAST_FLIPS:
        raise BadInput(
            f"expected {LEAST_FLIPS} flips between devices or more to learn from, got {flips} of {len(pairs)} "
            "comparisons; photograph more scenes"
        )


def final_fit(pictures: pd.DataFrame, pairs: pd.DataFrame, *, held_out: Sequence[str]) -> Logistic:
    """Fit the risk that devices will take, on all devices that are not held out."""
    kept = ~(pairs["device"].isin(held_out) | pairs["other"].isin(held_out)).to_numpy()
    values = pictures[list(FITTED)].to_numpy(dtype=np.float64)[pairs["row"]]
    return fit_chosen(values[kept], pairs["flip"].to_numpy()[kept], pairs["cluster"].to_numpy()[kept])


def _groups(pictures: pd.DataFrame, held_out: Sequence[str]) -> list[list[str]]:
    devices = list(dict.fromkeys(pictures["device"]))
    unknown = [name for name in held_out if name not in devices]
    if unknown:
        raise BadInput(f"--hold-out: unknown devices {', '.join(unknown)}; the run has {', '.join(devices)}")
    groups = [list(held_out)] if held_out else [[name] for name in devices]
    left = len(devices) - len(groups[0])
    if left < 2:
        raise BadInput(
            f"expected two devices or more to learn from beside those held out, got {max(left, 0)} (the run has "
            f"{len(devices)}): photograph the scenes with more devices, or hold fewer out"
        )
    return groups


def _asked(
    values: Array, pairs: pd.DataFrame, risks: pd.DataFrame, learn: Marks, test_rows: Marks, held: Sequence[str]
) -> pd.DataFrame:
    """The test rows with every score, and the fit that gave their risks: only risks of one fit are compared."""
    flips, clusters = pairs["flip"].to_numpy(dtype=bool), pairs["cluster"].to_numpy()
    alone = values[:, [list(FITTED).index(MARGIN)]]
    told = {
        RISK: cross_risks(values, flips, clusters, fit_on=learn, test=test_rows),
        ALONE: cross_risks(alone, flips, clusters, fit_on=learn, test=test_rows),
    }
    fits = {"fit": [f"{held} {fold}" for fold in cluster_folds(clusters, FOLDS)]}
    every = pd.concat([pairs, pd.DataFrame(told | fits), risks.iloc[pairs["row"]].reset_index(drop=True)], axis=1)
    return every[test_rows].reset_index(drop=True)


def _by_device(found: pd.DataFrame, held: Sequence[str], direction: str) -> list[tuple[str, pd.DataFrame]]:
    column = "device" if direction == DIRECTIONS[0] else "other"
    return [(name, found[found[column] == name]) for name in held]


def _of_device(rows: pd.DataFrame, device: str, direction: str) -> dict[str, Any]:
    """A held-out device: the area of the risk and of the margin, and the difference; NaN where nothing flips."""
    flips = int(rows["flip"].sum())
    told: dict[str, Any] = {"device": device, "asked": direction, "rows": len(rows), "flips": flips}
    if not 0 < flips < len(rows):
        empty = ("area", "low", "high", "margin_area", "difference", "difference_low", "difference_high")
        return told | dict.fromkeys(empty, float("nan"))
    own = _of_score(rows, MARGIN, precision=False)
    mine = roc_area(rows[RISK], rows["flip"], rows["cluster"], strata=rows["fit"])
    told |= {"area": mine.value, "low": mine.interval.low, "high": mine.interval.high, "margin_area": own["area"]}
    return told | {name: own[name] for name in ("difference", "difference_low", "difference_high")}


def _of_score(rows: pd.DataFrame, name: str, *, precision: bool = True) -> dict[str, Any]:
    """A score's areas under ROC and precision-recall, and what the risk's are above them (absent for itself)."""
    flips, clusters = rows["flip"], rows["cluster"]
    area = roc_area(rows[name], flips, clusters, strata=rows["fit"])
    told: dict[str, Any] = {"score": name, "area": area.value, "low": area.interval.low, "high": area.interval.high}
    above = None if name == RISK else area_difference(rows[RISK], rows[name], flips, clusters, strata=rows["fit"])
    told["difference"] = above.value if above else float("nan")
    told["difference_low"] = above.interval.low if above else float("nan")
    told["difference_high"] = above.interval.high if above else float("nan")
    if precision:
        rng = np.random.default_rng(SEED)
        average = precision_area(rows[name], flips, clusters, rng=rng)
        told |= {"average_precision": average.value}
        told |= {"precision_low": average.interval.low, "precision_high": average.interval.high}
    return told


def _summary(rows: pd.DataFrame, bins: pd.DataFrame, groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    flips, clusters = rows["flip"], rows["cluster"]
    rng = np.random.default_rng(SEED)
    precision = precision_area(rows[RISK], flips, clusters, rng=rng, others=rows[MARGIN])
    ends = precision.interval
    squares = [np.square(rows[name] - flips) for name in (RISK, ALONE)]
    better = difference_interval(squares[1], clusters, squares[0], clusters)
    return {
        "held_out": [list(group) for group in groups],
        "rows": len(rows),
        "pictures": int(rows["row"].nunique()),
        "clusters": int(clusters.nunique()),
        "flips": int(flips.sum()),
        "rate": float(flips.mean()),
        "precision_above_margin": {"value": precision.value, "low": ends.low, "high": ends.high},
        "brier": {name: brier(rows[name], flips) for name in (RISK, ALONE)},
        "brier_better": {"value": float((squares[1] - squares[0]).mean()), "low": better.low, "high": better.high},
        "skill": {name: skill(rows[name], flips) for name in (RISK, ALONE)},
        "calibration_error": calibration_error(bins),
    }
