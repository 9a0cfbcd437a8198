"""Failed predictions taken out of a run, so that they are missing and whatever predicted them does it again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.run_folder import parts
from analysis.run_folder.files import write_whole
from analysis.run_folder.ledger import Ledger
from analysis.run_folder.shards import part_path

Row = dict[str, Any]  # of a part
FAILED_PAIRS = """
DELETE FROM predicted WHERE picture = (SELECT number FROM pictures WHERE picture = ?)
AND environment = (SELECT number FROM environments WHERE environment = ?)
"""


def forget_failed(ledger: Ledger, folder: Path, reason: str = "") -> dict[str, int]:
    """Forget the failed predictions of which the reason contains a text; gives how many of each reason, most first.

    folder: of the parts. A shard with such predictions is replaced by one of its others, each shard in a transaction of
    its own: a kill leaves every prediction known or missing, and at most a part that nobody knows. Raises BadInput for
    a run that was opened for reading, or of which a part is gone.
    """
    forgotten: Counter[str] = Counter()
    for number, shard in ledger.rows("SELECT number, shard FROM shards WHERE errors > 0 ORDER BY number"):
        path = part_path(folder, shard)
        rows = parts.read_parts([path], [*parts.COLUMNS, parts.DETAIL]).to_pylist()
        kept, gone = list[Row](), list[Row]()
        for row in rows:
            (gone if row["error"] and reason in row["error"] else kept).append(row)
        if gone:
            _replace(ledger, folder, number, kept, gone)
            path.unlink()
            forgotten.update(row["error"] for row in gone)
    return dict(forgotten.most_common())


def _content(rows: Sequence[Row]) -> bytes:
    """The part of some rows, as it would be had they been predicted alone: without details where none has one."""
    names = [*parts.COLUMNS, *([parts.DETAIL] if any(row[parts.DETAIL] for row in rows) else [])]
    return parts.written({name: [row[name] for row in rows] for name in names})


def _replace(ledger: Ledger, folder: Path, number: int, kept: Sequence[Row], gone: Sequence[Row]) -> None:
    with ledger.transaction() as connection:
        connection.executemany(FAILED_PAIRS, [(row["picture"], row["environment"]) for row in gone])
        if kept:
            shard, content = parts.name_of((row["picture"], row["environment"]) for row in kept), _content(kept)
            write_whole(part_path(folder, shard), content)
            values = shard, len(kept), sum(bool(row["error"]) for row in kept), len(content)
            insert = "INSERT INTO shards (shard, rows, errors, size, sha256) VALUES (?, ?, ?, ?, ?)"
            new = connection.execute(insert, (*values, hashlib.sha256(content).hexdigest())).lastrowid
            connection.execute("UPDATE predicted SET shard = ? WHERE shard = ?", (new, number))
        connection.execute("DELETE FROM shards WHERE number = ?", (number,))
