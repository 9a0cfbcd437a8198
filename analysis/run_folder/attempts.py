"""Steps and the attempts at them: what is still to do, what was tried, and with what result."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.run_folder.frames import frame
from analysis.run_folder.ledger import Ledger
from device_agents.errors import BadInput
from device_agents.records import Picture, Step, step_key

if TYPE_CHECKING:
    import pandas as pd

FAILURES = ("rejected", "failed")
GOOD = "EXISTS (SELECT 1 FROM attempts WHERE step = key AND status = 'ok')"
NEXT = "SELECT COALESCE(max(attempt), 0) + 1 FROM attempts WHERE step = "


def session(ledger: Ledger) -> int:
    """The number of the session: each starts with all its attempts left."""
    return int(ledger.meta("session"))


def steps_missing(ledger: Ledger, max_attempts: int) -> list[Step]:
    """Steps without an accepted picture and with fewer than max_attempts attempts in this session, in order."""
    return ledger.records(
        Step,
        f"WHERE NOT {GOOD} AND ? > (SELECT count(*) FROM attempts WHERE step = key AND session = ?)"
        ' ORDER BY "order", key',
        (max_attempts, session(ledger)),
    )


def next_attempt(ledger: Ledger, step: str) -> int:
    """The number that the next attempt at a step will have."""
    return int(ledger.rows(f"{NEXT} ?", (step,))[0][0])


def add_attempt(
    ledger: Ledger,
    step: str,
    status: str,
    *,
    reason: str,
    started_utc: str,
    durations: Mapping[str, float],
    sha256: str,
) -> int:
    """Record an attempt as Run.add_attempt says, and give its number."""
    values = (reason, sha256, started_utc, json.dumps(dict(durations)))
    with ledger.transaction() as connection:
        if not connection.execute("SELECT 1 FROM steps WHERE key = ?", (step,)).fetchone():
            raise BadInput(f"attempt at '{step}': expected a planned step, got none of that name")
        if status in FAILURES:
            row = (step, next_attempt(ledger, step), session(ledger), status, *values)
            connection.execute(f"INSERT INTO attempts VALUES ({', '.join('?' * len(row))})", row)
            return int(row[1])
        found = connection.execute(
            "UPDATE attempts SET reason = ?, sha256 = sha256 || ?, started_utc = ?, durations = ?"
            " WHERE step = ? AND status = 'ok' RETURNING attempt",
            (*values, step),
        ).fetchall()
        if status != "ok" or not found:
            raise BadInput(
                f"attempt at '{step}': expected 'rejected', 'failed', or 'ok' with a picture, got '{status}'"
            )
        return int(found[0][0])


def mark_good(
    connection: sqlite3.Connection, records: Sequence[Picture], *, session: int, started_utc: str, durations: str
) -> None:
    """Record the attempt that gave each photograph its step, once a step; a developed picture has none."""
    shot = {step_key(one.scene, one.angle, one.repeat, one.device): one for one in reversed(records) if not one.parent}
    connection.executemany(
        f"INSERT INTO attempts SELECT key, ({NEXT} key), ?, 'ok', '', ?, ?, ? FROM steps WHERE key = ? AND NOT {GOOD}",
        [(session, one.sha256, started_utc, durations, key) for key, one in shot.items()],
    )


def attempts_frame(ledger: Ledger) -> pd.DataFrame:
    """All attempts in the order of their steps; durations are dicts of seconds."""
    texts = ("step", "scene", "device", "status", "reason", "sha256", "started_utc")
    kinds = dict.fromkeys(texts, "TEXT") | dict.fromkeys(("angle", "repeat", "attempt", "session"), "INTEGER")
    kinds |= {"durations": "JSON"}
    query = f'SELECT {", ".join(kinds)} FROM attempts JOIN steps ON step = key ORDER BY "order", key, attempt'
    return frame(ledger.rows(query), kinds)
