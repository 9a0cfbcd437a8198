"""Runs as folders: list them, say their size, remove what nothing refers to, copy one to the newest schema."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from analysis.run_folder import schema
from analysis.run_folder.files import picture_path
from analysis.run_folder.ledger import BUSY_TIMEOUT_S, LEDGER, LOCK, Ledger
from analysis.run_folder.shards import part_path
from analysis.store import Run
from device_agents.errors import BadInput, KitError
from device_agents.records import SCHEMA_VERSION

# Schema version -> what makes a ledger of it one of the next.
MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {
    version: partial(schema.migrate, version=version) for version in schema.MIGRATIONS
}
MOST_LISTED = 50
MOST_REASONS = 10  # in the text
KNOWN_FILES = """
SELECT sha256 FROM pictures UNION SELECT crop_sha256 FROM pictures UNION SELECT thumb_sha256 FROM pictures
UNION SELECT sha256 FROM attempts
"""
KINDS = """
SELECT sha256, CASE WHEN parent = '' THEN 'photographs' ELSE 'developed pictures' END FROM pictures
UNION SELECT crop_sha256, 'rectified crops' FROM pictures UNION SELECT thumb_sha256, 'thumbnails' FROM pictures
UNION SELECT sha256, 'refused photographs' FROM attempts WHERE status <> 'ok'
"""


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Tell each run in a folder, by name: when made, schema, scenes, pictures, predictions, failures and bytes.

    A run that cannot be read is told with its "problem". Raises BadInput if there is no such folder.
    """
    if not folder.is_dir():
        raise BadInput(f"expected a folder of runs, there is no {folder}")
    runs = sorted(path.parent for path in folder.glob(f"*/{LEDGER}"))
    return [_told(one) for one in runs]


def run_size(folder: Path) -> dict[str, Any]:
    """Tell the bytes of a run by kind of file ("unreferenced": prune removes them); raises BadInput for no run."""
    kinds: dict[str, list[int]] = {}
    with closing(Ledger(folder, write=False)) as ledger:
        of_file = {sha256: kind for sha256, kind in ledger.rows(KINDS) if sha256}
        shards = {f"{shard}.parquet" for (shard,) in ledger.rows("SELECT shard FROM shards")}
    for path in _files(folder):
        top = path.relative_to(folder).parts[0]
        kind = top if path.parent != folder else "ledger" if path.name.startswith((LEDGER, LOCK)) else "other files"
        if top == "pictures":
            kind = of_file.get(path.name, "unreferenced")
        elif top == "predictions" and path.name not in shards:
            kind = "unreferenced"
        counted = kinds.setdefault(kind, [0, 0])
        counted[0] += 1
        counted[1] += path.stat().st_size
    rows = [{"kind": kind, "files": number, "bytes": size} for kind, (number, size) in sorted(kinds.items())]
    return {"run": str(folder), "bytes": sum(row["bytes"] for row in rows), "kinds": rows}


def prune_run(folder: Path, *, delete: bool) -> dict[str, Any]:
    """List, or with ``delete`` remove, the picture files and parts that the ledger does not know (of killed commands).

    The run is held as its one writer meanwhile, so nothing that is just being committed is taken for lost; photographs
    that were refused stay, since attempts name them. Raises BadInput if another process writes the run.
    """
    with Run.open(folder, write=True), closing(Ledger(folder, write=False)) as ledger:
        known = {sha256 for (sha256,) in ledger.rows(KNOWN_FILES)}
        shards = {f"{shard}.parquet" for (shard,) in ledger.rows("SELECT shard FROM shards")}
        lost = [path for path in _files(folder / "pictures") if path.name not in known]
        lost += [path for path in _files(folder / "predictions") if path.name not in shards]
        size = sum(path.stat().st_size for path in lost)
        for path in lost if delete else ():
            path.unlink()
    names = [path.relative_to(folder).as_posix() for path in lost[:MOST_LISTED]]
    return {"run": str(folder), "deleted": delete, "files": len(lost), "bytes": size, "names": names}


def retry_run(folder: Path, *, reason: str = "") -> dict[str, Any]:
    """Make failed predictions of a run missing again, those whose reason contains a text, so that they are made again.

    Gives "forgotten", their number, and "reasons", most first. Raises BadInput if another process writes the run.
    """
    with Run.open(folder, write=True) as run:
        found = run.forget_failed(reason)
    reasons = [{"predictions": count, "reason": words} for words, count in found.items()]
    return {"run": str(folder), "forgotten": sum(found.values()), "reasons": reasons}


def migrate_run(
    folder: Path,
    out: Path,
    *,
    migrations: Mapping[int, Callable[[sqlite3.Connection], None]] = MIGRATIONS,
    newest: int = SCHEMA_VERSION,
) -> dict[str, Any]:
    """Copy a run to ``out`` in the newest schema, step by step; the run itself is never edited.

    A run of the newest schema is not copied. Raises BadInput if ``out`` exists, or the run is newer than this kit.
    """
    with closing(Ledger(folder, write=False)) as ledger:
        version = int(ledger.rows("PRAGMA user_version")[0][0])
    told = {"run": str(folder), "from": version, "to": newest}
    if version == newest:
        return {**told, "copy": ""}
    part = aside(out)
    try:
        copy_parts(folder, part)
        with closing(sqlite3.connect(part / LEDGER, isolation_level=None)) as ledger:
            for step in range(version, newest):
                ledger.execute("BEGIN IMMEDIATE")
                migrations[step](ledger)
                ledger.execute(f"PRAGMA user_version = {step + 1}")
                ledger.execute("COMMIT")
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return {**told, "copy": str(out)}


