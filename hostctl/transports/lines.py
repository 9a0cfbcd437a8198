"""Lines out of a stream of bytes that a device sends, under limits: no device can fill this machine's memory."""

from __future__ import annotations

from collections.abc import Generator

from device_agents.errors import DeviceError
from hostctl.transport import Output, Stream

LINE_BYTES = 1 << 20
TOTAL_BYTES = 1 << 28


def lines_of(
    stream: Stream, *, name: str, line_bytes: int = LINE_BYTES, total_bytes: int = TOTAL_BYTES
) -> Generator[bytes, None, Output]:
    """Give each line as soon as it is whole, without its end, and at last the stream's Output.

    A last line without an end is given where the command ended, and not where the connection broke. Raises DeviceError
    with the device's name for a line, or an output, that is longer than allowed (in bytes), and then ends the command.
    """
    rest, total = bytearray(), 0
    try:
        while True:
            try:
                piece = next(stream)
            except StopIteration as end:
                output: Output = end.value
                break
            total += len(piece)
            *ended, last = piece.split(b"\n")
            for line in ended:
                rest += line
                _check("lines", len(rest), line_bytes, name)
                yield bytes(rest)
                rest.clear()
            rest += last
            _check("lines", len(rest), line_bytes, name)
            _check("an output", total, total_bytes, name)
        if rest:
            yield bytes(rest)
        return output
    finally:
        stream.close()


def _check(what: str, size: int, most: int, name: str) -> None:
    if size > most:
        raise DeviceError(f"{name}: expected {what} of at most {most} bytes, got {size} or more")
