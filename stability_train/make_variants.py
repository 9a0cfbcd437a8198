"""The process that makes variants of one model: ``python -m stability_train.make_variants REQUEST.json``.

variant_files.py starts it. Each variant is written with its sidecar and check.json (its differences to the source on
photographs) into a folder that appears whole. On standard output: "progress: ...", "failed NAME: ...", "error: ...".
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.errors import KitError
from device_agents.runtimes import RUNTIMES, runtime_for
from device_agents.sidecar import Sidecar, parse_sidecar, write_sidecar
from device_agents.tasks.families import CLASSIFICATION
from stability_train.cache import new_folder
from stability_train.calibration import input_tensors
from stability_train.output_checks import Check, all_outputs, compare_outputs
from stability_train.variants import Plan, make, plan

Array = np.ndarray[Any, np.dtype[Any]]


def compare(expected: Array, got: Array) -> Check:
    """Compare scores (pictures, classes) of a source and its variant; raises KitError where they are no such scores."""
    if got.shape != expected.shape:
        raise KitError(f"expected {expected.shape[1]} scores as the source gives, got {got.shape[1]}")
    broken = int((~np.isfinite(got.astype(np.float64))).any(axis=1).sum())
    if broken:
        raise KitError(f"expected finite scores, got infinite or no numbers on {broken} of {len(got)} photographs")
    wide = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    flips = int((got.argmax(axis=1) != expected.argmax(axis=1)).sum())
    return Check(float(wide.max()), flips, len(got))


def scores(model: Path, tensors: list[Array]) -> Array:
    """Run a model file on prepared pictures: its raw scores (pictures, classes)."""
    classify = RUNTIMES[runtime_for(model)](model, 1)
    return np.stack([classify(tensor) for tensor in tensors])


def make_all(request: dict[str, Any]) -> None:
    """Make each variant of the request; one that fails is said and does not stop the others."""
    source, card = Path(request["source"]), parse_sidecar(request["sidecar"], source="of the request")
    keras = Path(request["keras"]) if request["keras"] else None
    shown = input_tensors([Path(one) for one in request["pictures"]], card)
    calibration = input_tensors([Path(one) for one in request["calibration"]], card)
    if keras is not None or source.suffix == ".keras":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)  # later than its first operator it cannot be changed
    _say(f"running {source.name} on {len(shown)} photographs")
    check = _checker(source, shown, card)
    for name, folder in request["folders"].items():
        try:
            planned = plan(name, source, keras=keras)
            _say(f"making {name}")
            with new_folder(Path(folder)) as aside:
                target = aside / f"{file_stem(card.name)}-{name}{planned.suffix}"
                make(planned, target, calibration)
                found = check(target, resized=planned.variant.resizes)
                write_sidecar(target, _sidecar(card, planned, request, Path(folder)))
                (aside / "check.json").write_text(json.dumps({"file": target.name, **asdict(found)}), encoding="utf-8")
        except KitError as problem:
            print(f"failed {name}: {' '.join(str(problem).split())}", flush=True)


def _checker(source: Path, shown: list[Array], card: Sidecar) -> Callable[..., Check]:
    """What compares a variant's file with the source, which is run once."""
    if card.task == CLASSIFICATION:
        expected = scores(source, shown)
        return lambda target, resized: compare(expected, scores(target, shown))
    outputs = all_outputs(source, shown)
    return lambda target, resized: compare_outputs(outputs, all_outputs(target, shown), card, resized=resized)


def file_stem(name: str) -> str:
    """Give a model's name with what a file name should not hold replaced by a hyphen."""
    return re.sub(r"[^\w.]+", "-", name).strip("-") or "model"


def _sidecar(card: Sidecar, planned: Plan, request: dict[str, Any], folder: Path) -> Sidecar:
    return replace(
        card,
        name=f"{card.name}-{planned.name}",
        labels=os.path.relpath(card.labels, folder) if card.labels else "",
        variant=planned.name,
        source_sha256=request["source_sha256"],
        calibration=tuple(request["calibration_sha256s"]) if planned.variant.calibrated else (),
    )


def _say(message: str) -> None:
    print(f"progress: {message}", flush=True)


def main(arguments: list[str]) -> int:
    """Make what the request file on the command line asks for; gives the exit code."""
    warnings.simplefilter("ignore")  # the converters', about their own internals; errors still raise
    try:
        make_all(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    except KitError as problem:
        print(f"error: {' '.join(str(problem).split())}", flush=True)
        return problem.exit_code
    except OSError as problem:  # a full disk, most of all
        print(f"error: could not make the variants: {problem}", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
