"""`instability devices clear`: removes from phones the photographs that runs on this host hold whole, and no others."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.anonymise import without_place
from device_agents.errors import BadInput, CommandFailed, KitError
from device_agents.hashing import hash_file
from hostctl.lab import DeviceSettings, read_lab
from hostctl.labs.device import Device
from hostctl.labs.laboratory import opened
from hostctl.labs.person import Person
from hostctl.phones.camera import FOLDER
from hostctl.phones.remote_folder import check_plain, listed_sizes
from hostctl.phones.stock_camera import remote_sha256
from hostctl.transport import Transport

COMMAND_TIMEOUT_S = 30.0
PHONES = ("adb", "adb-shell")

Held = dict[int, set[str]]  # size in bytes -> hashes of the whole files of that size


def clear_lab(lab: Path, runs: Sequence[Path], *, person: Person, yes: bool) -> dict[str, Any]:
    """Delete from a lab's phones the photographs that these runs pulled from them and still hold.

    A file is deleted only if its bytes, read on the phone now, are those of a photograph in a run from the device of
    this name whose own copy here was just read and is whole; or were, before the run took the place out of them. Asks
    once, with the counts, unless ``yes``. Gives "deleted" (whether), "devices": device, files, bytes, others (left
    alone), problem. Raises BadInput for a wrong lab or run, and if nobody can be asked.
    """
    settings = read_lab(lab)
    names = [device.name for device in settings.devices if device.kind in PHONES]
    if not names:
        raise BadInput(f"{lab}: expected a phone over ADB, got none; boards keep no photographs")
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(settings, folder=Path(folder), waiting=None, names=names) as laboratory,
    ):
        rows = {name: _row(name, problem=laboratory.failures.get(name, "")) for name in names}
        found: dict[str, dict[str, str]] = {}
        for device in laboratory.devices:
            try:
                rows[device.name], found[device.name] = _found(device, _held(runs, device.name), Path(folder))
            except KitError as problem:
                rows[device.name] = _row(device.name, problem=str(problem))
        count, size = (sum(row[key] for row in rows.values()) for key in ("files", "bytes"))
        agreed = bool(count) and (yes or _agreed(person, count, size, rows))
        for device in laboratory.devices if agreed else ():
            rows[device.name]["problem"] = rows[device.name]["problem"] or _delete(device, found[device.name])
    return {"lab": str(lab), "deleted": agreed, "devices": list(rows.values())}


def clear_text(found: Mapping[str, Any]) -> str:
    """What was or could be cleared, as a person reads it."""
    what = "deleted" if found["deleted"] else "could be deleted"
    lines = [
        f"{row['device']}: {row['files']} photographs {what} ({row['bytes'] / 1e6:.1f} MB), "
        f"{row['others']} other files left alone" + (f"; {row['problem']}" if row["problem"] else "")
        for row in found["devices"]
    ]
    return "\n".join(lines)


def _row(name: str, *, files: int = 0, size: int = 0, others: int = 0, problem: str = "") -> dict[str, Any]:
    return {"device": name, "files": files, "bytes": size, "others": others, "problem": problem}


def _held(runs: Sequence[Path], device: str) -> Held:
    """The photographs of a device that runs hold, each copy read and hashed anew."""
    held: Held = {}
    for folder in runs:
        with Run.open(folder, write=False) as run:
            for picture in run.picture_records({"device": device}):
                if picture.parent:
                    continue  # developed here
                path = run.file(picture.sha256)
                if hash_file(path) == picture.sha256:
                    held.setdefault(picture.size, set()).add(picture.sha256)
    return held


def _found(device: Device, held: Held, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Compare what lies in the phone's folder with what is held; the row, and the hash of each path that may go."""
    place = _place(device.settings)
    output = device.transport.run(["ls", "-l", place + "/"], timeout_s=COMMAND_TIMEOUT_S)
    if output.exit_code:
        words = (output.stderr or output.stdout).decode("utf-8", "replace").strip()
        raise CommandFailed(f"{device.name}: ls {place}: {words}")
    sizes = listed_sizes(output.text, device=device.name)
    paths: dict[str, str] = {}
    total = 0
    for name, size in sizes.items():
        check_plain(name, folder=place, device=device.name)
        path = posixpath.join(place, name)
        if size not in held:
            continue
        digest = remote_sha256(device.transport, path)
        if digest in held[size] or _held_without_place(device.transport, path, held[size], folder):
            paths[path] = digest
            total += size
    return _row(device.name, files=len(paths), size=total, others=len(sizes) - len(paths)), paths


def _held_without_place(transport: Transport, path: str, hashes: set[str], folder: Path) -> bool:
    """Whether a phone's file is held as what is left of it when the place is taken out, as runs do."""
    local = folder / "compared"
    transport.pull(path, local)
    try:
        data = without_place(local.read_bytes(), suffix=posixpath.splitext(path)[1].lower())
    except BadInput:
        return False  # no picture of ours
    local.write_bytes(data)
    return hash_file(local) in hashes


def _agreed(person: Person, count: int, size: int, rows: Mapping[str, Mapping[str, Any]]) -> bool:
    told = ", ".join(f"{name}: {row['files']}" for name, row in rows.items() if row["files"])
    answer = person.ask(f"delete {count} photographs ({size / 1e6:.1f} MB; {told}) from the phones? [y/N]")
    if answer is None:
        raise BadInput(f"expected somebody to ask, or --yes, to delete {count} photographs ({told})")
    return answer.lower() in ("y", "yes")


def _delete(device: Device, paths: Mapping[str, str]) -> str:
    """Delete files of a phone that still have their hashes; what went wrong, "" if nothing did."""
    for path, digest in paths.items():
        try:
            if remote_sha256(device.transport, path) != digest:
                return f"{path} has changed meanwhile; it and what follows were left alone"
            output = device.transport.run(["rm", "--", path], timeout_s=COMMAND_TIMEOUT_S)
        except KitError as problem:
            return str(problem)
        if output.exit_code:
            return f"rm {path}: {(output.stderr or output.stdout).decode('utf-8', 'replace').strip()}"
    return ""


def _place(settings: DeviceSettings) -> str:
    return (settings.folder or FOLDER).rstrip("/")
