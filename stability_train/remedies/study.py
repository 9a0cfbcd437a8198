"""A comparison of remedies on disk: what was asked for, its trainings, and their answers by condition.

A training is a file, and so are the answers of all trainings of a seed under one condition: what is there is not made
again, so that a comparison may be killed at any moment, and remedies may be added to it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, pick
from stability_train.cache import write_whole
from stability_train.photos import Photo, classes_of
from stability_train.remedies.conditions import FAMILY_NAMES, Condition, Extent, all_conditions
from stability_train.remedies.remedies import REMEDIES, STANDARD
from stability_train.settings import Settings
from stability_train.splits import fold_photos

Array = npt.NDArray[Any]
ASKED = "remedies.json"
LEAST_FOLDS = 3


@dataclass(frozen=True)
class Study:
    """What is asked for, the same for every remedy; see Settings for model, trainable, batch and learning_rate.

    side: pixels of the model's input, 0 for the model's own. draws: how many different crops a picture has. seeds:
    trainings of each remedy: seed s leaves part s of the objects out and is tested on it. folds: such parts.
    """

    model: str = "mobilenet-v2"
    side: int = 128
    trainable: str = "last-block"
    epochs: int = 16
    draws: int = 4
    batch: int = 16
    learning_rate: float = 2e-4
    seeds: int = 3
    folds: int = LEAST_FOLDS
    families: tuple[str, ...] = FAMILY_NAMES
    extent: Extent = field(default_factory=Extent)

    def __post_init__(self) -> None:
        """Refuse what cannot work, all of it in one message."""
        problems = [
            f"{name}: expected {least} to {most}, got {value}"
            for name, (least, most) in _RANGES.items()
            if not least <= (value := getattr(self, name)) <= most
        ]
        if not self.seeds <= self.folds:
            problems.append(f"folds: expected as many as seeds or more, got {self.folds} for {self.seeds} seeds")
        if 0 < self.side < _LEAST_SIDE:
            problems.append(f"side: expected 0 or {_LEAST_SIDE} and more, got {self.side}")
        if problems:
            raise BadInput("remedies: " + "; ".join(problems))
        self.settings(STANDARD, 0)

    def settings(self, remedy: str, seed: int) -> Settings:
        """Give the settings of a remedy's training."""
        one = REMEDIES[remedy]
        return Settings(
            model=self.model,
            trainable=self.trainable,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            loss=one.loss or "relative-entropy",
            alpha=one.alpha,
            seed=seed,
        )

    def conditions(self) -> list[Condition]:
        """Give what is tested, the clean condition first."""
        return all_conditions(self.extent, families=self.families)

    def network(self, remedy: str) -> str:
        """Give the name of the model that a remedy trains."""
        one = REMEDIES[remedy].network
        return self.model if one in ("", "blurpool") else one


_LEAST_SIDE = 16
_RANGES: Mapping[str, tuple[float, float]] = {
    "side": (0, 1024),
    "epochs": (1, 1000),
    "draws": (1, 1000),
    "seeds": (1, 100),
    "folds": (2, 100),
}


def choose_remedies(names: Sequence[str]) -> tuple[str, ...]:
    """Give the remedies named (none: all), the standard first, with those whose weights they need.

    Raises BadInput for unknown ones.
    """
    for name in names:
        pick(REMEDIES, name, what="remedy")
    asked = {STANDARD, *(names or REMEDIES)}
    return tuple(name for name in REMEDIES if name in asked)


def begin(study: Study, photos: Sequence[Photo], folder: Path) -> None:
    """Note the study in its folder; raises BadInput where it was begun otherwise, or where photos do not suffice."""
    for seed in range(study.seeds):
        classes_of(split(study, photos, seed)[0])
    data = hashlib.sha256("\n".join(f"{one.identity} {one.label} {one.cluster}" for one in photos).encode()).hexdigest()
    asked = json.loads(json.dumps({**dataclasses.asdict(study), "photos": data}))
    path = folder / ASKED
    if not path.exists():
        write_whole(path, (json.dumps(asked, indent=2) + "\n").encode())
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    changed = [f"{name}: {before.get(name)} before" for name, value in asked.items() if before.get(name) != value]
    if changed:
        raise BadInput(f"{folder}: this study was begun otherwise; name a new folder, or undo: {'; '.join(changed)}")


def split(study: Study, photos: Sequence[Photo], seed: int) -> tuple[list[Photo], list[Photo]]:
    """Give what a seed trains on and what it is tested on, which no other seed is tested on."""
    return fold_photos(photos, folds=study.folds, seed=0)[seed]


def weights_file(folder: Path, remedy: str, seed: int) -> Path:
    """Where a training is kept."""
    return folder / "trainings" / f"{remedy}-seed-{seed}.npz"


def answers_file(folder: Path, condition: str, seed: int) -> Path:
    """Where the answers under a condition are kept, of all remedies."""
    return folder / "answers" / f"seed-{seed}" / f"{condition.replace(':', '-')}.npz"


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays so that readers see the old file or the new one."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    write_whole(path, stream.getvalue())


def read_arrays(path: Path) -> dict[str, Array]:
    """Read what write_arrays wrote, {} where there is nothing; raises BadInput for a file that cannot be read."""
    if not path.exists():
        return {}
    try:
        with np.load(path) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise BadInput(f"{path}: expected arrays, got {problem}; remove it and go on") from problem


@dataclass(frozen=True)
class Collected:
    """All answers: probabilities float32 (remedies, photos tested, conditions, classes), and what goes with them.

    photos: in the order of their axis; seeds: int (photos,), which training each was tested with. inference_s: float64
    (remedies,), seconds a picture, the median over conditions; training_s: (remedies, seeds).
    """

    remedies: tuple[str, ...]
    photos: tuple[Photo, ...]
    seeds: Array
    classes: tuple[str, ...]
    conditions: tuple[Condition, ...]
    probabilities: Array
    inference_s: Array
    training_s: Array


def collect(study: Study, photos: Sequence[Photo], folder: Path, *, remedies: Sequence[str]) -> Collected:
    """Read a finished comparison; raises BadInput for a file that is missing or cannot be read."""
    conditions, tested, blocks, spent = study.conditions(), [], [], []
    for seed in range(study.seeds):
        held_out = split(study, photos, seed)[1]
        tested += [(photo, seed) for photo in held_out]
        answers = [read_arrays(answers_file(folder, one.name, seed)) for one in conditions]
        absent = [one.name for one, held in zip(conditions, answers, strict=True) if not set(remedies) <= set(held)]
        if absent:
            raise BadInput(f"{folder}: expected answers of seed {seed} under {absent[0]}, got none; run it again")
        blocks.append(np.stack([np.stack([held[name] for held in answers], 1) for name in remedies]))
        spent.append([[float(held[f"{name}/s"]) for held in answers] for name in remedies])
    training = [
        [_training_s(folder, REMEDIES[name].weights_of or name, seed) for seed in range(study.seeds)]
        for name in remedies
    ]
    return Collected(
        tuple(remedies),
        tuple(photo for photo, _ in tested),
        np.array([seed for _, seed in tested]),
        classes_of(photos),
        tuple(conditions),
        np.concatenate(blocks, 1),
        np.median(np.concatenate(spent, 1), 1),
        np.array(training),
    )


def _training_s(folder: Path, remedy: str, seed: int) -> float:
    held = read_arrays(weights_file(folder, remedy, seed))
    return float(held["seconds"])
