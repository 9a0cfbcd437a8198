"""Runs a suite: pictures x its perturbations through the grid into an ordinary run, and the numbers of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.repeatability.suites import Suite
from analysis.run_folder.frames import PREDICTION_COLUMNS
from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.predict import default_environment
from device_agents.records import Environment
from device_agents.sidecar import Sidecar
from hostctl.grid import Assignment, predict_run
from hostctl.pictures.file_runs import run_of_files
from hostctl.pictures.prepared import as_prepared
from hostctl.predictions.label_gaps import label_gaps
from hostctl.printing import Progress, silent
from hostctl.suites.asked import check_models, environments, pick_suite
from hostctl.suites.frozen import MANIFEST, FrozenSet, check_same

if TYPE_CHECKING:
    import pandas as pd

AS_SHOT = ("", "")  # neither an ISP nor a codec made the pictures
MOST_LISTED = 50


@dataclass(frozen=True)
class Measured:
    """What a suite found: the result as values, the numbers (analysis.repeatability), and their curves."""

    result: dict[str, Any]
    numbers: pd.DataFrame
    curves: pd.DataFrame


def measure_suite(
    name: str,
    models: Sequence[str],
    *,
    scenes: Path | None = None,
    run: Path | None = None,
    out: Path | None = None,
    most: int | None = None,
    families: Sequence[str] = (),
    decoder: str = "pillow",
    level: float = 0.95,
    baseline: str = "",
    workers: int = 1,
    progress: Progress = silent,
) -> Measured:
    """Predict pictures under a suite's perturbations with each model, and give every measure with its interval.

    scenes: a folder or CSV, predicted into ``out`` (by default runs/suite-SCENES; ``most``: so many of the pictures,
    chosen by their hashes). run: a run instead, whose photographs are predicted in place, each device apart. families:
    of the suite's, all where none are named. baseline: the model that others are also told relative to (default: the
    first). A frozen set (hostctl.suites.frozen) is checked first, and named in the result. What is there already is not
    predicted again. Raises BadInput for unknown names, models that the suite does not fit, and where both or none of
    scenes and run are given.
    """
    from stability_train.zoo import resolve_model

    suite = pick_suite(name, families)
    if (scenes is None) == (run is None):
        raise BadInput("expected pictures: --scenes FOLDER or CSV, or --run RUN, and not both")
    if run is not None and (out is not None or most is not None):
        raise BadInput("--run: its photographs are predicted in that run; expected no --out and no --limit with it")
    known = [resolve_model(model, progress=partial(progress, "model", 0, 0)) for model in models]
    check_models(suite, known)
    frozen = _frozen(scenes, progress)
    with _opened(frozen.scenes if frozen else scenes, run, out, most) as opened:
        bases = [_base(opened, path, card, decoder) for path, card in known]
        for (path, card), base in zip(known, bases, strict=True):
            said = partial(progress, f"predictions of {card.name}" if len(known) > 1 else "predictions")
            work = [Assignment(tuple(environments(base, suite)), made=AS_SHOT)]
            predict_run(opened, path, card, work, workers=workers, progress=said)
        table = suite_table(opened, suite, bases)
        folder, gaps = opened.folder, label_gaps(opened.scenes(), known)
    found = measured(table, suite, level=level, run=folder, baseline=baseline)
    found.result.update(_of_frozen(frozen, suite), label_gaps=gaps)
    return found


def suite_table(run: Run, suite: Suite, bases: Sequence[Environment]) -> pd.DataFrame:
    """Give the predictions of a suite in some base environments, pictures as they were shot, models in their order."""
    order = {one.environment: place for place, base in enumerate(bases) for one in environments(base, suite)}
    table = run.predictions(PREDICTION_COLUMNS)
    table = table[table["environment"].isin(list(order)) & (table["isp"] == "") & (table["codec"] == "")]
    if table.empty:
        raise BadInput(f"{run.folder}: expected photographs, got none; `instability develop` makes pictures of raws")
    return table.iloc[table["environment"].map(order).argsort(kind="stable")].reset_index(drop=True)


def measured(table: pd.DataFrame, suite: Suite, *, run: Path, level: float = 0.95, baseline: str = "") -> Measured:
    """Give the numbers and curves of a suite's predictions, each device's pictures apart; baseline as measure_suite."""
    import pandas as pd

    from analysis.repeatability.curves import curves
    from analysis.repeatability.numbers import suite_numbers

    failed = table.loc[table["error"].fillna("") != "", ["picture", "perturbation", "error"]]
    if len(failed) == len(table):
        raise BadInput(f"{run}: expected answers, got none: {failed['error'].iloc[0]}")
    devices = {str(name): part.reset_index(drop=True) for name, part in table.groupby("device", sort=False)}
    of_all = [
        pd.concat([make(part, suite, level=level).assign(device=name) for name, part in devices.items()])
        for make in (suite_numbers, curves)
    ]
    numbers, steps = (found.reset_index(drop=True) for found in of_all)
    models = [str(model) for model in dict.fromkeys(numbers["model"])]
    if not baseline and len(models) > 1:
        baseline = models[0]
    result = {
        "suite": suite.name,
        "about": suite.about,
        "run": str(run),
        "models": models,
        "devices": list(devices),
        "pictures": int(table["picture"].nunique()),
        "clusters": int(table["cluster"].nunique()),
        "families": {family.name: list(family.perturbations) for family in suite.families},
        "level": level,
        "accuracy": [{"device": name, **row} for name, part in devices.items() for row in _accuracy(part, level)],
        "rows": numbers.to_dict("records"),
        "baseline": baseline,
        "relative": [
            {"device": name, **row} for name, part in devices.items() for row in _relative(part, suite, baseline, level)
        ],
        "predictions": len(table),
        "failed": len(failed),
        "failures": _failures(failed)[:MOST_LISTED],
    }
    return Measured(result, numbers, steps)


def _failures(failed: pd.DataFrame) -> list[str]:
    """A line a picture and reason: the perturbation, or how many of them failed for it."""
    lines = []
    for (picture, error), part in failed.groupby(["picture", "error"], sort=False):
        which = f", {part['perturbation'].iloc[0] or 'as it is'}" if len(part) == 1 else f" ({len(part)} predictions)"
        lines.append(f"{picture}{which}: {error}")
    return lines


def _relative(table: pd.DataFrame, suite: Suite, baseline: str, level: float) -> list[dict[str, Any]]:
    """Every other model's numbers relative to the baseline's on a device's pictures; [] without a baseline."""
    from analysis.repeatability.relative import relative_numbers

    if not baseline:
        return []
    found = relative_numbers(table, suite, baseline=baseline, level=level)
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def _frozen(scenes: Path | None, progress: Progress) -> FrozenSet | None:
    """Check a frozen set, where the scenes are one: a score of other pixels would not compare."""
    folder = scenes if scenes is None or scenes.is_dir() else scenes.parent
    if folder is None or not (folder / MANIFEST).is_file():
        return None
    return check_same(folder, progress=partial(progress, "frozen set"))


