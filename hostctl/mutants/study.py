"""`instability mutants`: which measures notice a known small change of a model, and does bisection find its layer.

Each mutant's result is kept as OUT/mutants/NAME.json when it is there whole, so that a study that was killed, or is
asked for more mutants, makes only what is missing.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.measures.mutant_measures import MEASURES, seen, seen_counts, share
from analysis.run_folder.files import make_folder, write_whole
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.preprocess import fingerprint
from device_agents.runtimes import runtime_version
from hostctl.mutants.bench import Bench
from hostctl.mutants.localising import RUNTIME, Localiser
from hostctl.printing import Progress, silent
from stability_train.mutants.mutants import COUNT, KINDS, Plan, make_mutant, plan_mutants
from stability_train.zoo import resolve_model

PICTURES = 8
KEPT = "mutants"


def study_mutants(
    model: str,
    scenes: Path,
    out: Path,
    *,
    seed: int = 0,
    count: int = COUNT,
    kinds: Sequence[str] = (),
    pictures: int = PICTURES,
    sidecar: Path | None = None,
    keep_models: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make mutants of an ONNX model, run all measures and the localisation on each, and give what came of it.

    model: a zoo model's ONNX file ("mobilenet-v2.onnx") or an .onnx file. scenes: labelled pictures, of which
    ``pictures`` evenly spaced ones are used. count: of mutants of each kind, at most. keep_models: also write the
    mutants' files to OUT/models. Keys: model, file, seed, pictures, floor, rows (one a mutant, see _result), summary
    and seconds. Raises BadInput for another kind of model, and where OUT holds a study of another model or pictures.
    """
    if pictures < 1:
        raise BadInput(f"expected one picture or more, got {pictures}")
    begun = time.monotonic()
    path, card = resolve_model(model, sidecar=sidecar, progress=lambda line: progress(line, 0, 0, ""))
    found = read_scenes(scenes)
    places = np.linspace(0, len(found) - 1, min(pictures, len(found))).round().astype(int)
    with tempfile.TemporaryDirectory(prefix="instability-mutants-") as folder:
        bench = Bench(path, card, [found[place] for place in places], folder=Path(folder))
        plans = plan_mutants(bench.model, seed=seed, count=count, kinds=kinds)
        _open_study(out, path, bench, seed)
        localiser = Localiser(bench.data, Path(folder))
        rows = []
        for number, plan in enumerate(plans):
            progress("mutants", number, len(plans), "")
            rows.append(_kept(out, plan) or _study(out, plan, bench, localiser, keep_models=keep_models))
    progress("mutants", len(plans), len(plans), "")
    return {
        "model": card.name,
        "file": str(path),
        "task": card.task,
        "seed": seed,
        "pictures": [one.scene.scene for one in bench.shown],
        "floor": bench.floor,
        "rows": rows,
        "summary": summary(rows),
        "seconds": round(time.monotonic() - begun, 1),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count a study's rows: made, ran, equivalent, changing, unseen; shares for localisation, measures and kinds.

    one_layer, two_layers: of the mutants that change an output, those whose layer was named, with the exact interval
    (Clopper and Pearson); inside_only: of the equivalent ones, those whose layers differ on the first picture.
    """
    ran = [row for row in rows if not row["problem"]]
    changing = [row for row in ran if row["changes_output"]]
    equivalent = [row for row in ran if not row["changes_output"]]
    layers = {number: [row for row in changing if len(row["changed"]) == number] for number in (1, 2)}
    return {
        "made": len(rows),
        "ran": len(ran),
        "changing": len(changing),
        "equivalent": [row["name"] for row in equivalent],
        "inside_only": [row["name"] for row in equivalent if row["seen"]["layer-largest"]],
        "unseen": [row["name"] for row in changing if not any(row["seen"].values())],
        "one_layer": share(sum(row["hit"] for row in layers[1]), len(layers[1])),
        "two_layers": share(sum(row["hit"] for row in layers[2]), len(layers[2])),
        "missed": [row["name"] for row in changing if not row["hit"]],
        "measures": seen_counts([row["seen"] for row in changing]),
        "kinds": [_kind(kind, [row for row in rows if row["kind"] == kind]) for kind in KINDS],
    }


def _kind(kind: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    changing = [row for row in rows if row["changes_output"]]
    return {
        "kind": kind,
        "mutants": len(rows),
        "ran": sum(not row["problem"] for row in rows),
        "change_output": len(changing),
        "labels_seen": sum(row["seen"]["labels"] for row in changing),
        "layer_named": sum(row["hit"] for row in changing),
    }


def _study(out: Path, plan: Plan, bench: Bench, localiser: Localiser, *, keep_models: bool) -> dict[str, Any]:
    """Make one mutant, run it and keep what came of it."""
    made = make_mutant(bench.model, plan)
    row: dict[str, Any] = {
        **{"name": plan.name, "kind": plan.kind, "operator": plan.operator, "layer": plan.layer},
        **{"changed": list(plan.changed), "change": made.change, "problem": made.problem, "changes_output": False},
        **{"values": {}, "seen": dict.fromkeys(MEASURES, False), "found": None, "hit": False},
    }
    if made.data:
        try:
            row |= _measured(made.data, bench, localiser)
        except BadInput as problem:
            row["problem"] = f"does not run: {_plain(str(problem))}"
    if row["found"]:
        row["hit"] = row["found"]["layer"] in plan.changed
    if keep_models and made.data:
        make_folder(out / "models")
        write_whole(out / "models" / f"{plan.name}.onnx", made.data)
    write_whole(_file(out, plan), (json.dumps(row, indent=1) + "\n").encode())
    return row


def _measured(data: bytes, bench: Bench, localiser: Localiser) -> dict[str, Any]:
    ran = bench.run(data)
    picture, output = bench.changed(ran)
    values = bench.compare(ran)
    found = localiser.find(data, bench.shown[picture].tensor, output=output) if output else None
    return {
        "changes_output": bool(output),
        "values": values,
        "seen": seen(values, bench.floor),
        "found": found and {"layer": found.layer, "operator": found.operator, "looked_at": found.looked_at},
    }


def _open_study(out: Path, path: Path, bench: Bench, seed: int) -> None:
    """Say what the folder's results are of; raises BadInput where they are of something else."""
    settings = {
        "model_sha256": hash_file(path),
        "seed": seed,
        "tensors": [fingerprint(one.tensor) for one in bench.shown],
        "labels": [[one.scene.labels, one.scene.ambiguous, one.scene.truth] for one in bench.shown],
        "onnxruntime": runtime_version(RUNTIME),
        "measures": list(MEASURES),
    }
    text = json.dumps(settings, indent=1, default=str) + "\n"
    target = out / "study.json"
    if target.exists() and target.read_text(encoding="utf-8") != text:
        raise BadInput(f"{out} holds mutants of another model, seed or pictures; give another folder with --out")
    make_folder(out / KEPT)
    write_whole(target, text.encode())


def _kept(out: Path, plan: Plan) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(_file(out, plan).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return row if row["layer"] == plan.layer else None  # the kit that made it may have drawn another


def _plain(problem: str) -> str:
    """ONNX Runtime's message without its codes and the places in its source."""
    text = " ".join(problem.split()).removeprefix("onnxruntime: ")
    text = re.sub(
        r"\[ONNXRuntimeError\] : \d+ : \w+ : |Non-zero status code returned while |Status Message: ", "", text
    )
    return re.sub(r"\S*onnxruntime_src\S* .*? was false\. ", "", text)[:300]


def _file(out: Path, plan: Plan) -> Path:
    return out / KEPT / f"{plan.name}.json"
