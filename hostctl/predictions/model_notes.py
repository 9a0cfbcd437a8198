"""What a run remembers of the models that predicted it: size, hash and family, for tables of several models."""

from __future__ import annotations

import re
from pathlib import Path

from analysis.store import Run
from device_agents.predict import hash_file
from device_agents.sidecar import Sidecar

NOTE = "models"


def keep_model(run: Run, model: Path, sidecar: Sidecar) -> None:
    """Note a model in the run, by the name in its sidecar; its family is the first word of that name.

    A variant of a model (INT8, ...) has the model's name and its own note (hostctl.predictions.model_variants).
    """
    if sidecar.variant:
        return
    known = run.note(NOTE) or {}
    word = re.match("[A-Za-z]+", sidecar.name)
    family = (word.group() if word else sidecar.name).lower()
    mine = {"bytes": model.stat().st_size, "sha256": hash_file(model), "parameters": None, "family": family}
    if known.get(sidecar.name) != mine:
        run.set_note(NOTE, {**known, sidecar.name: mine})
