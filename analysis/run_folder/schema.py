"""The tables of a run's ledger, and records as their rows: each key once, the same record again is no news.

A ledger of schema 1 has no columns for what came later (a scene's truth, an environment's post and perturbation): those
fields are then at their default when it is read, and cannot be anything else when it is written.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Scene, Step, from_dict

Record = TypeVar("Record")

# The key columns make each thing exactly once; numbers keep the predictions' index small.
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE scenes (
    number INTEGER PRIMARY KEY, scene TEXT NOT NULL UNIQUE, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    labels TEXT NOT NULL, ambiguous TEXT NOT NULL, cluster TEXT NOT NULL, category TEXT NOT NULL,
    truth TEXT NOT NULL DEFAULT '');
CREATE TABLE steps (
    key TEXT PRIMARY KEY, scene TEXT NOT NULL REFERENCES scenes (scene), angle INTEGER NOT NULL,
    repeat INTEGER NOT NULL, device TEXT NOT NULL, stimulus INTEGER NOT NULL, "order" INTEGER NOT NULL,
    place INTEGER NOT NULL);
CREATE TABLE attempts (
    step TEXT NOT NULL REFERENCES steps (key), attempt INTEGER NOT NULL, session INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'rejected', 'failed')), reason TEXT NOT NULL, sha256 TEXT NOT NULL,
    started_utc TEXT NOT NULL, durations TEXT NOT NULL, PRIMARY KEY (step, attempt)) WITHOUT ROWID;
CREATE UNIQUE INDEX one_good_attempt ON attempts (step) WHERE status = 'ok';
CREATE TABLE pictures (
    number INTEGER PRIMARY KEY, picture TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, suffix TEXT NOT NULL,
    size INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    scene TEXT NOT NULL REFERENCES scenes (scene), angle INTEGER NOT NULL, repeat INTEGER NOT NULL,
    device TEXT NOT NULL, parent TEXT NOT NULL, isp TEXT NOT NULL, codec TEXT NOT NULL, corners TEXT NOT NULL,
    crop_sha256 TEXT NOT NULL, thumb_sha256 TEXT NOT NULL, attempt INTEGER NOT NULL, taken_utc TEXT NOT NULL);
CREATE INDEX pictures_of_scene ON pictures (scene);
CREATE INDEX pictures_of_device ON pictures (device);
CREATE INDEX pictures_of_file ON pictures (sha256);
CREATE TABLE environments (
    number INTEGER PRIMARY KEY, environment TEXT NOT NULL UNIQUE, model TEXT NOT NULL, model_sha256 TEXT NOT NULL,
    decoder TEXT NOT NULL, "view" TEXT NOT NULL, colour TEXT NOT NULL, fit TEXT NOT NULL, resizer TEXT NOT NULL,
    scaling TEXT NOT NULL, runtime TEXT NOT NULL, runtime_version TEXT NOT NULL, threads INTEGER NOT NULL,
    machine TEXT NOT NULL, post TEXT NOT NULL DEFAULT '',
    perturbation TEXT NOT NULL DEFAULT '');
CREATE TABLE shards (
    number INTEGER PRIMARY KEY, shard TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL, errors INTEGER NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE predicted (
    picture INTEGER NOT NULL REFERENCES pictures (number),
    environment INTEGER NOT NULL REFERENCES environments (number),
    shard INTEGER NOT NULL REFERENCES shards (number), PRIMARY KEY (picture, environment)) WITHOUT ROWID;
CREATE TABLE fingerprints (number INTEGER PRIMARY KEY, sha256 BLOB NOT NULL);
CREATE TABLE devices (
    device TEXT PRIMARY KEY, info TEXT NOT NULL, clock_offset_s REAL NOT NULL, seen_utc TEXT NOT NULL);
CREATE TABLE failures (
    number INTEGER PRIMARY KEY, "where" TEXT NOT NULL, reason TEXT NOT NULL, recorded_utc TEXT NOT NULL);
"""
# Schema version -> the statements that make a ledger of it one of the next.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE scenes ADD COLUMN truth TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE environments ADD COLUMN post TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE environments ADD COLUMN perturbation TEXT NOT NULL DEFAULT ''",
    ),
}
TABLES: dict[type, str] = {Scene: "scenes", Step: "steps", Picture: "pictures", Environment: "environments"}
KEYS: dict[type, str] = {Scene: "scene", Step: "key", Picture: "picture", Environment: "environment"}


