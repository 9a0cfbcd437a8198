"""A run's photographs predicted as they are and in every perturbation, as ordinary predictions of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.run_folder.frames import PREDICTION_COLUMNS
from analysis.run_folder.homes import PERTURBATION, SETUP, at_home
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.flip_risk import perturbed_environments
from device_agents.perturbations.chains import chain
from device_agents.predict import default_environment
from device_agents.records import Environment
from device_agents.runtimes import runtime_version
from device_agents.sidecar import Sidecar
from hostctl.grid import Assignment, predict_run
from hostctl.printing import Progress

if TYPE_CHECKING:
    import pandas as pd

AS_SHOT = ("", "")


def model_of(run: Run, asked: str) -> str:
    """The model asked for, or else the one that the run was predicted with; raises BadInput where that is not one."""
    known = list(dict.fromkeys(one.model for one in run.environments()))
    if asked or len(known) == 1:
        return asked or known[0]
    got = ", ".join(known) or "none; `instability predict RUN --model NAME` predicts it"
    raise BadInput(f"{run.folder}: expected the predictions of one model, or --model, got {got}")


def resolve(text: str, *, progress: Progress) -> tuple[Path, Sidecar]:
    """The model's file and sidecar; raises BadInput where it is no classifier, whose answers alone can be at risk."""
    from stability_train.zoo import resolve_model

    path, card = resolve_model(text, progress=partial(progress, "model", 0, 0))
    if card.task != "classification":
        raise BadInput(f"{text}: expected a classifier, whose first label may flip, got a model for {card.task}")
    return path, card


def predict_perturbed(
    run: Run, path: Path, card: Sidecar, perturbations: Sequence[str], *, workers: int, progress: Progress
) -> pd.DataFrame:
    """Predict on this host what the run lacks, and give the long table of one setup with all perturbations.

    A device's own predictions stay where it made them; perturbed ones are made here. Raises BadInput for an unknown
    perturbation, and where the run has no photographs as they were shot.
    """
    for name in perturbations:
        chain(name)
    base = base_environment(run, path, card)
    environments = (base, *perturbed_environments(base, perturbations))
    said = partial(progress, "predictions")
    predict_run(run, path, card, [Assignment(environments, made=AS_SHOT)], workers=workers, progress=said)
    table = at_home(run.predictions(PREDICTION_COLUMNS))
    chosen = (table["isp"] == "") & (table["codec"] == "") & table[PERTURBATION].isin(["", *perturbations])
    for name in SETUP:
        if name != PERTURBATION:
            chosen &= table[name].astype(object) == getattr(base, name)
    found = table[chosen].reset_index(drop=True)
    if found.empty:
        raise BadInput(f"{run.folder}: expected photographs as devices shot them, got none; see `instability run`")
    return found


def base_environment(run: Run, path: Path, card: Sidecar) -> Environment:
    """The environment that the run was predicted in first, on this host; else the one that the sidecar asks for."""
    usual = default_environment(card, path, view="rectified-pillow" if run.steps() else "whole")
    for one in run.environments():
        plain = not one.perturbation and not one.post
        if plain and one.machine == usual.machine and one.model_sha256 == usual.model_sha256:
            return replace(one, runtime_version=runtime_version(one.runtime))
    return usual
