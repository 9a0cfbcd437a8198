"""What a phone's ADB daemon offers besides files: shell, exec, reverse and tcp."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

from hostctl.virtual.adb_stream import Stream, StreamClosed
from hostctl.virtual.adbd import Connection, Service
from hostctl.virtual.phone_commands import Result

RunLine = Callable[[str], AsyncIterator[Result]]

STDOUT, STDERR, EXIT = 1, 2, 3
PACKET = struct.Struct("<BI")  # shell_protocol.h


async def shell(stream: Stream, name: str, run_line: RunLine) -> None:
    """Run a command line: "shell:LINE" with its streams mixed, "shell,v2,raw:LINE" with both and the exit status."""
    options, _, line = name.partition(":")
    stream.discards_input = True
    if "v2" not in options.split(","):
        async for result in run_line(line or INTERACTIVE):
            await stream.write(result.stdout + result.stderr)
        return
    async for result in run_line(line or INTERACTIVE):
        ending = PACKET.pack(EXIT, 1) + bytes([result.status & 0xFF])
        await stream.write(_packets(result) + (ending if result.last else b""))
    if not result.last:
        await stream.write(ending)


INTERACTIVE = "echo 'this phone offers no interactive shell: give a command' >&2; exit 1"


def _packets(result: Result) -> bytes:
    streams = ((STDOUT, result.stdout), (STDERR, result.stderr))
    return b"".join(PACKET.pack(number, len(data)) + data for number, data in streams if data)


class Ports:
    """The phone's own TCP ports: its number of each, against the port of this machine that stands for it.

    Reverse forwards listen here; an app of the virtual phone that opens localhost:8000 asks ``ports[8000]``. The two
    numbers differ, since the phone shares the loopback of its host, where the host's own server holds the port.
    """

    def __init__(self) -> None:
        self._real: dict[int, int] = {}
        self._servers: dict[int, tuple[asyncio.Server, str]] = {}

    def __getitem__(self, port: int) -> int:
        """Give the port of this machine for a port of the phone; raises KeyError if nothing listens there."""
        return self._real[port]

    def __contains__(self, port: object) -> bool:
        return port in self._real

    async def listen(self, port: int, target: str, connection: Connection) -> int:
        """Listen on a port of the phone (0: any) and open ``target`` on the host for each connection; give the port."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(StreamClosed, ConnectionError):
                stream = await connection.open_to_host(target)
                await join(stream, reader, writer)
            writer.close()

        await self.close(port)
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        real = int(server.sockets[0].getsockname()[1])
        self._real[port or real] = real
        self._servers[port or real] = (server, target)
        connection.keep(asyncio.create_task(self._with_connection(port or real, server)))
        return port or real

    async def _with_connection(self, port: int, server: asyncio.Server) -> None:
        """End a listener with the connection that asked for it, as adbd does; it cancels what it keeps."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._servers.get(port, (None, ""))[0] is server:
                await self.close(port)

    async def close(self, port: int) -> bool:
        """End a listener; whether there was one."""
        self._real.pop(port, None)
        server, _ = self._servers.pop(port, (None, ""))
        if server:
            server.close()
        return server is not None

    async def close_all(self) -> None:
        """End every listener."""
        for port in list(self._servers):
            await self.close(port)

    def lines(self) -> str:
        """List the listeners as `adb reverse --list` wants them."""
        return "".join(f"host tcp:{port} {target}\n" for port, (_, target) in sorted(self._servers.items()))


async def reverse(stream: Stream, name: str, ports: Ports) -> None:
    """Answer "reverse:forward:[norebind:]tcp:PORT;TARGET", list-forward, killforward:tcp:PORT and killforward-all."""
    _, _, request = name.partition(":")
    verb, _, rest = request.partition(":")
    if verb == "list-forward":
        await stream.write(_counted(ports.lines()))  # no OKAY before it, unlike the others
    elif verb == "killforward-all":
        await ports.close_all()
        await stream.write(b"OKAY")
    elif verb == "killforward":
        closed = await ports.close(_port(rest))
        await stream.write(b"OKAY" if closed else b"FAIL" + _counted(f"listener '{rest}' not found"))
    elif verb == "forward":
        await stream.write(await _forward(rest, ports, stream.connection))
    else:
        await stream.write(b"FAIL" + _counted(f"unknown request {request}"))


async def _forward(rest: str, ports: Ports, connection: Connection) -> bytes:
    keep = rest.startswith("norebind:")
    local, _, target = rest.removeprefix("norebind:").partition(";")
    port = _port(local)
    if port < 0 or not target:
        return b"FAIL" + _counted(f"bad forward: {rest}")
    if keep and port in ports:
        return b"FAIL" + _counted(f"cannot rebind existing socket '{local}'")
    given = await ports.listen(port, target, connection)
    return b"OKAY" + (_counted(str(given)) if port == 0 else b"")


async def tcp(stream: Stream, name: str, ports: Ports) -> None:
    """Join the stream to a port of the phone, "tcp:PORT"; only ports that the phone itself opened can be reached."""
    port = _port(name)
    if port not in ports:
        return
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[port])
    except ConnectionError:
        return
    await join(stream, reader, writer)


async def join(stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes between a stream and a socket until either side ends."""

    async def up() -> None:
        with contextlib.suppress(StreamClosed, ConnectionError):
            while data := await reader.read(65536):
                await stream.write(data)
            await stream.close()

    task = asyncio.create_task(up())
    try:
        while data := await stream.read_some():
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the socket's other end left: so does this one
    finally:
        task.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _port(address: str) -> int:
    """Read "tcp:PORT"; -1 if it is anything else."""
    kind, _, number = address.partition(":")
    return int(number) if kind == "tcp" and number.isdigit() and int(number) < 65536 else -1


def _counted(text: str) -> bytes:
    return f"{len(text.encode()):04x}{text}".encode()


def services(run_line: RunLine, ports: Ports) -> dict[str, Service]:
    """Give the table of services, "sync" aside, that run lines on this phone and use its ports."""

    async def run_shell(stream: Stream, name: str) -> None:
        await shell(stream, name, run_line)

    async def run_reverse(stream: Stream, name: str) -> None:
        await reverse(stream, name, ports)

    async def run_tcp(stream: Stream, name: str) -> None:
        await tcp(stream, name, ports)

    return {"shell": run_shell, "exec": run_shell, "reverse": run_reverse, "tcp": run_tcp}