def _of_frozen(frozen: FrozenSet | None, suite: Suite) -> dict[str, Any]:
    """Name the frozen set ("" for none), and the suite's perturbations that it does not fix."""
    if frozen is None:
        return {"frozen": "", "not_frozen": []}
    return {
        "frozen": frozen.sha256,
        "not_frozen": [name for name in suite.perturbations if name not in frozen.perturbations],
    }


def _opened(scenes: Path | None, run: Path | None, out: Path | None, most: int | None) -> Run:
    if run is not None:
        return Run.open(run)
    assert scenes is not None
    return run_of_files(scenes, out, name="suite", most=most)


def _base(run: Run, path: Path, card: Sidecar, decoder: str) -> Environment:
    view = "rectified-pillow" if run.steps() else "whole"
    return as_prepared(default_environment(card, path, decoder=decoder, view=view), card, run.note("prepared"))


def _accuracy(table: pd.DataFrame, level: float) -> list[dict[str, Any]]:
    """Each model's accuracy on a device's pictures as they are."""
    from analysis.accuracy import accuracy
    from analysis.repeatability.answers import answers

    rows = []
    for found in answers(table):
        clean = found.table[found.table["perturbation"] == ""]
        row = accuracy(clean.assign(all="all"), by="all", level=level).iloc[0]
        ends = {end: float(row[end]) for end in ("low", "high")}
        rows.append({"model": found.model, "value": float(row["accuracy"]), **ends})
    return rows
