"""ROUNDS: how a stacked design chooses its next variant and scores a round, by the task of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hostctl.predictions.comparing import scored_round
from hostctl.predictions.conditions import Condition
from hostctl.predictions.designs import most_harmful
from hostctl.predictions.detection_rounds import lowest_precision, precision_round
from hostctl.predictions.segmentation_rounds import lowest_miou, miou_round


@dataclass(frozen=True)
class Rounds:
    """choose gives the most harmful of some conditions, or None; score the row of a round (comparing.scored_round).

    whole: whether they read the whole answers and the truths too, the columns detail and truth.
    """

    choose: Callable[..., Condition | None]
    score: Callable[..., dict[str, Any]]
    whole: bool = False


def _classification(labels: Sequence[str] | None) -> Rounds:
    return Rounds(most_harmful, scored_round)


def _detection(labels: Sequence[str] | None) -> Rounds:
    return Rounds(partial(lowest_precision, labels=labels), partial(precision_round, labels=labels), whole=True)


def _segmentation(labels: Sequence[str] | None) -> Rounds:
    return Rounds(lowest_miou, miou_round, whole=True)


# A task's rounds from the model's classes, None where they are not known.
ROUNDS: dict[str, Callable[[Sequence[str] | None], Rounds]] = {
    "classification": _classification,
    "detection": _detection,
    "segmentation": _segmentation,
}
