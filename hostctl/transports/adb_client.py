"""Speaks to an adb server: device services, shell results, sync transfers (OVERVIEW.TXT, SERVICES.TXT, SYNC.TXT).

A process of the adb program costs 5 ms and 3 ms of processor for each command; a socket to its server costs 0.8 ms and
0.2 ms, which is what lets one host fire a rack of phones together. It also receives one file and never a folder, so no
name that a phone sends is ever a path here.
"""

from __future__ import annotations

import io
import os
import re
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from device_agents.errors import BadInput, CommandFailed, DeviceError, TimedOut, Unauthorised, Unreachable
from hostctl.transport import Output
from hostctl.transports.bounds import TRANSFER_TIMEOUT_S, check_file, check_output, gathered

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDOUT, STDERR, EXIT = 1, 2, 3  # packets of the shell protocol, version 2
PACKET = struct.Struct("<BI")
SYNC_HEADER = struct.Struct("<4sI")
CHUNK = 64 * 1024  # the largest block of data that a phone may send
BUFFER = 4 * CHUNK
SMALL_BUFFER = 8 * 1024  # for what a command prints
FILE_MODE = 0o100644
LONGEST_REQUEST = 0xFFFF  # its length stands before it as four hexadecimal digits
EXIT_MARK = b"instability-exit:"
LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
STATUS = re.compile(rb"\d{1,3}\s*")


class _Incoming(io.RawIOBase):
    """The receiving half of a socket, with the deadline set anew before each wait; io.BufferedReader reads it."""

    def __init__(self, connection: socket.socket, *, name: str, limit_s: float, renew: bool) -> None:
        self.name = name
        self._connection = connection
        self._limit_s = limit_s
        self._renew = renew
        self._deadline = time.monotonic() + (TRANSFER_TIMEOUT_S if renew else limit_s)

    def readable(self) -> bool:
        """It is: what the buffer in front of it asks."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Receive what is there; 0 at the end."""
        self.settle()
        try:
            return self._connection.recv_into(buffer)
        except TimeoutError as problem:
            raise self.late() from problem
        except OSError as problem:
            raise Unreachable(f"{self.name}: the connection broke: {problem}") from problem

    def settle(self) -> None:
        """Let the next wait of the socket last until the deadline; raises TimedOut if it has passed."""
        left = self._deadline - time.monotonic()
        left = min(left, self._limit_s) if self._renew else left
        if left <= 0:
            raise self.late()
        self._connection.settimeout(left)

    def late(self) -> TimedOut:
        """Give the error for an answer that did not come."""
        return TimedOut(f"{self.name}: expected an answer within {self._limit_s:g} s, got none; is the phone frozen?")


class ServerSocket:
    """One connection to the adb server with a deadline; a context manager.

    Raises Unreachable, Unauthorised or TimedOut, each beginning with ``name``. ``limit_s`` is the time for everything,
    or, with ``renew``, the longest time without a byte, and TRANSFER_TIMEOUT_S that for everything.
    """

    def __init__(self, port: int, *, name: str, limit_s: float, renew: bool = False) -> None:
        self.name = name
        try:
            self._socket = _connected(port, limit_s)
        except OSError as problem:
            raise Unreachable(f"{name}: the adb server on port {port} is gone: {problem}; run again") from problem
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = _Incoming(self._socket, name=name, limit_s=limit_s, renew=renew)
        self._reader = io.BufferedReader(self._incoming, BUFFER if renew else SMALL_BUFFER)

    def __enter__(self) -> ServerSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, request: str) -> None:
        """Make a request and wait for its OKAY; raises BadInput for one that the server would cut short."""
        encoded = request.encode("utf-8", "surrogateescape")
        if len(encoded) > LONGEST_REQUEST:
            raise BadInput(f"{self.name}: expected a command of at most {LONGEST_REQUEST} bytes, got {len(encoded)}")
        self.send(f"{len(encoded):04x}".encode() + encoded)
        self.expect_okay(request)

    def expect_okay(self, request: str) -> None:
        """Wait for OKAY; raises the error that fits the server's words if it is a FAIL."""
        word = self.receive(4)
        if word == b"FAIL":
            raise refusal(self.name, self.text())
        if word != b"OKAY":
            raise Unreachable(f"{self.name}: expected OKAY to '{request[:60]}', got {word!r}")

    def text(self) -> str:
        """Read a text with its length of four hexadecimal digits before it; raises the error of a FAIL in its place."""
        length = self.receive(4)
        if length == b"FAIL":  # pairing says OKAY to the request and fails after it
            raise refusal(self.name, self.text())
        if not LENGTH.fullmatch(length):
            raise Unreachable(f"{self.name}: expected the length of an answer, got {length!r}")
        return self.receive(int(length, 16)).decode("utf-8", "replace")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._incoming.settle()
        try:
            self._socket.sendall(data)
        except TimeoutError as problem:
            raise self._incoming.late() from problem
        except OSError as problem:
            raise Unreachable(f"{self.name}: the connection broke: {problem}") from problem

    def receive(self, size: int) -> bytes:
        """Receive exactly so many bytes; raises Unreachable if the connection ends before."""
        data = self._reader.read(size)
        if len(data) < size:
            raise self._broke()
        return data

    def receive_into(self, view: memoryview) -> None:
        """Fill a buffer; raises Unreachable if the connection ends before."""
        if self._reader.readinto(view) < len(view):
            raise self._broke()

    def receive_rest(self) -> bytes:
        """Receive until the other side closes; raises DeviceError if that is more than an output may be."""
        return gathered(iter(lambda: self.receive_some(CHUNK), b""), name=self.name)

    def receive_some(self, size: int) -> bytes:
        """Receive what is there, at most so many bytes; waits for one; b"" at the end."""
        return self._reader.read1(size)

    def _broke(self) -> Unreachable:
        return Unreachable(f"{self.name}: the connection broke in the middle of an answer")


