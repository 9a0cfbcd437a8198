"""The closed loop: train, export, predict again on objects never trained on, and say whether the gain is real.

Everything stays in the folder of the training: baselines/NAME, run (which `instability report` reads), report.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput
from hostctl.printing import Progress, silent
from hostctl.trainings.calibration_cost import COUNTS, calibration_cost
from hostctl.trainings.judged_run import Judged, judge_models, judged_files, loop_run, scheme_table
from hostctl.trainings.schemes import TRAINED, UNTOUCHED, Scheme, scheme_folder, schemes
from hostctl.trainings.training import Sides, divide_photos, objects_aside, train_run, train_sides
from stability_train.fine_tuned import FORMATS
from stability_train.judging import model_classes
from stability_train.settings import Settings, settings_from
from stability_train.zoo import resolve_model

FEATURES, RUN = "features", "run"


def train(
    source: Path,
    *,
    out: Path,
    settings: Mapping[str, Any],
    report: bool = False,
    test_share: float = 0,
    int8: int = 0,
    seeds: int = 1,
    calibration_device: str = "",
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Do what `instability train` asks for: a training alone, or with ``report`` the closed loop.

    test_share: of each class's objects, put aside for the report. Raises BadInput, before the first step.
    """
    asked = settings_from(settings)
    if not report and (seeds != 1 or calibration_device):
        raise BadInput("--seeds and --calibration-cost are parts of the report: add --report")
    held_out = objects_aside(source, asked, test_share) if test_share else []
    if not report:
        return train_run(source, out=out, settings=settings, held_out=held_out, int8=int8, progress=progress)
    return close_loop(
        source,
        out=out,
        settings=settings,
        held_out=held_out,
        int8=int8,
        seeds=seeds,
        calibration_device=calibration_device,
        workers=workers,
        progress=progress,
    )


def close_loop(
    source: Path,
    *,
    out: Path,
    settings: Mapping[str, Any],
    held_out: Sequence[str] = (),
    int8: int = 0,
    seeds: int = 1,
    calibration_device: str = "",
    counts: Sequence[int] = COUNTS,
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train with settings and its baselines, predict the held-out objects of a run on all its devices, and compare.

    source: a run of at least two devices. held_out: objects that no training sees; without any the validation photos
    are judged, which no training learns from. seeds: how many trainings each scheme has, with the seeds that follow
    settings.seed; the division stays that of the first. calibration_device: also draw the calibration-cost curve for
    this device, for these counts of photographs a class (hostctl.trainings.calibration_cost). Gives what
    closing_report.write_loop gives, with out, run (paths) and trainings (folder within out -> what train_run gives).
    Raises BadInput.
    """
    from hostctl.trainings.closing_report import write_loop

    asked = settings_from(settings)
    check_loop(source, asked, held_out=held_out, seeds=seeds, calibration_device=calibration_device)
    sides = divide_photos(source, asked, held_out=held_out)
    models: list[Judged] = []
    trainings: dict[str, Any] = {}
    for scheme in schemes(asked):
        for seed in range(asked.seed, asked.seed + seeds):
            first = scheme.name == TRAINED and seed == asked.seed
            folder = scheme_folder(out, scheme.name, seed - asked.seed)
            made = train_sides(
                sides,
                out=folder,
                settings=replace(scheme.settings, seed=seed),
                formats=FORMATS if first else FORMATS[:1],
                int8=int8 if first else 0,
                features=out / FEATURES,
                progress=partial(_named, progress, scheme, seed if seeds > 1 else None),
            )
            trainings[str(folder.relative_to(out))] = made
            models += judged_files(scheme, seed, made)
    models += _untouched(asked, sides, progress)
    with loop_run(source, out / RUN, sides) as run:
        judge_models(run, models, workers=workers, progress=progress)
        table = scheme_table(run)
    curve = None
    if calibration_device:
        curve = calibration_cost(
            source,
            out=out,
            settings=asked,
            device=calibration_device,
            held_out=held_out,
            counts=counts,
            seeds=seeds,
            features=out / FEATURES,
            workers=workers,
            progress=progress,
        )
    found = write_loop(out, table, settings=asked, source=source, trainings=trainings, curve=curve)
    return {"out": str(out), "run": str(out / RUN), "trainings": trainings, **found}


def check_loop(
    source: Path, settings: Settings, *, held_out: Sequence[str] = (), seeds: int = 1, calibration_device: str = ""
) -> None:
    """Raise BadInput unless the source is a run of two devices or more and some objects are left to judge by."""
    if seeds < 1:
        raise BadInput(f"seeds: expected 1 or more, got {seeds}")
    if not (source / "ledger.sqlite").is_file():
        raise BadInput(
            f"--report: expected a run with pictures of several devices, got {source}; for pictures without devices "
            "train without --report, then `instability predict --scenes PICTURES --model OUT/model.tflite --vary ...`"
        )
    if settings.validation_share == 0 and not held_out:
        raise BadInput("--report: expected objects to judge by, got none: a validation share above 0, or a test share")
    with Run.open(source, write=False) as run:
        shot = (one for one in run.picture_records({"isp": "", "codec": ""}) if one.suffix not in RAW_SUFFIXES)
        devices = sorted({one.device for one in shot})
    if len(devices) < 2:
        raise BadInput(f"--report: expected a run of two devices or more, got {', '.join(devices) or 'none'}")
    if calibration_device and (not settings.device or calibration_device in ("", settings.device)):
        raise BadInput(
            f"--calibration-cost: expected another device than the clean --device, got {calibration_device} and "
            f"{settings.device or 'none'}"
        )
    if calibration_device and calibration_device not in devices:
        raise BadInput(f"--calibration-cost: expected one of {', '.join(devices)}, got {calibration_device}")


def _untouched(settings: Settings, sides: Sides, progress: Progress) -> list[Judged]:
    """The base model with its own head, where it knows a label of the judged photos."""
    path, card = resolve_model(settings.model, progress=partial(progress, "model", 0, 0))
    if not card.labels:
        return []
    accepted = {label for one in (sides.held_out or sides.validation) for label in one.labels}
    if not accepted & set(model_classes(card)):
        return []
    return [Judged(UNTOUCHED, f"{card.name}, untouched", settings.seed, path.suffix.removeprefix("."), path, card)]


def _named(progress: Progress, scheme: Scheme, seed: int | None, stage: str, done: int, total: int, note: str) -> None:
    """Say which training the words are about."""
    name = scheme.name if seed is None else f"{scheme.name} {seed}"
    progress(f"{name}: {stage}" if stage in ("training", "epoch") else stage, done, total, note)
