"""Takes who and where out of a picture file: GPS, serial numbers, owner, maker notes, thumbnails; never its pixels.

What is coded of the picture stays byte for byte (JPEG's scans, PNG's image data, HEIF's items), and so do its
orientation, colour profile and exposure. What follows a JPEG's end (a phone's second picture, its short film) goes,
but where only the place is asked for it stays without that.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capture.heif_items import cleaned_heif
from capture.metadata_tags import EMPTY, blanked_gps, blanked_gps_text, kept_tags, only_orientation
from capture.raw import RAW_SUFFIXES, read_raw
from device_agents.decode import DECODERS, open_image, read_orientation
from device_agents.errors import BadInput

EXIF = b"Exif\0\0"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
PNG_PICTURE = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"pHYs"),
    *(b"bKGD", b"hIST", b"sPLT", b"acTL", b"fcTL", b"fdAT", b"mDCV", b"cLLI"),
)
WEBP_PICTURE = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP")
WEBP_XMP_FLAG = 0x04
MOST_PLACE_BYTES = 1024  # of a film's box that says where; a longer one is chance
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
STARTS = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\0\0\0\x0cJXL ": "jpeg-xl",
    b"\xff\n": "bare",  # JPEG XL without boxes
    b"BM": "bare",
}


@dataclass(frozen=True)
class Rules:
    """What to do with a file's metadata. tiff: an EXIF block (exif=True) or a TIFF file; xmp: b"" lets it go.

    texts: whether comments and parts that are neither picture nor colour stay.
    """

    tiff: Callable[..., bytes]
    xmp: Callable[[bytes], bytes]
    texts: bool

    def exif(self, block: bytes) -> bytes:
        """An EXIF block's answer; a damaged one, which nobody can check, becomes an empty one."""
        try:
            return self.tiff(block, exif=True)
        except BadInput:
            return EMPTY + bytes(max(0, len(block) - len(EMPTY)))


def anonymised(data: bytes, *, suffix: str) -> bytes:
    """Give a picture file without place, owner, serial numbers, maker notes, comments, XMP and embedded previews.

    Its pixels decode as before, in the same orientation. Raises BadInput for a format that is not known (CONTAINERS;
    makers' own raw files hide serial numbers in what is needed to decode them), and for one that would change.
    suffix: the file's, ".jpg"; it tells makers' raw files from TIFF.
    """
    return _cleaned(data, suffix, Rules(kept_tags, lambda _: b"", texts=False))


def without_place(data: bytes, *, suffix: str) -> bytes:
    """Give a picture file without its GPS coordinates and with all else that it says of itself, at its old place.

    A file that tells no place comes back as it was. Raises BadInput as anonymised does. Makers' notes are not read.
    """
    return _cleaned(data, suffix, Rules(lambda block, *, exif: blanked_gps(block), blanked_gps_text, texts=True))


def container(data: bytes, *, suffix: str) -> str:
    """The key in CONTAINERS of a file's format, by how it starts; "" for one that is not known."""
    if suffix in RAW_SUFFIXES and suffix != ".dng":
        return ""
    if data.startswith((b"II*\0", b"MM\0*")):
        return "dng" if suffix == ".dng" else "tiff"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        return "heif"
    return next((name for start, name in STARTS.items() if data.startswith(start)), "")


def _cleaned(data: bytes, suffix: str, rules: Rules) -> bytes:
    kind = container(data, suffix=suffix)
    if kind not in CONTAINERS:
        raise BadInput(
            f"expected a picture whose metadata the kit knows ({', '.join(sorted(CONTAINERS))}), got {suffix or 'one'} "
            f"that starts with {data[:8]!r}; leave it out, or convert it"
        )
    clean, check = CONTAINERS[kind]
    try:
        made = clean(data, rules)
    except (struct.error, IndexError) as problem:
        raise BadInput(f"expected a whole {kind} file, got a damaged one: {problem}") from problem
    if made != data and check(data) != check(made):
        raise BadInput(f"a {kind} file cannot lose its metadata without another picture or orientation; leave it out")
    return made


# JPEG: ITU T.81 Annex B for the segments, EXIF 2.32 section 4.7, XMP part 3 section 1.1.3


def _jpeg(data: bytes, rules: Rules) -> bytes:
    orientation = _orientation(data)
    head, at = [data[:2]], 2
    while data[at + 1] != 0xDA:
        if data[at] != 0xFF:
            raise IndexError(f"no marker at byte {at}")
        if data[at + 1] == 0xFF:  # a filling byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        head.append(_segment(data[at + 1], data[at + 4 : at + 2 + length], data[at : at + 2 + length], rules))
        at += 2 + length
    end = _jpeg_end(data, at)
    scans = data[at:end] + (_tail(data[end:], rules) if rules.texts else b"")
    made = b"".join((*head, scans))
    if _orientation(made) != orientation:
        made = b"".join((head[0], _marker(0xE1, EXIF + only_orientation(orientation)), *head[1:], scans))
    return made


def _segment(marker: int, body: bytes, whole: bytes, rules: Rules) -> bytes:
    """A segment as it stays, empty where it goes."""
    if marker == 0xE1 and body.startswith(EXIF):
        return _marker(marker, EXIF + rules.exif(body[len(EXIF) :]))
    if marker == 0xE1 and body.startswith(JPEG_XMP):
        text = rules.xmp(body[len(JPEG_XMP) :])
        return _marker(marker, JPEG_XMP + text) if text else b""
    if rules.texts or not (marker == 0xFE or 0xE0 <= marker <= 0xEF):
        return whole
    if marker == 0xE0 and body.startswith(b"JFIF\0"):  # without its thumbnail
        return _marker(marker, body[:12] + b"\0\0")
    keeps = (marker == 0xE2 and body.startswith(b"ICC_PROFILE\0")) or (marker == 0xEE and body.startswith(b"Adobe"))
    return whole if keeps else b""


