"""Attribute agreement: do labels repeat on one device, agree between devices, and agree with the truth?

The attribute version of a gage study. An *appraiser* is a device or a person, a *trial* is one more look at the same
item. As in AIAG's and Minitab's attribute analyses an item agrees only if all of its trials do, so that rates fall with
the number of trials and appraisers; the coefficients (kappa.py) do not, and belong beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.instability import group_codes, held, verdict_column
from analysis.metrology.kappa import Coefficient, cohen_kappa, counts, fleiss_kappa, gwet_ac1
from analysis.statistics import rate_interval
from device_agents.errors import BadInput

COLUMNS = ("item", "cluster", "appraiser", "trial", "label", "accepted")
ROW = ("items", "agree", "rate", "low", "high")
PEOPLE = ("scene", "appraiser", "trial", "label")
COEFFICIENT = (
    "name",
    "value",
    "standard_error",
    "low",
    "high",
    "agreement",
    "chance",
    "subjects",
    "clusters",
    "method",
)


@dataclass(frozen=True)
class Agreement:
    """Tables of an attribute study; each with columns of ROW: items that count, those that agree, and the interval.

    within: one row an appraiser (its trials give one label; items with two trials or more). between: a, b for every
    two appraisers, and a = "all" (all their trials give one label). standard: one row an appraiser, and "all" (all
    their trials are accepted); empty where nothing is known about the truth. coefficients: kappa.Coefficient rows, with
    of: "within APPRAISER", "between all" or "between A and B".
    """

    within: pd.DataFrame
    between: pd.DataFrame
    standard: pd.DataFrame
    coefficients: pd.DataFrame


def appraisals(
    table: pd.DataFrame, *, item: Sequence[str] = ("scene", "angle"), appraiser: str = "device", trial: str = "repeat"
) -> pd.DataFrame:
    """Turn a predictions table of one environment into appraisals, with the columns of COLUMNS.

    label is the first label, "" where there is none. accepted is True for right, False for clearly wrong, None for the
    rest. Raises BadInput for absent columns or two predictions of the same item, appraiser and trial.
    """
    absent = [name for name in (*item, appraiser, trial, "label_1") if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    item, found = held(table, item), verdict_column(table)
    accepted = pd.Series(found, dtype=object).map({"right": True, "wrong": False}).astype(object)
    label = table["label_1"].fillna("").astype(object).where(found != "missing", "")
    cluster = table["cluster"] if "cluster" in table.columns else table[item[0]]
    columns = [group_codes(table, item), cluster, table[appraiser], table[trial], label, accepted]
    return _checked(pd.DataFrame(dict(zip(COLUMNS, map(np.asarray, columns), strict=True))))


def read_appraisals(path: Path, *, accepted: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Read people's labels: a CSV with the columns scene, appraiser, trial, label -> appraisals as above.

    accepted: each scene's accepted labels, the standard; without it nothing is known about the truth. An empty label
    means that no answer was given. Raises BadInput for a file that cannot be read, absent columns, an unknown scene,
    or a label that is there twice.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as problem:
        raise BadInput(f"{path}: expected a CSV with the columns {', '.join(PEOPLE)}, got: {problem}") from problem
    absent = [name for name in PEOPLE if name not in table.columns]
    if absent or table.empty:
        raise BadInput(f"{path}: expected rows with the columns {', '.join(PEOPLE)}, got {list(table.columns)}")
    unknown = sorted(set(table["scene"]) - set(accepted)) if accepted is not None else []
    if unknown:
        raise BadInput(f"{path}: expected scenes of the study, got unknown ones: {', '.join(unknown[:5])}")
    known: list[bool | None] = [
        label in accepted[scene] if accepted is not None and label else None
        for scene, label in zip(table["scene"], table["label"], strict=True)
    ]
    columns = [table[name] for name in ("scene", "scene", "appraiser", "trial", "label")]
    found = pd.DataFrame(dict(zip(COLUMNS[:-1], columns, strict=True)))
    return _checked(found.assign(accepted=pd.Series(known, dtype=object)))


def agreement(
    table: pd.DataFrame, *, level: float = 0.95, categories: int | None = None, rng: np.random.Generator | None = None
) -> Agreement:
    """Compare the labels of appraisals (see appraisals).

    Rates: exact intervals of Clopper and Pearson, at the effective number of items where clusters hold several
    (korn-graubard). Coefficients: by clusters; categories as gwet_ac1; with rng by bootstrap.
    Missing labels are left out. Raises BadInput where no label is given.
    """
    given = table[table["label"] != ""]
    if given.empty:
        raise BadInput("expected labels, got none")
    names = sorted(given["appraiser"].unique(), key=str)
    own = {name: given[given["appraiser"] == name] for name in names}
    pairs = list(combinations(names, 2))
    within = [{"appraiser": name, **_alike(own[name], level)} for name in names]
    both = {pair: given[given["appraiser"].isin(pair)] for pair in pairs}
    between = [{"a": a, "b": b, **_alike(both[a, b], level, across=2)} for a, b in pairs]
    if len(names) > 1:
        between.append({"a": "all", "b": "all", **_alike(given, level, across=len(names))})
    judged = given[given["accepted"].notna()]
    standard = [{"appraiser": name, **_right(judged[judged["appraiser"] == name], level)} for name in names]
    if len(names) > 1:
        standard.append({"appraiser": "all", **_right(judged, level, across=len(names))})
    return Agreement(
        pd.DataFrame(within, columns=["appraiser", *ROW]),
        pd.DataFrame(between, columns=["a", "b", *ROW]),
        pd.DataFrame(standard if len(judged) else [], columns=["appraiser", *ROW]),
        _coefficients(given, own, pairs, level, categories, rng),
    )


def _alike(rows: pd.DataFrame, level: float, *, across: int = 1) -> dict[str, float]:
    """Items whose labels are all one: of those with labels of all appraisers, and two labels or more."""
    found = rows.groupby("item", sort=False).agg(
        labels=("label", "nunique"),
        trials=("label", "size"),
        appraisers=("appraiser", "nunique"),
        c=("cluster", "first"),
    )
    fit = found[(found["appraisers"] == across) & (found["trials"] >= 2)]
    return _rate(fit["labels"] == 1, fit["c"], level)


def _right(rows: pd.DataFrame, level: float, *, across: int = 1) -> dict[str, float]:
    """Items whose judged labels are all accepted, of those judged of all appraisers."""
    right = rows.assign(accepted=rows["accepted"].astype(bool)).groupby("item", sort=False)
    found = right.agg(accepted=("accepted", "all"), appraisers=("appraiser", "nunique"), c=("cluster", "first"))
    fit = found[found["appraisers"] == across]
    return _rate(fit["accepted"], fit["c"], level)


def _rate(marks: pd.Series[bool], clusters: pd.Series[str], level: float) -> dict[str, float]:
    exact = "korn-graubard"  # as studies of attribute agreement print them
    interval = rate_interval(marks.to_numpy(dtype=np.float64), clusters.to_numpy(), level=level, method=exact)
    rate = float(marks.mean()) if len(marks) else float("nan")
    numbers = (len(marks), int(marks.sum()), rate, interval.low, interval.high)
    return dict(zip(ROW, numbers, strict=True))


def _coefficients(
    given: pd.DataFrame,
    own: Mapping[str, pd.DataFrame],
    pairs: Sequence[tuple[str, str]],
    level: float,
    categories: int | None,
    rng: np.random.Generator | None,
) -> pd.DataFrame:
    """Within: subjects are items, raters the trials. Between: subjects are items at a trial, raters the appraisers."""
    seen = given["label"].nunique() if categories is None else categories
    rows: list[dict[str, object]] = []
    for name, part in own.items():
        matrix, clusters = _matrix(part, ["item"], "trial")
        rows += _both(f"within {name}", matrix, clusters, seen, level, rng)
    matrix, clusters = _matrix(given, ["item", "trial"], "appraiser")
    if pairs:
        rows += _both("between all", matrix, clusters, seen, level, rng)
    for a, b in pairs:
        two = matrix[[a, b]].to_numpy(dtype=object)
        if (two != "").all(axis=1).any():
            found = cohen_kappa(two[:, 0], two[:, 1], clusters=clusters, level=level, rng=rng)
            rows.append({"of": f"between {a} and {b}", **vars(found)})
    return pd.DataFrame(rows, columns=["of", *COEFFICIENT])


def _matrix(rows: pd.DataFrame, subject: list[str], rater: str) -> tuple[pd.DataFrame, NDArray[np.object_]]:
    wide = rows.pivot(index=subject, columns=rater, values="label").fillna("")
    clusters = rows.groupby(subject)["cluster"].first().reindex(wide.index)
    return wide, clusters.to_numpy(dtype=object)


def _both(
    of: str,
    matrix: pd.DataFrame,
    clusters: NDArray[np.object_],
    categories: int,
    level: float,
    rng: np.random.Generator | None,
) -> list[dict[str, object]]:
    table = counts(matrix)
    if not (table.sum(axis=1) >= 2).any():
        return []
    found: list[Coefficient] = [
        fleiss_kappa(table, clusters=clusters, level=level, rng=rng),
        gwet_ac1(table, categories=categories, clusters=clusters, level=level, rng=rng),
    ]
    return [{"of": of, **vars(one)} for one in found]


def _checked(found: pd.DataFrame) -> pd.DataFrame:
    twice = found[found.duplicated(["item", "appraiser", "trial"])]
    if len(twice):
        one = twice.iloc[0]
        raise BadInput(
            f"expected one label for each item, appraiser and trial, got two for {one['appraiser']}, trial "
            f"{one['trial']}: choose one environment, and leave developed pictures out"
        )
    return found
