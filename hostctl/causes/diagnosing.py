"""`instability diagnose`: which stage of which device's way is not as it claims, or not as on the other devices.

Software is proved: what agents reported against what this host makes of the same bytes (hostctl.causes.reported). What
comes before the file is compared with the other devices' photographs of the same scenes (hostctl.causes.photographs),
so that the majority of a rack is what is right. Nothing here reads a lab file or a virtual device's profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.causes.diagnosis import FEWEST_DEVICES, FEWEST_SCENES, Outlier, causes
from analysis.run_folder.parts import FINGERPRINTS, LABELS, SCORES, STAGES
from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture
from hostctl.causes.diagnosed import cost_of_device, cost_of_software
from hostctl.causes.photographs import Coding, Seen, by_item, other_coding, see, standing_out
from hostctl.causes.remade import Maker, Models, PictureFile
from hostctl.causes.reported import Reported, Stage, trace
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

HOST = "host"
MOST_PICTURES = 400  # of one device: enough for any share of flips, and minutes of decoding at most
MOST_SCENES = 160  # that looks are compared on: their medians are sharper than the tolerances by far
NEEDED = ("picture", "scene", "angle", "repeat", "device", "suffix", "environment", "machine", "error", "verdict")
COLUMNS = (*NEEDED, "cluster", "labels", "ambiguous", *LABELS, *SCORES, *FINGERPRINTS)


@dataclass
class Kept:
    """What diagnoses of runs that share picture files need to do once: looks by file, marks and answers of a Maker."""

    seen: dict[Any, Seen | None] = field(default_factory=dict)
    marks: dict[Any, str] = field(default_factory=dict)
    answers: dict[Any, Any] = field(default_factory=dict)


def diagnose(
    folder: Path,
    *,
    models: Sequence[str] = (),
    pictures: int = MOST_PICTURES,
    progress: Progress = silent,
    kept: Kept | None = None,
) -> dict[str, Any]:
    """Diagnose each device of a run: findings, what stays hidden, what was checked; see the keys below.

    models: files or zoo names of models that a device may be running, beside the run's own; pictures: at most so many
    of each device (0 = all), spread over the run; looks are compared on MOST_SCENES. Gives "devices" (a dict each:
    device, findings, hidden, checked, notes, cost), "notes" of the whole rack, and "exit_code", 1 where there is a
    finding. A finding has stage, kind ("variant" or "unknown"), variants (a group that fits alike), text, proof
    (hashes, not looks), pictures and differing. Raises BadInput where a run has neither devices' photographs nor
    agents' predictions, or a model is not at hand.
    """
    kept = kept or Kept()
    with Run.open(folder, write=False) as run:
        records = {one.picture: one for one in run.picture_records()}
        table = run.predictions(COLUMNS)
        table = table[~table["suffix"].isin(RAW_SUFFIXES)]
        reporting = table[(table["machine"] != HOST) & (table["error"].fillna("") == "")]
        found: dict[str, dict[str, Any]] = {}
        if len(reporting):
            maker = Maker(_models(run, reporting, models, progress), marks=kept.marks, answers=kept.answers)
            for machine, part in reporting.groupby("machine", sort=False):
                _software(_device(found, str(machine)), run, part, records, maker, pictures, progress)
        notes = _photographs(found, run, records, kept, pictures, progress)
    if not found:
        raise BadInput(
            f"{folder}: expected photographs by devices or predictions by their agents, got neither: there is nothing "
            "to hold a device against"
        )
    for name, device in found.items():
        if any(not one["proof"] for one in device["findings"]):
            device["cost"] |= cost_of_device(table, name)
    total = sum(len(device["findings"]) for device in found.values())
    return {"run": str(folder), "devices": list(found.values()), "notes": notes, "exit_code": int(total > 0)}


def _device(found: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    empty = {"device": name, "findings": [], "hidden": [], "checked": {"software": 0, "photographs": 0}, "cost": {}}
    return found.setdefault(name, {**empty, "notes": []})


def _software(
    device: dict[str, Any],
    run: Run,
    part: pd.DataFrame,
    records: Mapping[str, Picture],
    maker: Maker,
    most: int,
    progress: Progress,
) -> None:
    """Hold what a machine's agent reported against this host's own, environment by environment."""
    environments = {one.environment: one for one in run.environments()}
    for name, rows in part.groupby("environment", sort=False):
        claimed = environments[str(name)]
        rows = rows.iloc[_places(len(rows), most)]
        progress(f"software of {device['device']}", 0, len(rows), "")
        cells, damaged = _cells(run, rows, records)
        if len(damaged) > max(1, 0.02 * len(rows)):
            text = f"the agent read other bytes than the run holds, such as of {damaged[0]}"
            _add(device, "file", (), text, proof=True, pictures=len(rows), differing=len(damaged))
        if not cells:
            continue
        traced = trace(cells, claimed, maker, models=list(maker.models))
        for stage in traced.stages:
            _add_proved(device, stage, claimed)
        device["hidden"] = list(dict.fromkeys([*device["hidden"], *traced.hidden]))
        device["checked"]["software"] = max(device["checked"]["software"], traced.checked)
        if traced.stages:
            device["cost"] |= cost_of_software(rows, cells, claimed, maker)
        progress(f"software of {device['device']}", len(rows), len(rows), "")


def _add_proved(device: dict[str, Any], stage: Stage, claimed: Environment) -> None:
    proof = stage.proof
    given = f"claims {getattr(claimed, stage.stage)}" if hasattr(claimed, stage.stage) else "is not as claimed"
    reported = " = ".join(stage.variants) if stage.variants else "what no variant of the catalogue gives"
    if stage.stage in ("model", "runtime or model"):
        reported = f"the answers of {reported}" if stage.variants else "scores that the claimed model does not give"
    text = f"{given}, reports {reported}"
    _add(device, stage.stage, stage.variants, text, proof=True, pictures=proof.pictures, differing=proof.differing)


def _add(
    device: dict[str, Any],
    stage: str,
    variants: Sequence[str],
    text: str,
    *,
    proof: bool,
    pictures: int,
    differing: int | None = None,
) -> None:
    kind = "variant" if variants else "unknown"
    one = {"stage": stage, "kind": kind, "variants": list(variants), "text": text, "proof": proof}
    if not any(one.items() <= other.items() for other in device["findings"]):
        device["findings"].append({**one, "pictures": pictures, "differing": differing})


def _cells(run: Run, rows: pd.DataFrame, records: Mapping[str, Picture]) -> tuple[list[Reported], list[str]]:
    """What was reported of each picture, and the pictures of which the agent read other bytes."""
    numbers = np.unique(rows[list(FINGERPRINTS)].to_numpy())
    known = run.fingerprints(int(number) for number in numbers if number)
    cells, damaged = [], []
    for row in rows.to_dict("records"):
        record = records[row["picture"]]
        marks = {stage: known.get(row[column], "") for stage, column in zip(STAGES, FINGERPRINTS, strict=True)}
        if marks["file"] and marks["file"] != record.sha256:
            damaged.append(record.picture)
            continue
        some = [
            (row[label], row[score]) for label, score in zip(LABELS, SCORES, strict=True) if row[label] == row[label]
        ]
        labels, scores = zip(*some, strict=True) if some else ((), ())
        cells.append(Reported(_file(run, record), marks, tuple(map(str, labels)), tuple(map(float, scores))))
    return cells, damaged


def _file(run: Run, record: Picture) -> PictureFile:
    return PictureFile(record.picture, record.sha256, run.file(record.sha256), record.corners)


def _photographs(
    found: dict[str, dict[str, Any]],
    run: Run,
    records: Mapping[str, Picture],
    kept: Kept,
    most: int,
    progress: Progress,
) -> list[str]:
    """Compare the devices' photographs of the same scenes; gives notes on what could not be compared."""
    own = by_item(records.values())
    for name in own:
        _device(found, name)
    counts = Counter(item for photographs in own.values() for item in photographs)
    shared = [item for item, count in counts.items() if count >= FEWEST_DEVICES]
    if len(own) < FEWEST_DEVICES or len(shared) < FEWEST_SCENES:
        return [
            f"photographs are not compared: that takes {FEWEST_DEVICES} devices and {FEWEST_SCENES} scenes that they "
            f"share, here are {len(own)} and {len(shared)}"
        ] * bool(own)
    items = [shared[place] for place in _places(len(shared), min(most or MOST_SCENES, MOST_SCENES))]
    seen: dict[str, dict[Any, Seen]] = {name: {} for name in own}
    for done, item in enumerate(items):
        progress("photographs", done, len(items), "")
        for name, photographs in own.items():
            if item in photographs and (one := _seen(_file(run, photographs[item]), kept)) is not None:
                seen[name][item] = one
    progress("photographs", len(items), len(items), "")
    for name, some in seen.items():
        found[name]["checked"]["photographs"] = len(some)
    coded = other_coding({name: some.values() for name, some in seen.items()})
    for name, (mine, theirs) in coded.items():
        _add(
            found[name],
            "codec",
            (mine.text,),
            f"{mine.text}, the others {theirs.text}",
            proof=False,
            pictures=len(seen[name]),
        )
    _looks(found, list(seen), standing_out(seen, items), coded)
    return []


