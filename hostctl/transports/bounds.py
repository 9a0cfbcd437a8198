"""How much of a device's words and files is taken, so that no device can fill this machine's memory or disk."""

from __future__ import annotations

from collections.abc import Iterable

from device_agents.errors import DeviceError

# A folder of 50,000 photographs listed is 5 MB, a phone's activities are 2 MB.
MOST_OUTPUT_BYTES = 32 << 20  # of one command that is waited for; streams are bounded by hostctl.transports.lines
MOST_FILE_BYTES = 1 << 30  # a 200-megapixel raw of 16 bits is 400 MB
TRANSFER_TIMEOUT_S = 600.0  # of one file, however steadily its bytes drip


def check_output(size: int, *, name: str, most: int | None = None) -> None:
    """Raise DeviceError if a device's command has printed more than ``most`` bytes (MOST_OUTPUT_BYTES)."""
    most = MOST_OUTPUT_BYTES if most is None else most
    if size > most:
        raise DeviceError(f"{name}: expected an output of at most {most} bytes, got {size} or more; was it to end?")


def check_file(size: int, *, name: str, remote: str, most: int | None = None) -> None:
    """Raise DeviceError if a file of a device has, or is said to have, more than ``most`` bytes (MOST_FILE_BYTES)."""
    most = MOST_FILE_BYTES if most is None else most
    if size > most:
        raise DeviceError(f"{name}: expected a file of at most {most} bytes, got {size} or more: {remote}")


def gathered(pieces: Iterable[bytes], *, name: str) -> bytes:
    """Put the pieces of an output together; raises DeviceError as soon as they are too many bytes."""
    data = bytearray()
    for piece in pieces:
        data += piece
        check_output(len(data), name=name)
    return bytes(data)
