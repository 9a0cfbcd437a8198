"""Hosts virtual devices on an event loop in a thread: phones and boards alike start, listen on a port, and stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol


class Switched(Protocol):
    """A virtual device that belongs to one running asyncio loop between start and stop."""

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that it listens on; 0 before it is started."""
        ...

    async def start(self) -> None:
        """Listen on a free port."""
        ...

    async def stop(self) -> None:
        """Break all connections and stop listening."""
        ...


@contextmanager
def serving(devices: Sequence[Switched]) -> Iterator[list[int]]:
    """Host devices on an event loop in a thread for the length of a with block; gives their ports in order."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="virtual-devices", daemon=True)
    thread.start()

    async def each(verb: str) -> None:
        for device in devices:
            await getattr(device, verb)()

    try:
        asyncio.run_coroutine_threadsafe(each("start"), loop).result()
        yield [device.port for device in devices]
    finally:
        asyncio.run_coroutine_threadsafe(each("stop"), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
