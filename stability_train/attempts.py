"""Attempts: the trainings of a search, each committed whole to a folder of its own study; none is ever left out.

FOLDER/attempts/NAME.json holds what was validated and is there last; FOLDER/sealed/NAME.npz holds the answers on the
outer test objects, which only the final table reads, and only of the attempts that were chosen without them.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from stability_train.cache import write_whole
from stability_train.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
ATTEMPTS, SEALED, LISTED = "attempts", "sealed", "attempts.csv"
SCHEME = ("noise", "loss", "alpha", "strength")
MEASURED = ("instability", "accuracy", "accuracy_device", "accuracy_partner", "loss_clean", "pairs", "objects")


@dataclass(frozen=True)
class Attempt:
    """One training: the outer fold that it never sees, the seed, and the scheme that it tries.

    strength: of the noise, None for its own; of "subsample" the number of the partner's pictures a class. Without a
    noise, alpha is 0 and ``loss`` names the architecture only: with the extra dense layer or without.
    """

    fold: int
    seed: int
    noise: str
    loss: str
    alpha: float = 0.0
    strength: float | None = None

    @property
    def name(self) -> str:
        """The file name, which holds all of it."""
        strength = "own" if self.strength is None else repr(float(self.strength))
        return f"{self.noise}-{self.loss}-alpha{float(self.alpha)!r}-strength{strength}-fold{self.fold}-seed{self.seed}"

    @property
    def group(self) -> tuple[Any, ...]:
        """What attempts share that look at the same views."""
        return self.noise, -1.0 if self.strength is None else self.strength, self.fold, self.seed


def attempt_settings(common: Settings, attempt: Attempt) -> Settings:
    """Give the settings of an attempt; ``common`` has the two devices. Raises BadInput as Settings does."""
    changed: dict[str, Any] = {"noise": attempt.noise, "loss": attempt.loss, "seed": attempt.seed}
    if attempt.noise != "none":
        changed["alpha"] = float(attempt.alpha)
    if attempt.noise == "subsample" and attempt.strength is not None:
        changed["subsample"] = int(attempt.strength)
    elif attempt.strength is not None:
        changed["strength"] = float(attempt.strength)
    return dataclasses.replace(common, **changed)


def commit(folder: Path, attempt: Attempt, measured: Mapping[str, Any], scores: Array | None) -> None:
    """Write an attempt: its answers on the test objects, float32 (photos, classes), then what was validated."""
    if scores is not None:
        stream = io.BytesIO()
        np.savez_compressed(stream, scores=np.asarray(scores, np.float32))
        write_whole(folder / SEALED / f"{attempt.name}.npz", stream.getvalue())
    text = json.dumps({**dataclasses.asdict(attempt), **measured}, indent=1)
    write_whole(folder / ATTEMPTS / f"{attempt.name}.json", (text + "\n").encode())


def is_done(folder: Path, attempt: Attempt) -> bool:
    """Say whether an attempt is committed."""
    return (folder / ATTEMPTS / f"{attempt.name}.json").is_file()


def read_attempts(folder: Path) -> pd.DataFrame:
    """Read all attempts in the order of their schemes: SCHEME, fold, seed, MEASURED (NaN if failed), seconds, error."""
    import pandas as pd

    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / ATTEMPTS).glob("*.json"))]
    columns = [*SCHEME, "fold", "seed", *MEASURED, "seconds", "error"]
    found = pd.DataFrame(rows, columns=columns)
    found["strength"] = found["strength"].astype(float)
    return found.sort_values([*SCHEME, "fold", "seed"], na_position="first", ignore_index=True)


def list_attempts(folder: Path) -> Path:
    """Write all attempts as one CSV file and give its path."""
    path = folder / LISTED
    write_whole(path, read_attempts(folder).to_csv(index=False).encode())
    return path


def open_sealed(folder: Path, attempts: Sequence[Attempt]) -> dict[Attempt, Array]:
    """Read the answers on the test objects of the attempts that were chosen; for the final table only."""
    found = {}
    for attempt in attempts:
        path = folder / SEALED / f"{attempt.name}.npz"
        if not path.is_file():
            raise BadInput(f"{folder}: expected the answers of {attempt.name}, got none; run the search again")
        with path.open("rb") as stream, np.load(stream) as held:
            found[attempt] = held["scores"]
    return found
