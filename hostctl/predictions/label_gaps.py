"""Scenes whose labels a classifier does not have: it can never be right there, and its accuracy says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from device_agents.records import Scene, is_labelled
from device_agents.sidecar import Sidecar, read_labels

CLASSIFICATION = "classification"
MOST_NAMED = 3


def label_gaps(scenes: Sequence[Scene], models: Iterable[tuple[Path, Sidecar]]) -> list[str]:
    """Give a sentence a classifier that has none of the accepted labels of some scenes; [] where each can be right.

    A model without a label list answers with class numbers, so that labels that are no numbers are none of its own.
    """
    return [told for path, card in models if card.task == CLASSIFICATION and (told := _gap(scenes, path, card))]


def _gap(scenes: Sequence[Scene], path: Path, card: Sidecar) -> str:
    known = set(read_labels(path.parent / card.labels)) if card.labels else None
    asked = [scene for scene in scenes if is_labelled(scene.labels)]
    lost = [scene for scene in asked if not any(_has(known, label) for label in scene.labels)]
    if not lost:
        return ""
    foreign = sorted({label for scene in lost for label in scene.labels})
    named = ", ".join(foreign[:MOST_NAMED]) + (f" and {len(foreign) - MOST_NAMED} more" if foreign[MOST_NAMED:] else "")
    answers = f"{len(known)} labels" if known is not None else "class numbers (its sidecar names no label list)"
    return (
        f"{card.name} can never be right on {len(lost)} of {len(asked)} scenes: {named} not among its {answers}. "
        "Accuracy, error and instability there mean nothing, flips do; "
        "`instability scenes FOLDER --map MAP --out FILE` turns words into a model's labels"
    )


def _has(known: set[str] | None, label: str) -> bool:
    return label.isdecimal() if known is None else label in known
