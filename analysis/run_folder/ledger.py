"""The ledger of a run: the connection, the one writer's lock, and transactions.

Any number of processes may read a run; one may write it. The writer holds an exclusive transaction on a second, empty
SQLite file for as long as it lives: the operating system drops that lock with the process, however it dies, so a lock
is never stale. Threads of the writer share one connection and take turns.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from analysis.run_folder.schema import SCHEMA, TABLES, insert_records, stored_columns, to_record
from device_agents.errors import BadInput
from device_agents.records import SCHEMA_VERSION, Scene

Record = TypeVar("Record")

LEDGER, LOCK = "ledger.sqlite", "ledger.lock"
BUSY_TIMEOUT_S = 30.0
NOTE = "note "  # keeps the names of notes apart from the ledger's own: settings, writer, ...


class Ledger:
    """One connection to a run's ledger, guarded by a lock so that the threads of a process may share it."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        """Connect; raises BadInput if the folder holds no ledger, a newer one, or another process writes it."""
        if not (folder / LEDGER).is_file():
            raise BadInput(f"{folder}: expected a run folder with {LEDGER}, got none")
        self.folder, self.write = folder, write
        self._guard = threading.RLock()
        self._holder = hold(folder) if write else None
        try:
            self._connection = _connect(folder, write=write)
            self._check_version()
            if write:
                self.set_meta({"writer": f"process {os.getpid()} on {platform.node() or 'this machine'}"})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection and give the lock back; may be called twice."""
        with self._guard:
            if hasattr(self, "_connection"):
                self._connection.close()
            if self._holder is not None:
                self._holder.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and give all its rows."""
        with self._guard:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; raises BadInput if the run was opened for reading, or the disk is full."""
        if not self.write:
            raise BadInput(f"{self.folder}: expected a run opened for writing, got one opened for reading")
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as problem:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(problem, sqlite3.OperationalError):
                    raise BadInput(_cannot_write(self.folder, problem)) from problem
                raise

    def meta(self, name: str) -> str:
        """A value of the run as a whole, "" where there is none."""
        found = self.rows("SELECT value FROM meta WHERE name = ?", (name,))
        return str(found[0][0]) if found else ""

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Write values of the run as a whole."""
        with self.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def note(self, name: str) -> Any | None:
        """The newest JSON value kept under a name by set_note, None where there is none."""
        found = self.meta(NOTE + name)
        return json.loads(found) if found else None

    def set_note(self, name: str, value: Any) -> None:
        """Keep a small JSON value of the run under a name, apart from the ledger's own; raises BadInput if it is none.

        NaN and infinity are no JSON, and are refused with it.
        """
        try:
            text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as problem:
            raise BadInput(f"note '{name}': expected a value that JSON can hold, got {value!r}: {problem}") from problem
        self.set_meta({NOTE + name: text})

    def records(self, kind: type[Record], clause: str = "", values: Sequence[Any] = ()) -> list[Record]:
        """Read records of a kind; clause is what follows FROM, for example "WHERE scene = ? ORDER BY number"."""
        names = self.columns(kind)
        columns = ", ".join(f'"{name}"' for name in names)
        query = f"SELECT {columns} FROM {TABLES[kind]} {clause}"
        return [to_record(kind, row, names) for row in self.rows(query, values)]

    def columns(self, kind: type) -> list[str]:
        """The fields of a kind of record that this ledger stores: an older one lacks what came later."""
        with self._guard:
            return stored_columns(self._connection, kind)

    @property
    def version(self) -> int:
        """The schema that the run was made with."""
        return int(self.rows("PRAGMA user_version")[0][0])

    def _check_version(self) -> None:
        found = self.version
        if found == 0:
            raise BadInput(f"{self.folder}: expected a run folder, got one whose making was cut short; make it again")
        if found > SCHEMA_VERSION:
            raise BadInput(
                f"{self.folder}: expected a run of schema {SCHEMA_VERSION} or older, got schema {found}; "
                "open it with the newer instability-kit that made it"
            )


def hold(folder: Path) -> sqlite3.Connection:
    """Become the one writer of a run folder until the connection closes; raises BadInput naming the writer there is."""
    holder = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        holder.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as problem:
        holder.close()
        raise BadInput(
            f"{folder}: expected to be its only writer, got one already: {_writer(folder)}; "
            "wait until it ends, or open the run for reading"
        ) from problem
    return holder


def make(folder: Path, meta: Mapping[str, str], scenes: Sequence[Scene]) -> None:
    """Make the ledger of a new run in one transaction; the caller holds the lock."""
    connection = sqlite3.connect(folder / LEDGER, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        insert_records(connection, scenes)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as problem:
        raise BadInput(_cannot_write(folder, problem)) from problem
    finally:
        connection.close()


def is_made(folder: Path) -> bool:
    """Whether a folder holds a ledger whose making came to its end."""
    if not (folder / LEDGER).is_file():
        return False
    connection = sqlite3.connect(folder / LEDGER, timeout=BUSY_TIMEOUT_S)
    try:
        return bool(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError as problem:
        raise BadInput(f"{folder / LEDGER}: expected a run's ledger, got: {problem}") from problem
    finally:
        connection.close()


def _connect(folder: Path, *, write: bool) -> sqlite3.Connection:
    path = folder / LEDGER
    # A folder that cannot be written (a copy on read-only media) has no place for SQLite's shared memory.
    fixed = not write and not os.access(folder, os.W_OK)
    address = f"{path.absolute().as_uri()}?{'immutable=1' if fixed else 'mode=rw'}"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
    except sqlite3.DatabaseError as problem:
        connection.close()
        raise BadInput(f"{path}: expected a run's ledger, got: {problem}") from problem
    return connection


def _writer(folder: Path) -> str:
    """Who holds a run, as it wrote itself into the ledger."""
    if not (folder / LEDGER).is_file():
        return "a process that is making it"
    connection = _connect(folder, write=False)
    try:
        found = connection.execute("SELECT value FROM meta WHERE name = 'writer'").fetchone()
    except sqlite3.OperationalError:  # its tables are not there yet: the other process is making them
        found = None
    finally:
        connection.close()
    return str(found[0]) if found else "a process that is making it"


def _cannot_write(folder: Path, problem: sqlite3.Error) -> str:
    return (
        f"cannot write the ledger of {folder}: {problem}; expected a disk with free space; nothing recorded is lost: "
        "make room and run the same command again"
    )
