"""How a batch ended: a status for each row of its matrix and for the whole, each with an exit code of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hostctl.batches.schedule import FAILED as SHARD_FAILED
from hostctl.batches.schedule import TIMEOUT as SHARD_TIMEOUT
from hostctl.batches.work import Attempt

OK, PARTIAL, FAILED, OFFLINE, TIMEOUT, INFRA = "OK", "PARTIAL", "FAILED", "OFFLINE", "TIMEOUT", "INFRA"
# None of them is one that every command has: 1 findings, 2 bad input, 3 devices cannot be had, 4 cannot say yet.
EXIT_CODES = {OK: 0, FAILED: 10, PARTIAL: 11, TIMEOUT: 12, OFFLINE: 13, INFRA: 20}
GRAVEST = (FAILED, TIMEOUT, INFRA, OFFLINE)


@dataclass(frozen=True)
class Count:
    """Of a row's pictures: how many there are, were predicted without an error, and with one."""

    pictures: int
    good: int
    errors: int

    @property
    def missing(self) -> int:
        """How many have no prediction at all."""
        return self.pictures - self.good - self.errors


def row_status(count: Count, attempts: Sequence[Attempt], *, able: bool, unable: bool = False) -> str:
    """Say how a row ended, from this command's attempts.

    able: whether any of its devices was in reach at the start; unable: whether one was, but lacks what the row needs.
    PARTIAL is some pictures, not all; with none, the gravest reason.
    """
    if count.good == count.pictures:
        return OK
    if count.good:
        return PARTIAL
    ended = {one.outcome for one in attempts}
    if count.errors or SHARD_FAILED in ended or unable:
        return FAILED
    if SHARD_TIMEOUT in ended:
        return TIMEOUT
    return INFRA if able else OFFLINE


def batch_status(rows: Iterable[str]) -> str:
    """Say how the batch ended: OK where all rows are, PARTIAL where something is, else the gravest of its rows."""
    found = set(rows)
    if found <= {OK}:
        return OK
    if found & {OK, PARTIAL}:
        return PARTIAL
    return next(status for status in GRAVEST if status in found)


def device_status(attempts: Sequence[Attempt], problem: str, *, reached: bool) -> str:
    """Say how a device fared: its own failures count here, though others may have made good for them."""
    if not reached:
        return OFFLINE
    outcomes: Mapping[str, int] = {name: sum(one.outcome == name for one in attempts) for name in _OF_SHARDS}
    bad = [_OF_SHARDS[name] for name in _OF_SHARDS if name != "ok" and outcomes[name]]
    if not bad:
        return INFRA if problem else OK
    return PARTIAL if outcomes["ok"] else next(status for status in GRAVEST if status in bad)


_OF_SHARDS = {"ok": OK, "failed": FAILED, "timeout": TIMEOUT, "infra": INFRA}
