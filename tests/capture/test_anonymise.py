"""Metadata goes, the picture stays: what decodes before and after is the same, and no secret byte is left."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from capture.anonymise import CONTAINERS, anonymised, container, without_place
from capture.metadata_tags import blanked_gps_text, kept_tags
from capture.raw import RAW_SUFFIXES, Raw, read_raw, write_dng
from device_agents.decode import DECODERS, open_image, read_orientation
from device_agents.errors import BadInput

OWNER, SERIAL, NOTE, TEXT, SLACK = b"Ada Lovelace", b"SN-0042-1815", b"MAKER-NOTE-SECRET", b"my comment", b"OLD-SLACK"
THUMB = b"\xff\xd8THUMBNAIL-OF-ANOTHER-CROP\xff\xd9"
PLACE = struct.pack("<6I", 51, 1, 30, 1, 2653, 100)
SECRETS = (OWNER, SERIAL, NOTE, TEXT, SLACK, THUMB, PLACE, b"12.34N", b"exif:GPS")
XMP = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="51,12.34N" aux:SerialNumber="SN-0042-1815"/></x:xmpmeta>'
ORIENTED = b'<rdf:Description tiff:Orientation="6" aux:SerialNumber="SN-0042-1815"/>'


def _entry(tag, kind, value):
    size = {2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind]
    return tag, kind, len(value) // size, value


def _table(entries, at, following=0):
    """A little-endian directory at an offset with its values behind it."""
    entries = sorted(entries)
    end = at + 2 + 12 * len(entries) + 4
    rows, values = b"", b""
    for tag, kind, count, value in entries:
        field = value.ljust(4, b"\0")
        if len(value) > 4:
            field, values = struct.pack("<I", end + len(values)), values + value
        rows += struct.pack("<HHI", tag, kind, count) + field
    return struct.pack("<H", len(entries)) + rows + struct.pack("<I", following) + values


def _exif(orientation):
    """An EXIF block with everything that must go, and the orientation, which must stay."""
    gps = _table([_entry(1, 2, b"N\0"), _entry(2, 5, PLACE)], 300)
    inner = [
        *(_entry(42032, 2, OWNER), _entry(42033, 2, SERIAL), _entry(37500, 7, NOTE)),
        _entry(33434, 5, struct.pack("<2I", 1, 250)),
    ]
    first = [
        *(_entry(274, 3, struct.pack("<H", orientation)), _entry(271, 2, b"Kit Works\0"), _entry(315, 2, OWNER)),
        *(_entry(34665, 4, struct.pack("<I", 400)), _entry(34853, 4, struct.pack("<I", 300))),
    ]
    second = [_entry(513, 4, struct.pack("<I", 700)), _entry(514, 4, struct.pack("<I", len(THUMB)))]
    parts = {
        8: _table(first, 8, 600),
        300: gps,
        400: _table(inner, 400),
        600: _table(second, 600),
        700: THUMB,
        800: SLACK,
    }
    block = bytearray(820)
    block[:8] = struct.pack("<4sI", b"II*\0", 8)
    for at, part in parts.items():
        block[at : at + len(part)] = part
    return bytes(block)


def _picture(seed, height=37, width=50):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def _saved(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _jpeg(seed, orientation, **options):
    icc = b"icc profile bytes" * 4
    options = {"exif": b"Exif\0\0" + _exif(orientation), "comment": TEXT, "xmp": XMP, "icc_profile": icc} | options
    return _saved(_picture(seed), "JPEG", **options)


def _same(data, made, suffix):
    for name in ("pillow", "opencv"):
        if suffix != ".heic" or name == "pillow":
            assert np.array_equal(DECODERS[name](data), DECODERS[name](made))


def _clean(made):
    assert [secret for secret in SECRETS if secret in made] == []


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    orientation=st.integers(1, 8),
    quality=st.integers(30, 100),
    progressive=st.booleans(),
    subsampling=st.sampled_from([0, 1, 2]),
    restart=st.sampled_from([0, 1]),
)
def test_a_jpeg_decodes_as_before_and_tells_nothing(seed, orientation, quality, progressive, subsampling, restart):
    options = {"quality": quality, "progressive": progressive, "subsampling": subsampling}
    data = _jpeg(seed, orientation, restart_marker_rows=restart, **options)
    after = _jpeg(seed + 1, 1)  # a phone's second picture behind the first, with its own place
    made = anonymised(data + after, suffix=".jpg")
    _same(data, made, ".jpg")
    _clean(made)
    assert data.endswith(made[made.index(b"\xff\xda") :])
    assert b"icc profile bytes" in made
    assert b"Kit Works" in made
    assert anonymised(made, suffix=".jpg") == made


def test_the_secrets_are_in_the_files_that_these_tests_make():
    data = _jpeg(0, 6)
    assert [secret for secret in SECRETS if secret not in data] == []
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif().get_ifd(34853)[2] == (51.0, 30.0, 26.53)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_every_container_keeps_pixels_and_orientation(form, orientation):
    exif = _exif(orientation)
    options = {"exif": b"Exif\0\0" + exif if form == "JPEG" else exif}
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", TEXT.decode(), zip=False)
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = text
    elif form == "WEBP":
        options |= {"xmp": XMP, "lossless": True}
    elif form == "TIFF":  # Pillow takes its own directories only
        tags = Image.Exif()
        tags[274], tags[315], tags[700] = orientation, OWNER.decode(), XMP
        tags.get_ifd(34853)[2] = (51.0, 30.0, 26.53)
        tags.get_ifd(34665)[42033] = SERIAL.decode()
        options = {"exif": tags, "description": TEXT.decode()}
    data = _saved(_picture(orientation), form, **options)
    suffix = f".{form.lower()}"
    made = anonymised(data, suffix=suffix)
    _same(data, made, suffix)
    _clean(made)
    with open_image(made) as image:
        assert read_orientation(image) == orientation
        assert image.getexif().get_ifd(34853) == {}


def test_orientation_that_only_xmp_tells_is_kept():
    data = _jpeg(3, 1, exif=b"", xmp=ORIENTED)
    made = anonymised(data, suffix=".jpg")
    with open_image(data) as before, open_image(made) as after:
        assert read_orientation(before) == read_orientation(after) == 6
    _same(data, made, ".jpg")
    _clean(made)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_adobes_marker_stays_since_it_says_what_the_colours_are(mode):
    data = _saved(_picture(1).convert(mode), "JPEG", comment=TEXT)
    made = anonymised(data, suffix=".jpg")
    _same(data, made, ".jpg")
    _clean(made)


def test_only_the_place_goes_where_only_that_is_asked_for():
    data = _jpeg(5, 8)
    made = without_place(data, suffix=".jpg")
    _same(data, made, ".jpg")
    assert [secret for secret in SECRETS if secret not in made] == [PLACE, b"12.34N", b"exif:GPS"]
    with Image.open(io.BytesIO(made)) as image:
        exif = image.getexif()
        assert exif.get_ifd(34853) == {}
        assert exif.get_ifd(34665)[42033] == SERIAL.decode()
    assert without_place(made, suffix=".jpg") == made


def test_a_second_picture_and_a_film_lose_their_place_and_stay_where_they_were():
    first, second = _jpeg(5, 8), _jpeg(6, 1)
    film = struct.pack(">I4s", 30, b"\xa9xyz") + b"+51.5074-000.1278/\0\0\0\0" + b"mdat and the rest"
    data = first + second + film
    made = without_place(data, suffix=".jpg")
    assert len(made) == len(data)
    assert [secret for secret in (PLACE, b"exif:GPS", b"+51.50") if secret in made] == []
    assert made.endswith(bytes(22) + b"mdat and the rest")
    _same(second, made[len(first) : len(first) + len(second)], ".jpg")
    assert anonymised(data, suffix=".jpg") == anonymised(first, suffix=".jpg")


def test_a_file_without_a_place_comes_back_as_it_was():
    plain = _jpeg(5, 8, exif=b"", xmp=b"") + _jpeg(6, 1, exif=b"", xmp=b"")
    assert without_place(plain, suffix=".jpg") == plain


def test_png_texts_stay_unless_they_tell_a_place():
    def png(xmp):
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", TEXT.decode())
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return _saved(_picture(3), "PNG", pnginfo=text)

    assert without_place(png(ORIENTED), suffix=".png") == png(ORIENTED)
    made = without_place(png(XMP), suffix=".png")
    assert b"exif:GPS" not in made
    assert TEXT in made


def test_a_heic_loses_its_thumbnail_and_still_opens():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(_picture(9, 256, 256))
    file[0].info["thumbnails"] = [64]
    stream = io.BytesIO()
    file.save(stream, quality=60)
    data = stream.getvalue()
    assert b"thmb" in data
    made = anonymised(data, suffix=".heic")
    assert made.count(0) > data.count(0) + 500
    _same(data, made, ".heic")


def test_places_in_xmp_become_spaces_of_the_same_length():
    text = b"<a exif:GPSLatitude='1,2N' b='c'><exif:GPSAltitude>3/4</exif:GPSAltitude></a>"
    clean = blanked_gps_text(text)
    assert len(clean) == len(text)
    assert clean.replace(b" ", b"") == b"<ab='c'></a>"


def test_heic_loses_its_metadata_in_place():
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    data = _saved(_picture(2, 64, 64), "HEIF", exif=b"Exif\0\0" + _exif(1), xmp=XMP, quality=80)
    assert all(secret in data for secret in (SERIAL, PLACE, b"exif:GPS"))
    made = anonymised(data, suffix=".heic")
    assert len(made) == len(data)
    _same(data, made, ".heic")
    _clean(made)
    placeless = without_place(data, suffix=".heic")
    assert SERIAL in placeless
    assert PLACE not in placeless
    assert b"exif:GPS" not in placeless


def test_a_dng_keeps_its_mosaic_and_loses_serial_preview_and_place(tmp_path):
    data = _dng_with_secrets()
    made = anonymised(data, suffix=".dng")
    _clean(made)
    before, after = read_raw(data), read_raw(made)
    assert np.array_equal(before.mosaic, after.mosaic)
    assert np.array_equal(before.xyz_to_camera, after.xyz_to_camera)
    assert len(made) == len(data)


@pytest.mark.parametrize("name", ["iphone_7.heic", "canon_eos_6d_linear.dng", "vivo_x90_3_4_1024x1024.dng"])
def test_real_files_of_cameras(name):
    if "INSTABILITY_DATA" not in os.environ:
        pytest.skip("INSTABILITY_DATA is not set")
    path = Path(os.environ["INSTABILITY_DATA"]) / "raw" / name
    if not path.is_file():
        pytest.skip(f"the data pack has no {name}")
    data = path.read_bytes()
    made = anonymised(data, suffix=path.suffix)
    if path.suffix == ".dng":
        before, after = read_raw(data), read_raw(made)
        assert np.array_equal(before.mosaic, after.mosaic)
        assert np.array_equal(before.xyz_to_camera, after.xyz_to_camera)
        return
    with open_image(data) as before, open_image(made) as after:
        assert before.getexif().get_ifd(34853)
        assert before.getexif().get_ifd(34665).get(37500)
        assert not after.getexif().get_ifd(34853)
        assert not after.getexif().get_ifd(34665).get(37500)
        assert after.getexif()[272] == before.getexif()[272]


def test_what_cannot_be_checked_is_refused_with_its_reason():
    with pytest.raises(BadInput, match=r"metadata the kit knows .* got \.nef"):
        anonymised(b"II*\0" + bytes(60), suffix=".nef")
    with pytest.raises(BadInput, match="truncated"):
        anonymised(_jpeg(0, 1)[:-2], suffix=".jpg")
    with pytest.raises(BadInput, match="damaged"):
        kept_tags(b"II*\0\x08\0\0\0\xff\xff", exif=True)
    for suffix in RAW_SUFFIXES:
        assert container(b"II*\0", suffix=suffix) == ("dng" if suffix == ".dng" else "")


@pytest.mark.filterwarnings("ignore:Tag data larger than file", "ignore:Corrupt EXIF data")
def test_damaged_exif_in_a_good_jpeg_becomes_empty():
    block = bytearray(_exif(1))
    block[8:10] = b"\xff\xff"
    data = _jpeg(0, 1, exif=b"Exif\0\0" + bytes(block), xmp=b"")
    made = anonymised(data, suffix=".jpg")
    _clean(made)
    _same(data, made, ".jpg")


def test_directories_that_point_in_circles_come_to_an_end():
    circle = struct.pack("<4sI", b"II*\0", 8) + _table([_entry(274, 3, b"\x01\0")], 8, following=8)
    assert kept_tags(circle, exif=False)[:10] == circle[:10]


def test_every_container_is_told_by_how_a_file_starts():
    assert set(CONTAINERS) == {"bare", "dng", "heif", "jpeg", "jpeg-xl", "png", "tiff", "webp"}


def _dng_with_secrets():
    """The kit's own DNG with a serial number, a GPS directory and a preview appended, its first directory rewritten."""
    codes = np.random.default_rng(4).integers(64, 1023, (48, 64)).astype(np.uint16)
    data = write_dng(Raw(codes, (64.0,) * 4, 1023, "RGGB", (1.0, 1.0, 1.0), np.eye(3)))
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    rows = [data[at + 2 + 12 * i : at + 14 + 12 * i] for i in range(count)]
    base = len(data)
    gps = _table([_entry(2, 5, PLACE)], base)
    preview = _table(
        [
            *(_entry(254, 4, struct.pack("<I", 1)), _entry(273, 4, struct.pack("<I", base + 200))),
            _entry(279, 4, struct.pack("<I", len(THUMB))),
        ],
        base + 100,
    )
    tail = gps.ljust(100, b"\0") + preview.ljust(100, b"\0") + THUMB.ljust(100, b"\0") + SERIAL.ljust(20, b"\0")
    rows.append(struct.pack("<HHII", 34853, 4, 1, base))
    rows.append(struct.pack("<HHII", 330, 4, 1, base + 100))
    rows.append(struct.pack("<HHII", 50735, 2, 20, base + 300))
    rows.sort(key=lambda row: struct.unpack_from("<H", row)[0])
    new = base + len(tail)
    table = struct.pack("<H", len(rows)) + b"".join(rows) + struct.pack("<I", 0)
    return data[:4] + struct.pack("<I", new) + data[8:] + tail + table
