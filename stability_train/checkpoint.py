"""Checkpoints: the arrays and the small facts of a training in one file, old or new and never a part."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from stability_train.cache import write_whole

Array = npt.NDArray[Any]


@dataclass
class Progress:
    """How far a training is: epochs that are whole, steps of the next one, a row of history an epoch, the best epoch.

    ``best_epoch`` counts from 1, 0 for none. ``seconds`` and ``waited_s`` are those of all sessions.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    ended: bool = False
    seconds: float = 0.0
    waited_s: float = 0.0
    trained_s: float = 0.0


def write_checkpoint(path: Path, groups: Mapping[str, Sequence[Any]], progress: Progress) -> None:
    """Write groups of arrays ("weights", "optimiser", ...) and the progress, aside and renamed."""
    named = {
        f"{group}/{number:05d}": np.asarray(array)
        for group, arrays in groups.items()
        for number, array in enumerate(arrays)
    }
    stream = io.BytesIO()
    np.savez(stream, progress=np.array(json.dumps(asdict(progress))), **named)  # type: ignore[arg-type]
    write_whole(path, stream.getvalue())


def read_checkpoint(path: Path) -> tuple[dict[str, list[Array]], Progress]:
    """Read what write_checkpoint wrote; raises BadInput for a damaged file."""
    groups: dict[str, list[Array]] = {}
    try:
        with path.open("rb") as stream, np.load(stream) as held:
            progress = Progress(**json.loads(str(held["progress"])))
            for name in sorted(set(held.files) - {"progress"}):
                groups.setdefault(name.partition("/")[0], []).append(held[name])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as problem:
        raise BadInput(
            f"{path}: expected a checkpoint, got a damaged file ({problem}); start in a new folder"
        ) from problem
    return groups, progress


def restore(variables: Sequence[Any], arrays: Sequence[Array], *, what: str) -> None:
    """Put arrays into variables, in order; raises BadInput if their number or shapes differ."""
    expected, got = [tuple(one.shape) for one in variables], [array.shape for array in arrays]
    if expected != got:
        raise BadInput(
            f"the checkpoint's {what} do not fit: expected {len(expected)} arrays, got {len(got)} or other shapes"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
