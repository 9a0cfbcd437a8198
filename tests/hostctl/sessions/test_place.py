"""The place goes from a photograph's files and nothing else does: pixels and every coded byte stay."""

import hashlib
import io
import struct

import numpy as np
import pytest
from PIL import Image

from capture.raw import read_raw
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from hostctl.sessions.place import drop_place
from tests.fakes.raws import raw_of, write_dng

LATITUDE = (51.0, 30.0, 26.53)
GPS_IFD, EXIF_MAKE = 34853, 271


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[EXIF_MAKE] = "Kit Works"
    tags.get_ifd(GPS_IFD)[1], tags.get_ifd(GPS_IFD)[2] = "N", LATITUDE
    return tags


def picture() -> Image.Image:
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8))


def saved(form: str, **options: object) -> bytes:
    if form == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    stream = io.BytesIO()
    picture().save(stream, form, exif=exif().tobytes(), **options)
    return stream.getvalue()


def gps(data: bytes) -> dict:
    with Image.open(io.BytesIO(data)) as image:
        return dict(image.getexif().get_ifd(GPS_IFD))


@pytest.mark.parametrize(("form", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("HEIF", ".heic")])
def test_a_picture_loses_its_place_and_nothing_else(tmp_path, form, suffix):
    data = saved(form)
    assert gps(data)[2] == LATITUDE
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(data)
    assert drop_place(path) == hashlib.sha256(data).hexdigest()
    made = path.read_bytes()
    assert gps(made) == {}
    with Image.open(io.BytesIO(made)) as image:
        assert image.getexif()[EXIF_MAKE] == "Kit Works"
    assert np.array_equal(DECODERS["pillow"](made), DECODERS["pillow"](data))
    assert coded(made, form) == coded(data, form)
    assert drop_place(path) == ""  # once is enough
    assert path.read_bytes() == made


def coded(data: bytes, form: str) -> bytes:
    """The bytes that the picture is coded in."""
    if form == "JPEG":
        return data[data.index(b"\xff\xda") :]
    if form == "HEIF":  # its EXIF comes last
        return data[: data.rindex(b"Exif\0\0")]
    at = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[at - 4 : at])
    return data[at : at + 4 + size]


def test_a_raw_loses_its_place_and_no_cell(tmp_path):
    rng = np.random.default_rng(2)
    plain = write_dng(raw_of(rng.integers(0, 255, (32, 48, 3), np.uint8)))
    data = with_gps(plain)
    path = tmp_path / "photo.dng"
    path.write_bytes(data)
    assert drop_place(path) == hashlib.sha256(data).hexdigest()
    made = path.read_bytes()
    assert struct.pack("<d", 51.5) not in made
    assert struct.pack("<d", 51.5) in data
    assert len(made) == len(data)
    assert np.array_equal(read_raw(made).mosaic, read_raw(data).mosaic)


def with_gps(data: bytes) -> bytes:
    """The same TIFF with a GPS directory, whose one tag holds 51.5 as a double."""
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    size = 2 + 12 * count
    inner = len(data) + (len(data) % 2)
    value = inner + 2 + 12 + 4
    table = value + 8
    gps_table = struct.pack(order + "HHHIII", 1, 2, 12, 1, value, 0) + struct.pack(order + "d", 51.5)
    entries = [data[first + 2 + 12 * n : first + 14 + 12 * n] for n in range(count)]
    entries.append(struct.pack(order + "HHII", GPS_IFD, 4, 1, inner))
    entries.sort(key=lambda one: struct.unpack(order + "H", one[:2])[0])
    tail = data[first + size : first + size + 4]
    made = data.ljust(inner, b"\0") + gps_table + struct.pack(order + "H", count + 1) + b"".join(entries) + tail
    return made[:4] + struct.pack(order + "I", table) + made[8:]


def test_a_jpeg_that_was_cut_short_is_cleaned_as_far_as_it_goes(tmp_path):
    data = saved("JPEG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(data[: len(data) // 2])
    assert drop_place(path)
    made = path.read_bytes()
    assert gps(made) == {}
    assert made[made.index(b"\xff\xda") :] == data[data.index(b"\xff\xda") : len(data) // 2]


def test_what_nobody_can_read_is_refused(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"this is not a picture")
    with pytest.raises(BadInput, match="expected a picture whose metadata the kit knows"):
        drop_place(path)
