"""From a run to its summary and its report: reads the store, calls the analysis, and loads the pictures it shows."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder import judgements
from analysis.run_folder.files import write_whole
from analysis.run_folder.homes import at_home
from analysis.store import Run
from capture.scene_truth import strange_classes
from capture.screen import rectify
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.records import Environment
from hostctl.predictions.label_names import read_names
from hostctl.predictions.objects import model_classes, of_known_classes

if TYPE_CHECKING:
    import pandas as pd

    from analysis.pages.formats import Findings
    from analysis.tables import Study

MOST_LISTED = 50
PASSING = ("free_bytes", "temperature_c", "utc", "monotonic_s")  # of a moment, not of a device
LIBRARIES = ("instability-kit", "numpy", "pillow", "opencv-python-headless", "ai-edge-litert", "onnxruntime", "pandas")


def summarise(run: Run) -> dict[str, Any]:
    """What a run amounts to: the numbers of analysis.tables, what is missing, what failed; all of it fits JSON."""
    missing = [step.key for step in run.steps_missing(sys.maxsize)]
    failures = [f"{row.where}: {row.reason}" for row in run.failures().itertuples()]
    predictions = in_order(run)
    numbers = (
        _studied(run, predictions).summary if len(predictions) else {"scenes": len(run.scenes()), "predictions": 0}
    )
    attempts = run.attempts()
    return {
        "run": str(run.folder),
        **numbers,
        "pictures": run.summary()["pictures"],
        "retaken": int((attempts["status"] == "rejected").sum()),
        "photographs_missing": len(missing),
        "missing_steps": missing[:MOST_LISTED],
        "failures": failures[-MOST_LISTED:],
        **({"drift": told} if (told := run.note("drift") or {}).get("signals") else {}),
        "virtual": is_virtual(run),
    }


def report_run(
    folder: Path,
    *,
    across: Sequence[str] = (),
    item: Sequence[str] = ("scene", "angle", "repeat"),
    top_n: int = 1,
    formats: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a run's report and give its summary with the path as "report".

    With ``across`` (columns of the predictions table, such as angle or repeat) the instability between those
    conditions is added as "cut", for the items that ``item`` names, right if among the first ``top_n`` labels.
    ``formats``: keys of analysis.pages.formats.FORMATS that are written beside it; "files" has their paths by name.
    Raises BadInput if the run has no predictions, or no such column or format.
    """
    from analysis.pages.formats import FORMATS
    from analysis.report import write_report

    writers = {name: pick(FORMATS, name, what="format") for name in formats}
    with Run.open(folder, write=False) as run:
        told = findings(run)
        path = write_report(
            folder / "report",
            study=told.study,
            load_picture=_Pictures(run),
            load_scene=_Scenes(run),
            names=told.names,
            provenance=_provenance(run),
            failures=told.failures,
            sections=told.sections,
            lacking=told.lacking,
            answers=told.answers,
            title=told.title,
            virtual=told.virtual,
        )
        files = {}
        for name, (file, write) in writers.items():
            write_whole(folder / "report" / file, write(told).encode("utf-8"))
            files[name] = str(folder / "report" / file)
        cut = {"cut": _cut(in_order(run), told.study.table, across, item, top_n)} if across else {}
        return {**summarise(run), **cut, "report": str(path), "files": files}


def report_text(folder: Path, form: str) -> str:
    """Give a run's report in a form of analysis.pages.formats.FORMATS as text; nothing is written.

    Raises BadInput for an unknown form, or a run without predictions.
    """
    from analysis.pages.formats import FORMATS

    _, write = pick(FORMATS, form, what="format")
    with Run.open(folder, write=False) as run:
        return write(findings(run))


def findings(run: Run) -> Findings:
    """Work out all that a report of the run tells; raises BadInput if it has no predictions."""
    from analysis.pages.answer_pictures import DRAWERS, answers_of
    from analysis.pages.formats import Findings
    from analysis.pages.repeatability_section import as_shown, repeatability_sections
    from analysis.pages.sections import NOTED, make_sections
    from analysis.pages.task_sections import task_sections
    from analysis.task_rows import task_of, task_rows

    answered = _answered(run)
    if answered.empty:
        raise BadInput(
            f"{run.folder}: expected predictions, got none; run `instability predict {run.folder} --model NAME`"
        )
    task, predictions = task_of(answered), task_rows(answered)
    found = _studied(run, predictions)
    notes = {name: run.note(name) for name in NOTED}
    of_task, more = task_sections(found, answered, task=task)
    repeated, less = repeatability_sections(answered, task=task)
    classes = model_classes(run)
    more += [f"{one}: its objects do not count" for one in strange_classes(run.scenes(), classes) if classes]
    sections, lacking = make_sections(found, predictions=as_shown(predictions), notes=notes)
    made, told = [*repeated, *of_task, *sections], [*less, *more, *lacking]
    title = str(run.settings.get("lab", run.folder.name))
    drawn = answers_of(answered, task=task) if task in DRAWERS and found.summary.get("unit") == "object" else None
    names, virtual = read_names(run.folder), is_virtual(run)
    return Findings(title, found, made, told, _failures(run), names, virtual, drawn)


def _studied(run: Run, predictions: pd.DataFrame) -> Study:
    """The study of a run's predictions; an imported table says itself whether it compares devices or conditions."""
    from analysis.pages.repeatability_section import as_shown
    from analysis.tables import study

    found = study(as_shown(predictions))
    if (run.note("imported") or {}).get("compared") == "condition":
        return replace(found, summary={**found.summary, "compared": "environment"})
    return found


