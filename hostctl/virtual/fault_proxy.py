"""A TCP proxy on loopback that spoils connections: slow, cut, reset, stalled, refused, or with a bit turned over.

What happens to each connection is a script, so that a failure can be made again. Bytes are counted on their way from
the server to the client, where photographs and answers come; latency and rate count both ways.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hostctl.virtual.faults import LINK, Fault, tell

CHUNK = 64 * 1024
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends RST, socket(7)
SLOW_S, SLOW_BYTES_S = 0.02, 5e6


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one connection; -1: this does not.

    ``latency_s`` is added to each piece of data each way, ``bytes_per_s`` limits each way (0: no limit). Of the bytes
    towards the client: after ``cut_after`` of them the connection ends, after ``reset_after`` it is reset, after
    ``stall_after`` nothing more comes though it stays open; in byte number ``flip_at``, from 0, one bit is turned.
    """

    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    cut_after: int = -1
    reset_after: int = -1
    stall_after: int = -1
    flip_at: int = -1
    refused: bool = False


CALM = Trouble()
Script = Callable[[int], Trouble]  # number of the connection, from 1 -> what goes wrong with it
Struck = Callable[[str], None]  # told what just went wrong


def in_order(*troubles: Trouble) -> Script:
    """The first connections have these troubles, in order; all later ones none."""
    return lambda number: troubles[number - 1] if number <= len(troubles) else CALM


def at_random(troubles: Sequence[Trouble], *, rate: float, seed: int) -> Script:
    """Each connection has one of these troubles with probability ``rate``; the same seed, the same connections."""

    def script(number: int) -> Trouble:
        rng = random.Random(f"{seed}|{number}")
        return rng.choice(troubles) if rng.random() < rate else CALM

    return script


def of_faults(faults: Sequence[Fault]) -> Script | None:
    """The script of a device's link faults; None if it has none. Where several strike, the last one listed does."""
    wanted = [fault for fault in faults if fault.kind.startswith(LINK)]

    def script(number: int) -> Trouble:
        struck = [LINKS[fault.kind](fault.after_bytes) for fault in wanted if fault.hits(number)]
        return struck[-1] if struck else CALM

    return script if wanted else None


LINKS: dict[str, Callable[[int], Trouble]] = {
    "link-slow": lambda after: Trouble(latency_s=SLOW_S, bytes_per_s=SLOW_BYTES_S),
    "link-cut": lambda after: Trouble(cut_after=after),
    "link-reset": lambda after: Trouble(reset_after=after),
    "link-stall": lambda after: Trouble(stall_after=after),
    "link-flip": lambda after: Trouble(flip_at=after),
    "link-refused": lambda after: Trouble(refused=True),
}


class FaultProxy:
    """Listens on a port of 127.0.0.1 and passes what it hears to a server, with the script's troubles.

    ``target`` gives the server's port on 127.0.0.1, asked at each connection, so that the server may start later.
    ``start`` and ``stop`` belong to one running asyncio loop; see hosting.serving. ``name`` is the
    device's, for the log.
    """

    def __init__(self, target: Callable[[], int], script: Script, *, name: str = "") -> None:
        self.port = 0
        self.connections = 0
        self._target = target
        self._script = script
        self._name = name
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        """Listen on a port, 0 for any free one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and break all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A plain function: asyncio (3.11) prints a traceback for a cancelled task of its own.
        self.connections += 1
        number = self.connections
        work = self._join(reader, writer, self._script(number), lambda what: tell(self._name, [LINK + what], number))
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble, struck: Struck
    ) -> None:
        """Join a client to the server until one of the two, or the trouble, ends it."""
        ends = [writer]
        try:
            if trouble.refused:
                struck("refused")
                _reset(writer)
                return
            answers, asked = await asyncio.open_connection("127.0.0.1", self._target())
            ends.append(asked)
            ways = (_pass(reader, asked, trouble, -1), _pass_down(answers, writer, trouble, struck))
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            _reset(writer)  # the server refuses: so do we
        finally:
            for end in ends:
                end.close()
            for end in ends:
                with contextlib.suppress(OSError):
                    await end.wait_closed()


async def _pass_down(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble, struck: Struck
) -> None:
    """Pass what the server says until its end or the first of the trouble's marks; then do what the trouble says."""
    marks = {"cut": trouble.cut_after, "reset": trouble.reset_after, "stall": trouble.stall_after}
    due = {name: after for name, after in marks.items() if after >= 0}
    last = min(due, key=lambda name: due[name], default="")
    ended = await _pass(reader, writer, trouble, due.get(last, -1), struck=struck)
    if ended or not last:
        return
    struck(last)
    if last == "reset":
        _reset(writer)
    elif last == "stall":
        await asyncio.get_running_loop().create_future()  # until the client goes away


async def _pass(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    trouble: Trouble,
    limit: int,
    *,
    struck: Struck | None = None,
) -> bool:
    """Pass at most ``limit`` bytes (-1: all) one way, slowly where the trouble says so; whether the sender ended.

    Its bit is turned over only on the way that has a ``struck``.
    """
    passed = 0
    while limit < 0 or passed < limit:
        data = bytearray(await reader.read(CHUNK if limit < 0 else min(CHUNK, limit - passed)))
        if not data:
            return True
        pause_s = trouble.latency_s + (len(data) / trouble.bytes_per_s if trouble.bytes_per_s else 0.0)
        if pause_s:
            await asyncio.sleep(pause_s)
        if struck and passed <= trouble.flip_at < passed + len(data):
            data[trouble.flip_at - passed] ^= 1
            struck("flip")
        passed += len(data)
        writer.write(data)
        await writer.drain()
    return False


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let the connection end with a reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    writer.transport.abort()
