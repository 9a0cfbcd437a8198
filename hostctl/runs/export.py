"""Copies a run for others, as a folder or a zip; anonymised: no place, serial number, owner, key or preview."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from analysis.run_folder.files import picture_path, put_picture
from analysis.run_folder.ledger import LEDGER
from analysis.run_folder.run_settings import from_toml, to_toml
from capture.anonymise import anonymised
from device_agents.errors import BadInput
from hostctl.runs.folders import KNOWN_FILES, aside, copy_parts
from hostctl.runs.prediction_table import listed

# Settings and what devices say of themselves, by the last word of a name: gone from an anonymised copy.
PERSONAL = re.compile(
    r"(^|_)(serial|address|host|user|username|key|keys|known_hosts|token|password|secret|imei|mac|ip|owner|folder|"
    r"move_command|machine_id|hostname|latitude|longitude)$"
)
SHORTEST = 4  # a shorter value would hit words that have nothing to do with it
REMOVED = "removed"
PACKED = (".sqlite", ".toml", ".csv")  # the rest is packed already

Said = Callable[[int, int, str], None]


def export_run(folder: Path, out: Path, *, anonymise: bool, progress: Said) -> dict[str, Any]:
    """Copy a run to ``out``, a folder, or a zip if it ends in .zip; lab keys, logs and pages never go along.

    ``anonymise``: pictures as capture.anonymise.anonymised gives them under their new hashes; settings, devices,
    reasons and notes without PERSONAL values; scenes' files by their names only. Labels, scores, names of scenes and
    devices, and times stay. Raises BadInput if ``out`` exists, or lists the files that cannot be anonymised.
    """
    if out.suffix == ".zip" and out.exists():
        raise BadInput(f"{out}: expected a name that is free, got one that exists; choose another, or remove it")
    part = aside(out)
    try:
        copy_parts(folder, part, pictures=not anonymise)
        told = _anonymise(folder, part, progress) if anonymise else {"changed": 0, "values": 0}
        with closing(sqlite3.connect(part / LEDGER)) as ledger:
            paths = [name for (name,) in ledger.execute("SELECT scene FROM scenes") if Path(name).is_absolute()]
        files = [path for path in sorted(part.rglob("*")) if path.is_file()]
        pictures = sum(path.relative_to(part).parts[0] == "pictures" for path in files)
        if out.suffix == ".zip":
            _pack(part, files, out)
        else:
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = (
        out.stat().st_size if out.is_file() else sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    )
    seen = {"paths_in_names": len(paths), "example": paths[0] if paths else ""}
    return (
        {"run": str(folder), "out": str(out), "anonymised": anonymise, "pictures": pictures, "bytes": size}
        | told
        | seen
    )


def _anonymise(folder: Path, part: Path, progress: Said) -> dict[str, int]:
    """Take the pictures over without their metadata, and the personal values out of the copy's ledger and settings."""
    with closing(sqlite3.connect(part / LEDGER)) as ledger:
        renamed = _pictures(folder, part, ledger, progress)
        values = _ledger(part, ledger, renamed)
        ledger.commit()
        ledger.execute("VACUUM")  # what was deleted is gone from the file too
    changed = sum(old != new for old, (new, _) in renamed.items())
    return {"changed": changed, "values": values}


def _pictures(folder: Path, part: Path, ledger: sqlite3.Connection, progress: Said) -> dict[str, tuple[str, int]]:
    """Each picture file's new hash and size; raises BadInput listing those that cannot be anonymised."""
    suffixes = dict(ledger.execute("SELECT sha256, suffix FROM pictures"))
    known = [sha256 for (sha256,) in ledger.execute(KNOWN_FILES) if sha256]
    renamed, refused = {}, []
    for done, sha256 in enumerate(known):
        progress(done, len(known), "")
        source = picture_path(folder / "pictures", sha256)
        if not source.is_file():
            raise BadInput(f"{folder}: expected the file {sha256}, got none; the folder was damaged or copied in part")
        try:
            clean = anonymised(source.read_bytes(), suffix=suffixes.get(sha256, ""))
        except BadInput as problem:
            refused.append(f"{sha256[:12]} ({suffixes.get(sha256, 'no picture of a step')}): {problem}")
            continue
        renamed[sha256] = put_picture(part / "pictures", clean), len(clean)
    progress(len(known), len(known), "")
    if refused:
        raise BadInput(listed(f"{folder}: nothing was exported, files cannot be anonymised", refused))
    return renamed


