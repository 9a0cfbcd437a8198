"""Predictions as Parquet parts: one part a finished shard, its name and bytes fixed by its predictions.

A part has the flat columns of part_schema, rows ordered by picture and environment; "detail" only where a prediction
in it has one, so that classification's parts are what they were before there were other tasks. Its fingerprints are
numbers into the ledger's table, 0 where a stage was not reached; a number is made from the hash itself, so that a part
that has to be made again after a kill comes out byte for byte the same, whatever was committed in between.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_folder.files import SHA256
from device_agents.errors import BadInput
from device_agents.records import Prediction

if TYPE_CHECKING:
    import pyarrow

TOP_K = 5
LABELS = tuple(f"label_{rank}" for rank in range(1, TOP_K + 1))
SCORES = tuple(f"score_{rank}" for rank in range(1, TOP_K + 1))
STAGES = ("file", "pixels", "resized", "tensor")
FINGERPRINTS = tuple(f"{stage}_fingerprint" for stage in STAGES)
DETAIL = "detail"
COLUMNS = ("picture", "environment", *LABELS, *SCORES, "latency_ms", "error", *FINGERPRINTS)
NUMBER_BITS = 63
SHARD = re.compile("[0-9a-f]{32}")
_FINGERPRINTS_OF = attrgetter(*(f"{stage}_sha256" for stage in STAGES))


def shard_name(predictions: Iterable[Prediction]) -> str:
    """Name a shard by what it covers: 32 hexadecimal digits of the sha256 of its (picture, environment) pairs."""
    return name_of((prediction.picture, prediction.environment) for prediction in predictions)


def name_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Name a shard as shard_name does, by its (picture, environment) pairs."""
    return hashlib.sha256(repr(sorted(pairs)).encode()).hexdigest()[:32]


def check(predictions: Sequence[Prediction]) -> None:
    """Raise BadInput unless each pair of picture and environment stands once and fits the flat columns."""
    seen: set[tuple[str, str]] = set()
    for one in predictions:
        where = f"prediction of '{one.picture}' in {one.environment}"
        if (one.picture, one.environment) in seen:
            raise BadInput(f"{where}: expected once in a shard, got twice")
        seen.add((one.picture, one.environment))
        if len(one.labels) != len(one.scores) or len(one.labels) > TOP_K:
            raise BadInput(f"{where}: expected up to {TOP_K} labels and as many scores, got {one.labels}, {one.scores}")
        if not one.labels and not one.error:
            raise BadInput(f"{where}: expected labels, or the reason why there are none; got neither")
        for digest in fingerprints_of(one):
            if digest and not SHA256.fullmatch(digest):
                raise BadInput(f"{where}: expected a fingerprint of 64 hexadecimal digits, got {digest[:80]!r}")


def fingerprints_of(prediction: Prediction) -> tuple[str, ...]:
    """The four fingerprints of a prediction, in the order of STAGES; "" where a stage was not reached."""
    marks: tuple[str, ...] = _FINGERPRINTS_OF(prediction)
    return marks


def part_bytes(predictions: Sequence[Prediction], numbers: dict[str, int]) -> bytes:
    """Write a shard as one Parquet file in memory; numbers gives each fingerprint's number in the ledger."""
    rows = sorted(predictions, key=lambda one: (one.picture, one.environment))
    columns: dict[str, list[Any]] = {
        "picture": [one.picture for one in rows],
        "environment": [one.environment for one in rows],
        "latency_ms": [one.latency_ms for one in rows],
        "error": [one.error for one in rows],
    }
    for rank, (label, score) in enumerate(zip(LABELS, SCORES, strict=True)):
        columns[label] = [one.labels[rank] if rank < len(one.labels) else None for one in rows]
        columns[score] = [one.scores[rank] if rank < len(one.scores) else None for one in rows]
    marks = [fingerprints_of(one) for one in rows]
    for place, name in enumerate(FINGERPRINTS):
        columns[name] = [numbers[mark[place]] if mark[place] else 0 for mark in marks]
    if any(one.detail for one in rows):
        columns[DETAIL] = [one.detail for one in rows]
    return written(columns)


