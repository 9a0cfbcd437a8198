"""A stream: the two-way flow of bytes between a service of the phone and the host, with ADB's flow control."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hostctl.virtual import adb_messages as wire
from hostctl.virtual.adb_messages import Message

if TYPE_CHECKING:
    from hostctl.virtual.adbd import Connection


class StreamClosed(Exception):
    """The host closed the stream, or the connection broke."""


class Stream:
    """One two-way flow of bytes between a service and the host; each direction has one unanswered WRTE at most."""

    def __init__(self, connection: Connection, local_id: int, remote_id: int = 0) -> None:
        self.connection = connection
        self.local_id = local_id
        self.remote_id = remote_id
        self.closed = False
        self.discards_input = False  # a shell command reads nothing: its input is answered and thrown away
        self.task: asyncio.Task[None] | None = None
        self._moved = 0
        self._may_write = asyncio.Event()
        if remote_id:
            self._may_write.set()
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        """Send bytes in messages of at most the session's payload; raises StreamClosed."""
        size = self.connection.max_payload
        for start in range(0, len(data), size):
            await self._may_write.wait()
            if self.closed:
                raise StreamClosed
            self._may_write.clear()
            part = data[start : start + size]
            await self.connection.send(Message(wire.WRTE, self.local_id, self.remote_id, self._passing(part)))

    async def read_some(self) -> bytes:
        """Wait for the next bytes, of any number; b"" at the end."""
        data = bytes(self._buffer) or await self._take()
        self._buffer.clear()
        return data

    async def read_exactly(self, size: int) -> bytes:
        """Wait for so many bytes; raises StreamClosed if the stream ends before."""
        while len(self._buffer) < size:
            more = await self._take()
            if not more:
                raise StreamClosed
            self._buffer += more
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def wait_open(self) -> None:
        """Wait until the host has opened a stream that this side asked for; raises StreamClosed if it refuses."""
        await self._may_write.wait()
        if self.closed:
            raise StreamClosed

    async def close(self) -> None:
        """End the stream and tell the host."""
        if not self.closed:
            self.end()
            await self.connection.send(Message(wire.CLSE, self.local_id, self.remote_id))

    def end(self) -> None:
        """Mark the stream as ended and wake whoever waits on it."""
        self.closed = True
        self.connection.streams.pop(self.local_id, None)
        self._may_write.set()
        self._arrived.put_nowait(None)

    def acknowledged(self) -> None:
        """The host answered OKAY: the stream is open, and the last WRTE was taken."""
        self._may_write.set()

    async def arrived(self, data: bytes) -> None:
        """Take a WRTE of the host; it is answered when the service reads it."""
        self._passing(data)
        if self.discards_input:
            await self._answer()
        else:
            self._arrived.put_nowait(data)

    async def _take(self) -> bytes:
        if self.closed and self._arrived.empty():
            return b""
        data = await self._arrived.get()
        if data and not self.closed:
            await self._answer()
        return data or b""

    async def _answer(self) -> None:
        await self.connection.send(Message(wire.OKAY, self.local_id, self.remote_id))

    def _passing(self, data: bytes) -> bytes:
        """Count bytes that pass, and break the connection where the link's fault says so."""
        self._moved += len(data)
        self.connection.daemon.drop_if_due(self.connection, self._moved)
        return data