def in_order(run: Run) -> pd.DataFrame:
    """The verdicts at home, devices in the order of their places on the mount, whichever photograph came first.

    A row is a prediction, or an object of one where the model's task answers boxes or masks and scenes have a truth.
    """
    from analysis.task_rows import task_rows

    return task_rows(_answered(run))


def _answered(run: Run) -> pd.DataFrame:
    """The predictions in that order, with their whole answers."""
    from analysis.run_folder.frames import PREDICTION_COLUMNS, TEXTS

    found = at_home(run.predictions([*PREDICTION_COLUMNS, *TEXTS]))
    found = found.sort_values(["order", "place", "picture"], ignore_index=True)
    return of_known_classes(found, run)


def is_virtual(run: Run) -> bool:
    """Whether any device of the run was simulated."""
    return any(str(device.get("kind", "")).startswith("virtual") for device in run.settings.get("device", []))


def _cut(
    predictions: pd.DataFrame, told: pd.DataFrame, across: Sequence[str], item: Sequence[str], top_n: int
) -> dict[str, Any]:
    """Compare other conditions than devices; told: the predictions that the report is about."""
    from analysis.instability import instability

    unknown = [name for name in (*across, *item) if name not in predictions.columns]
    if unknown:
        raise BadInput(f"unknown columns {', '.join(unknown)}; known: {', '.join(predictions.columns)}")
    fixed = tuple(name for name in item if name not in across)
    if "device" not in across and "device" not in fixed:
        fixed = (*fixed, "device")
    table = _otherwise_alike(predictions, told, {*across, *fixed})
    result = instability(table, across=list(across), item=list(fixed), top_n=top_n)
    interval = result.interval()
    return {
        "across": list(across),
        "item": list(fixed),
        "top_n": top_n,
        "rate": result.rate if result.items else None,
        "interval": [interval.low, interval.high],
        "items": result.items,
        "unstable": result.unstable,
    }


def _otherwise_alike(predictions: pd.DataFrame, told: pd.DataFrame, named: set[str]) -> pd.DataFrame:
    """Keep the predictions that differ from those told in the named columns only.

    An ISP or a codec that is not named is the told one; where that has nothing to compare (codecs of raw pictures all
    have an ISP), the one with most values in the named columns.
    """
    from analysis.run_folder.homes import SETUP

    first = told.iloc[0]
    kept = predictions
    for name in SETUP:
        if name not in named:
            kept = kept[kept[name] == first[name]]
    making = ("isp", "codec")
    for name in (one for one in making if one not in named):
        values = kept.groupby(name, observed=True)[[one for one in making if one in named]].nunique().sum(axis=1)
        most = values[values == values.max()]
        chosen = first[name] if first[name] in most.index or not len(most) else most.index[0]
        kept = kept[kept[name] == chosen]
    return kept


class _Pictures:
    """Loads the scene rectified out of a picture by its name, or the picture itself where it has no corners."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __call__(self, picture: str) -> RGB | None:
        for record in self._run.picture_records({"picture": picture}):
            rgb = DECODERS["pillow"](self._run.file(record.crop_sha256 or record.sha256).read_bytes())
            return rgb if record.crop_sha256 or not record.corners else rectify(rgb, record.corners)
        return None


class _Scenes:
    """Loads what was shown, from the scene's own file; None if that has moved or changed."""

    def __init__(self, run: Run) -> None:
        self._files = {scene.scene: Path(scene.file) for scene in run.scenes()}

    def __call__(self, scene: str) -> RGB | None:
        path = self._files[scene]
        return DECODERS["pillow"](path.read_bytes()) if path.is_file() else None


def _provenance(run: Run) -> Mapping[str, Any]:
    """Where the numbers come from: devices, environments, the host's versions, what was asked."""
    import pandas as pd

    devices = run.devices()
    told = [
        {"device": name, "clock_offset_s": round(offset_s, 3)}
        | {
            key: value
            for key, value in info.items()
            if isinstance(value, (str, int, float)) and key not in ("device", *PASSING)
        }
        for name, info, offset_s in zip(devices["device"], devices["info"], devices["clock_offset_s"], strict=True)
    ]
    settings = run.settings
    return {
        "Devices": pd.DataFrame(told),
        "Environments": pd.DataFrame([{"environment": one.environment, **_fields(one)} for one in run.environments()]),
        "Host": {"python": platform.python_version(), "system": platform.platform(), **_versions()},
        "Session": {**settings.get("session", {}), "run": run.folder.name, **_judges(run)},
        "Command": " ".join(["instability", *sys.argv[1:]]),
    }


def _judges(run: Run) -> dict[str, str]:
    """Who judged how many answers by hand; nothing where nobody did."""
    kept: judgements.Judged = run.note(judgements.NOTE) or {}
    by = [f"{sum(map(len, scenes.values()))} by {name}" for name, scenes in kept.items()]
    return {"answers judged by hand": ", ".join(by)} if by else {}


def _fields(environment: Environment) -> dict[str, Any]:
    return {**asdict(environment), "model_sha256": environment.model_sha256[:12]}


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _failures(run: Run) -> pd.DataFrame | None:
    """Refused and failed photographs, failed predictions and devices, with their reasons; None if there are none."""
    import pandas as pd

    attempts = run.attempts()
    bad = attempts[attempts["status"] != "ok"]
    rows = [{"what": f"photograph {row.step} ({row.status})", "reason": row.reason} for row in bad.itertuples()]
    rows += [{"what": row.where, "reason": row.reason} for row in run.failures().itertuples()]
    table = run.predictions(["picture", "error"])
    failed = table[table["error"].fillna("") != ""]
    rows += [{"what": f"prediction of {row.picture}", "reason": row.error} for row in failed.itertuples()]
    return pd.DataFrame(rows) if rows else None
