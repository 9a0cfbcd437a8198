"""From pictures that a model knows and some that it does not to the result: predictions, scores, areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.ood.scores import UPRIGHT, WORDS, asked_scores, score_rows
from analysis.ood.study import ACCEPTED, ALL, Study, study
from analysis.store import Run
from analysis.tables import to_json
from device_agents.errors import BadInput
from device_agents.perturbations.chains import chain
from device_agents.sidecar import Sidecar, read_labels
from hostctl.flip_risks.predicting import predict_perturbed, resolve
from hostctl.flip_risks.risk import PERTURBATIONS
from hostctl.ood.sets import KNOWN, LEAST, NOTE, default_folder, known_and_unknown, photographs, run_of_sets
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

CLASSIFIERS = "rotation"  # the run's folder for the classifier of quarter turns
TURNS = [name for name in UPRIGHT if name]
MOST_FAILURES = 20


@dataclass(frozen=True)
class Measured:
    """What was found: the result for people and JSON, a row a picture with its set and scores, and their tables."""

    result: dict[str, Any]
    rows: pd.DataFrame
    tables: Study


def measure_ood(
    model: str,
    known: str,
    unknown: Sequence[str] = (),
    *,
    learn: str = "",
    out: Path | None = None,
    most: int | None = None,
    perturbations: Sequence[str] = PERTURBATIONS,
    level: float = 0.95,
    workers: int = 1,
    progress: Progress = silent,
) -> Measured:
    """Predict known and unknown pictures as they are and in each perturbation, and say which scores tell them apart.

    known, unknown, most: as sets.known_and_unknown. learn: photographs that a classifier of quarter turns learns from
    (the model's own training photographs), for the rotation scores. out: the run's folder, by default runs/ood-KNOWN;
    the same command goes on in it. Raises BadInput for a model that is no classifier of two classes or more, unknown
    perturbations, sets that known_and_unknown refuses, and fewer than ten answered pictures in a set.
    """
    _check_asked(perturbations, level)
    path, card = resolve(model, progress=progress)
    classes = _classes(path, card)
    sets = known_and_unknown(known, unknown, card=card, most=most)
    folder = out or default_folder(known)
    learnt = _learnt(learn, sets) if learn else []
    with run_of_sets(sets, folder) as run:
        turner = _turner(run, model, learnt, progress) if learn else None
        table = predict_perturbed(run, path, card, perturbations, workers=workers, progress=progress)
        turned = predict_perturbed(run, *turner, TURNS, workers=workers, progress=progress) if turner else None
        of_set = {scene: name for name, told in (run.note(NOTE) or {}).items() for scene in told["scenes"]}
    if table["label_2"].isna().all() and (table["error"].fillna("") == "").any():
        raise BadInput(f"{model}: expected a classifier of two classes or more, got one: nothing can be unsure")
    progress("scores", 0, 0, "")
    rows = score_rows(table, perturbations, classes=classes, turned=turned)
    rows.insert(0, "set", rows["scene"].map(of_set))
    rows.insert(1, "unknown", rows["set"] != KNOWN)
    answered = rows[rows["problem"] == ""].reset_index(drop=True)
    _check_answered(rows, answered)
    scores = list(asked_scores(classes=classes, rotation=turned is not None))
    tables = study(answered, scores, level=level)
    failed = rows[rows["problem"] != ""]
    result: dict[str, Any] = {
        "run": str(folder),
        "model": card.name,
        "classes": classes,
        "sets": {one.name: {"asked": one.asked, "pictures": len(one.scenes)} for one in sets},
        "perturbations": list(perturbations),
        "learnt": {"asked": learn, "photographs": len(learnt)} if learn else None,
        "level": level,
        "accepted_of_known": ACCEPTED,
        "pooled": ALL if len(sets) > 2 else sets[1].name,
        "words": {name: WORDS[name] for name in scores},
        "areas": to_json(tables.areas),
        "differences": to_json(tables.differences),
        "medians": to_json(tables.medians),
        "left_out": len(failed),
        "failures": [f"{row.scene}: {row.problem}" for row in failed.head(MOST_FAILURES).itertuples()],
    }
    return Measured(result, rows, tables)


def _check_asked(perturbations: Sequence[str], level: float) -> None:
    if not perturbations or len(set(perturbations)) < len(perturbations):
        raise BadInput(f"--perturbations: expected one or more, each once, got {', '.join(perturbations) or 'none'}")
    for name in perturbations:
        chain(name)
    if not 0 < level < 1:
        raise BadInput(f"--level: expected a share between 0 and 1, got {level:g}")


def _classes(path: Path, card: Sidecar) -> int | None:
    if not card.labels:
        return None
    classes = len(read_labels(path.parent / card.labels))
    if classes < 2:
        raise BadInput(f"{path.name}: expected a classifier of two classes or more, got {classes}")
    return classes


def _learnt(learn: str, sets: Sequence[Any]) -> list[Path]:
    """The photographs to learn turns from; raises BadInput where some of them are known or unknown pictures too."""
    from device_agents.hashing import hash_file

    files = photographs(learn)
    asked = {scene.sha256: scene.scene for one in sets for scene in one.scenes}
    shared = [asked[digest] for digest in map(hash_file, files) if digest in asked]
    if shared:
        raise BadInput(
            f"--learn: expected other photographs than are asked about, got {shared[0]} and {len(shared)} such"
        )
    return files


def _turner(run: Run, model: str, learnt: Sequence[Path], progress: Progress) -> tuple[Path, Sidecar]:
    """Learn to tell turns, or take up what was learnt; before any prediction, since not every model has a front."""
    from stability_train.rotation_classifier import rotation_classifier

    said = partial(progress, "rotation classifier", 0, 0)
    return rotation_classifier(model, learnt, folder=run.folder / CLASSIFIERS, progress=said)


def _check_answered(rows: pd.DataFrame, answered: pd.DataFrame) -> None:
    """Refuse a set that failures left with too few pictures, naming the first reason."""
    for name, part in rows.groupby("set", sort=False):
        kept = int((answered["set"] == name).sum())
        if kept < LEAST:
            why = part.loc[part["problem"] != "", "problem"].iloc[0]
            raise BadInput(f"{name}: expected {LEAST} answered pictures or more, got {kept} of {len(part)}: {why}")
