"""Is a controller's memory flat? The slope of what was seen from outside while it photographed, with an interval."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.soak_watch import Look

# Of the photographing, and at least: the arenas of the C library, one for each of some threads, fill slowly, though
# what is in use of them stays the same; see docs/reliability-figures.md.
WARM_SHARE, WARM_S = 0.4, 600.0
BLOCK_S = 10.0  # looks of so long are one number, their median: neighbours are alike and would seem to say more
FEWEST = 6  # blocks below which no slope is told
LIMIT_MB_H = 30.0  # flat: the interval of the slope lies below
MORE = 4  # threads or open files that may have come to stay between the first and the last third


@dataclass(frozen=True)
class Slope:
    """A controller's memory while it photographed, warm: slope and 95 % interval in MB an hour, and what it is made of.

    ``threads`` and ``files``: medians of the first and the last third.
    """

    minutes: float
    photographs: int
    median_mb: float
    mb_h: float
    low_mb_h: float
    high_mb_h: float
    threads: tuple[float, float]
    files: tuple[float, float]

    @property
    def verdict(self) -> str:
        """ "flat", "grows", or "too short to tell"."""
        if self.low_mb_h > LIMIT_MB_H or any(last > first + MORE for first, last in (self.threads, self.files)):
            return "grows"
        return "flat" if self.high_mb_h <= LIMIT_MB_H else "too short to tell"


def slope_of(
    looks: Sequence[Look], *, begin_s: float, end_s: float, shot_s: Sequence[float], warm_s: float = WARM_S
) -> Slope | None:
    """The slope between two times (seconds since 1970), without the warm-up; None if that is too short.

    Theil and Sen's estimate over the medians of blocks, with its distribution-free interval (Sen 1968, through scipy).
    ``shot_s``: when photographs were taken; ``warm_s``: the least time that does not count.
    """
    from scipy.stats import theilslopes

    begin_s += max(warm_s, WARM_SHARE * (end_s - begin_s))
    warm = [look for look in looks if begin_s <= look.time_s <= end_s]
    blocks: dict[int, list[Look]] = {}
    for look in warm:
        blocks.setdefault(int((look.time_s - begin_s) / BLOCK_S), []).append(look)
    if len(blocks) < FEWEST:
        return None
    hours = [number * BLOCK_S / 3600 for number in blocks]
    megabytes = [statistics.median(look.bytes for look in block) / 1e6 for block in blocks.values()]
    found = theilslopes(megabytes, hours, alpha=0.95)
    third = len(warm) // 3

    def ends(name: str) -> tuple[float, float]:
        values = [getattr(look, name) for look in warm]
        return statistics.median(values[:third]), statistics.median(values[-third:])

    return Slope(
        minutes=(warm[-1].time_s - warm[0].time_s) / 60,
        photographs=sum(begin_s <= time_s <= end_s for time_s in shot_s),
        median_mb=statistics.median(megabytes),
        mb_h=float(found.slope),
        low_mb_h=float(found.low_slope),
        high_mb_h=float(found.high_slope),
        threads=ends("threads"),
        files=ends("files"),
    )
