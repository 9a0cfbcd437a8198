"""The report of a closed loop: from its predictions to numbers, tables, figures, and the files that hold them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.run_folder.files import write_whole
from analysis.store import Run
from device_agents.errors import BadInput
from hostctl.runs.reporting import is_virtual
from hostctl.trainings.schemes import PLAIN, TRAINED, UNTOUCHED
from stability_train.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from analysis.gains import Devices
    from analysis.pages.gain_page import Loop

MAIN = "tflite"  # the format that schemes are compared in, as phones run it
REPORT = "report"


def write_loop(
    out: Path,
    table: pd.DataFrame,
    *,
    settings: Settings,
    source: Path,
    trainings: Mapping[str, Mapping[str, Any]],
    curve: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Work out what a loop's predictions say and write report/index.html, report.md and report.json into ``out``.

    table: as closing.scheme_table gives it. curve: what calibration_cost gave. Gives headline, remarks, warnings, parts
    (title, note, headings, shown, rows, aside) and pages (paths by kind).
    """
    from analysis.pages.gain_page import html_text, markdown_text
    from analysis.tables import to_json

    with Run.open(source, write=False) as run:
        virtual = is_virtual(run)
    loop = make_loop(
        table, out=out, settings=settings, source=source, trainings=trainings, curve=curve, virtual=virtual
    )
    parts = {
        part.name: {
            "title": part.title,
            "note": part.note,
            "headings": [column.heading for column in part.columns],
            "shown": part.cells(),
            "rows": to_json(part.frame),
            "aside": part.aside,
        }
        for part in loop.parts
    }
    told = {"headline": loop.headline, "remarks": list(loop.remarks), "warnings": loop.warnings, "parts": parts}
    folder = out / REPORT
    files = {"page": "index.html", "markdown": "report.md", "json": "report.json"}
    written = {
        "page": html_text(loop),
        "markdown": markdown_text(loop),
        "json": json.dumps({**told, "trainings": trainings}, indent=2) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            write_whole(folder / files[name], text.encode())
    except OSError as problem:
        raise BadInput(f"cannot write the report to {folder}: {problem.strerror}; name another folder") from problem
    return {**told, "pages": {name: str(folder / file) for name, file in files.items()}}


def make_loop(
    table: pd.DataFrame,
    *,
    out: Path,
    settings: Settings,
    source: Path,
    trainings: Mapping[str, Mapping[str, Any]],
    curve: Mapping[str, Any] | None,
    virtual: bool,
) -> Loop:
    """Work out all that the report tells; see write_loop."""
    from analysis import gains
    from analysis.pages import gain_page, gain_plots

    main = table[(table["format"] == MAIN) | (table["scheme"] == UNTOUCHED)]
    first = [one for one in (settings.device, settings.partner) if one]
    devices = [*first, *sorted(set(main["device"]) - set(first))]
    places = main.groupby("scheme", sort=False).ngroup() * len(devices) + main["device"].map(devices.index)
    main = main.iloc[places.argsort(kind="stable")]
    sets = gains.device_sets(devices, clean=settings.device, partner=settings.partner)
    rng = np.random.default_rng(settings.seed)
    rows = gains.instability_rows(main, sets)
    tests = gains.instability_tests(main, sets, trained=TRAINED, rng=rng)
    accuracies = gains.accuracy_rows(main)
    accuracy_tests = gains.accuracy_tests(main, trained=TRAINED, clean=settings.device)
    seen = {one: "yes" if one in (settings.device, settings.partner) else "no" for one in devices}
    if not settings.device:
        seen = dict.fromkeys(devices, "yes")
    parts = [
        gain_page.scheme_part(rows, accuracies),
        gain_page.test_part(tests),
        gain_page.accuracy_test_part(accuracy_tests),
        gain_page.device_part(accuracies, seen),
        gain_page.score_part(main),
        _formats(table, trainings["."], sets),
        *([gain_page.cost_part(curve["frame"], device=curve["device"], clean=settings.device)] if curve else []),
        gain_page.pairs_part(gains.pair_rows(main)),
        _trainings(trainings),
    ]
    plots = gain_plots.plot_gains(rows) | gain_plots.plot_precision(main)
    if curve:
        plots |= gain_plots.plot_cost(curve["frame"], device=curve["device"], clean=settings.device)
    baseline = PLAIN if PLAIN in set(tests["baseline"]) else str(tests["baseline"].iloc[0])
    return gain_page.Loop(
        title=f"{out.name}: the loop closed",
        headline=gain_page.headline(tests, baseline=baseline),
        remarks=(*_remarks(main, tests, accuracy_tests, settings, trainings, baseline), *_of_curve(curve)),
        parts=tuple(parts),
        plots=plots,
        provenance=_provenance(main, settings, source),
        virtual=virtual,
    )


def _remarks(
    main: pd.DataFrame,
    tests: pd.DataFrame,
    accuracy_tests: pd.DataFrame,
    settings: Settings,
    trainings: Mapping[str, Mapping[str, Any]],
    baseline: str,
) -> list[str]:
    from analysis.pages.gain_page import headline, told_accuracy

    told = []
    others = tests[(tests["seen"] != tests["seen"].iloc[0]) & (tests["baseline"] == baseline)]
    for name in dict.fromkeys(others["compared"]):
        told.append(headline(others[others["compared"] == name], baseline=baseline))
    told.append(told_accuracy(accuracy_tests[accuracy_tests["baseline"] == baseline].iloc[0]))
    one = trainings["."]
    judged = "held_out" if one["objects"]["held_out"] else "validation"
    chose = settings.keep == "best" or settings.patience
    told.append(
        f"Judged on {main['scene'].nunique()} scenes of {main['cluster'].nunique()} objects that no training learnt "
        "from" + (", put aside before." if judged == "held_out" else ", those of the validation.")
    )
    if judged == "validation" and chose:
        told.append("The same objects chose the epoch (`keep best` or `patience`), which flatters; use `--test-share`.")
    seeds = main["seed"].nunique()
    told.append(
        f"Each scheme was trained {seeds} times; the intervals hold objects, not seeds, to be drawn anew."
        if seeds > 1
        else "Each scheme was trained once: another seed may order them otherwise; `--seeds 3` trains each three times."
    )
    if UNTOUCHED in set(main["scheme"]):
        scenes = main.loc[main["scheme"] == UNTOUCHED, "scene"].nunique()
        told.append(f"The untouched model is compared on the {scenes} scenes with a label that it knows.")
    return told


def _of_curve(curve: Mapping[str, Any] | None) -> list[str]:
    """What the calibration-cost curve has no point for."""
    if not curve or not curve["left_out"]:
        return []
    counts = " and ".join(str(one) for one in curve["left_out"])
    return [f"{curve['device']} has not {counts} photographs of every class to train on: the curve ends before."]


def _formats(table: pd.DataFrame, trained: Mapping[str, Any], sets: list[Devices]) -> Any:
    """The files of the training asked for: how far from the Keras model, and what they answer on all devices."""
    import pandas as pd

    from analysis.accuracy import accuracy
    from analysis.gains import instability_rows
    from analysis.papers.printed_table import Column, Part

    checked = {one["format"]: one for one in trained["exported"]}
    rows = []
    for name, part in table[table["scheme"] == TRAINED].groupby("format", sort=False):
        every = instability_rows(part, sets[-1:]).iloc[0]
        right = accuracy(part.assign(device="all")).iloc[0]
        one = checked[str(name)]
        row = {"format": name, "bytes": one["bytes"], "max_difference": one["max_difference"], "flips": one["flips"]}
        row |= {"difference": f"{one['max_difference']:.2g}"}
        row |= {"pictures": one["pictures"], "accuracy": right["accuracy"], "a_low": right["low"]}
        row |= {"a_high": right["high"], "rate": every["rate"], "low": every["low"], "high": every["high"]}
        rows.append(row)
    columns = (
        Column("format", "file"),
        Column("bytes", "MB", "megabytes"),
        Column("difference", "largest difference of a logit"),
        Column("flips", "other first labels", "number"),
        Column("pictures", "of", "number"),
        Column("accuracy", "accuracy (%)", "percent", ("a_low", "a_high")),
        Column("rate", f"{sets[-1].name} (%)", "percent", ("low", "high")),
    )
    note = "Each exported file beside the Keras model on the judged photos, then predicting on all devices' pictures."
    return Part("formats", "The exported files", note, pd.DataFrame(rows), columns)


def _trainings(trainings: Mapping[str, Mapping[str, Any]]) -> Any:
    import pandas as pd

    from analysis.papers.printed_table import Column, Part

    rows = []
    for folder, one in trainings.items():
        found, settings = one["validation"], one["settings"]
        row = {"folder": folder, "noise": settings["noise"], "trainable": settings["trainable"]}
        row |= {"units": settings["embedding_units"], "seed": settings["seed"], "epochs": one["epochs"]}
        row |= {"kept": one["kept_epoch"], "seconds": one["seconds"], "waited": one["waited_share"]}
        rows.append(row | {"accuracy": found.get("accuracy"), "memory": one["peak_memory_mb"]})
    columns = (
        Column("folder", "folder"),
        Column("noise", "noise"),
        Column("trainable", "trained"),
        Column("seed", "seed", "number"),
        Column("epochs", "epochs", "number"),
        Column("kept", "kept", "number"),
        Column("accuracy", "validation accuracy (%)", "percent"),
        Column("seconds", "seconds", "number"),
        Column("waited", "waited for pictures (%)", "percent"),
        Column("memory", "peak memory (MB)", "number"),
    )
    return Part("trainings", "The trainings", "", pd.DataFrame(rows), columns, aside=True)


def _provenance(main: pd.DataFrame, settings: Settings, source: Path) -> dict[str, str]:
    told = {
        "run": source.name,
        "command": " ".join(["instability", *sys.argv[1:]]),
        "pictures": f"{main['picture'].nunique():,}",
        "scenes": f"{main['scene'].nunique():,}",
        "objects": f"{main['cluster'].nunique():,}",
        "predictions": f"{len(main):,}",
        "failed": f"{int((main['error'] != '').sum()):,}",
    }
    shown = ("model", "noise", "loss", "trainable", "device", "partner", "epochs", "learning_rate", "seed")
    return (
        told
        | {name.replace("_", " "): str(getattr(settings, name)) for name in shown}
        | {"alpha": f"{settings.weight:g}"}
    )
