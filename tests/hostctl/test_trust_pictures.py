"""Pictures that are made to do harm: small files that unpack to gigabytes, in every decoder that sees device files."""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from capture import screen
from device_agents.decode import DECODERS, MAX_PIXELS
from device_agents.errors import BadInput, MissingExtra
from hostctl.browsers.checks import MOST_PHOTOGRAPH_BYTES, SUFFIXES, checked_photograph
from hostctl.sessions.examine import Question, examine, examiners
from tests.fakes.rack import BOX, LAYOUT, picture_of

SIDE = 30_000  # 900 megapixels, 2.7 GB as RGB
FREE_MB = 200
LIBHEIF = ["heif", "pillow", "ValueError"]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *more):
    rows = zlib.compress(bytes(1000))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def saved(form, **options):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, form, **options)
    return stream.getvalue()


def jpeg(width, height):
    data = bytearray(saved("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif(width, height):
    data = bytearray(saved("GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp(width, height):
    data = bytearray(saved("BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def tiff(width, height):
    """A TIFF of one deflated strip."""
    tags = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (273, 8), (277, 1), (278, height), (279, 20)]
    strip = zlib.compress(bytes(8)).ljust(20, b"\0")
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    at = 8 + len(strip)
    return b"II*\0" + struct.pack("<I", at) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


def webp(width, height):
    data = bytearray(saved("WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    data[at : at + 4] = struct.pack("<I", (min(width, 16384) - 1) | (min(height, 16384) - 1) << 14)
    return bytes(data)


def heif(width, height):
    pytest.importorskip("pillow_heif").register_heif_opener()
    data = bytearray(saved("HEIF"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", width, height)
    return bytes(data)


def dng(side):
    """A raw file's description of so many samples, and none of them."""
    tags = [(254, 0), (256, side), (257, side), (258, 16), (259, 1), (262, 32803), (273, 8), (277, 1), (278, side),
            (279, 16), (33421, 0x00020002), (33422, 0x02010100), (50706, 0x00000401)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(tags)) + entries + bytes(4)


BOMBS = {"png": png, "jpeg": jpeg, "gif": gif, "bmp": bmp, "tiff": tiff, "webp": webp, "heif": heif}
NOTES = {
    "text": png(8, 8, chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(80_000_000)))),
    "many texts": png(8, 8, *[chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(1_000_000)))] * 80),
    "profile": png(8, 8, chunk(b"iCCP", b"note\0\0" + zlib.compress(bytes(80_000_000)))),
}


CHILD = """
import json, resource, sys
from pathlib import Path
from capture.raw import read_raw
from device_agents.decode import DECODERS
from device_agents.preprocess import FAILURES
DECODERS["pillow"](Path(sys.argv[1]).read_bytes())  # so that the libraries are loaded
before, said = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
for path in map(Path, sys.argv[2:]):
    for name, decode in {"raw": read_raw}.items() if path.suffix == ".dng" else DECODERS.items():
        try:
            found = str(decode(path.read_bytes()).shape)
        except FAILURES as problem:
            found = type(problem).__name__
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        said.append((path.stem, name, found, (peak - before) // 1024))
        before = peak
print(json.dumps(said))
"""


def decoded(folder, files):
    """What every decoder says of these, in a process of its own: file, decoder, error or shape, MB of memory more."""
    for name, data in {"good.jpg": saved("JPEG"), **files}.items():
        (folder / name).write_bytes(data)
    paths = [str(folder / name) for name in ("good.jpg", *files)]
    words = [sys.executable, "-W", "ignore", "-c", CHILD, *paths]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_bombs_are_refused_by_their_size_before_they_are_unpacked_by_every_decoder(tmp_path):
    files = {f"{kind}.bin": bomb(SIDE, SIDE) for kind, bomb in BOMBS.items()}
    assert all(len(data) < 20_000 for data in files.values())
    said = decoded(tmp_path, files)
    assert {name for _, name, _, _ in said} == set(DECODERS)
    # libheif compares the size that a file says with that of its picture, and does not unpack what differs.
    assert [one for one in said if one[2] not in ("BadInput", "MissingExtra") and one[:3] != LIBHEIF] == []
    assert [one for one in said if one[3] >= FREE_MB] == []
    assert {kind for kind, name, found, _ in said if (name, found) == ("pillow", "BadInput")} >= set(BOMBS) - {"heif"}


def test_notes_that_unpack_to_megabytes_cost_little_and_neither_does_a_raw_that_says_it_is_huge(tmp_path):
    said = decoded(tmp_path, {f"{kind}.png": data for kind, data in NOTES.items()} | {"raw.dng": dng(120_000)})
    assert [one for one in said if one[2] not in ("BadInput", "MissingExtra", "OSError", "(8, 8, 3)")] == []
    assert [one for one in said if one[3] >= FREE_MB] == []
    assert [found for kind, _, found, _ in said if kind == "raw"] == ["BadInput"]


def test_a_page_may_not_send_them_either():
    for data in (png(SIDE, SIDE), jpeg(SIDE, SIDE), NOTES["text"], b"GIF89a", b"", b"\xff\xd8\xff", gif(8, 8)):
        with pytest.raises(BadInput):
            checked_photograph(data)
    with pytest.raises(BadInput, match=f"at most {MOST_PHOTOGRAPH_BYTES} bytes"):
        checked_photograph(bytes(MOST_PHOTOGRAPH_BYTES + 1))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about EXIF
@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=64), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"II*\0", b"RIFF", b""]))
def test_any_bytes_of_a_page_are_a_picture_or_refused(data, start):
    with contextlib.suppress(BadInput):
        assert checked_photograph(start + data) in SUFFIXES.values()


def test_a_picture_that_is_a_program_is_not_run():
    """Pillow would give PostScript to Ghostscript, whatever the file is called."""
    for decode in DECODERS.values():
        with pytest.raises((BadInput, MissingExtra), match="PostScript|extra|install"):
            decode(saved("EPS"))


def test_opencv_by_itself_has_the_same_limit():
    """Its own reader of sizes may be misled where Pillow's is not; it reads its limit when it is imported."""
    code = (
        "import device_agents.decode, os, sys, numpy as np, cv2\n"
        "try:\n    print(cv2.imdecode(np.frombuffer(sys.stdin.buffer.read(), np.uint8), cv2.IMREAD_COLOR))\n"
        "except cv2.error as problem:\n    print('refused', 'CV_IO_MAX_IMAGE_PIXELS' in str(problem))\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV")}
    data = png(MAX_PIXELS // 8000 + 1, 8000)
    done = subprocess.run(
        [sys.executable, "-c", code], input=data, env=kept, capture_output=True, check=False, timeout=120
    )
    assert done.stdout.split() in ([b"refused", b"True"], [b"None"]), done


@pytest.fixture
def question(tmp_path):
    frame = screen.render_frame(picture_of("scene"), stimulus=7, layout=LAYOUT).rgb
    Image.fromarray(frame).save(tmp_path / "photo.jpg", quality=95)
    return Question(tmp_path / "photo.jpg", 7, LAYOUT, BOX, screen.Limits())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_a_worker_has_only_so_much_memory_and_says_so(question, tmp_path):
    """90 megapixels are 270 MB, and several times that while they are looked at."""
    large = replace(question, path=tmp_path / "large.png")
    Image.new("RGB", (10_000, 9_000)).save(large.path)
    with examiners(1, memory_bytes=800 << 20) as ask:
        found = ask(large)
        assert found.reason.startswith("not a whole picture: ")
        assert ask(question).reason == ""  # it, or another, goes on
    assert examine(question).reason == ""


def test_a_photograph_over_which_a_worker_sits_too_long_is_refused_and_the_next_is_looked_at(question):
    told = {}
    with examiners(1, limit_s=0.0) as ask:  # so that every question takes too long
        told["late"] = ask(replace(question, keep_place=False))
        told["later"] = ask(question)
    assert told["late"].reason == "not a whole picture: a process looked at it for more than 0 s"
    assert not told["late"].keep  # nobody knows whether it tells a place
    assert told["later"].keep


def test_a_photograph_at_which_workers_die_is_refused(question, monkeypatch):
    """Programs that end at once stand for a decoder that crashes."""
    monkeypatch.setattr("hostctl.sessions.examine.sys.executable", "/bin/false")
    with examiners(1) as ask:
        found = ask(question)
    assert found.reason == "not a whole picture: 2 processes that looked at it died, often for lack of memory"
