"""From a classifier's scores to the top classes with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, WrongJob
from device_agents.tasks.asked import Answer, Asked

BACKGROUND = "background"


@dataclass(frozen=True)
class Settings:
    """Nothing can be switched: what the outputs are stands in the sidecar's ``outputs``."""


def answer(outputs: Tuple[npt.NDArray[Any], ...], asked: Asked) -> Answer:
    """Give the top classes of a classifier's one output, of any shape with as many elements as there are classes.

    Raises BadInput for more outputs than one, and what classify and class_labels refuse.
    """
    if len(outputs) != 1:
        raise BadInput(f"expected a classifier with one output, got {len(outputs)}")
    scores, card = outputs[0].reshape(-1), asked.sidecar
    try:
        names = class_labels(scores.size, labels=asked.labels, background=card.background)
    except WrongJob as problem:
        raise WrongJob(f"model {card.name}: {problem}; correct {card.labels or 'the list'}, one line a class") from None
    return Answer(*classify(scores, outputs=card.outputs, labels=names, top_k=asked.top_k))


def classify(
    scores: npt.NDArray[Any], *, outputs: str, labels: Sequence[str], top_k: int
) -> Tuple[Tuple[str, ...], Tuple[float, ...]]:
    """Give the top_k labels and their probabilities, in falling order of score; ties go to the lower class index.

    ``scores`` (n,) are what the sidecar's ``outputs`` says: logits, or probabilities (already so, or from integers);
    ``labels`` are n names in the order of the classes. Raises BadInput when the counts differ or a score is
    not finite.
    """
    if scores.shape != (len(labels),):
        raise BadInput(f"expected {len(labels)} scores as there are labels, got an output of shape {scores.shape}")
    broken = int((~np.isfinite(scores)).sum())
    if broken:
        raise BadInput(f"expected finite scores, got {broken} of {len(scores)} that are infinite or no number")
    chances = softmax(scores) if outputs == "logits" else scores.astype(np.float64)
    # By the scores, not the probabilities: distinct small logits all become probability 0.
    order = _first(-scores.astype(np.float64), top_k)
    return tuple(labels[index] for index in order), tuple(float(chances[index]) for index in order)


def _first(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Give the places of the count lowest values, lowest first, equal ones in their order; without sorting the rest."""
    places = np.arange(len(values))
    if count < len(values):
        places = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    return places[np.argsort(values[places], kind="stable")][:count]


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Give exp(x) / sum(exp(x)) in float64, the largest x taken off first so that nothing overflows."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max())
    return np.asarray(powers / powers.sum())


def class_labels(count: int, *, labels: Optional[Sequence[str]], background: bool) -> Tuple[str, ...]:
    """Give a name to each of count classes.

    A list that leaves the background out gets it in front. Without a list a class is called by its index, counted
    without the background. Raises WrongJob when the list fits in neither way.
    """
    if labels is None:
        names = tuple(str(index) for index in range(count - background))
        return ((BACKGROUND,) if background else ()) + names
    if len(labels) == count:
        return tuple(labels)
    if background and len(labels) == count - 1:
        return (BACKGROUND, *labels)
    raise WrongJob(f"expected {count} labels as the model has classes, got {len(labels)}")


HEADS: Dict[str, Callable[..., Any]] = {}
POSTS: Dict[str, Callable[[Settings], Settings]] = {}
