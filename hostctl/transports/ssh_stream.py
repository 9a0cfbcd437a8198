"""One command running on a board over SSH, read piece by piece; and the time limit of a command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from device_agents.errors import TimedOut
from hostctl.transport import KEPT_STDERR_BYTES, PIECE_BYTES, Output

if TYPE_CHECKING:
    import asyncssh


class SshCommand:
    """A command whose standard output is read when asked for; its methods belong to the connection's event loop.

    Standard error is read all the while, so that a command that writes much does not stand still; its end is kept.
    """

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process
        self._last_words = bytearray()
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while piece := await self._process.stderr.read(PIECE_BYTES):
            self._last_words += piece
            del self._last_words[:-KEPT_STDERR_BYTES]

    async def piece(self) -> bytes:
        """What standard output has next; b"" at its end."""
        return await self._process.stdout.read(PIECE_BYTES)

    async def end(self) -> Output | None:
        """Wait for the command's end; None if the connection broke before it."""
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._process.wait_closed()
        code = self._process.returncode
        return None if code is None else Output(b"", bytes(self._last_words), code)

    async def kill(self) -> None:
        """End the command; one that has ended, or whose connection broke, is left alone."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        if not self._process.is_closing():
            self._process.kill()
        self._process.close()


@asynccontextmanager
async def deadline(until: float, what: str, *, of_s: float) -> AsyncIterator[None]:
    """Raise TimedOut at a time of time.monotonic, naming the limit of so many seconds."""
    try:
        async with asyncio.timeout(until - time.monotonic()):
            yield
    except TimeoutError as problem:
        raise TimedOut(f"{what} did not end within {of_s:g} s") from problem
