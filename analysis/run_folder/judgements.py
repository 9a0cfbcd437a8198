"""People's verdicts on single answers: is this label right for this scene, clearly wrong, or neither?

The paper's authors judged by hand, several labels right, the foreground object only (MLSys 2021, sections 2.2 and 3.2).
A verdict is on a scene's label, not on a device's answer, so that all devices are held to the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

NOTE = "judgements"  # a run keeps them as this note
KINDS = ("right", "ambiguous", "wrong")

Judged = Mapping[str, Mapping[str, Mapping[str, str]]]  # judge -> scene -> label -> one of KINDS
Settled = Mapping[str, Mapping[str, str]]  # scene -> label -> one of KINDS


class Question(NamedTuple):
    """A label of a scene that a person is to judge; ``answers`` are the predictions that depend on it."""

    scene: str
    label: str
    answers: int


def settled(judged: Judged) -> dict[str, dict[str, str]]:
    """Give the verdict on each judged label of each scene; judges who disagree make it ambiguous."""
    votes: dict[str, dict[str, set[str]]] = {}
    for scenes in judged.values():
        for scene, labels in scenes.items():
            for label, verdict in labels.items():
                votes.setdefault(scene, {}).setdefault(label, set()).add(verdict)
    return {
        scene: {label: next(iter(said)) if len(said) == 1 else "ambiguous" for label, said in labels.items()}
        for scene, labels in votes.items()
    }


def accepted(
    labels: Sequence[str], ambiguous: Sequence[str], verdicts: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give a scene's accepted and ambiguous labels after people's verdicts, which outdo what the scene came with."""
    kept = [tuple(label for label in one if label not in verdicts) for one in (labels, ambiguous)]
    told = [tuple(label for label, verdict in verdicts.items() if verdict == kind) for kind in KINDS[:2]]
    return kept[0] + told[0], kept[1] + told[1]


def questions(table: pd.DataFrame, *, top_n: int = 1, everything: bool = False) -> list[Question]:
    """List the labels to judge of a predictions table (scene, label_1 ..., labels), each scene's together.

    Asked is about every label that any environment gave a scene among its first ``top_n``, but for accepted ones unless
    ``everything``. Scenes whose first answers differ come first, the most answers first: verdicts on them move the
    instability. Raises BadInput where the table has no such rank.
    """
    names = [f"label_{rank}" for rank in range(1, top_n + 1)]
    absent = [name for name in names if name not in table.columns]
    if top_n < 1 or absent:
        raise BadInput(f"expected to judge 1 to 5 labels of each answer, got {top_n}")
    long = table.melt(["scene", "labels"], names, value_name="label").dropna(subset=["label"])
    counted = long.groupby(["scene", "label"], sort=True).agg(answers=("label", "size"), labels=("labels", "first"))
    rows = counted.reset_index()
    if not everything:
        known = [label in labels for label, labels in zip(rows["label"], rows["labels"], strict=True)]
        rows = rows[[not one for one in known]]
    differing = table.groupby("scene")["label_1"].nunique() > 1
    rows = rows.assign(
        same=~rows["scene"].map(differing).astype(bool),
        weight=-rows.groupby("scene")["answers"].transform("sum"),
        fewer=-rows["answers"],
    ).sort_values(["same", "weight", "scene", "fewer", "label"], kind="stable")
    return [
        Question(str(scene), str(label), int(answers))
        for scene, label, answers in zip(rows["scene"], rows["label"], rows["answers"], strict=True)
    ]


def agreement(judged: Judged) -> dict[str, Any]:
    """Say how far judges agree: pairs judged by two or more, the share judged alike (None without any), and where not.

    differing: up to 20 rows of scene, label and each judge's verdict.
    """
    said: dict[tuple[str, str], dict[str, str]] = {}
    for judge, scenes in judged.items():
        for scene, labels in scenes.items():
            for label, verdict in labels.items():
                said.setdefault((scene, label), {})[judge] = verdict
    shared = {pair: verdicts for pair, verdicts in said.items() if len(verdicts) > 1}
    differing = {pair: verdicts for pair, verdicts in shared.items() if len(set(verdicts.values())) > 1}
    rows = [{"scene": scene, "label": label, **verdicts} for (scene, label), verdicts in list(differing.items())[:20]]
    share = 1 - len(differing) / len(shared) if shared else None
    return {"judged_by_several": len(shared), "alike": share, "differing": rows}


def count_kinds(verdicts: Iterable[str]) -> dict[str, int]:
    """How many of each kind."""
    found = list(verdicts)
    return {kind: found.count(kind) for kind in KINDS}
