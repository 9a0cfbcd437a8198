"""The calibration-cost curve: how steady a model becomes with so many photographs a class of a new phone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from device_agents.errors import BadInput
from hostctl.printing import Progress, silent
from hostctl.trainings.judged_run import Judged, judge_models, judged_files, loop_run, scheme_table
from hostctl.trainings.schemes import Scheme, plain
from hostctl.trainings.training import Sides, divide_photos, train_sides
from stability_train.fine_tuned import FORMATS
from stability_train.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

COUNTS = (0, 1, 2, 5, 10, 20)
FOLDER = "calibration"


def calibration_cost(
    source: Path,
    *,
    out: Path,
    settings: Settings,
    device: str,
    held_out: Sequence[str] = (),
    counts: Sequence[int] = COUNTS,
    seeds: int = 1,
    features: Path | None = None,
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train on settings.device with 0, 1, 2, ... photographs a class of ``device`` as noise, and judge both devices.

    The noise is subsample: a random one of those photographs, usually of another object, as in the paper; 0 is plain
    fine-tuning. The division is that of settings. Gives device, left_out (counts that the new phone has too few
    photographs for) and frame: photographs, rate, low, high (instability between both devices on objects that no
    training learnt from), items, difference to none with difference_low and difference_high, p, accuracy on the new
    device with its interval. Raises BadInput where settings name no clean device, or the same.
    """
    if not settings.device or device == settings.device:
        raise BadInput(
            f"calibration cost: expected a clean --device and another one, got '{settings.device}' and '{device}'"
        )
    asked = replace(settings, noise="subsample", partner=device, strength=None, mixing="none")
    sides = divide_photos(source, asked, held_out=held_out)
    most = _fewest(sides, device)
    models: list[Judged] = []
    for count in [one for one in counts if one <= most]:
        scheme = _scheme(settings, asked, count)
        for seed in range(settings.seed, settings.seed + seeds):
            made = train_sides(
                sides,
                out=_folder(out, device, count, seed - settings.seed),
                settings=replace(scheme.settings, seed=seed),
                formats=FORMATS[:1],
                features=features,
                progress=partial(_named, progress, count),
            )
            models += judged_files(scheme, seed, made)
    with loop_run(source, out / FOLDER / device / "run", sides, devices=(settings.device, device)) as run:
        judge_models(run, models, workers=workers, progress=progress)
        table = scheme_table(run)
    frame = _frame(table, settings, device)
    return {"device": device, "left_out": [one for one in counts if one > most], "frame": frame}


def _fewest(sides: Sides, device: str) -> int:
    """How many photographs of the new device the class with the fewest has to train on."""
    return min(Counter(one.label for one in sides.training if one.device == device).values(), default=0)


def _scheme(settings: Settings, asked: Settings, count: int) -> Scheme:
    wanted = replace(asked, subsample=count) if count else plain(settings)
    return Scheme(str(count), f"{count} photographs a class", wanted)


def _folder(out: Path, device: str, count: int, repeat: int) -> Path:
    return out / FOLDER / device / (f"{count}-seed-{repeat}" if repeat else str(count))


def _frame(table: pd.DataFrame, settings: Settings, device: str) -> pd.DataFrame:
    from analysis import gains

    sets = gains.device_sets([settings.device, device], clean=settings.device, partner=device)
    rows = gains.instability_rows(table, sets).rename(columns={"scheme": "count"})
    rows.insert(0, "photographs", rows.pop("count").astype(int))
    rows = rows.sort_values("photographs", ignore_index=True).drop(columns=["label", "seen", "any"])
    found = gains.accuracy_rows(table)
    found = found[found["device"] == device].set_index(found.loc[found["device"] == device, "scheme"].astype(int))
    for name, column in (("accuracy", "accuracy"), ("accuracy_low", "low"), ("accuracy_high", "high")):
        rows[name] = rows["photographs"].map(found[column])
    told: dict[int, dict[Any, Any]] = {}
    for count in rows["photographs"][rows["photographs"] > 0]:
        both = table[table["scheme"].isin(["0", str(count)])]
        rng = np.random.default_rng([settings.seed, count])
        tested = gains.instability_tests(both, sets, trained=str(count), rng=rng)
        told[int(count)] = tested.iloc[0][["difference", "low", "high", "p"]].to_dict() if len(tested) else {}
    for name, column in (
        ("difference", "difference"),
        ("difference_low", "low"),
        ("difference_high", "high"),
        ("p", "p"),
    ):
        rows[name] = [told.get(int(one), {}).get(column, float("nan")) for one in rows["photographs"]]
    return rows


def _named(progress: Progress, count: int, stage: str, done: int, total: int, note: str) -> None:
    name = f"{count} a class"
    progress(f"{name}: {stage}" if stage in ("training", "epoch") else stage, done, total, note)
