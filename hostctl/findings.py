"""Commands that say what a run found and where it comes from, each as one function, for notebooks too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hostctl.printing import Progress, silent


def report(
    run: Path,
    *,
    across: Sequence[str] = (),
    item: Sequence[str] = ("scene", "angle", "repeat"),
    top_n: int = 1,
    formats: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a run's report (RUN/report/index.html) and give its summary, with its path as "report".

    ``across`` asks for one more cut, the instability between other conditions than devices; see report_run. ``formats``
    ("md", "json", "junit") are written beside the page.
    """
    from hostctl.runs.reporting import report_run

    return report_run(run, across=across, item=item, top_n=top_n, formats=formats)


def table(run: Path, name: str) -> dict[str, Any]:
    """Make one of the papers' tables from a run (RUN/report/NAME.html and .csv) and give it: hostctl.runs.tabling."""
    from hostctl.runs.tabling import table as make

    return make(run, name)


def check(
    run: Path,
    *,
    max_instability: float | None = None,
    max_pair_instability: float | None = None,
    max_accuracy_drop: float | None = None,
    base: str = "",
    level: float = 0.95,
    suite: str = "",
    families: Sequence[str] = (),
    max_flip: float | None = None,
    junit: Path | None = None,
) -> dict[str, Any]:
    """Hold a run against limits: "verdict", "exit_code" (0 pass, 1 fail, 4 cannot say yet), "gates"; see checking."""
    from hostctl.runs.checking import Limits, check_run

    limits = Limits(
        max_instability, max_pair_instability, max_accuracy_drop, base, level, suite, tuple(families), max_flip
    )
    return check_run(run, limits, junit=junit)


def compare(
    run_a: Path, run_b: Path, *, margin: float = 0.02, level: float = 0.95, csv: Path | None = None
) -> dict[str, Any]:
    """Say what run B broke and mended against run A; see hostctl.runs.comparing_runs."""
    from hostctl.runs.comparing_runs import compare_runs

    return compare_runs(run_a, run_b, margin=margin, level=level, csv=csv)


def plan(
    expect: float, width: float, *, lab: Path | None = None, run: Path | None = None, icc: float | None = None
) -> dict[str, Any]:
    """Say how many scenes and repeats an interval of this width needs at this rate, and the hours; see plan_study."""
    from hostctl.runs.study_plan import plan_study

    return plan_study(expect, width, lab=lab, run=run, icc=icc)


def explain(
    run: Path,
    *,
    item: str = "",
    between: Sequence[str] = (),
    models: Sequence[str] = (),
    out: Path | None = None,
    draws: int = 39,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Explain the flips of an item, or all of a run's: a page each, and the stages counted; see explain_run."""
    from hostctl.causes.explaining import explain_run

    return explain_run(
        run, item=item, between=between, models=models, out=out, draws=draws, seed=seed, progress=progress
    )


def attribute(
    run: Path | None = None,
    *,
    scenes: Path | None = None,
    out: Path | None = None,
    model: str = "mobilenet-v2",
    sidecar: Path | None = None,
    runtime: str | None = None,
    decoder: str = "pillow",
    view: str | None = None,
    conditions: Sequence[str] = (),
    dry_run: bool = False,
    limit: int = 100_000,
    workers: int = os.cpu_count() or 1,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Share the instability between conditions out among the stages at which they differ (Shapley value).

    ``conditions`` are words such as "isp=crisp codec=jpeg-75 decoder=opencv", each a way of the same pictures; with
    "device=NAME" it starts from that device's pictures. Without any, the run's devices are compared as they are. What
    is missing is made and stays in the run; more predictions than ``limit`` are refused, and ``dry_run`` only counts.
    Gives "sentence", "instability", "shares", "interactions", "what_if", "pairs" and "cost"; see attribute_run.
    """
    from hostctl.causes.attributing import Request, attribute_run

    words = tuple(conditions)
    request = Request(model, sidecar, runtime, decoder, view, words, limit=limit, dry_run=dry_run, workers=workers)
    return attribute_run(request, run=run, scenes=scenes, out=out, progress=progress)


def identify(
    picture: Path,
    pixels: Path,
    *,
    probe: Path | None = None,
    shape: Sequence[int] = (),
    among: Sequence[str] = (),
    contract: Path | None = None,
    model: str | None = None,
) -> dict[str, Any]:
    """Say which decoder, colour, fit, resizer and scaling of the catalogue made pixels of a picture, or that none did.

    pixels: .npy, .png, .json, or the folder of a probe's outputs (``probe``: its probe.json). ``contract`` names a
    folder for the preprocessing contract, which follows the sidecar of ``model`` or else what was found.
    """
    from hostctl.causes.pixel_files import identify_pixels
    from stability_train.zoo import resolve_model

    sidecar = resolve_model(model)[1] if model else None
    return identify_pixels(
        picture, pixels, probe=probe, shape=tuple(shape), among=among, contract=contract, sidecar=sidecar
    )
