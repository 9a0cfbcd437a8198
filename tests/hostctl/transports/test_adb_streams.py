"""The status behind a phone's output, wherever the stream is cut."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from hostctl.transports.adb_client import EXIT_MARK
from hostctl.transports.adb_streams import STATUS_BYTES, with_status, without_status


def gathered(pieces: list[bytes]) -> tuple[bytes, int | None]:
    stream, found = without_status(pieces), []
    while True:
        try:
            found.append(next(stream))
        except StopIteration as end:
            return b"".join(found), end.value


@settings(max_examples=200, deadline=None)
@given(
    output=st.one_of(st.binary(max_size=100), st.just(EXIT_MARK + b"0\nmore")),
    status=st.integers(0, 255),
    cuts=st.lists(st.integers(0, 150)),
)
def test_output_and_status_are_told_apart(output: bytes, status: int, cuts: list[int]) -> None:
    data = output + EXIT_MARK + b"%d\n" % status
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert gathered([data[start:end] for start, end in itertools.pairwise(places)]) == (output, status)


def test_without_its_status_an_output_has_none() -> None:
    assert gathered([b"half of a li"]) == (b"half of a li", None)
    assert gathered([EXIT_MARK]) == (EXIT_MARK, None)
    assert gathered([]) == (b"", None)


def test_pieces_are_given_before_the_end() -> None:
    assert next(without_status(iter([b"x" * (STATUS_BYTES + 5), b""]))) == b"x" * 5
    assert with_status("ls") == f"ls; echo {EXIT_MARK.decode()}$?"
