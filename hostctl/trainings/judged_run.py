"""The run of a closed loop: the held-out objects' pictures by all devices, predicted by every trained model's files.

It is a run like any other: `instability report` reads it too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.predict import default_environment
from device_agents.sidecar import Sidecar, read_sidecar
from hostctl.grid import Assignment, predict_run
from hostctl.pictures.prepared import as_prepared
from hostctl.printing import Progress
from hostctl.trainings.schemes import UNTOUCHED, Scheme
from hostctl.trainings.training import Sides
from stability_train.judging import model_classes

if TYPE_CHECKING:
    import pandas as pd

NOTE = "training"  # of the run: environment -> which scheme, seed and format it is
TOLD = ("scheme", "label", "seed", "format")
COLUMNS = (
    *("picture", "scene", "angle", "repeat", "device", "cluster", "category", "labels", "environment"),
    *("label_1", "score_1", "error", "verdict"),
)


@dataclass(frozen=True)
class Judged:
    """A model file that predicts in the loop: which scheme it is of, with which seed, in which format."""

    scheme: str
    label: str
    seed: int
    format: str
    path: Path
    card: Sidecar


def judged_files(scheme: Scheme, seed: int, made: Mapping[str, Any]) -> list[Judged]:
    """Give the files for devices that a training left, as train_sides gives it."""
    found = []
    for kind in [one for one in made["files"] if one != "keras"]:
        path = Path(made["files"][kind])
        card = read_sidecar(path)
        card = replace(card, labels=str((path.parent / card.labels).absolute()))
        found.append(Judged(scheme.name, scheme.label, seed, kind, path, card))
    return found


def loop_run(source: Path, folder: Path, sides: Sides, *, devices: Sequence[str] = ()) -> Run:
    """Make or reopen the run of the objects that are judged, with their pictures as shot by the devices (none: all)."""
    wanted = {one.cluster for one in (sides.held_out or sides.validation)}
    with Run.open(source, write=False) as there:
        scenes = [one for one in there.scenes() if one.cluster in wanted]
        names = {one.scene for one in scenes}
        run = Run.open_or_create(folder, settings=there.settings, scenes=scenes)
        try:
            run.add_steps([one for one in there.steps() if one.scene in names and _among(one.device, devices)])
            for row in there.devices().to_dict("records"):
                run.add_device(row["device"], row["info"], row["clock_offset_s"])
            _copy_pictures(there, run, names, devices)
            run.set_note("prepared", there.note("prepared"))
        except BaseException:
            run.close()
            raise
    return run


def judge_models(run: Run, models: Sequence[Judged], *, workers: int, progress: Progress) -> None:
    """Predict all of the run's pictures with each model file, and note which environment is whose."""
    view = "rectified-pillow" if run.steps() else "whole"
    for number, one in enumerate(models):
        environment = default_environment(one.card, one.path, view=view)
        environment = as_prepared(environment, one.card, run.note("prepared"))
        told: dict[str, Any] = {name: getattr(one, name) for name in TOLD}
        told["place"] = number
        if one.scheme == UNTOUCHED:
            told["classes"] = list(model_classes(one.card))
        run.set_note(NOTE, {**(run.note(NOTE) or {}), environment.environment: told})
        progress("models judged", number, len(models), "")
        said = partial(progress, "predictions")
        predict_run(run, one.path, one.card, [Assignment((environment,))], workers=workers, progress=said)
    progress("models judged", len(models), len(models), "")


def scheme_table(run: Run) -> pd.DataFrame:
    """Give the run's predictions with the columns scheme, label, seed and format of the model that made each, in order.

    Of the untouched model only pictures with an accepted label among its classes: it cannot be right on others.
    """
    notes = run.note(NOTE) or {}
    table = run.predictions(COLUMNS)
    table = table[table["environment"].isin(list(notes))].reset_index(drop=True)
    for name in TOLD:
        table[name] = [notes[one][name] for one in table["environment"]]
    classes = {one: frozenset(told.get("classes", ())) for one, told in notes.items()}
    fits = [
        scheme != UNTOUCHED or bool(classes[environment] & set(labels))
        for scheme, environment, labels in zip(table["scheme"], table["environment"], table["labels"], strict=True)
    ]
    places = {one: told["place"] for one, told in notes.items()}
    table = table[fits]
    return table.iloc[table["environment"].map(places).argsort(kind="stable")].reset_index(drop=True)


def _copy_pictures(there: Run, run: Run, scenes: Collection[str], devices: Sequence[str]) -> None:
    known = {one.picture for one in run.picture_records()}
    for one in there.picture_records({"isp": "", "codec": ""}):
        fits = one.scene in scenes and one.suffix not in RAW_SUFFIXES and _among(one.device, devices)
        if fits and one.picture not in known:
            hashes = filter(None, (one.sha256, one.crop_sha256, one.thumb_sha256))
            run.add_picture(one, {sha256: there.file(sha256) for sha256 in hashes})


def _among(device: str, devices: Sequence[str]) -> bool:
    return not devices or device in devices