def _ledger(part: Path, ledger: sqlite3.Connection, renamed: Mapping[str, tuple[str, int]]) -> int:
    """Put the new hashes in, and personal values out; how many different values there were."""
    news = [(new, size, old) for old, (new, size) in renamed.items()]
    ledger.executemany("UPDATE pictures SET sha256 = ?, size = ? WHERE sha256 = ?", news)
    for table, column in (("pictures", "crop_sha256"), ("pictures", "thumb_sha256"), ("attempts", "sha256")):
        ledger.executemany(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", [(new, old) for new, _, old in news])
    settings = from_toml(
        ledger.execute("SELECT value FROM meta WHERE name = 'settings'").fetchone()[0], name="settings"
    )
    devices = {name: json.loads(info) for name, info in ledger.execute("SELECT device, info FROM devices")}
    keys = {name for (name,) in ledger.execute("SELECT DISTINCT device FROM pictures UNION SELECT device FROM steps")}
    values = sorted({*_personal(settings), *_personal(devices)} - keys - {*devices}, key=len, reverse=True)
    text = to_toml(_without(settings))
    ledger.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", [("settings", text), ("writer", "a process elsewhere")]
    )
    for name, info in devices.items():
        row = json.dumps(_without(info), sort_keys=True), name
        ledger.execute("UPDATE devices SET info = ? WHERE device = ?", row)
    for scene, file in ledger.execute("SELECT scene, file FROM scenes").fetchall():
        ledger.execute("UPDATE scenes SET file = ? WHERE scene = ?", (Path(file).name, scene))
    for table, column in (("attempts", "reason"), ("failures", "reason"), ("failures", '"where"'), ("meta", "value")):
        _replace(ledger, table, column, values)
    text = ledger.execute("SELECT value FROM meta WHERE name = 'settings'").fetchone()[0]
    (part / "run.toml").write_text(text, encoding="utf-8")
    return len(values)


def _replace(ledger: sqlite3.Connection, table: str, column: str, values: list[str]) -> None:
    """Write REMOVED in place of the values, and of people's folders, in a column of texts."""
    for (text,) in ledger.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():
        clean = re.sub(r"(?:/home/|/Users/|[A-Z]:\\Users\\)[^/\\\s\"']+", REMOVED, text)
        for value in values:
            clean = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", REMOVED, clean)
        if clean != text:
            ledger.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (clean, text))


def _personal(value: Any, name: str = "") -> set[str]:
    """All texts under PERSONAL names."""
    if isinstance(value, Mapping):
        return {one for key, part in value.items() for one in _personal(part, key if not _is_personal(name) else name)}
    if isinstance(value, list):
        return {one for part in value for one in _personal(part, name)}
    return {value} if isinstance(value, str) and _is_personal(name) and len(value) >= SHORTEST else set()


def _without(value: Any) -> Any:
    """The same settings with PERSONAL texts, and lists of them, empty."""
    if not isinstance(value, Mapping):
        return [_without(part) for part in value] if isinstance(value, list) else value
    found = {}
    for key, part in value.items():
        empty: Any = "" if isinstance(part, str) else [] if isinstance(part, list) else None
        found[key] = empty if _is_personal(key) and empty is not None else _without(part)
    return found


def _is_personal(name: str) -> bool:
    return bool(PERSONAL.search(name.lower()))


def _pack(part: Path, files: list[Path], out: Path) -> None:
    """Write a zip whose bytes follow from the files' alone, aside, and rename it."""
    written = out.with_name(f"{out.name}.writing")
    with zipfile.ZipFile(written, "w", allowZip64=True) as pack:
        for path in files:
            entry = zipfile.ZipInfo(f"{out.stem}/{path.relative_to(part).as_posix()}")
            entry.compress_type = zipfile.ZIP_DEFLATED if path.suffix in PACKED else zipfile.ZIP_STORED
            with path.open("rb") as source, pack.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
    written.replace(out)
