"""A phone's command read piece by piece: by the shell protocol, and by a status behind a mark on older phones."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from device_agents.errors import Unreachable
from hostctl.transport import KEPT_STDERR_BYTES, PIECE_BYTES, Output, Stream
from hostctl.transports.adb_client import EXIT, EXIT_MARK, PACKET, STDERR, STDOUT, ServerSocket

STATUS_BYTES = len(EXIT_MARK) + 8  # the mark, the status, and line ends


def stream_shell_v2(server: ServerSocket, line: str) -> Stream:
    """Run a line on a phone that knows the shell protocol; the end of standard error comes with the status."""
    server.ask(f"shell,v2,raw:{line}")
    stderr = bytearray()
    while True:
        kind, size = PACKET.unpack(server.receive(PACKET.size))
        if kind == EXIT:
            return Output(b"", bytes(stderr), server.receive(1)[0])  # the rest, if it says more, goes with the stream
        while size:
            data = server.receive(min(size, PIECE_BYTES))  # the size is the phone's word
            size -= len(data)
            if kind == STDOUT:
                yield data
            elif kind == STDERR:
                stderr += data
                del stderr[:-KEPT_STDERR_BYTES]


def stream_exec(server: ServerSocket, line: str) -> Stream:
    """Run a line on an older phone, as adb_client.run_exec does: standard error comes mixed into output."""
    server.ask(f"exec:{with_status(line)}")
    status = yield from without_status(_received(server))
    if status is None:
        raise Unreachable(f"{server.name}: the connection broke before the command ended")
    return Output(b"", b"", status)


def with_status(line: str) -> str:
    """The line with its exit status printed behind it."""
    return f"{line}; echo {EXIT_MARK.decode()}$?"


def without_status(pieces: Iterable[bytes]) -> Generator[bytes, None, int | None]:
    """Give what a line from with_status printed, without its status, which comes last; None if there is none."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > STATUS_BYTES:
            yield bytes(held[:-STATUS_BYTES])
            del held[:-STATUS_BYTES]
    output, mark, status = bytes(held).rpartition(EXIT_MARK)
    if not mark or not status.strip().isdigit():
        if held:
            yield bytes(held)
        return None
    if output:
        yield output
    return int(status)


def _received(server: ServerSocket) -> Iterator[bytes]:
    while piece := server.receive_some(PIECE_BYTES):
        yield piece
