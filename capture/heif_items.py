"""HEIF's and AVIF's metadata (ISO 23008-12, ISO 14496-12 8.11): items changed in place, so that no offset moves."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

Box = tuple[bytes, int, int]  # its kind, where its content begins, and where it ends
Span = tuple[int, int]


def cleaned_heif(
    data: bytes, *, exif: Callable[[bytes], bytes], xmp: Callable[[bytes], bytes], previews: bool
) -> bytes:
    """Give a HEIF file whose EXIF items are as ``exif`` gives them (as many bytes), its XMP as ``xmp`` (b"": spaces).

    Without ``previews`` thumbnails' items and boxes of a maker's own (uuid) become zeros. The file keeps its length.
    Raises IndexError or struct.error where it is damaged.
    """
    out = bytearray(data)
    top = list(_boxes(data, 0, len(data)))
    for kind, begin, end in top:
        if kind == b"meta":
            for spans, change in _changes(data, begin + 4, end, exif, xmp, previews):
                _put(out, spans, change(b"".join(data[a:b] for a, b in spans)))
        elif kind == b"uuid" and not previews:
            out[begin:end] = bytes(end - begin)
    return bytes(out)


def _changes(
    data: bytes,
    begin: int,
    end: int,
    exif: Callable[[bytes], bytes],
    xmp: Callable[[bytes], bytes],
    previews: bool,
) -> Iterator[tuple[list[Span], Callable[[bytes], bytes]]]:
    """The items that change: where they lie, and what they become."""
    boxes = {kind: (a, b) for kind, a, b in _boxes(data, begin, end)}
    if b"iinf" not in boxes or b"iloc" not in boxes:
        return
    kinds = _item_kinds(data, *boxes[b"iinf"])
    places = _item_places(data, *boxes[b"iloc"], idat=boxes.get(b"idat", (0, 0))[0])
    for item, kind in kinds.items():
        if kind == b"Exif":
            yield places.get(item, []), lambda body: _exif(body, exif)
        elif kind == b"mime":
            yield places.get(item, []), lambda body: xmp(body).ljust(len(body))
    for item in _thumbnails(data, *boxes[b"iref"]) if b"iref" in boxes and not previews else ():
        yield places.get(item, []), lambda body: bytes(len(body))


def _exif(body: bytes, exif: Callable[[bytes], bytes]) -> bytes:
    """An EXIF item: the offset of its TIFF header in four bytes, what precedes it, and the TIFF."""
    at = 4 + int.from_bytes(body[:4], "big")
    return body[:at] + exif(body[at:])


def _boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        stop = at + size if size else end
        if stop > end or stop < begin:
            raise IndexError(f"box {kind!r} ends at {stop}, outside of its parent's {end}")
        yield kind, begin, stop
        at = stop


def _item_kinds(data: bytes, begin: int, end: int) -> dict[int, bytes]:
    """Each item's kind (infe of versions 2 and 3)."""
    found = {}
    at = begin + (6 if data[begin] == 0 else 8)
    for kind, a, _ in _boxes(data, at, end):
        if kind == b"infe" and data[a] >= 2:
            wide = data[a] >= 3
            item = int.from_bytes(data[a + 4 : a + (8 if wide else 6)], "big")
            name = a + (10 if wide else 8)
            found[item] = data[name : name + 4]
    return found


def _item_places(data: bytes, begin: int, end: int, *, idat: int) -> dict[int, list[Span]]:
    """Where each item's bytes lie in the file (iloc of versions 0 to 2, of the file or of idat)."""
    version, sizes, more = data[begin], data[begin + 4], data[begin + 5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    reader = _Numbers(data, begin + 6)
    found: dict[int, list[Span]] = {}
    for _ in range(reader.take(4 if version == 2 else 2)):
        item = reader.take(4 if version == 2 else 2)
        start = idat if version and reader.take(2) & 15 == 1 else 0
        reader.take(2)  # in which file: this one
        start += reader.take(base_size)
        spans = []
        for _ in range(reader.take(2)):
            reader.take(index_size)
            place, length = start + reader.take(offset_size), reader.take(length_size)
            if place + length > len(data) or reader.at > end:
                raise IndexError(f"item {item} lies outside of the file")
            spans.append((place, place + length))
        found[item] = spans
    return found


def _thumbnails(data: bytes, begin: int, end: int) -> list[int]:
    """The items that are thumbnails of others (references thmb)."""
    size = 4 if data[begin] else 2
    return [int.from_bytes(data[a : a + size], "big") for kind, a, _ in _boxes(data, begin + 4, end) if kind == b"thmb"]


def _put(out: bytearray, spans: list[Span], content: bytes) -> None:
    for begin, end in spans:
        out[begin:end] = content[: end - begin]
        content = content[end - begin :]


class _Numbers:
    """Reads big-endian numbers one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, size: int) -> int:
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")
