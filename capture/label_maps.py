"""Scenes whose labels are a person's words, turned into a model's labels by a map: several accepted, some ambiguous."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from capture.scene_truth import mapped_truth, truth_labels
from device_agents.errors import BadInput
from device_agents.records import Scene

COLUMNS = ("label", "labels", "ambiguous", "category")
NOTHING = "nothing"  # what a detector answers that finds no object (device_agents/tasks/detection.py)


class Mapped(NamedTuple):
    """What a word stands for: accepted labels, labels that count as neither, and the class for per-class tables."""

    labels: tuple[str, ...]
    ambiguous: tuple[str, ...]
    category: str


# The five classes of "Characterizing and Taming Model Instability Across Edge Devices" (MLSys 2021, section 3.2) as
# ImageNet's labels (WordNet ids). "Wine bottle" and "red wine" are both right there; everything else its authors judged
# by hand (`instability judge`).
PAPER_FIVE = {
    "water bottle": Mapped(("n04557648",), (), "water bottle"),
    "beer bottle": Mapped(("n02823428",), (), "beer bottle"),
    "wine bottle": Mapped(("n04591713", "n07892512"), (), "wine bottle"),
    "red wine": Mapped(("n04591713", "n07892512"), (), "wine bottle"),
    "purse": Mapped(("n04026417",), (), "purse"),
    "backpack": Mapped(("n02769748",), (), "backpack"),
}
LABEL_MAPS: dict[str, Mapping[str, Mapped]] = {"paper-five": PAPER_FIVE}


def read_label_map(text: str) -> dict[str, Mapped]:
    """Give a map by its name in LABEL_MAPS, or from a CSV file with the columns label, labels, ambiguous, category.

    The last two may be absent; several labels are joined by "|". A model's label list (.txt, a label a line) is a map
    too: each label stands for itself. Words are compared by word_key. Raises BadInput for an unknown name, a
    file that cannot be read, absent columns, a row without labels and a word that stands twice.
    """
    if text in LABEL_MAPS:
        return {word_key(word): one for word, one in LABEL_MAPS[text].items()}
    path = Path(text)
    if not path.is_file():
        known = ", ".join(LABEL_MAPS)
        raise BadInput(f"expected a label map's name ({known}) or a CSV file with {', '.join(COLUMNS)}; got '{text}'")
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            if path.suffix.lower() == ".txt":
                words = [line.strip() for line in file if line.strip().strip("?")]
                return {word_key(word): Mapped((word,), (), word) for word in words}
            rows = list(csv.DictReader(file))
        except (UnicodeDecodeError, csv.Error) as problem:
            raise BadInput(f"{path}: expected a CSV file in UTF-8: {problem}") from problem
    found: dict[str, Mapped] = {}
    mistakes = []
    for number, row in enumerate(rows, 2):
        word, labels = (row.get("label") or "").strip(), _split(row.get("labels") or "")
        if not word or not labels:
            mistakes.append(f"row {number}: expected a label and the labels it stands for, got {dict(row)}")
        elif word_key(word) in found:
            mistakes.append(f"row {number}: '{word}' stands there twice")
        else:
            category = (row.get("category") or "").strip() or word
            found[word_key(word)] = Mapped(labels, _split(row.get("ambiguous") or ""), category)
    if mistakes or not found:
        raise BadInput(f"{path}: " + ("; ".join(mistakes[:5]) or f"expected rows with {', '.join(COLUMNS)}, got none"))
    return found


def word_key(word: str) -> str:
    """What two spellings of a word have in common: "Water_Bottles", "water-bottle" and "water bottle" are one."""
    words = re.sub(r"[\W_]+", " ", word).strip().lower()
    return words[:-1] if words.endswith("s") and not words.endswith("ss") else words


def map_scenes(scenes: Sequence[Scene], words: Mapping[str, Mapped]) -> tuple[list[Scene], Counter[str]]:
    """Give the scenes whose first label the map knows, with what it stands for, and how many of each other word.

    A scene's own ambiguous labels stay beside the map's. A label that the map itself gives (a WordNet id) is known too.
    Of a scene with labelled boxes each object is mapped, to the first label that its word stands for; a scene without
    any object left stays, since a box in it is a false one.
    """
    by_label = {one.labels[0]: one for one in reversed(list(words.values()))}
    found, others = [], Counter[str]()
    for scene in scenes:
        if truth_labels(scene.truth):
            found.append(_mapped_objects(scene, words, others))
            continue
        one = words.get(word_key(scene.labels[0])) or by_label.get(scene.labels[0])
        if one is None:
            others[scene.labels[0]] += 1
            continue
        unclear = tuple(dict.fromkeys((*one.ambiguous, *(set(scene.ambiguous) - set(one.labels)))))
        found.append(replace(scene, labels=one.labels, ambiguous=unclear, category=one.category))
    return found, others


def _mapped_objects(scene: Scene, words: Mapping[str, Mapped], others: Counter[str]) -> Scene:
    """A scene with the objects that the map knows; where it knows none, "nothing" is right there."""
    known = {label: words.get(word_key(label)) for label in truth_labels(scene.truth)}
    others.update(label for label, one in known.items() if one is None)
    names = {label: one.labels[0] for label, one in known.items() if one is not None}
    labels = tuple(dict.fromkeys(names.values())) or (NOTHING,)
    return replace(scene, labels=labels, category=labels[0], truth=mapped_truth(scene.truth, names))


def _split(joined: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in joined.split("|") if part.strip()))