def aside(out: Path) -> Path:
    """A new, empty folder beside ``out``, to be renamed when it is whole; raises BadInput if ``out`` is there."""
    if out.exists():
        raise BadInput(f"{out}: expected a name that is free, got one that exists; choose another, or remove it")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a copy that was cut short
    part.mkdir(parents=True)
    return part


def copy_parts(folder: Path, out: Path, *, pictures: bool = True) -> None:
    """Copy what makes a run: settings, label names, a ledger as of one moment, predictions, and pictures.

    Lab keys, logs, locks and pages stay behind. A writer may go on: only files that the ledger's copy knows are taken.
    """
    Ledger(folder, write=False).close()  # says what is wrong with a folder that is no run
    # A folder that cannot be written (a copy on read-only media) has no place for SQLite's shared memory.
    how = "mode=rw" if os.access(folder, os.W_OK) else "immutable=1"
    address = f"{(folder / LEDGER).absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as ledger:
        ledger.execute("VACUUM INTO ?", (str(out / LEDGER),))
    with closing(sqlite3.connect(out / LEDGER)) as ledger:
        files = [sha256 for (sha256,) in ledger.execute(KNOWN_FILES) if sha256] if pictures else []
        shards = [part_path(Path("predictions"), shard) for (shard,) in ledger.execute("SELECT shard FROM shards")]
        ledger.execute("PRAGMA journal_mode = WAL")
    named = [*shards, *(picture_path(Path("pictures"), sha256) for sha256 in files)]
    named += [Path(name) for name in ("run.toml", "labels.csv") if (folder / name).is_file()]
    for name in named:
        if (folder / name).is_symlink():  # of a run from elsewhere it could lead to any file of this user
            raise BadInput(f"{folder}: expected the file {name} itself, got a link; put the file in its place")
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(folder / name, out / name)
        except FileNotFoundError as problem:
            raise BadInput(f"{folder}: expected the file {name}, got none; the folder was damaged") from problem


def list_text(found: list[dict[str, Any]]) -> str:
    """The list of runs as a person reads it."""
    if not found:
        return "no runs here"
    lines = [f"{'run':<28} {'made':<17} {'scenes':>7} {'pictures':>9} {'predictions':>12} {'size':>9}"]
    for one in found:
        if one["problem"]:
            lines.append(f"{one['run']:<28} {one['problem']}")
            continue
        made, size = one["made_utc"][:16].replace("T", " "), _size(one["bytes"])
        numbers = f"{one['scenes']:>7,} {one['pictures']:>9,} {one['predictions']:>12,} {size:>9}"
        lines.append(f"{one['run']:<28} {made:<17} {numbers}")
    return "\n".join(lines)


def size_text(found: dict[str, Any]) -> str:
    """A run's size as a person reads it."""
    rows = [f"{one['kind']:<20} {one['files']:>8,} files {_size(one['bytes']):>10}" for one in found["kinds"]]
    return "\n".join(
        [*rows, f"{'all':<20} {sum(one['files'] for one in found['kinds']):>8,} files {_size(found['bytes']):>10}"]
    )


def prune_text(found: dict[str, Any]) -> str:
    """What was or would be removed, as a person reads it."""
    if not found["files"]:
        return f"{found['run']}: nothing to remove, the ledger knows every file"
    what = "removed" if found["deleted"] else "to remove (--delete does it):"
    return f"{found['run']}: {what} {found['files']:,} files, {_size(found['bytes'])}"


def retry_text(found: dict[str, Any]) -> str:
    """What was forgotten, and what to do now, as a person reads it."""
    if not found["forgotten"]:
        return f"{found['run']}: no such failed prediction"
    what = f"{found['forgotten']:,} failed predictions are missing again; the command that made them makes them again"
    listed = found["reasons"][:MOST_REASONS]
    lines = [f"{one['predictions']:>8,}  {one['reason']}" for one in listed]
    more = len(found["reasons"]) - len(listed)
    return "\n".join([f"{found['run']}: {what}", *lines, *([f"{more:>8,}  more reasons"] if more else [])])


def migrate_text(found: dict[str, Any]) -> str:
    """What became of a migration, as a person reads it."""
    if not found["copy"]:
        return f"{found['run']}: has schema {found['from']}, the newest; nothing was copied"
    return f"{found['copy']}: a copy in schema {found['to']}; {found['run']} stays in schema {found['from']}"


def export_text(found: dict[str, Any]) -> str:
    """What an export holds, as a person reads it."""
    lines = [f"{found['out']}: {found['pictures']:,} picture files, {_size(found['bytes'])}"]
    if found["anonymised"]:
        lines.append(
            f"metadata taken out of {found['changed']:,} files; {found['values']} serial numbers, keys, addresses"
        )
    if found["paths_in_names"]:
        lines.append(f"note: {found['paths_in_names']} scenes are called by a path, which stays, as {found['example']}")
    return "\n".join(lines)


def _told(folder: Path) -> dict[str, Any]:
    size = sum(path.stat().st_size for path in _files(folder))
    told: dict[str, Any] = {"run": folder.name, "bytes": size, "problem": ""}
    try:
        with Run.open(folder, write=False) as run, closing(Ledger(folder, write=False)) as ledger:
            counts = run.summary()
            made = ledger.meta("created_utc")
            version = int(ledger.rows("PRAGMA user_version")[0][0])
    except KitError as problem:
        return told | {"problem": str(problem)}
    return told | {"made_utc": made, "schema": version, **counts}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
