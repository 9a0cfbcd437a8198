"""Variants of a model for people and for a run: `instability models vary`, and the family "precision" of a study."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import MissingExtra
from device_agents.hashing import hash_file
from device_agents.runtimes import runtime_version
from device_agents.sidecar import Sidecar
from hostctl.printing import Progress, silent, table_text
from stability_train.calibration import FEW, check_disjoint
from stability_train.variant_files import Made, asked_names, copy_variants, make_variants, row
from stability_train.variants import PRECISIONS
from stability_train.zoo import resolve_model

NOTE = "model_variants"  # of a run: sha256 of a variant's file -> what it is (analysis.papers.noise_families reads it)


def vary_model(
    model: str,
    *,
    precision: str = "all",
    sidecar: Path | None = None,
    calibration: Path | None = None,
    out: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make variants of a zoo model or a model file, and give what they are and how they differ from their source.

    precision: names and globs, or "all", which leaves out what cannot be made of this model. Keys: model, file, rows
    (name, file, bytes, runtime, max_difference, flips, pictures, noise), left_out (name -> reason), calibration (how
    many pictures, 0 where none was due) and outputs. Raises BadInput before any work where a variant asked for by name
    cannot be made.
    """
    said = partial(progress, "model", 0, 0)
    path, card = resolve_model(model, sidecar=sidecar, progress=said)
    made, left_out = make_variants(path, card, asked_names(precision), calibration=calibration, progress=said)
    made = copy_variants(made, out) if out is not None else made
    return {
        "model": card.name,
        "file": str(path),
        "outputs": card.outputs,
        "rows": [row(one) for one in made],
        "left_out": left_out,
        "calibration": max((len(one.sidecar.calibration) for one in made), default=0),
    }


def vary_text(result: Mapping[str, Any]) -> str:
    """Lay out what vary_model gave, for the terminal."""
    shown = [{name: value for name, value in one.items() if name not in ("pictures", "file")} for one in result["rows"]]
    lines = [f"variants of {result['model']} ({result['file']})", table_text(shown)]
    if result["rows"]:
        pictures = result["rows"][0]["pictures"]
        lines.append(f"max difference of {result['outputs']}, and first labels that flip, on {pictures} photographs")
    count = result["calibration"]
    if count:
        lines.append(f"calibrated with {count} pictures" + (" (few: 100 to 500 are usual)" if count < FEW else ""))
    lines += [f"file  {one['file']}" for one in result["rows"]]
    return "\n".join([*lines, *[f"left out: {name}: {reason}" for name, reason in result["left_out"].items()]])


def variants_of_run(
    run: Run,
    source: Path,
    card: Sidecar,
    asked: Mapping[str, bool],
    *,
    runtime: str,
    calibration: Path | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, Made], list[dict[str, Any]], dict[str, str]]:
    """Make the variants that a study of a run compares, note them in the run, and refuse what was calibrated with it.

    runtime: that of the study's base, kept where the variant's file has the source's format. Gives the made ones by
    their file's sha256, what each changes of a condition, and why the others cannot be made here.
    """
    said = partial(progress, "variants of the model", 0, 0)
    made, lacking = make_variants(source, card, asked, calibration=calibration, progress=said)
    evaluated = {one.sha256 for one in run.picture_records()} | {one.sha256 for one in run.scenes()}
    for one in made:
        check_disjoint(one.sidecar, evaluated, what="the run's pictures and scenes")
    files, changes, told = {}, [], {}
    source_sha256 = hash_file(source)
    for one in made:
        sha256 = hash_file(one.path)
        if sha256 == source_sha256:
            continue  # the control is the base
        wanted = runtime if one.path.suffix == source.suffix else one.runtime
        try:
            version = runtime_version(wanted)
        except MissingExtra as problem:
            lacking[one.name] = str(problem)
            continue
        files[sha256] = one
        changes.append({"precision": one.name, "model_sha256": sha256, "runtime": wanted, "runtime_version": version})
        told[sha256] = _told(one, source_sha256, runtime=wanted, base_runtime=runtime)
    run.set_note(NOTE, {**(run.note(NOTE) or {}), **told})
    return files, changes, lacking


def _told(made: Made, source_sha256: str, *, runtime: str, base_runtime: str) -> dict[str, str]:
    noise = PRECISIONS[made.name].noise
    own = made.name.removeprefix(f"{noise}-")
    return {"of": source_sha256, "noise": noise, "variant": own, "runtime": runtime, "base_runtime": base_runtime}
