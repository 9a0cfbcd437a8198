"""What a run remembers of the models that predicted it: size, hash and family, for tables of several models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.hashing import hash_file
from device_agents.sidecar import Sidecar, read_labels

NOTE = "models"


def keep_model(run: Run, model: Path, sidecar: Sidecar) -> None:
    """Note a model in the run, by the name in its sidecar; its family is the first word of that name.

    Of a detector its classes too: precision counts those that it could have answered, whether it ever does or not.
    A variant of a model (INT8, ...) has the model's name and its own note (hostctl.predictions.model_variants).
    """
    if sidecar.variant:
        return
    known = run.note(NOTE) or {}
    word = re.match("[A-Za-z]+", sidecar.name)
    family = (word.group() if word else sidecar.name).lower()
    size, sha256 = model.stat().st_size, hash_file(model)
    mine: dict[str, Any] = {"bytes": size, "sha256": sha256, "parameters": None, "family": family}
    if sidecar.task == "detection" and sidecar.labels:
        mine["labels"] = list(read_labels(model.parent / sidecar.labels))
    if known.get(sidecar.name) != mine:
        run.set_note(NOTE, {**known, sidecar.name: mine})
