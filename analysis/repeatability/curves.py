"""Curves of a suite: error by severity, flips by frame or shift, and the probability of one picture's class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.repeatability.answers import NONE, Answers, Codes, answers
from analysis.repeatability.comparisons import class_probability, compared, flips
from analysis.repeatability.numbers import told
from analysis.repeatability.suites import CLEAN, SEVERITIES, Family, Suite
from analysis.repeatability.values import ERROR, FLIP, Values
from device_agents.errors import BadInput

COLUMNS = (
    *("model", "family", "measure", "step", "perturbation"),
    *("value", "low", "high", "pictures", "clusters", "missing"),
)
PICTURE_COLUMNS = ("model", "family", "step", "perturbation", "class", "label", "least", "most")


def curves(table: pd.DataFrame, suite: Suite, *, level: float = 0.95) -> pd.DataFrame:
    """Give one row a model, family and perturbation with the columns of COLUMNS, in the families' order.

    measure: "error" at a severity (step 1..5), or "flip-probability": the share of pictures whose first label differs
    from the first one's or the one before's, as the family's kind says (step: the number in its name; the first has no
    row). Pictures that lack any answer of the family are left out of it, and counted as missing. Families that the run
    has not are left out.
    """
    rows = []
    for found in answers(table):
        for family in suite.families:
            if family.name != CLEAN and any(name in found.columns for name in family.perturbations):
                rows += [{"model": found.model, "family": family.name, **row} for row in _rows(found, family, level)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def picture_curve(table: pd.DataFrame, suite: Suite, *, picture: str) -> pd.DataFrame:
    """Give the probability of one picture's class against the shift or the like: the columns of PICTURE_COLUMNS.

    class: the first label that the first member of the family is given. least, most: its probability, 0..1; they
    differ where it fell out of the stored labels. Raises BadInput for an unknown picture.
    """
    rows: list[dict[str, Any]] = []
    for found in answers(table):
        for family in suite.families:
            at = np.flatnonzero(found.pictures == picture)
            answered = found.of(family)[at]
            if not len(at) or (answered[:, :1] == NONE).any():
                continue
            rows += [{"model": found.model, "family": family.name, **row} for row in _steps(found, family, answered)]
    if not rows:
        raise BadInput(f"expected a picture with answers of the suite '{suite.name}', got '{picture}' without")
    return pd.DataFrame(rows, columns=list(PICTURE_COLUMNS))


def step_of(perturbation: str) -> int:
    """Give the number at the end of a perturbation's first name, sign and all: -5 of "rotate--5"; 0 of ""."""
    name, _, number = perturbation.partition("+")[0].rpartition("-")
    if not number.isdigit():
        return 0
    return -int(number) if name.endswith("-") else int(number)


def _rows(found: Answers, family: Family, level: float) -> list[dict[str, Any]]:
    rows = found.of(family)
    lacking = (rows == NONE).any(axis=1)
    whole = np.flatnonzero(~lacking)
    marks = _errors(found, rows[whole]) if family.kind == SEVERITIES else _flips(found, rows[whole], family)
    measure, later = (ERROR, 0) if family.kind == SEVERITIES else (FLIP, 1)
    made = []
    for number, perturbation in enumerate(family.perturbations[later:]):
        values = np.full(len(rows), np.nan)
        values[whole] = marks[:, number]
        numbers = told(Values(values, values, 1.0, lacking), found.clusters, level)
        made.append({"measure": measure, "step": step_of(perturbation), "perturbation": perturbation, **numbers})
    return made


def _flips(found: Answers, rows: Codes, family: Family) -> Any:
    earlier, later = compared(family.kind, rows.shape[1])
    first = found.labels[:, :1]
    return flips(first[rows[:, earlier]], first[rows[:, later]]).astype(float)


def _errors(found: Answers, rows: Codes) -> Any:
    """Wrong 1, right 0, NaN for what is neither and where the picture has no label."""
    verdicts = found.table["verdict"].to_numpy()[rows]
    labelled = (found.accepted[rows] != NONE).any(axis=-1)
    return np.where(labelled & (verdicts == "wrong"), 1.0, np.where(labelled & (verdicts == "right"), 0.0, np.nan))


def _steps(found: Answers, family: Family, answered: Codes) -> list[dict[str, Any]]:
    first = found.labels[answered[0, 0], 0]
    label = str(found.table["label_1"].iloc[answered[0, 0]])
    there = answered[0] != NONE
    rows = answered[0][there]
    classes = np.full((len(rows), 1), first)
    least, most = class_probability(found.labels[rows], found.scores[rows], classes)
    names = [name for name, known in zip(family.perturbations, there, strict=True) if known]
    given = found.table["label_1"].iloc[rows].astype(str)
    return [
        {"step": step_of(name), "perturbation": name, "class": label, "label": one, "least": low, "most": high}
        for name, one, low, high in zip(names, given, least, most, strict=True)
    ]
