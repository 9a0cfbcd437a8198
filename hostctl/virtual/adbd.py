"""The device side of ADB over TCP: connections, RSA authentication, and opening services for hosts."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from hostctl.virtual import adb_auth
from hostctl.virtual import adb_messages as wire
from hostctl.virtual.adb_messages import Message, ProtocolError
from hostctl.virtual.adb_stream import Stream, StreamClosed

JOINED = 16 * 1024  # up to here one system call for header and data is cheaper than to spare the copy
LOOP_TURNS_OF_AN_ACCEPT = 10  # it takes four
Service = Callable[[Stream, str], Awaitable[None]]  # gets the stream and the service's whole name, "shell:ls /"


@dataclass(frozen=True)
class Link:
    """How a phone speaks ADB, and the faults of its connection.

    ``accept_delay_s``: how long its owner takes to accept an unknown key; None: never. ``bytes_per_s``: 0 is no limit.
    ``drop_after_bytes``: a stream that has moved more breaks the connection, ``drops`` times in all; 0: never.
    ``freeze_after_streams``: the phone answers nothing any more once so many streams were opened; None: never.
    """

    version: int = wire.VERSION
    max_payload: int = wire.LARGEST_PAYLOAD
    features: tuple[str, ...] = ("shell_v2", "cmd", "stat_v2", "ls_v2")
    accept_delay_s: float | None = 0.0
    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    drop_after_bytes: int = 0
    drops: int = 1
    freeze_after_streams: int | None = None


class Connection:
    """One host's connection: handshake, authentication, and its streams."""

    def __init__(self, daemon: Daemon, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.daemon = daemon
        self.streams: dict[int, Stream] = {}
        self.version = daemon.link.version
        self.max_payload = daemon.link.max_payload
        self._reader = reader
        self._writer = writer
        self._authorised = False
        self._greeted = False
        self._token = b""
        self._next_id = 1
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Answer messages until the host goes away or breaks the protocol."""
        try:
            while True:
                message = await wire.read_message(self._reader)
                await self.daemon.gate()
                await self._handle(message)
        except (asyncio.IncompleteReadError, ConnectionError, ProtocolError, StreamClosed):
            pass  # a host that leaves, or babbles, is cut off as a phone would do; the phone goes on
        finally:
            await self._end()

    async def send(self, message: Message) -> None:
        """Write one message; raises StreamClosed if the connection is gone."""
        link = self.daemon.link
        await self.daemon.gate()
        if link.latency_s or link.bytes_per_s:
            await asyncio.sleep(link.latency_s + (len(message.data) / link.bytes_per_s if link.bytes_per_s else 0))
        early = message.command in (wire.CNXN, wire.AUTH)
        with_checksum = early or self.version < wire.VERSION
        if self._writer.is_closing():
            raise StreamClosed
        header = wire.pack(message, with_checksum=with_checksum)
        if len(message.data) <= JOINED:
            self._writer.write(header + message.data)
        else:
            self._writer.write(header)
            self._writer.write(message.data)
        try:
            await self._writer.drain()
        except ConnectionError as problem:
            raise StreamClosed from problem

    async def open_to_host(self, service: str) -> Stream:
        """Open a stream to a service of the host, such as tcp:8000; raises StreamClosed if the host refuses."""
        stream = self._new_stream()
        await self.send(Message(wire.OPEN, stream.local_id, 0, service.encode() + b"\0"))
        await stream.wait_open()
        return stream

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task until it is done; it is cancelled when the connection ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abort(self) -> None:
        """Break the connection without a word."""
        self._writer.transport.abort()

    async def _handle(self, message: Message) -> None:
        if message.command == wire.CNXN:
            await self._greet(message)
        elif message.command == wire.AUTH:
            await self._authenticate(message)
        elif not self._authorised:
            raise ProtocolError("expected authentication first")
        else:
            if self.version < wire.VERSION:
                wire.check_sum(message)
            await self._stream_message(message)

    async def _greet(self, message: Message) -> None:
        # CNXN and AUTH are taken unchecked: the adb server sends none on a reconnect (seen with 29.0.6).
        self.version = min(message.arg0, self.daemon.link.version)
        self.max_payload = min(message.arg1, self.daemon.link.max_payload)
        self._authorised = self._greeted = False
        await self._challenge()

    async def _challenge(self) -> None:
        self._token = secrets.token_bytes(adb_auth.TOKEN_BYTES)
        await self.send(Message(wire.AUTH, wire.AUTH_TOKEN, 0, self._token))

    async def _authenticate(self, message: Message) -> None:
        if message.arg0 == wire.AUTH_SIGNATURE:
            if any(adb_auth.signed_by(key, self._token, message.data) for key in self.daemon.keys):
                await self._welcome()
            else:
                await self._challenge()
        elif message.arg0 == wire.AUTH_PUBLIC_KEY and self.daemon.link.accept_delay_s is not None:
            key = adb_auth.read_public_key(message.data)
            self.keep(asyncio.create_task(self._accept_later(key, self.daemon.link.accept_delay_s)))

    async def _accept_later(self, key: RSAPublicKey, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self.daemon.keys.append(key)
        with contextlib.suppress(StreamClosed):
            await self._welcome()

    async def _welcome(self) -> None:
        self._authorised = True
        if not self._greeted:
            self._greeted = True
            banner = self.daemon.banner.encode()
            await self.send(Message(wire.CNXN, self.daemon.link.version, self.daemon.link.max_payload, banner))

    async def _stream_message(self, message: Message) -> None:
        if message.command == wire.OPEN:
            await self._open(message)
            return
        stream = self.streams.get(message.arg1)
        if message.command == wire.OKAY and stream:
            stream.remote_id = message.arg0
            stream.acknowledged()
        elif message.command == wire.WRTE and stream:
            await stream.arrived(message.data)
        elif message.command == wire.WRTE:
            await self.send(Message(wire.CLSE, 0, message.arg0))
        elif message.command == wire.CLSE and stream:
            stream.remote_id = stream.remote_id or message.arg0
            await stream.close()
            if stream.task:
                stream.task.cancel()

    async def _open(self, message: Message) -> None:
        name = message.data.rstrip(b"\0").decode("utf-8", "replace")
        service = self.daemon.services.get(name.split(":")[0].split(",")[0])
        if service is None:
            await self.send(Message(wire.CLSE, 0, message.arg0))
            return
        await self.daemon.count_stream()
        stream = self._new_stream(message.arg0)
        await self.send(Message(wire.OKAY, stream.local_id, stream.remote_id))
        stream.task = asyncio.create_task(_run_service(service, stream, name))
        self.keep(stream.task)

    def _new_stream(self, remote_id: int = 0) -> Stream:
        stream = Stream(self, self._next_id, remote_id)
        self._next_id += 1
        self.streams[stream.local_id] = stream
        return stream

    async def _end(self) -> None:
        for stream in list(self.streams.values()):
            stream.end()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def _run_service(service: Service, stream: Stream, name: str) -> None:
    try:
        await service(stream, name)
        await stream.close()
    except StreamClosed:
        pass  # the host closed it first: nobody is left to tell


class Daemon:
    """A phone's ADB daemon: listens on loopback and answers any number of hosts; its own loop must be running."""

    def __init__(self, link: Link, *, banner: str, services: Mapping[str, Service]) -> None:
        self.link = link
        self.banner = banner
        self.services = services
        self.keys: list[RSAPublicKey] = []
        self.port = 0
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._drops_left = link.drops
        self._streams_opened = 0
        self._awake = asyncio.Event()
        self._awake.set()

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; 0 takes any free port, which is then in ``port``."""
        self._loop = asyncio.get_running_loop()
        limit = 2 * wire.LARGEST_PAYLOAD
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=limit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        self._stopped = True
        self._awake.set()
        await self._stop_listening()
        tasks = list(self._connections.values())
        for connection in self._connections:
            connection.abort()  # its task then ends by itself; a cancelled one makes asyncio 3.11 print a traceback
        await asyncio.gather(*tasks)

    async def leave(self) -> None:
        """Break all connections and listen no more, until ``start`` with the former port."""
        await self._stop_listening()
        for connection in self._connections:
            connection.abort()

    async def _stop_listening(self) -> None:
        """Close the server, but first let it finish the connections that it has just accepted.

        asyncio (3.11) loses such a connection, open, if the server is closed before its transport is made.
        """
        if self._server and self._loop:
            for listener in self._server.sockets:
                self._loop.remove_reader(listener.fileno())
            for _ in range(LOOP_TURNS_OF_AN_ACCEPT):
                await asyncio.sleep(0)
            self._server.close()
            self._server = None

    def freeze(self, frozen: bool = True) -> None:
        """Answer nothing any more, or (False) go on; connections stay open all the while. For any thread."""
        assert self._loop is not None, "start the phone first"
        self._loop.call_soon_threadsafe(self._awake.clear if frozen else self._awake.set)

    async def gate(self) -> None:
        """Wait while the phone is frozen."""
        await self._awake.wait()

    async def count_stream(self) -> None:
        """Count an opened stream, and freeze before it is answered where the link's fault says so."""
        if self.link.freeze_after_streams is not None and self._streams_opened >= self.link.freeze_after_streams:
            self._awake.clear()
        self._streams_opened += 1
        await self.gate()

    def drop_if_due(self, connection: Connection, moved: int) -> None:
        """Break the connection if a stream has moved more bytes than the link's fault allows; raises StreamClosed."""
        if self._drops_left and 0 < self.link.drop_after_bytes < moved:
            self._drops_left -= 1
            connection.abort()
            raise StreamClosed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopped:
            writer.transport.abort()
            return
        connection = Connection(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        writer.transport.set_write_buffer_limits(high=4 * wire.LARGEST_PAYLOAD)
        try:
            await connection.serve()
        finally:
            del self._connections[connection]
