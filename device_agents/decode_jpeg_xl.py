"""The size of a JPEG XL picture, read from its first bytes: Pillow's plugin unpacks the whole picture to tell it."""

from __future__ import annotations

from typing import Iterator, Tuple

STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")  # of a bare codestream, and of a container

_SIZE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # of width to height
_LONGEST_BYTES = 12  # of the mark and the SizeHeader, and some


def jpeg_xl_size(data: bytes) -> Tuple[int, int]:
    """Give (height, width) of a JPEG XL file's picture as coded; (0, 0) where the file ends before it says so.

    The SizeHeader of ISO/IEC 18181-1:2022, annex D, its bits taken from the lowest of each byte; the codestream in a
    container is in its first box jxlc or jxlp (18181-2).
    """
    start = _codestream(data)
    if start < 0 or data[start : start + 2] != STARTS[0]:
        return 0, 0
    bits = _bits(data[start + 2 : start + _LONGEST_BYTES] + bytes(_LONGEST_BYTES))
    small = _number(bits, 1)

    def side() -> int:
        if small:
            return 8 * (_number(bits, 5) + 1)
        return _number(bits, _SIZE_BITS[_number(bits, 2)]) + 1

    height = side()
    ratio = _number(bits, 3)
    return (height, height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1]) if ratio else (height, side())


def _codestream(data: bytes) -> int:
    """Where the codestream starts; -1 where a container has none."""
    if data.startswith(STARTS[0]):
        return 0
    at = 0
    while at + 8 <= len(data):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            return at + head + (4 if kind == b"jxlp" else 0)  # a part begins with its number
        if size < head:  # 0: the last box; others make no sense
            return -1
        at += size
    return -1


def _bits(data: bytes) -> Iterator[int]:
    return ((byte >> place) & 1 for byte in data for place in range(8))


def _number(bits: Iterator[int], count: int) -> int:
    return sum(next(bits) << place for place in range(count))
