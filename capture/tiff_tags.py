"""A raw file's TIFF tags where LibRaw is no help: noise stated and reduced; orientation and default crop taken away."""

from __future__ import annotations

import struct
from collections.abc import Iterator

BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
ORIENTATION, SUB_IFDS, NOISE_REDUCTION_APPLIED = 274, 330, 50935
DEFAULT_CROP_ORIGIN, DEFAULT_CROP_SIZE, NOISE_PROFILE = 50719, 50720, 51041
SHORT, LONG, RATIONAL, DOUBLE = 3, 4, 5, 12
MOST_DIRECTORIES = 32  # a damaged file may point in circles


def noise_reduction_applied(data: bytes) -> bool:
    """Whether a DNG says so: tag NoiseReductionApplied (DNG 1.4, 50935), a ratio; 0 is none and 0/0 unknown.

    A file that is no TIFF, is cut off or lacks the tag gives False: whether it can be read at all is LibRaw's word.
    """
    order = BYTE_ORDERS.get(data[:4], "<")
    try:
        for place in _entries(data, NOISE_REDUCTION_APPLIED):
            (offset,) = struct.unpack_from(order + "I", data, place)
            numerator, denominator = struct.unpack_from(order + "II", data, offset)
            if numerator > 0 and denominator > 0:
                return True
    except struct.error:
        return False
    return False


def noise_profile(data: bytes) -> tuple[float, float]:
    """(S, O) of a DNG's NoiseProfile (DNG 1.4, 51041): variance S x + O of a sample x in 0..1; (0, 0) where not stated.

    Of a file that states it for each of three planes, green's.
    """
    order = BYTE_ORDERS.get(data[:4], "<")
    try:
        for place in _entries(data, NOISE_PROFILE):
            kind, number, offset = struct.unpack_from(order + "HII", data, place - 6)
            if kind == DOUBLE and number >= 2:
                values = struct.unpack_from(f"{order}{number}d", data, offset)
                slope, constant = values[2:4] if number >= 6 else values[:2]
                return max(0.0, slope), max(0.0, constant)
    except struct.error:
        return 0.0, 0.0
    return 0.0, 0.0


def without_orientation(data: bytes) -> bytes:
    """A TIFF-like raw file with every orientation tag set to 1 (upright); other files as they are."""
    changed, order = bytearray(data), BYTE_ORDERS.get(data[:4], "<")
    try:
        for place in _entries(data, ORIENTATION):
            struct.pack_into(order + "H", changed, place, 1)
    except struct.error:
        return data
    return bytes(changed)


def with_whole_crop(data: bytes, *, height: int, width: int) -> bytes:
    """A DNG whose default crop, if it has one, is that many pixels from the first on; other files as they are."""
    changed = bytearray(data)
    try:
        for tag, pair in ((DEFAULT_CROP_ORIGIN, (0, 0)), (DEFAULT_CROP_SIZE, (width, height))):
            for place in _entries(data, tag):
                _set_pair(changed, place, pair)
    except struct.error:
        return data
    return bytes(changed)


def _set_pair(data: bytearray, place: int, pair: tuple[int, int]) -> None:
    """Overwrite an entry's two numbers, whatever of the three types that a DNG may use they have."""
    order = BYTE_ORDERS.get(bytes(data[:4]), "<")
    kind, number, offset = struct.unpack_from(order + "HII", data, place - 6)
    if kind == SHORT and number == 2:
        struct.pack_into(order + "HH", data, place, *pair)
    elif kind == LONG and number == 2:
        struct.pack_into(order + "II", data, offset, *pair)
    elif kind == RATIONAL and number == 2:
        struct.pack_into(order + "IIII", data, offset, pair[0], 1, pair[1], 1)


def _entries(data: bytes, wanted: int) -> Iterator[int]:
    """Every entry of that tag in the first directory and those below it: where its value or offset stands."""
    order = BYTE_ORDERS.get(data[:4])
    if order is None:
        return
    offsets = list(struct.unpack_from(order + "I", data, 4))
    for turn in range(MOST_DIRECTORIES):
        if turn >= len(offsets):
            return
        start = offsets[turn]
        (count,) = struct.unpack_from(order + "H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, number, value = struct.unpack_from(order + "HHII", data, entry)
            if tag == wanted:
                yield entry + 8
            if tag == SUB_IFDS and number == 1:
                offsets.append(value)
            elif tag == SUB_IFDS:
                offsets += struct.unpack_from(f"{order}{min(number, MOST_DIRECTORIES)}I", data, value)
