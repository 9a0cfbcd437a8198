"""Work done ahead: results in their order while the next ones are being made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, depth: int
) -> Iterator[Result]:
    """Give function(item) of each item in order, at most ``depth`` of them under way or waiting to be taken."""
    waiting: deque[Future[Result]] = deque()
    source = iter(items)
    for item in source:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= depth:
            break
    while waiting:
        result = waiting.popleft().result()
        for item in source:
            waiting.append(pool.submit(function, item))
            break
        yield result