def written(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write the columns of a part, its rows in their order, as one Parquet file in memory."""
    import pyarrow
    import pyarrow.parquet

    buffer, schema = BytesIO(), part_schema(detail=DETAIL in columns)
    table = pyarrow.Table.from_pydict({name: columns[name] for name in schema.names}, schema=schema)
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def part_schema(*, detail: bool = False) -> pyarrow.Schema:
    """The columns of a part: names repeat and are dictionary-encoded, scores keep all their bits.

    So are details, which environments share that answer alike; together they may be longer than 2 GB.
    """
    import pyarrow

    name = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = dict.fromkeys(SCORES, pyarrow.float64()) | {"latency_ms": pyarrow.float64()}
    types |= dict.fromkeys(FINGERPRINTS, pyarrow.int64())
    columns = [(column, types.get(column, name)) for column in COLUMNS]
    details = [(DETAIL, pyarrow.dictionary(pyarrow.int32(), pyarrow.large_string()))]
    return pyarrow.schema(columns + details * detail)


def read_parts(paths: Sequence[Path], columns: Sequence[str]) -> pyarrow.Table:
    """Read some columns of parts as one Arrow table with one dictionary a column; raises BadInput naming a bad part.

    Where a part has no details, they are null.
    """
    import pyarrow
    import pyarrow.parquet

    wanted = pyarrow.schema([part_schema(detail=True).field(column) for column in columns])

    def read(path: Path) -> pyarrow.Table:
        try:
            with pyarrow.parquet.ParquetFile(path) as part:
                there = [name for name in columns if name != DETAIL or DETAIL in part.schema_arrow.names]
                table = part.read(columns=there, use_threads=False).select(there)
                if len(there) < len(columns):
                    table = table.append_column(DETAIL, pyarrow.nulls(len(table), wanted.field(DETAIL).type))
                return table.select(list(columns)).cast(wanted)
        except (OSError, KeyError, pyarrow.ArrowInvalid) as problem:
            raise BadInput(f"{path}: expected a whole part of predictions, got: {problem}") from problem

    # Parts are small and many: opening them is most of the work, which a thread each does without the interpreter.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        tables = [wanted.empty_table(), *threads.map(read, paths)]
    return pyarrow.concat_tables(tables).unify_dictionaries().combine_chunks()


def number_fingerprints(connection: sqlite3.Connection, digests: Iterable[str]) -> dict[str, int]:
    """Store fingerprints once each and give their numbers; to be called within a transaction.

    A number is the first 63 bits of the hash. Where two hashes share them (one chance in 3000 at 80 million), the
    later one takes the next free number.
    """
    numbers = {digest: first_bits(digest) for digest in digests}
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS new_fingerprints (number INTEGER, sha256 BLOB)")
    connection.execute("DELETE FROM new_fingerprints")
    rows = ((number, bytes.fromhex(digest)) for digest, number in numbers.items())
    connection.executemany("INSERT INTO new_fingerprints VALUES (?, ?)", rows)
    connection.execute("INSERT INTO fingerprints SELECT * FROM new_fingerprints WHERE true ON CONFLICT DO NOTHING")
    clashes = connection.execute(
        "SELECT new.sha256 FROM new_fingerprints new JOIN fingerprints USING (number)"
        " WHERE new.sha256 <> fingerprints.sha256"
    ).fetchall()
    for (digest,) in clashes:
        numbers[digest.hex()] = _next_number(connection, digest, numbers[digest.hex()])
    return numbers


def first_bits(digest: str) -> int:
    """A fingerprint's number: the first 63 bits of the hash, but never 0, which stands for none."""
    return int(digest[:16], 16) >> (64 - NUMBER_BITS) or 1


def _next_number(connection: sqlite3.Connection, digest: bytes, number: int) -> int:
    """The number of a hash whose own place is taken: found, or newly given, at one of the places after it."""
    while True:
        number = number % (2**NUMBER_BITS - 1) + 1
        row = connection.execute("SELECT sha256 FROM fingerprints WHERE number = ?", (number,)).fetchone()
        if row is None:
            connection.execute("INSERT INTO fingerprints VALUES (?, ?)", (number, digest))
        if row is None or row[0] == digest:
            return number
