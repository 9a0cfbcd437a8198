"""TIFF tags of a picture's metadata: what may stay in an EXIF block, a TIFF file or a DNG; the rest becomes zeros.

Every function gives as many bytes as it got, with everything that stays at its old place: no offset changes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from device_agents.errors import BadInput

ORIENTATION, SUB_IFDS, EXIF_IFD, GPS_IFD, INTEROP_IFD, XMP = 274, 330, 34665, 34853, 40965, 700
SUBFILE_TYPE, REDUCED = 254, 1
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
DATA = ((273, 279), (324, 325), (513, 514))  # where pixels lie: tags of the places and of the sizes
EMPTY = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"
MOST_DIRECTORIES = 64  # a damaged file may point in circles


def _numbers(*ranges: int | tuple[int, int]) -> frozenset[int]:
    pairs = ((one, one) if isinstance(one, int) else one for one in ranges)
    return frozenset(number for first, last in pairs for number in range(first, last + 1))


# Shooting: EXIF 2.32 section 4.6.5 without its texts, names, serial numbers, unique ids, time zones and maker notes.
SHOOTING = _numbers(
    33434, 33437, 34850, 34855, (34864, 34869), 36864, 36867, 36868, 37121, 37122, (37377, 37386), (37520, 37522),
    (40960, 40963), INTEROP_IFD, (41483, 41488), 41495, 41729, (41985, 41994), 41996, (42034, 42036), 42240,
)  # fmt: skip
# Dropped of DNG 1.7: serial number, maker's private data, unique ids, the raw file's old name and content, film labels.
DNG_DROPPED = _numbers(50735, 50740, 50781, 50827, 50828, 50973, 51043, 51081, 51105)
STRUCTURE = _numbers(
    (254, 266), (271, 274), (277, 284), (288, 293), 296, 297, 301, 305, 306, (317, 325), 330, (332, 347), (512, 532),
    33421, 33422, EXIF_IFD, 34675, 37398, 37399, (50706, 52600),
)  # fmt: skip
KEPT = {"image": (STRUCTURE | SHOOTING) - DNG_DROPPED - {INTEROP_IFD}, "exif": SHOOTING, "interop": _numbers(1, 2)}

_GPS_TEXTS = (
    re.compile(rb"""exif:GPS\w+\s*=\s*(?P<quote>["']).*?(?P=quote)""", re.DOTALL),
    re.compile(rb"<exif:GPS(?P<name>\w+)(?:\s[^>]*)?>.*?</exif:GPS(?P=name)>", re.DOTALL),
)


class _Entry(NamedTuple):
    """A directory's entry: its tag, its 12 bytes, the place and size of its values, and whether they lie elsewhere."""

    tag: int
    kind: int
    raw: bytes
    place: int
    size: int
    apart: bool


def kept_tags(data: bytes, *, exif: bool) -> bytes:
    """Keep what shows and measures the picture; owner, place, serial numbers, maker notes, previews become zeros.

    data: an EXIF block from its byte order on (``exif``: its second directory, the thumbnail, goes), or a TIFF or DNG.
    Raises BadInput for what is no TIFF, or damaged.
    """
    return bytes(_Keeper(data, exif=exif).out)


def blanked_gps(data: bytes) -> bytes:
    """Give an EXIF block, TIFF or DNG with its GPS directory gone, and XMP's exif:GPS in spaces; all else as it was."""
    order, out = _order(data), bytearray(data)
    try:
        for at in _directories(data, order):
            entries, after = _entries(data, order, at)
            for gps in (one for one in entries if one.tag == GPS_IFD):
                place = struct.unpack_from(order + "I", data, gps.place)[0]
                inner, end = _entries(data, order, place)
                for one in inner:
                    out[one.place : one.place + one.size] = bytes(one.size)
                out[place : end + 4] = bytes(end + 4 - place)
            for xmp in (one for one in entries if one.tag == XMP):
                span = slice(xmp.place, xmp.place + xmp.size)
                out[span] = blanked_gps_text(data[span])
            left = [one for one in entries if one.tag != GPS_IFD]
            if len(left) < len(entries):
                _write_table(out, order, at, [one.raw for one in left], data[after : after + 4], room=after + 4 - at)
    except (struct.error, IndexError) as problem:
        raise BadInput(f"expected whole TIFF tags, got damaged ones: {problem}") from problem
    return bytes(out)


def blanked_gps_text(text: bytes) -> bytes:
    """Give XMP with what it tells of the place (exif:GPS...) in spaces; as many bytes."""
    for pattern in _GPS_TEXTS:
        text = pattern.sub(lambda found: b" " * len(found[0]), text)
    return text


def only_orientation(orientation: int) -> bytes:
    """An EXIF block that holds the orientation and nothing else."""
    return struct.pack(">4sIHHHIHHI", b"MM\0*", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)


