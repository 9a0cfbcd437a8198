"""The book of predictions: which are missing, and the commit of a finished shard."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.run_folder import parts
from analysis.run_folder.files import write_whole
from analysis.run_folder.golden import EXCEPT
from analysis.run_folder.ledger import Ledger
from analysis.run_folder.schema import column_names, to_record, too_old
from device_agents.errors import BadInput
from device_agents.records import Environment, Picture, Prediction

Numbered = tuple[int, Picture]
DETAIL_SINCE = 2  # of the schemas


def picture_blocks(ledger: Ledger, where: Mapping[str, Any] | None, size: int) -> Iterator[list[Numbered]]:
    """Pictures with their numbers, at most size at a time, as they were added; where as in picture_records.

    Each block is read when it is asked for, so nothing holds the ledger, or all pictures, in between.
    """
    clause, values = _condition(where or {})
    clause += "" if "scene" in (where or {}) else f" AND {EXCEPT}"
    columns = ", ".join(("number", *column_names(Picture)))
    query = f"SELECT {columns} FROM pictures WHERE number > ?{clause} ORDER BY number LIMIT ?"
    last = 0
    while rows := ledger.rows(query, (last, *values, size)):
        last = rows[-1][0]
        yield [(row[0], to_record(Picture, row[1:])) for row in rows]


def missing(
    ledger: Ledger, environments: Sequence[Environment], where: Mapping[str, Any] | None, size: int
) -> Iterator[tuple[list[Picture], list[Environment]]]:
    """Pictures of a block that miss the same environments, with those environments."""
    names = {one.environment: one for one in environments}
    for block in picture_blocks(ledger, where, size):
        done = set(
            ledger.rows(
                "SELECT picture, environments.environment FROM predicted JOIN environments"
                " ON number = predicted.environment WHERE picture BETWEEN ? AND ?",
                (block[0][0], block[-1][0]),
            )
        )
        groups: dict[tuple[str, ...], list[Picture]] = {}
        for number, picture in block:
            groups.setdefault(tuple(name for name in names if (number, name) not in done), []).append(picture)
        for lacking, pictures in groups.items():
            if lacking:
                yield pictures, [names[name] for name in lacking]


def commit(ledger: Ledger, folder: Path, predictions: Sequence[Prediction]) -> str:
    """Write a shard's part and then its rows, as Run.add_predictions says; give the shard's name.

    The fingerprints get their numbers, the part its name and the ledger its rows in this order within one transaction:
    a kill in between leaves at most a part that nobody knows of, and making it again gives the same bytes.
    """
    parts.check(predictions)
    told = next((one for one in predictions if one.detail), None)
    if told is not None and ledger.version < DETAIL_SINCE:
        raise BadInput(too_old(f"the prediction of '{told.picture}' with a detail"))
    shard = parts.shard_name(predictions)
    with ledger.transaction() as connection:
        if not predictions or connection.execute("SELECT 1 FROM shards WHERE shard = ?", (shard,)).fetchone():
            return shard
        pairs = _numbered_pairs(connection, predictions)
        digests = {digest for one in predictions for digest in parts.fingerprints_of(one) if digest}
        content = parts.part_bytes(predictions, parts.number_fingerprints(connection, sorted(digests)))
        write_whole(part_path(folder, shard), content)
        errors = sum(bool(one.error) for one in predictions)
        row = (shard, len(predictions), errors, len(content), hashlib.sha256(content).hexdigest())
        insert = "INSERT INTO shards (shard, rows, errors, size, sha256) VALUES (?, ?, ?, ?, ?)"
        number = connection.execute(insert, row).lastrowid
        connection.executemany("INSERT INTO predicted VALUES (?, ?, ?)", ((*pair, number) for pair in pairs))
    return shard


def part_path(folder: Path, shard: str) -> Path:
    """Where the part of a shard lives; raises BadInput for a name that is not one of parts.shard_name."""
    if not parts.SHARD.fullmatch(shard):  # a ledger may come from anybody
        raise BadInput(f"{folder}: expected a shard called by 32 hexadecimal digits, got {shard[:80]!r}")
    return folder / f"{shard}.parquet"


def part_paths(ledger: Ledger, folder: Path) -> list[Path]:
    """The parts that the ledger knows, in the order of their commit; raises BadInput if one is gone or cut."""
    rows = ledger.rows("SELECT shard, size FROM shards ORDER BY number")
    paths = [part_path(folder, shard) for shard, _ in rows]
    for path, (_, size) in zip(paths, rows, strict=True):
        found = path.stat().st_size if path.is_file() else 0
        if found != size:
            raise BadInput(
                f"{path}: expected a part of {size} bytes, got {found}; the run was damaged or copied in part"
            )
    return paths


def _numbered_pairs(connection: sqlite3.Connection, predictions: Sequence[Prediction]) -> list[tuple[int, int]]:
    """The numbers of each prediction's picture and environment; raises BadInput if unknown, or predicted before."""
    environments = dict(connection.execute("SELECT environment, number FROM environments"))
    pictures = {name: _numbers_of(connection, name) for name in {one.picture for one in predictions}}
    pairs = []
    for one in predictions:
        (picture, done), environment = pictures[one.picture], environments.get(one.environment)
        if picture is None or environment is None:
            absent = f"picture '{one.picture}'" if picture is None else f"environment '{one.environment}'"
            raise BadInput(
                f"prediction of '{one.picture}': expected a picture and an environment of the run, no {absent}"
            )
        if environment in done:
            raise BadInput(f"prediction of '{one.picture}' in {one.environment}: expected a missing one, got it twice")
        pairs.append((picture, environment))
    return pairs


def _numbers_of(connection: sqlite3.Connection, picture: str) -> tuple[int | None, set[int]]:
    """A picture's number, None for an unknown one, and those of the environments that it is predicted in."""
    row = connection.execute("SELECT number FROM pictures WHERE picture = ?", (picture,)).fetchone()
    if row is None:
        return None, set()
    return row[0], {one for (one,) in connection.execute("SELECT environment FROM predicted WHERE picture = ?", row)}


def _condition(where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The SQL of a filter and its values; raises BadInput naming columns that a picture has not."""
    unknown = sorted(set(where) - set(column_names(Picture)))
    if unknown:
        raise BadInput(f"unknown columns of a picture {unknown}; known: {', '.join(column_names(Picture))}")
    clause, values = "", []
    for name, value in where.items():
        options = list(value) if isinstance(value, tuple | list) else [value]
        clause += f" AND {name} IN ({', '.join('?' * len(options))})"
        values += options
    return clause, values