def insert_records(connection: sqlite3.Connection, records: Sequence[Any]) -> None:
    """Insert records of one kind, each once: the same record again is no news; raises BadInput if it differs."""
    if not records:
        return
    kind, before = type(records[0]), connection.total_changes
    stored = stored_columns(connection, kind)
    _check_room(records, set(column_names(kind)) - set(stored))
    names = ([] if KEYS[kind] in stored else [KEYS[kind]]) + stored
    columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    insert = f"INSERT INTO {TABLES[kind]} ({columns}) VALUES ({marks}) ON CONFLICT ({KEYS[kind]}) DO NOTHING"
    try:
        connection.executemany(insert, ([_cell(getattr(record, name)) for name in names] for record in records))
    except sqlite3.IntegrityError as problem:
        raise BadInput(f"cannot add {TABLES[kind]}: {_unknown_scenes(connection, records) or problem}") from problem
    if connection.total_changes - before < len(records):
        _refuse_changed(connection, kind, records)


def migrate(connection: sqlite3.Connection, *, version: int) -> None:
    """Make a ledger of a version one of the next, within the caller's transaction; its number is the caller's."""
    for statement in MIGRATIONS[version]:
        connection.execute(statement)


def column_names(kind: type) -> list[str]:
    """The columns of a kind of record: its fields, in their order."""
    return [field.name for field in dataclasses.fields(kind)]


def stored_columns(connection: sqlite3.Connection, kind: type) -> list[str]:
    """The columns of a kind of record that this ledger has, in the order of the fields."""
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({TABLES[kind]})")}
    return [name for name in column_names(kind) if name in there]


def to_record(kind: type[Record], row: Sequence[Any], names: Sequence[str] | None = None) -> Record:
    """Make a record from a row of its columns; ``names`` says which they are, where some are not stored."""
    kinds = {field.name: field.type for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {
        name: cell if kinds[name] in ("str", "int", "float") else json.loads(cell)
        for name, cell in zip(names or kinds, row, strict=True)
    }
    return from_dict(kind, values)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value


def _refuse_changed(connection: sqlite3.Connection, kind: type, records: Iterable[Any]) -> None:
    """Raise BadInput if a record's key is in the ledger with other content."""
    stored = stored_columns(connection, kind)
    columns = ", ".join(f'"{name}"' for name in stored)
    for record in records:
        key = getattr(record, KEYS[kind])
        row = connection.execute(f"SELECT {columns} FROM {TABLES[kind]} WHERE {KEYS[kind]} = ?", (key,)).fetchone()
        found: Any = to_record(kind, row, stored)
        if found != record:
            raise BadInput(f"{kind.__name__.lower()} '{key}' is already in the run and differs: {found}")


def _check_room(records: Iterable[Any], absent: Iterable[str]) -> None:
    """Raise BadInput if a record has something in a field that an older ledger has no column for."""
    for name in absent:
        for record in records:
            if getattr(record, name):
                what = f"the {type(record).__name__.lower()} '{getattr(record, KEYS[type(record)])}' with a {name}"
                raise BadInput(too_old(what))


def too_old(what: str) -> str:
    """Say that a run of schema 1 cannot hold something, and what to do."""
    return (
        f"expected a run of schema 2 for {what}, got one of schema 1; make a copy that can hold it: "
        "`instability runs migrate RUN --out COPY`"
    )


def _unknown_scenes(connection: sqlite3.Connection, records: Iterable[Any]) -> str:
    known = {row[0] for row in connection.execute("SELECT scene FROM scenes")}
    unknown = sorted({record.scene for record in records if hasattr(record, "scene")} - known)
    return f"expected scenes of this run, got {unknown[:5]}" if unknown else ""