def _connected(port: int, limit_s: float) -> socket.socket:
    """Connect to a port of this machine without the look-up of a name, which costs a tenth of a short command."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit_s)
        connection.connect(("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    return connection


def refusal(name: str, words: str) -> DeviceError:
    """Turn the adb server's words into the error that fits them, with what to do."""
    first = words.strip().splitlines()[0] if words.strip() else "no reason given"
    if "unauthorized" in words or "authorizing" in words:
        return Unauthorised(f"{name}: the phone has not accepted this host's key ({first}); unlock it, tap 'Allow'")
    if "not found" in words or "no devices" in words:
        return Unreachable(
            f"{name}: {first}; check the serial or address, the cable, and that no other adb server has it"
        )
    return Unreachable(f"{name}: {first}")


def host_request(port: int, request: str, *, name: str, timeout_s: float) -> str:
    """Ask the server itself something, such as "host:devices", and give its text."""
    with ServerSocket(port, name=name, limit_s=timeout_s) as server:
        server.ask(request)
        return server.text()


def run_shell_v2(server: ServerSocket, line: str) -> Output:
    """Run a line on a phone that knows the shell protocol: streams apart, exit status from its last packet."""
    server.ask(f"shell,v2,raw:{line}")
    streams = {STDOUT: bytearray(), STDERR: bytearray()}
    while True:
        kind, size = PACKET.unpack(server.receive(PACKET.size))
        check_output(size + sum(map(len, streams.values())), name=server.name)  # the size is the phone's word
        data = server.receive(size)
        if kind == EXIT and data:
            return Output(bytes(streams[STDOUT]), bytes(streams[STDERR]), data[0])
        if kind in streams:
            streams[kind] += data


def run_exec(server: ServerSocket, line: str) -> Output:
    """Run a line on an older phone: its status is echoed behind a mark, and standard error comes mixed into output."""
    server.ask(f"exec:{line}; echo {EXIT_MARK.decode()}$?")
    data = server.receive_rest()
    output, mark, status = data.rpartition(EXIT_MARK)
    if not mark or not STATUS.fullmatch(status):
        raise Unreachable(f"{server.name}: the connection broke before the command ended")
    return Output(output, b"", int(status))


def receive_file(server: ServerSocket, remote: str, local: Path) -> None:
    """Receive one file by the sync service into ``local``; raises CommandFailed with the phone's reason."""
    server.ask("sync:")
    path = remote.encode("utf-8", "surrogateescape")
    server.send(SYNC_HEADER.pack(b"RECV", len(path)) + path)
    view, received = memoryview(bytearray(CHUNK)), 0
    with local.open("wb") as file:
        while True:
            word, size = SYNC_HEADER.unpack(server.receive(SYNC_HEADER.size))
            if word == b"DONE":
                break
            if word != b"DATA" or size > CHUNK:
                raise _sync_failure(server, word, size, f"cannot pull {remote}")
            received += size
            check_file(received, name=server.name, remote=remote)
            server.receive_into(view[:size])
            file.write(view[:size])
    server.send(SYNC_HEADER.pack(b"QUIT", 0))


def send_file(server: ServerSocket, local: Path, remote: str) -> None:
    """Send one file by the sync service; raises BadInput if unreadable, CommandFailed with the phone's reason."""
    server.ask("sync:")
    spec = f"{remote},{FILE_MODE}".encode("utf-8", "surrogateescape")
    try:
        with local.open("rb") as file:
            mtime = int(os.fstat(file.fileno()).st_mtime)
            server.send(SYNC_HEADER.pack(b"SEND", len(spec)) + spec)
            while chunk := file.read(CHUNK):
                server.send(SYNC_HEADER.pack(b"DATA", len(chunk)) + chunk)
    except OSError as problem:
        raise BadInput(f"{server.name}: cannot push {local}: {problem.strerror}") from problem
    server.send(SYNC_HEADER.pack(b"DONE", mtime & 0xFFFFFFFF))
    word, size = SYNC_HEADER.unpack(server.receive(SYNC_HEADER.size))
    if word != b"OKAY":
        raise _sync_failure(server, word, size, f"cannot push {local.name} to {remote}")
    server.send(SYNC_HEADER.pack(b"QUIT", 0))


def _sync_failure(server: ServerSocket, word: bytes, size: int, what: str) -> DeviceError:
    if word != b"FAIL" or size > CHUNK:
        return Unreachable(f"{server.name}: {what}: expected a file, got {word!r}")
    return CommandFailed(f"{server.name}: {what}: {server.receive(size).decode('utf-8', 'replace')}")
