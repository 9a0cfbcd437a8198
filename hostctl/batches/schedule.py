"""Who does what next in a batch: shards cut by measured time, retries on another device; no clock, thread or file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# How a shard can end. "infra" alone is tried again: the others say something about the model, the picture or the limit.
DONE, FAILED, TIMEOUT, INFRA = "ok", "failed", "timeout", "infra"

FIRST = 4  # pictures of the shard by which a device is measured
GROWTH = 32  # a shard is at most so many times the largest one measured
MOST = 512  # pictures that a shard may put on a device's card
REMEMBERED = 8  # measured shards; older ones tell of another temperature
FIXED_SHARE = 0.05  # of a shard's time may go into what it costs however many pictures it has
SMALLEST_S = 0.3  # of a shard once devices are measured: committing it costs the controller some hundredths
LAST_FIXED_SHARE = 0.2  # the same at the end, where small shards let devices end together


@dataclass(frozen=True)
class Shard:
    """Pictures of one row of the matrix, given to a device; ``attempt`` counts from 1, ``tried`` had them before."""

    number: int
    row: str
    device: str
    pictures: tuple[str, ...]
    attempt: int = 1
    tried: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Piece:
    pictures: tuple[str, ...]
    attempt: int
    tried: frozenset[str]


class Schedule:
    """The state of a batch: which pictures each row owes, who can make them, and how fast everyone was.

    ``owed``: row -> pictures; ``able``: row -> devices that may share it. ``retries``: how often pictures may be given
    to a device again after an infrastructure failure. ``aim_s``: how long a shard shall take; at most half of
    ``limit_s`` (0: none). The same calls give the same shards. Not for several threads at once.
    """

    def __init__(
        self,
        owed: Mapping[str, Sequence[str]],
        able: Mapping[str, Sequence[str]],
        *,
        retries: int,
        aim_s: float,
        limit_s: float = 0.0,
        first_number: int = 1,
    ) -> None:
        self._pieces = {
            row: [_Piece(tuple(pictures), 1, frozenset())] * bool(pictures) for row, pictures in owed.items()
        }
        self._able = {row: list(able.get(row, ())) for row in owed}
        self._flying: dict[int, Shard] = {}
        self._paces: dict[tuple[str, str], list[tuple[int, float]]] = {}
        self._retries, self._aim_s, self._limit_s = retries, aim_s, limit_s
        self._number = first_number
        self._give_up_rows()

    def take(self, device: str) -> Shard | None:
        """Give a device its next shard, None if there is none for it now; what failed elsewhere comes first."""
        for row, pieces in self._pieces.items():
            for place, piece in enumerate(pieces):
                if self._may(device, row, piece):
                    size = self._size(device, row)
                    rest = piece.pictures[size:]
                    pieces[place : place + 1] = [_Piece(rest, piece.attempt, piece.tried)] if rest else []
                    shard = Shard(self._number, row, device, piece.pictures[:size], piece.attempt, piece.tried)
                    self._number += 1
                    self._flying[shard.number] = shard
                    return shard
        return None

    def finish(self, shard: Shard, outcome: str, *, made: Iterable[str], seconds: float) -> bool:
        """Take a shard back: how it ended, which pictures were made and how long it took.

        Says whether pictures that were not made are now given up; False if there are none, or they are tried again.
        """
        del self._flying[shard.number]
        there = set(made)
        left = tuple(picture for picture in shard.pictures if picture not in there)
        if outcome == DONE:
            pace = self._paces.setdefault((shard.device, shard.row), [])
            pace.append((len(shard.pictures), seconds))
            del pace[:-REMEMBERED]
        if not left:
            return False
        if outcome == INFRA and shard.attempt <= self._retries and self._able[shard.row]:
            again = _Piece(left, shard.attempt + 1, shard.tried | {shard.device})
            self._pieces[shard.row].insert(0, again)
            return False
        return True

    def lose(self, device: str) -> None:
        """Give a device no more shards; rows that no device is left for are given up."""
        for devices in self._able.values():
            if device in devices:
                devices.remove(device)
        self._give_up_rows()

    def over(self, device: str) -> bool:
        """Whether there will never be another shard for a device."""
        rows = {row for row, devices in self._able.items() if device in devices}
        return not any(self._pieces[row] for row in rows) and not any(one.row in rows for one in self._flying.values())

    def _give_up_rows(self) -> None:
        for row, devices in self._able.items():
            if not devices:
                self._pieces[row].clear()

    def _may(self, device: str, row: str, piece: _Piece) -> bool:
        """Pictures that failed go to a device that has not had them, as long as there is one."""
        devices = self._able[row]
        return device in devices and (device not in piece.tried or piece.tried.issuperset(devices))

    def _size(self, device: str, row: str) -> int:
        """How many pictures a device shall get: as many as fill the time aimed at, fewer when the end is near."""
        measured = self._paces.get((device, row))
        if not measured:
            return FIRST
        fixed_s, picture_s = fit_pace(measured)
        aim_s = max(self._aim_s, fixed_s / FIXED_SHARE)
        if self._limit_s:
            aim_s = min(aim_s, self._limit_s / 2)
        size = max(
            1, min(math.floor((aim_s - fixed_s) / picture_s), MOST, GROWTH * max(count for count, _ in measured))
        )
        share = self._share(device, row, picture_s)
        if share == 1.0:
            return size
        left = self._left_s(device, picture_s) * share / picture_s
        smallest = math.ceil(min(left, max(fixed_s / LAST_FIXED_SHARE, SMALLEST_S) / picture_s))
        return max(1, min(size, max(math.ceil(left / 2), smallest)))

    def _share(self, device: str, row: str, picture_s: float) -> float:
        """The part of the row's speed that is this device's, 0..1; who was not measured yet counts as fast as it."""
        paces = [self._picture_s(one, row, picture_s) for one in self._able[row]]
        return (1 / self._picture_s(device, row, picture_s)) / sum(1 / one for one in paces)

    def _left_s(self, device: str, picture_s: float) -> float:
        """How long everything that a device may still get would take it alone."""
        return sum(
            len(piece.pictures) * self._picture_s(device, row, picture_s)
            for row, pieces in self._pieces.items()
            for piece in pieces
            if device in self._able[row]
        )

    def _picture_s(self, device: str, row: str, otherwise: float) -> float:
        measured = self._paces.get((device, row))
        return fit_pace(measured)[1] if measured else otherwise


def fit_pace(measured: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Give the seconds that a shard costs at all and those that each picture adds, from (pictures, seconds).

    A straight line by least squares; where it would fall, or cut the axis below 0, or all shards had one size, all time
    is the pictures'.
    """
    count = len(measured)
    mean_n, mean_s = sum(n for n, _ in measured) / count, sum(s for _, s in measured) / count
    spread = sum((n - mean_n) ** 2 for n, _ in measured)
    slope = sum((n - mean_n) * (s - mean_s) for n, s in measured) / spread if spread else 0.0
    whole = max(mean_s / mean_n, 1e-6)  # a clock may say that no time went by
    if not 0 < slope < whole:
        return 0.0, whole
    return mean_s - slope * mean_n, slope
