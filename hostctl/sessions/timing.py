"""How long each device usually takes, and how long the others wait for it; when what it does is overdue."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque

KEPT = 20  # durations from which a device's usual one is taken
TIMES, PLUS_S = 4.0, 2.0  # a device may take so many times its usual time and so many seconds more
UNKNOWN_S = 10.0  # at least so long for a device of which nothing is known yet


class Timing:
    """The durations, in seconds, of what devices did and how they ended well; ``limit_s`` is the longest wait."""

    def __init__(self, *, limit_s: float) -> None:
        self._limit_s = limit_s
        self._known: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))

    def add(self, device: str, duration_s: float) -> None:
        """Take a duration of a device."""
        self._known[device].append(duration_s)

    def patience_s(self, device: str) -> float:
        """How long the others wait for a device: by its own usual time, or by the rack's before its first photograph.

        Before anybody's first it is the limit.
        """
        own = self._known.get(device)
        if own:
            return min(self._limit_s, TIMES * statistics.median(own) + PLUS_S)
        others = [statistics.median(known) for known in list(self._known.values()) if known]
        if not others:
            return self._limit_s
        return min(self._limit_s, max(UNKNOWN_S, TIMES * max(others) + PLUS_S))