def _looks(
    found: Mapping[str, dict[str, Any]],
    names: Sequence[str],
    outliers: Sequence[Outlier],
    coded: Mapping[str, tuple[Coding, Coding]],
) -> None:
    """Add a finding for each cause that makes a device's photographs stand out."""
    for number, name in enumerate(names):
        for group in causes([one for one in outliers if one.device == number]):
            first = group[0]
            if name in coded and first.measure in ("edge", "rest"):
                found[name]["notes"].append(f"{first.text}: put down to the codec")
                continue
            if [one.measure for one in group] == ["rest"]:
                found[name]["notes"].append(f"{first.text} and nothing else: its view of the scenes may be another")
                continue
            text = "; ".join(one.text for one in group)
            variants = (first.variant,) if first.variant else ()
            _add(found[name], "isp", variants, text, proof=False, pictures=first.scenes)


def _seen(file: PictureFile, kept: Kept) -> Seen | None:
    key = (file.sha256, file.corners)
    if key not in kept.seen:
        kept.seen[key] = see(file)
    return kept.seen[key]


def _places(count: int, most: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """At most so many places out of count, spread evenly; all with most 0."""
    if not most or count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def _models(run: Run, reporting: pd.DataFrame, given: Sequence[str], progress: Progress) -> Models:
    """Find the files of the models that agents claim, by their hashes, and those that they may be running instead."""
    from stability_train.cache import sha256_of
    from stability_train.zoo import FORMATS, MODELS, resolve_model

    named = set(reporting["environment"])
    claimed = {one.model_sha256: one.model for one in run.environments() if one.environment in named}
    found: dict[str, Any] = {}
    zoo = [f"{name}.{kind}" for name in dict.fromkeys(claimed.values()) if name in MODELS for kind in FORMATS[:2]]
    for text in (*given, *zoo):
        if text in zoo and not claimed.keys() - found.keys():
            break
        path, sidecar = resolve_model(text, progress=lambda note: progress("model", 0, 0, note))
        found.setdefault(sha256_of(path), (path, sidecar))
    if lacking := claimed.keys() - found.keys():
        names = ", ".join(f"{claimed[sha256]} ({sha256[:12]}...)" for sha256 in sorted(lacking))
        raise BadInput(
            f"expected the files of the models {names}, got none with these hashes; give them with --model FILE"
        )
    return found