class _Keeper:
    """Copies what may stay of a TIFF into as many zeros; what nothing points to (old notes, slack) is left behind."""

    def __init__(self, data: bytes, *, exif: bool) -> None:
        self.data, self.order, self.exif = data, _order(data), exif
        self.out = bytearray(len(data))
        self.out[:4] = data[:4]
        self.seen: set[int] = set()
        try:
            first = struct.unpack_from(self.order + "I", data, 4)[0]
            struct.pack_into(self.order + "I", self.out, 4, first)
            self._copy(first, "image")
        except (struct.error, IndexError) as problem:
            raise BadInput(f"expected whole TIFF tags, got damaged ones: {problem}") from problem

    def _copy(self, at: int, where: str) -> None:
        """Copy a directory of a kind with what it points to."""
        if at in self.seen or len(self.seen) >= MOST_DIRECTORIES:
            return
        self.seen.add(at)
        entries, after = _entries(self.data, self.order, at)
        kept = [one for one in entries if one.tag in KEPT[where]]
        if where == "image" and not self._is_reduced(entries):
            for span in self._pixels(entries):
                self.out[span] = self.data[span]
        raws = [raw for one in kept if (raw := self._kept_entry(one)) is not None]
        following = (
            struct.unpack_from(self.order + "I", self.data, after)[0] if where == "image" and not self.exif else 0
        )
        while (
            following and self._is_reduced(_entries(self.data, self.order, following)[0]) and following not in self.seen
        ):
            self.seen.add(following)
            following = self._following(after) if where == "image" and not self.exif else 0
        tail = struct.pack(self.order + "I", following)
        _write_table(self.out, self.order, at, raws, tail, room=after + 4 - at)
        if following:
            self._copy(following, "image")

    def _following(self, pointer: int) -> int:
        """The next directory that is no preview, 0 where there is none."""
        (at,) = struct.unpack_from(self.order + "I", self.data, pointer)
        while at and at not in self.seen:
            entries, after = _entries(self.data, self.order, at)
            if not self._is_reduced(entries):
                return int(at)
            self.seen.add(at)
            (at,) = struct.unpack_from(self.order + "I", self.data, after)
        return 0

    def _kept_entry(self, one: _Entry) -> bytes | None:
        """Copy an entry's values and give its 12 bytes; None where what it points to goes."""
        if one.tag in (EXIF_IFD, INTEROP_IFD):
            self._copy(_values(self.data, self.order, one)[0], "exif" if one.tag == EXIF_IFD else "interop")
        elif one.tag == SUB_IFDS:
            places = _values(self.data, self.order, one)
            places = [at for at in places if not self._is_reduced(_entries(self.data, self.order, at)[0])]
            for at in places:
                self._copy(at, "image")
            values = struct.pack(f"{self.order}{len(places)}I", *places)
            if len(places) > 1:
                self.out[one.place : one.place + len(values)] = values
            where = values if len(places) == 1 else one.raw[8:]
            return struct.pack(self.order + "HHI", one.tag, one.kind, len(places)) + where if places else None
        if one.apart:
            self.out[one.place : one.place + one.size] = self.data[one.place : one.place + one.size]
        return one.raw

    def _pixels(self, entries: Iterable[_Entry]) -> Iterator[slice]:
        by_tag = {one.tag: one for one in entries}
        for places, sizes in DATA:
            if places in by_tag and sizes in by_tag and not (self.exif and places == 513):
                found = (_values(self.data, self.order, by_tag[tag]) for tag in (places, sizes))
                for place, size in zip(*found, strict=False):
                    yield slice(place, min(place + size, len(self.data)))

    def _is_reduced(self, entries: Iterable[_Entry]) -> bool:
        kinds = [_values(self.data, self.order, one)[0] for one in entries if one.tag == SUBFILE_TYPE]
        return bool(kinds and kinds[0] & REDUCED)


def _order(data: bytes) -> str:
    if data[:4] not in ORDERS:
        raise BadInput(f"expected TIFF tags (II*. or MM.*), got {data[:4]!r}")
    return ORDERS[data[:4]]


def _directories(data: bytes, order: str) -> Iterator[int]:
    """The places of all directories of images and of EXIF, each once."""
    waiting, seen = [struct.unpack_from(order + "I", data, 4)[0]], set[int]()
    while waiting and len(seen) < MOST_DIRECTORIES:
        at = waiting.pop()
        if at == 0 or at in seen:
            continue
        seen.add(at)
        yield at
        entries, after = _entries(data, order, at)
        waiting.append(struct.unpack_from(order + "I", data, after)[0])
        for one in entries:
            if one.tag in (SUB_IFDS, EXIF_IFD):
                waiting += _values(data, order, one)


def _entries(data: bytes, order: str, at: int) -> tuple[list[_Entry], int]:
    """A directory's entries, and the place of the pointer to the next directory."""
    (count,) = struct.unpack_from(order + "H", data, at)
    found = []
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from(order + "HHII", data, place)
        size = SIZES.get(kind, 1) * number
        apart = size > 4
        where = offset if apart else place + 8
        if where + size > len(data):
            raise IndexError(f"tag {tag} has {size} bytes at {where}, the block {len(data)}")
        found.append(_Entry(tag, kind, data[place : place + 12], where, size, apart))
    return found, at + 2 + 12 * count


def _values(data: bytes, order: str, one: _Entry) -> list[int]:
    letter = {1: "B", 3: "H", 4: "I", 13: "I"}.get(one.kind)
    if letter is None or not one.size:
        raise IndexError(f"tag {one.tag}: expected whole numbers, got kind {one.kind}")
    return list(struct.unpack_from(f"{order}{one.size // SIZES[one.kind]}{letter}", data, one.place))


def _write_table(out: bytearray, order: str, at: int, raws: list[bytes], tail: bytes, *, room: int) -> None:
    """Write a directory that has lost entries over its old one; what is left over of its room becomes zeros."""
    table = struct.pack(order + "H", len(raws)) + b"".join(raws) + tail
    out[at : at + room] = table + bytes(room - len(table))
