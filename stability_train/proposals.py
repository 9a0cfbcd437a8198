"""Proposals: Optuna chooses which alpha and strength to try next, from what was validated so far, in each outer fold.

A noise, a loss and a fold are one Optuna study with a journal file of its own, worked through by one process. Its
sampler is seeded anew for every trial, so that a killed search goes on with the proposals that it would have made.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from device_agents.errors import MissingExtra
from stability_train.attempts import ATTEMPTS, Attempt, is_done
from stability_train.cache import locked
from stability_train.nested import Study
from stability_train.search import Progress, Space, Spread, make_features
from stability_train.search_worker import group_job

FOLDER = "optuna"
_STARTUP = 4  # random trials before the model of the objective is believed


@dataclass(frozen=True)
class Asked:
    """One Optuna study: what is searched, in which fold, with how many trials; drop is the guard of accuracy."""

    study: Study
    noise: str
    loss: str
    fold: int
    alphas: tuple[float, ...]
    strengths: tuple[float, ...]
    trials: int
    seeds: int
    drop: float


def propose(
    study: Study,
    space: Space,
    *,
    trials: int,
    seeds: int,
    drop: float,
    spread: Spread,
    workers: int,
    progress: Progress,
) -> tuple[int, int]:
    """Make ``trials`` proposals for each noise, loss and fold; give how many trainings were made and how many failed.

    The baselines must be there. The objective is the validated instability, mean over seeds; a trial outside the guard
    counts 1 and what it lacks. Alphas are above 0, searched on a logarithmic scale. Raises MissingExtra without Optuna.
    """
    check_optuna()
    asked = [
        Asked(study, noise, loss, fold, space.alphas, space.strengths.get(noise, ()), trials, seeds, drop)
        for noise, loss in itertools.product(space.noises, space.losses)
        if noise != "none"
        for fold in range(study.folds)
    ]
    made = failed = 0
    with locked(study.folder, "search", timeout_s=1):
        all_views = [
            Attempt(0, 0, one.noise, one.loss, 1.0, strength) for one in asked for strength in one.strengths or (None,)
        ]
        make_features(study, all_views, spread=spread, workers=workers, progress=progress)
        for number, (done, wrong) in enumerate(spread(proposals_job, iter(asked), workers=workers), start=1):
            made, failed = made + done, failed + wrong
            progress("proposals", number, len(asked), "")
    return made, failed


def proposals_job(asked: Asked) -> tuple[int, int]:
    """Work through one Optuna study; give how many trainings were made and how many of them failed."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = f"{asked.noise}-{asked.loss}-fold{asked.fold}"
    folder = asked.study.folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / f"{name}.journal")))
    kept = optuna.create_study(study_name=name, storage=storage, direction="minimize", load_if_exists=True)
    for left in kept.get_trials(states=[TrialState.RUNNING]):  # of a process that was killed: asked for once more
        kept.tell(left.number, state=TrialState.FAIL)
        if left.params:
            kept.enqueue_trial(left.params)
    made = failed = 0
    while (count := len(kept.get_trials(states=[TrialState.COMPLETE]))) < asked.trials:
        kept.sampler = optuna.samplers.TPESampler(seed=count, n_startup_trials=_STARTUP)
        trial = kept.ask()
        alpha = trial.suggest_float("alpha", min(asked.alphas), max(asked.alphas), log=True)
        strength = trial.suggest_categorical("strength", asked.strengths) if asked.strengths else None
        attempts = [
            Attempt(asked.fold, seed, asked.noise, asked.loss, float(f"{alpha:.4g}"), strength)
            for seed in range(asked.seeds)
        ]
        for attempt in attempts:
            if not is_done(asked.study.folder, attempt):
                done, wrong = group_job((asked.study, [attempt]))
                made, failed = made + done, failed + wrong
        kept.tell(trial, _objective(asked, attempts))
    return made, failed


def check_optuna() -> None:
    """Raise MissingExtra where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError as problem:
        raise MissingExtra("--engine optuna needs optuna; pip install 'instability-kit[search]'") from problem


def _objective(asked: Asked, attempts: Sequence[Attempt]) -> float:
    plain = [Attempt(asked.fold, one.seed, "none", asked.loss) for one in attempts]
    found, base = ([_read(asked.study, one) for one in group] for group in (attempts, plain))
    if any(row["error"] for row in found):
        return 2.0
    instability, accuracy = (sum(row[name] for row in found) / len(found) for name in ("instability", "accuracy"))
    lacking = sum(row["accuracy"] for row in base) / len(base) - asked.drop - accuracy
    return float(instability if lacking <= 1e-12 else 1 + lacking)


def _read(study: Study, attempt: Attempt) -> dict[str, Any]:
    path = study.folder / ATTEMPTS / f"{attempt.name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
