"""The front door to variants of a model: planned first, made once, kept in the cache, checked on photographs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, pick
from device_agents.runtimes import runtime_for
from device_agents.sidecar import Sidecar, read_sidecar, sidecar_values, write_sidecar
from stability_train.cache import Progress, cache_folder, locked, sha256_of, silent
from stability_train.calibration import Calibration, read_calibration
from stability_train.make_variants import file_stem
from stability_train.maker_process import run_maker
from stability_train.photographs import photographs
from stability_train.variants import ARCHITECTURE, PRECISIONS, Plan, plan

_VERSION = 1  # raise it when a maker changes what it writes


@dataclass(frozen=True)
class Made:
    """A variant's file with its sidecar (labels as an absolute path), and its differences to the source.

    max_difference is the largest of any score, as the sidecar's ``outputs`` counts scores; flips are first labels that
    changed, of ``pictures`` packaged photographs.
    """

    name: str
    path: Path
    sidecar: Sidecar
    bytes: int
    runtime: str
    max_difference: float
    flips: int
    pictures: int


def asked_names(words: str) -> dict[str, bool]:
    """Read "int8,float*" or "all": the variants asked for, and whether each by its own name; raises BadInput."""
    found: dict[str, bool] = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        names = sorted(name for name in PRECISIONS if fnmatchcase(name, word) or (word == "all" and _is_noise(name)))
        for name in names or [pick({name: name for name in PRECISIONS}, word, what="precision")]:
            found[name] = found.get(name, False) or name == word
    if not found:
        raise BadInput(f"expected variants of a model, such as int8,float16 or all, got none; known: {_known()}")
    return found


def make_variants(
    source: Path,
    sidecar: Sidecar,
    asked: Mapping[str, bool],
    *,
    calibration: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> tuple[list[Made], dict[str, str]]:
    """Make variants of a model file; gives them in the order asked, and why each of the others cannot be made.

    asked: name -> whether it was asked for by name, as asked_names gives it; sidecar: as resolve_model gives it.
    calibration: a folder or CSV of pictures (default: the packaged photographs). What the cache has is not made again.
    Raises BadInput, before any work, with all reasons why variants asked for by name cannot be made, or for a
    calibration set of the wrong size; KitError where making one that was asked for by name fails.
    """
    keras = _keras_beside(source)
    plans, lacking = _plans(source, keras, asked)
    given = _calibration(plans, calibration, cache, progress)
    base, sha256 = cache_folder(cache), sha256_of(source)
    folders = {name: _folder(base, sha256, sidecar, one, given) for name, one in plans.items()}
    with locked(base, f"variants-{sha256[:16]}", progress=progress):
        missing = {name: str(folder) for name, folder in folders.items() if not (folder / "check.json").is_file()}
        if missing:
            shown = [str(one.file) for one in photographs(cache, progress=progress).scenes]
            request = {
                "source": str(source),
                "source_sha256": sha256,
                "keras": str(keras or ""),
                "sidecar": sidecar_values(sidecar),
                "folders": missing,
                "pictures": shown,
                "calibration": [str(one) for one in given.files] if given else [],
                "calibration_sha256s": list(given.sha256s) if given else [],
            }
            failed = _run(request, base, progress)
            _refuse({name: reason for name, reason in failed.items() if asked[name]})
            lacking |= failed
    return [_made(name, folder) for name, folder in folders.items() if name not in lacking], lacking


def copy_variants(made: list[Made], out: Path) -> list[Made]:
    """Copy variants with their sidecars into a folder, and give them as they are there."""
    out.mkdir(parents=True, exist_ok=True)
    copied = []
    for one in made:
        path = out / one.path.name
        shutil.copyfile(one.path, path)
        labels = os.path.relpath(one.sidecar.labels, out.absolute()) if one.sidecar.labels else ""
        write_sidecar(path, replace(one.sidecar, labels=labels))
        copied.append(replace(one, path=path))
    return copied


def row(made: Made) -> dict[str, Any]:
    """Give a variant as a row for a table or JSON."""
    values = {name: value for name, value in asdict(made).items() if name not in ("sidecar", "path")}
    return {"name": values.pop("name"), "file": str(made.path), **values, "noise": PRECISIONS[made.name].noise}


def _plans(source: Path, keras: Path | None, asked: Mapping[str, bool]) -> tuple[dict[str, Plan], dict[str, str]]:
    plans, lacking = {}, {}
    for name in asked:
        try:
            plans[name] = plan(name, source, keras=keras)
        except BadInput as problem:
            lacking[name] = str(problem)
    _refuse({name: reason for name, reason in lacking.items() if asked[name]})
    if not plans:
        raise BadInput(f"expected a variant that {source.name} can have, got none: {next(iter(lacking.values()))}")
    return plans, lacking


def _refuse(reasons: Mapping[str, str]) -> None:
    if reasons:
        raise BadInput("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def _calibration(
    plans: Mapping[str, Plan], scenes: Path | None, cache: Path | None, progress: Progress
) -> Calibration | None:
    if not any(one.variant.calibrated for one in plans.values()):
        return None
    given = read_calibration(scenes, cache=cache, progress=progress)
    progress(given.note)
    return given


def _folder(base: Path, sha256: str, sidecar: Sidecar, planned: Plan, calibration: Calibration | None) -> Path:
    """The variant's place in the cache: another for another source, calibration or preprocessing."""
    hashes = calibration.sha256s if calibration and planned.variant.calibrated else ()
    text = json.dumps([_VERSION, sha256, planned.name, hashes, sidecar_values(sidecar)], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return base / "variants" / f"{file_stem(sidecar.name)}-{planned.name}-{digest}"


def _run(request: dict[str, Any], base: Path, progress: Progress) -> dict[str, str]:
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="instability-variants-") as folder:
        file = Path(folder) / "request.json"
        file.write_text(json.dumps(request), encoding="utf-8")
        log = base / "logs" / f"variants-{request['source_sha256'][:16]}.log"
        return run_maker(
            "stability_train.make_variants", [str(file)], log=log, what="making the variants", progress=progress
        )


def _made(name: str, folder: Path) -> Made:
    found = json.loads((folder / "check.json").read_text(encoding="utf-8"))
    path = folder / found.pop("file")
    sidecar = read_sidecar(path)
    if sidecar.labels:
        sidecar = replace(sidecar, labels=os.path.normpath(folder / sidecar.labels))
    return Made(name, path, sidecar, path.stat().st_size, runtime_for(path), **found)


def _keras_beside(source: Path) -> Path | None:
    """The zoo's Keras file of the same weights, which its provenance says were checked against each other."""
    provenance, keras = source.with_name("provenance.json"), source.with_suffix(".keras")
    if source.suffix == ".keras" or not provenance.is_file() or not keras.is_file():
        return None
    files = json.loads(provenance.read_text(encoding="utf-8")).get("files", {})
    return keras if {source.name, keras.name} <= set(files) else None


def _is_noise(name: str) -> bool:
    return PRECISIONS[name].noise != ARCHITECTURE


def _known() -> str:
    return ", ".join(PRECISIONS)
