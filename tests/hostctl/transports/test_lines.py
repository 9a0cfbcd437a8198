"""Lines out of streams cut anywhere, and their limits."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import DeviceError, Unreachable
from hostctl.transport import Output, Stream
from hostctl.transports.lines import lines_of

ENDED = Output(b"", b"words", 3)


def stream_of(pieces: Sequence[bytes], *, breaks: bool = False) -> Stream:
    yield from pieces
    if breaks:
        raise Unreachable("it broke")
    return ENDED


def gathered(stream: Stream, **limits: int) -> tuple[list[bytes], Output]:
    lines, found = lines_of(stream, name="pi", **limits), []
    while True:
        try:
            found.append(next(lines))
        except StopIteration as end:
            return found, end.value


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=60).map(lambda data: data.replace(b"a", b"\n")), cuts=st.lists(st.integers(0, 60)))
def test_lines_are_the_same_wherever_the_stream_is_cut(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    expected = data.split(b"\n")
    assert gathered(stream_of(pieces)) == (expected if expected[-1] else expected[:-1], ENDED)


def test_a_line_cut_by_a_broken_connection_is_not_given() -> None:
    lines = lines_of(stream_of([b"one\ntw"], breaks=True), name="pi")
    assert next(lines) == b"one"
    with pytest.raises(Unreachable):
        next(lines)


def test_limits_end_the_command() -> None:
    closed = []

    def endless(piece: bytes) -> Stream:
        try:
            while True:
                yield piece
        finally:
            closed.append(piece)

    with pytest.raises(DeviceError, match="pi: expected lines of at most 1000 bytes, got 10"):
        gathered(endless(b"x" * 7), line_bytes=1000)
    with pytest.raises(DeviceError, match="pi: expected an output of at most 1000 bytes, got 10"):
        gathered(endless(b"xxxxxx\n"), total_bytes=1000)
    assert closed == [b"x" * 7, b"xxxxxx\n"]
