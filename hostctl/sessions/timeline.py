"""A session's timeline, written as it comes: what took from when to when, one row a span; nothing of it is held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HEAD = "what,device,stimulus,start_s,end_s"


@dataclass(frozen=True)
class Event:
    """One span of the session's timeline, in seconds of the session's clock."""

    what: str
    device: str
    stimulus: int
    start_s: float
    end_s: float


@contextmanager
def written_timeline(path: Path) -> Iterator[Callable[[Event], None]]:
    """Give a function that adds a span to a CSV file, which is made anew; any thread may call it within the block."""
    lock = threading.Lock()
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{HEAD}\n")

        def add(event: Event) -> None:
            span = f"{event.what},{event.device},{event.stimulus},{event.start_s:.4f},{event.end_s:.4f}\n"
            with lock:
                file.write(span)

        yield add
