"""Makes a run of photographs that a team has already, in a folder a device; `predict` and `report` take it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.anonymise import without_place
from capture.raw import RAW_SUFFIXES
from capture.scene_layouts import SUFFIXES
from device_agents.errors import BadInput
from device_agents.records import Picture, step_key
from hostctl.pictures.file_runs import picture_size
from hostctl.runs.importing_predictions import NOTE, keep_given_names
from hostctl.runs.prediction_table import listed, read_truth

LABELS = "labels.csv"
MOST_LISTED = 50

Files = Mapping[tuple[str, str, str], Path]  # by device, item and suffix
Said = Callable[[int, int, str], None]


def import_photographs(
    photographs: Path, *, out: Path | None, truth: Path | None, names: Path | None, keep_place: bool, progress: Said
) -> dict[str, Any]:
    """Make the run (by default runs/import-FOLDER) of FOLDER/DEVICE/ITEM.jpg; the same folder again adds what is new.

    truth: a CSV with item and labels (default: FOLDER/labels.csv). A file's name without its suffix is its item; a
    sub-folder belongs to it (DEVICE/shelf/1.jpg is item shelf/1). GPS coordinates are taken out of each file unless
    ``keep_place``. Raises BadInput listing every mistake: an item without right answers, or two files for one.
    """
    told = truth or photographs / LABELS
    if photographs.is_dir() and not told.is_file():
        raise BadInput(f"expected the items' right answers in {told} (columns item, labels), got no such file")
    files = _photographs(photographs)
    scenes = read_truth(told)
    used = {item for _, item, _ in files}
    strangers = [f"{path}: no row of item {key[1]} in {told}" for key, path in files.items() if key[1] not in scenes]
    if strangers:
        raise BadInput(listed(f"{photographs}: nothing was imported", strangers))
    folder = out or Path("runs") / f"import-{photographs.resolve().name}"
    asked = {"photographs": photographs.resolve().name, "keep_place": keep_place}
    settings = {"pictures": "files", "import": asked}
    with Run.open_or_create(folder, settings=settings, scenes=list(scenes.values())) as run:
        if names is not None:
            keep_given_names(run, names)
        removed, unknown = _add(run, files, keep_place=keep_place, progress=progress)
        run.set_note(NOTE, asked)
    devices = list(dict.fromkeys(device for device, _, _ in files))
    there = {(device, item) for device, item, _ in files}
    absent = [f"{item} on {one}" for one in devices for item in sorted(used) if (one, item) not in there]
    return {
        "run": str(folder),
        "items": len(used),
        "conditions": devices,
        "photographs": len(files),
        "missing": absent[:MOST_LISTED],
        "missing_number": len(absent),
        "place_removed": removed,
        "place_unknown": unknown[:MOST_LISTED],
        "unused_rows": len(scenes) - len(used),
    }


def _add(run: Run, files: Files, *, keep_place: bool, progress: Said) -> tuple[int, list[str]]:
    """Commit the photographs that the run has not: how many lost their place, and of which that cannot be said."""
    there = {one.picture for one in run.picture_records()}
    removed, unknown = 0, []
    for done, ((device, item, suffix), path) in enumerate(files.items()):
        progress(done, len(files), "")
        name = f"{step_key(item, 0, 0, device)}|{suffix[1:]}"
        if name in there:
            continue
        data = path.read_bytes()
        clean = data
        try:
            clean = data if keep_place else without_place(data, suffix=suffix)
        except BadInput:  # a maker's raw file, or a damaged one, which fails with its reason when it is used
            unknown.append(str(path))
        removed += clean != data
        sha256 = hashlib.sha256(clean).hexdigest()
        width, height = picture_size(clean, suffix)
        record = Picture(name, sha256, suffix, len(clean), width, height, item, device=device)
        run.add_picture(record, {sha256: clean})
    progress(len(files), len(files), "")
    return removed, unknown


def _photographs(folder: Path) -> Files:
    """Each photograph, devices and items sorted; raises BadInput for two pictures of an item by one device."""
    if not folder.is_dir():
        raise BadInput(f"expected a folder with a sub-folder a device, DEVICE/ITEM.jpg; there is no {folder}")
    found: dict[tuple[str, str, str], Path] = {}
    pictures: dict[tuple[str, str], Path] = {}
    mistakes = []
    for device in sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")):
        for path in sorted(device.rglob("*")):
            suffix, item = path.suffix.lower(), path.relative_to(device).with_suffix("").as_posix()
            if suffix not in (*SUFFIXES, *RAW_SUFFIXES) or not path.is_file() or path.name.startswith("."):
                continue
            if "|" in item or "|" in device.name:
                mistakes.append(f"{path}: expected a name without |")
            first = pictures.setdefault((device.name, item), path) if suffix in SUFFIXES else path
            if first != path:
                mistakes.append(f"{path}: {device.name} has a picture of item {item} already, {first.name}")
            found[device.name, item, suffix] = path
    if mistakes:
        raise BadInput(listed(f"{folder}: nothing was imported", mistakes))
    if not found:
        raise BadInput(f"{folder}: expected photographs as DEVICE/ITEM.jpg ({' '.join(SUFFIXES)}, or raw), got none")
    return found
