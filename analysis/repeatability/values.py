"""MEASURES: what each picture contributes to each measure of a family; means of it are the numbers of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.instability import instability
from analysis.repeatability.answers import NONE, Answers, Codes
from analysis.repeatability.comparisons import (
    FARTHEST,
    change_bounds,
    class_probability,
    compared,
    flips,
    top5_distance,
)
from analysis.repeatability.corruption import ALEXNET, are_imagenet, has_constant
from analysis.repeatability.suites import (
    CONSISTENCY,
    FRAMES_BEFORE,
    FRAMES_FIRST,
    PAIRS,
    SEVERITIES,
    Family,
)

Array = NDArray[np.float64]

FLIP, CHANGE, TRUE_CHANGE = "flip-probability", "probability-change", "true-probability-change"
DISTANCE, INSTABILITY, ERROR, CE = "top-5-distance", "instability", "error", "ce"
SAME = "shift-consistency"


class Values(NamedTuple):
    """One measure of each picture: bounds, which are equal where it is known, float64 (pictures,) from 0 to ``top``.

    NaN where a picture does not count: it lacks an answer of the family (then it is marked in ``lacking``, (pictures,))
    or, where the truth is asked, labels.
    """

    least: Array
    most: Array
    top: float
    lacking: NDArray[np.bool_]

    @property
    def middle(self) -> Array:
        """The middle of the bounds, (pictures,)."""
        return (self.least + self.most) / 2


def measured(found: Answers, family: Family) -> dict[str, Values]:
    """Give every measure of a family's kind by its name; {} where the run has none of its perturbations.

    A picture that lacks the answer to any member of the family is left out whole, so that all of a family's
    comparisons are of the same pictures.
    """
    if not any(name in found.columns for name in family.perturbations):
        return {}
    rows = found.of(family)
    lacking = (rows == NONE).any(axis=1)
    whole = np.flatnonzero(~lacking)
    made: dict[str, Values] = {}
    for name, (measure, top) in MEASURES[family.kind].items():
        for_pictures = measure(found, rows[whole], family)
        if for_pictures is None:
            continue
        bounds = np.full((2, len(rows)), np.nan)
        bounds[:, whole] = for_pictures
        made[name] = Values(bounds[0], bounds[1], top, lacking)
    if family.name == CONSISTENCY:
        flipped = made[FLIP]
        made[SAME] = Values(1 - flipped.most, 1 - flipped.least, 1.0, lacking)
    if CE in made:
        made[CE] = made[CE]._replace(top=1 / ALEXNET[family.name])
    return made


def averaged(some: Sequence[Values]) -> Values:
    """The mean of a measure over families, of the pictures that count in all of them."""
    least, most = (np.mean([getattr(one, end) for one in some], axis=0) for end in ("least", "most"))
    return Values(least, most, float(np.mean([one.top for one in some])), np.any([one.lacking for one in some], axis=0))


Bounds = tuple[Array, Array]


def _flip(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    """The share of a family's comparisons in which the first label changes."""
    earlier, later = compared(family.kind, rows.shape[1])
    first = found.labels[:, :1]
    return _known(flips(first[rows[:, earlier]], first[rows[:, later]]).mean(axis=1))


def _distance(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    earlier, later = compared(family.kind, rows.shape[1])
    return _known(top5_distance(found.labels[rows[:, earlier]], found.labels[rows[:, later]]).mean(axis=1))


def _change(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    """The mean absolute change of the probability of the class that the first picture's answer is."""
    return _mean_change(found, rows, family, found.labels[rows[:, 0], :1])


def _true_change(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    """The same of the picture's accepted classes together; NaN where it has none, None where no picture has one."""
    classes = found.accepted[rows[:, 0]] if len(rows) else np.full((0, 1), NONE)
    labelled = (classes != NONE).any(axis=1)
    if not labelled.any():
        return None
    least, most = _mean_change(found, rows, family, classes)
    return np.where(labelled, least, np.nan), np.where(labelled, most, np.nan)


def _mean_change(found: Answers, rows: Codes, family: Family, classes: Codes) -> Bounds:
    earlier, later = compared(family.kind, rows.shape[1])
    least, most = class_probability(found.labels[rows], found.scores[rows], classes[:, None, :])
    low, high = change_bounds((least[:, earlier], most[:, earlier]), (least[:, later], most[:, later]))
    return low.mean(axis=1), high.mean(axis=1)


def _instability(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    """Whether some member is answered rightly and some clearly wrongly: the kit's own definition."""
    labelled = np.flatnonzero(_labelled(found, rows))
    if not len(labelled) or rows.shape[1] < 2:
        return None
    result = instability(found.table.iloc[rows[labelled].ravel()], across="perturbation", item="picture").table
    values = np.full(len(rows), np.nan)
    values[labelled] = np.where(result["counted"], result["unstable"].astype(float), np.nan)
    return _known(values)


def _error(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    """The share of wrong answers over the severities, of those that are right or wrong; None without any label."""
    labelled = _labelled(found, rows)
    if len(rows) and not labelled.any():
        return None
    verdicts = found.table["verdict"].to_numpy()[rows]
    right, wrong = (verdicts == "right").sum(axis=1), (verdicts == "wrong").sum(axis=1)
    counted = labelled & (right + wrong > 0)
    return _known(np.where(counted, wrong / np.maximum(right + wrong, 1), np.nan))


def _ce(found: Answers, rows: Codes, family: Family) -> Bounds | None:
    """The error over AlexNet's, for ImageNet's labels and all severities of a corruption of ImageNet-C."""
    known = {label for some in found.table["labels"].iloc[rows[:, 0]] for label in some}
    errors = _error(found, rows, family) if has_constant(family) and are_imagenet(known) else None
    return None if errors is None else _known(errors[0] / ALEXNET[family.name])


def _labelled(found: Answers, rows: Codes) -> NDArray[np.bool_]:
    return np.asarray((found.accepted[rows[:, 0]] != NONE).any(axis=1))


def _known(values: Array) -> Bounds:
    return values, values


Measure = Callable[[Answers, Codes, Family], Bounds | None]
_FRAMES: dict[str, tuple[Measure, float]] = {
    FLIP: (_flip, 1.0),
    DISTANCE: (_distance, FARTHEST),
    INSTABILITY: (_instability, 1.0),
}

# Kind of family -> measure -> what a picture contributes, and the most that it can.
MEASURES: dict[str, dict[str, tuple[Measure, float]]] = {
    PAIRS: {
        FLIP: (_flip, 1.0),
        CHANGE: (_change, 1.0),
        TRUE_CHANGE: (_true_change, 1.0),
        INSTABILITY: (_instability, 1.0),
    },
    FRAMES_FIRST: _FRAMES,
    FRAMES_BEFORE: _FRAMES,
    SEVERITIES: {ERROR: (_error, 1.0), CE: (_ce, 1.0), INSTABILITY: (_instability, 1.0)},
}
