"""A run's predictions as matrices, one set a model: pictures down, perturbations across, labels and scores beside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.environments import BASE, name_conditions
from analysis.instability import group_codes, verdict_column
from analysis.repeatability.suites import Family
from device_agents.errors import BadInput
from device_agents.records import is_labelled

Codes = NDArray[np.int64]
Array = NDArray[np.float64]
NONE = -1
NEEDED = ("picture", "perturbation", "label_1", "score_1", "labels", "ambiguous")


@dataclass(frozen=True)
class Answers:
    """All answers of one model in one base environment.

    table: its rows. rows: (pictures, perturbations), places in table, -1 where there is no answer. columns: a
    perturbation's column in rows. labels: (rows, ranks) codes, -1 where there is none; scores: the same, 0..1.
    accepted: (rows, most) codes of the picture's accepted labels, -1 where there are fewer. pictures, clusters:
    (pictures,), their names and what several of them show.
    """

    model: str
    table: pd.DataFrame
    rows: Codes
    columns: dict[str, int]
    labels: Codes
    scores: Array
    accepted: Codes
    pictures: NDArray[np.object_]
    clusters: NDArray[np.object_]

    def of(self, family: Family) -> Codes:
        """Give the rows of a family, (pictures, members); -1 everywhere for a member that the run does not have."""
        nowhere = np.full((len(self.rows), 1), NONE, dtype=np.int64)
        columns = [self.columns.get(name) for name in family.perturbations]
        return np.hstack([nowhere if at is None else self.rows[:, [at]] for at in columns])


def answers(table: pd.DataFrame) -> list[Answers]:
    """Part a predictions table into the answers of each model, in the order of appearance.

    A model that stands in several base environments (another resizer) is named with what differs. A failed prediction
    is no answer. Raises BadInput where columns or predictions lack, a picture has two answers to one perturbation in
    one environment, scores are no probabilities, or a model knows one class only: it can never change its answer.
    """
    absent = [name for name in NEEDED if name not in table.columns]
    if absent:
        raise BadInput(f"expected a predictions table with the columns {absent}, got {list(table.columns)}")
    if table.empty:
        raise BadInput("expected predictions of perturbed pictures, got none")
    ordered = table.reset_index(drop=True)
    # Those that were not perturbed stand first: the others' environments are named by how they differ from theirs.
    ordered = ordered.assign(verdict=verdict_column(ordered)).sort_values("perturbation", kind="stable")
    names = _names(ordered)
    return [_matrices(name, ordered[names == name].reset_index(drop=True)) for name in names.unique()]


def _names(table: pd.DataFrame) -> pd.Series[str]:
    """The model of each row, with how its environment differs from that model's first, perturbations aside."""
    if "model" not in table.columns:
        return pd.Series("model", index=table.index)
    found = []
    for model, part in table.drop(columns="perturbation").groupby("model", sort=False):
        told = name_conditions(part)
        found.append(told.map({name: str(model) if name == BASE else f"{model} {name}" for name in told.unique()}))
    return pd.concat(found).loc[table.index]


def _matrices(model: str, table: pd.DataFrame) -> Answers:
    pictures, perturbations = group_codes(table, ["picture"]), group_codes(table, ["perturbation"])
    firsts = np.unique(pictures, return_index=True)[1]
    names = list(dict.fromkeys(table["perturbation"]))
    rows = np.full((len(firsts), len(names)), NONE, dtype=np.int64)
    there = (table["verdict"] != "missing").to_numpy()
    cells = pictures * len(names) + perturbations
    if len(np.unique(cells)) < len(cells):
        row = table[pd.Series(cells).duplicated().to_numpy()].iloc[0]
        where = f"picture '{row['picture']}' with perturbation '{row['perturbation']}'"
        raise BadInput(f"expected one prediction of {where} in an environment of '{model}', got two")
    rows.ravel()[cells[there]] = np.flatnonzero(there)
    labels, known = _label_codes(table)
    _check_classes(model, labels[there])
    clusters = "cluster" if "cluster" in table.columns else "picture"
    return Answers(
        model=model,
        table=table,
        rows=rows,
        columns={name: at for at, name in enumerate(names)},
        labels=labels,
        scores=_scores(table, labels),
        accepted=_accepted(table["labels"], known),
        pictures=table["picture"].to_numpy(dtype=object)[firsts],
        clusters=table[clusters].to_numpy(dtype=object)[firsts],
    )


def _ranks(table: pd.DataFrame) -> list[int]:
    return sorted(int(name[6:]) for name in map(str, table.columns) if re.fullmatch(r"label_[1-9][0-9]*", name))


def _label_codes(table: pd.DataFrame) -> tuple[Codes, dict[str, int]]:
    columns = [table[f"label_{rank}"].fillna("").astype(str) for rank in _ranks(table)]
    codes, names = pd.factorize(pd.concat(columns, ignore_index=True))
    known = {str(name): at for at, name in enumerate(names)}
    found = np.asarray(codes, dtype=np.int64).reshape(len(columns), -1).T
    return np.where(found == known.get("", NONE), NONE, found), known


def _scores(table: pd.DataFrame, labels: Codes) -> Array:
    columns = [f"score_{rank}" for rank in _ranks(table)]
    known = [table[name].to_numpy(dtype=float) if name in table.columns else np.zeros(len(table)) for name in columns]
    scores = np.nan_to_num(np.where(labels >= 0, np.stack(known, axis=1), 0.0))
    if scores.min(initial=0) < 0 or scores.max(initial=0) > 1 + 1e-6:
        raise BadInput(f"expected probabilities between 0 and 1 as scores, got {scores.min()} to {scores.max()}")
    return np.asarray(np.clip(scores, 0, 1), dtype=np.float64)


def _accepted(sets: pd.Series[Any], known: dict[str, int]) -> Codes:
    """Accepted labels as codes, (rows, most); one that no answer holds has a code of its own, unlabelled has none."""
    codes, known_sets = pd.factorize(sets)
    distinct = [some if is_labelled(some) else () for some in known_sets]
    most = max((len(some) for some in distinct), default=0)
    table = np.full((len(distinct), max(most, 1)), NONE, dtype=np.int64)
    for at, some in enumerate(distinct):
        table[at, : len(some)] = [known.setdefault(str(label), len(known)) for label in some]
    return table[codes]


def _check_classes(model: str, labels: Codes) -> None:
    if len(labels) and (labels[:, 1:] < 0).all() and len(np.unique(labels[:, 0])) == 1 and labels.shape[1] > 1:
        raise BadInput(f"expected a model of two classes or more, got '{model}': its only class can never change")
