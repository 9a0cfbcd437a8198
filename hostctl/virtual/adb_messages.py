"""The messages of the ADB protocol: their six-word header, checksum, and reading them from a stream."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

import numpy as np

VERSION_WITH_CHECKSUMS = 0x01000000
VERSION = 0x01000001  # from here on both sides leave the checksum out
HEADER = struct.Struct("<6I")
LARGEST_PAYLOAD = 1024 * 1024

CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = (
    int.from_bytes(word, "little") for word in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3


class ProtocolError(Exception):
    """The peer broke the protocol; the connection is of no more use."""


@dataclass(frozen=True)
class Message:
    """One ADB message; arg0 and arg1 mean something else for each command (protocol.txt of the Android sources)."""

    command: int
    arg0: int
    arg1: int
    data: bytes = b""
    checksum: int = 0


def checksum(data: bytes) -> int:
    """Sum the bytes, modulo 2^32 (the "data_crc32" of protocol.txt, which is not a CRC)."""
    return int(np.frombuffer(data, np.uint8).sum(dtype=np.uint64)) & 0xFFFFFFFF


def pack(message: Message, *, with_checksum: bool) -> bytes:
    """Write a message's header; its data follows on the wire. Without checksum the field is 0."""
    total = checksum(message.data) if with_checksum else 0
    magic = message.command ^ 0xFFFFFFFF
    return HEADER.pack(message.command, message.arg0, message.arg1, len(message.data), total, magic)


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Read one message; raises ProtocolError if the magic or the length is wrong, IncompleteReadError at the end."""
    command, arg0, arg1, length, total, magic = HEADER.unpack(await reader.readexactly(HEADER.size))
    if magic != command ^ 0xFFFFFFFF:
        raise ProtocolError(f"expected magic {command ^ 0xFFFFFFFF:#x}, got {magic:#x}")
    if length > LARGEST_PAYLOAD:
        raise ProtocolError(f"expected at most {LARGEST_PAYLOAD} bytes of data, got {length}")
    data = await reader.readexactly(length) if length else b""
    return Message(command, arg0, arg1, data, total)


def check_sum(message: Message) -> None:
    """Raise ProtocolError if the data does not add up to the checksum in the header."""
    if checksum(message.data) != message.checksum:
        raise ProtocolError(f"expected checksum {message.checksum}, got {checksum(message.data)}")
