import asyncio

import pytest
from adb_shell.adb_message import checksum as their_checksum
from hypothesis import given
from hypothesis import strategies as st

from hostctl.virtual import adb_messages as wire
from hostctl.virtual.adb_messages import Message, ProtocolError


def read(data: bytes) -> Message:
    async def once() -> Message:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await wire.read_message(reader)

    return asyncio.run(once())


@given(st.binary(max_size=300))
def test_checksum_is_that_of_adb_shell(data: bytes) -> None:
    assert wire.checksum(data) == their_checksum(data)


def test_a_message_as_in_protocol_txt() -> None:
    message = Message(wire.OKAY, 1, 2, b"ab")
    packed = wire.pack(message, with_checksum=True)
    assert packed == b"OKAY\x01\0\0\0\x02\0\0\0\x02\0\0\0\xc3\0\0\0\xb0\xb4\xbe\xa6"
    assert read(packed + b"ab") == Message(wire.OKAY, 1, 2, b"ab", 0xC3)


@pytest.mark.parametrize("place", [0, 20])
def test_a_wrong_magic_is_refused(place: int) -> None:
    packed = bytearray(wire.pack(Message(wire.OKAY, 1, 2), with_checksum=True))
    packed[place] ^= 1
    with pytest.raises(ProtocolError, match="magic"):
        read(bytes(packed))


def test_a_huge_length_is_refused_before_it_is_read() -> None:
    header = wire.HEADER.pack(wire.WRTE, 1, 2, 0xFFFFFFFF, 0, wire.WRTE ^ 0xFFFFFFFF)
    with pytest.raises(ProtocolError, match="at most 1048576"):
        read(header)


def test_a_wrong_checksum_is_refused() -> None:
    wire.check_sum(Message(wire.WRTE, 1, 2, b"ab", 0xC3))
    with pytest.raises(ProtocolError, match="expected checksum 196, got 195"):
        wire.check_sum(Message(wire.WRTE, 1, 2, b"ab", 0xC4))