def _tail(tail: bytes, rules: Rules) -> bytes:
    """What follows the end (second pictures, a film) with its places blanked, all else where it was."""
    out = bytearray(blanked_gps_text(tail))
    for found in re.finditer(b"\xff\xe1(..)" + EXIF, tail, re.DOTALL):
        span = slice(found.end(), found.end() + int.from_bytes(found[1], "big") - 2 - len(EXIF))
        out[span] = rules.exif(bytes(out[span]))[: len(out[span])]
    for found in re.finditer(b"\xa9xyz|loci", tail):  # ISO 6709 in QuickTime, 3GPP TS 26.244 section 8.10
        size = int.from_bytes(tail[max(0, found.start() - 4) : found.start()], "big")
        if 8 < size <= MOST_PLACE_BYTES:
            out[found.end() : found.start() - 4 + size] = bytes(size - 8)
    return bytes(out[: len(tail)])


def _marker(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _jpeg_end(data: bytes, at: int) -> int:
    """The place after the picture's end marker, from the first scan on."""
    segment = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]", re.DOTALL)
    found = segment.search(data, at)
    while found and found[0] != b"\xff\xd9":
        found = segment.search(data, found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big"))
    if found is None:
        raise IndexError("no end marker")
    return found.end()


# PNG: ISO 15948, and its third edition's eXIf


def _png(data: bytes, rules: Rules) -> bytes:
    orientation = _orientation(data)
    made, at = [data[:8]], 8
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body, whole = data[at + 8 : at + 8 + size], data[at : at + 12 + size]
        at += 12 + size
        if kind == b"eXIf":
            made.append(_chunk(kind, rules.exif(body)))
        elif kind in PNG_PICTURE or (rules.texts and not _tells_place(kind, body)):
            made.append(whole)
        if kind == b"IEND":
            break
    if _orientation(b"".join(made)) != orientation:
        made.insert(2, _chunk(b"eXIf", only_orientation(orientation)))
    return b"".join(made)


def _tells_place(kind: bytes, body: bytes) -> bool:
    """Whether a text chunk holds EXIF, or XMP with a place or packed so that nobody sees: those go whole."""
    name, _, rest = body.partition(b"\0")
    if kind == b"iTXt" and name == b"XML:com.adobe.xmp":
        return rest[:1] != b"\0" or b"exif:GPS" in rest
    return kind in (b"tEXt", b"zTXt", b"iTXt") and name.lower().startswith((b"raw profile", b"xml:com.adobe.xmp"))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# WebP: its container specification (RIFF); JPEG XL: ISO 18181-2


def _webp(data: bytes, rules: Rules) -> bytes:
    made, at, xmp = [], 12, False
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if kind == b"EXIF":
            prefix = EXIF if body.startswith(EXIF) else b""
            body = prefix + rules.exif(body[len(prefix) :])
        elif kind == b"XMP ":
            body = rules.xmp(body)
            xmp = bool(body)
        if (kind in WEBP_PICTURE or kind == b"EXIF" or rules.texts) and (kind != b"XMP " or body):
            made.append([kind, body])
    for one in made:
        if one[0] == b"VP8X" and not xmp:
            one[1] = bytes([one[1][0] & ~WEBP_XMP_FLAG]) + one[1][1:]
    content = b"".join(struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2) for kind, body in made)
    return struct.pack("<4sI4s", b"RIFF", len(content) + 4, b"WEBP") + content


def _jpeg_xl(data: bytes, rules: Rules) -> bytes:
    made, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            raise IndexError("a box of more than 4 GB")
        body = data[at + 8 : at + size] if size else data[at + 8 :]
        at = at + size if size else len(data)
        if kind == b"Exif":
            body = body[:4] + rules.exif(body[4:])
        elif kind == b"xml ":
            body = rules.xmp(body)
        if kind not in (b"brob", b"jbrd", b"jumb") and (kind != b"xml " or body):  # a packed box may hold any of these
            made.append(struct.pack(">I4s", len(body) + 8, kind) + body)
    return b"".join(made)


def _heif(data: bytes, rules: Rules) -> bytes:
    return cleaned_heif(data, exif=rules.exif, xmp=rules.xmp, previews=rules.texts)


def _tiff(data: bytes, rules: Rules) -> bytes:
    return rules.tiff(data, exif=False)


def _as_it_is(data: bytes, rules: Rules) -> bytes:
    return data


def _orientation(data: bytes) -> int:
    with open_image(data) as image:
        return read_orientation(image)


def _pixels(data: bytes) -> bytes:
    """What the picture shows, upright, to compare: of a file that was changed within."""
    return np.ascontiguousarray(DECODERS["pillow"](data)).tobytes()


def _mosaic(data: bytes) -> bytes:
    return np.ascontiguousarray(read_raw(data).mosaic).tobytes()


# Each container: how its metadata is changed, and what must not change with it.
CONTAINERS: dict[str, tuple[Callable[[bytes, Rules], bytes], Callable[[bytes], object]]] = {
    "bare": (_as_it_is, len),
    "dng": (_tiff, _mosaic),
    "heif": (_heif, _pixels),
    "jpeg": (_jpeg, _orientation),
    "jpeg-xl": (_jpeg_xl, _pixels),
    "png": (_png, _orientation),
    "tiff": (_tiff, _pixels),
    "webp": (_webp, _orientation),
}
