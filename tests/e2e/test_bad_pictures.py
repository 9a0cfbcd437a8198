"""Bad pictures through `instability predict` on a folder: one record each, the rest goes on, and they are counted."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.store import Run
from capture.raw import Raw, write_dng
from stability_train.zoo import photographs
from tests.fakes.command import instability

LABEL = "n02119789"
GENERAL = ("pillow", "opencv")
JPEG_ONLY = ("jpeg-accurate", "libjpeg-9f", "ffmpeg", "tensorflow")
BOMB_SIDE = 30_000  # 2.7 GB of pixels
ANY_IMAGE = "expected an image file, got"
BOMB = "expected at most 128000000 pixels"

# What each file comes to: "" where it is a picture, else how its reason begins, for the general decoders.
EXPECTED = {
    "good.jpg": "",
    "cmyk.jpg": "",
    "grey.jpg": "",
    "png-named.jpg": "",
    "turned.png": "",
    "wide.png": "",
    "palette.png": "",
    "moving.png": "",
    "moving.webp": "",
    "transparent.png": "",
    "text-named.jpg": f"decode: BadInput: {ANY_IMAGE}",
    "zeros.png": f"decode: BadInput: {ANY_IMAGE}",
    "empty.jpg": f"decode: BadInput: {ANY_IMAGE} 0 bytes",
    "cut.jpg": "decode: BadInput: image file is truncated",
    "cut-in-header.jpg": "decode: BadInput: image file is truncated",
    "cut.png": "decode: BadInput: image file is truncated",
    "bomb.png": f"decode: BadInput: {BOMB}",
    "bomb.jpg": f"decode: BadInput: {BOMB}",
    "real.tif": f"decode: BadInput: {ANY_IMAGE}",
}
JPEGS = ("good.jpg", "cmyk.jpg", "grey.jpg")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_bomb() -> bytes:
    """A PNG of a few hundred kilobytes that unpacks to 2.7 GB of black."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * BOMB_SIDE)
    body = b"".join(packer.compress(row) for _ in range(2000)) + packer.flush()  # the rest need not be there
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 8, 2, 0, 0, 0)), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def jpeg_bomb() -> bytes:
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", BOMB_SIDE, BOMB_SIDE)
    return bytes(data)


def write_folder(folder: Path, names: tuple[str, ...] = tuple(EXPECTED)) -> Path:
    """Write the files, those of good pictures made of one packaged photograph."""
    data = Path(photographs().scenes[0].file).read_bytes()
    with Image.open(io.BytesIO(data)) as opened:
        photo = opened.convert("RGB").resize((320, 240))
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    exif, clear = Image.Exif(), photo.copy()
    exif[0x0112] = 6
    clear.putalpha(77)
    jpeg, png = encoded(photo, "JPEG"), encoded(photo, "PNG")
    wide = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    moving = {"save_all": True, "append_images": [photo.transpose(Image.Transpose.ROTATE_180)]}
    files = {
        "good.jpg": lambda: data,
        "cmyk.jpg": lambda: encoded(photo.convert("CMYK"), "JPEG"),
        "grey.jpg": lambda: encoded(photo.convert("L"), "JPEG"),
        "png-named.jpg": lambda: png,
        "turned.png": lambda: encoded(turned, "PNG", exif=exif),
        "wide.png": lambda: encoded(wide, "PNG"),
        "palette.png": lambda: encoded(photo.quantize(64), "PNG"),
        "moving.png": lambda: encoded(photo, "PNG", **moving),
        "moving.webp": lambda: encoded(photo, "WEBP", lossless=True, **moving),
        "transparent.png": lambda: encoded(clear, "PNG"),
        "text-named.jpg": lambda: b"a letter, not a picture\n",
        "zeros.png": lambda: bytes(4096),
        "empty.jpg": lambda: b"",
        "cut.jpg": lambda: jpeg[: len(jpeg) * 2 // 3],
        "cut-in-header.jpg": lambda: jpeg[:40],
        "cut.png": lambda: png[: len(png) * 2 // 3],
        "bomb.png": png_bomb,
        "bomb.jpg": jpeg_bomb,
        "real.tif": lambda: b"II*\0\x08\0\0\0" + bytes(range(200)),
    }
    (folder / LABEL).mkdir(parents=True)
    for name in names:
        # Scenes are called by their files without the suffix, so each has one of its own.
        (folder / LABEL / name).with_name(f"{name.replace('.', '-')}.{name.rpartition('.')[2]}").write_bytes(
            files[name]()
        )
    return folder


def table_of(folder: Path) -> dict[tuple[str, str], tuple[str, int, str]]:
    """For each file and decoder its error, its pixels' fingerprint and its first label."""
    with Run.open(folder, write=False) as run:
        table = run.predictions()
    return {
        (row.picture.partition("/")[2], row.decoder): (row.error, row.pixels_fingerprint, row.label_1)
        for row in table.itertuples()
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_bad_picture_is_one_record_in_every_decoder(tmp_path: Path) -> None:
    decoders = ",".join((*GENERAL, *JPEG_ONLY))
    words = ("predict", "--scenes", write_folder(tmp_path / "photos"), "--model", "mobilenet-v2", "--json")
    done = instability(*words, "--vary", f"decoder={decoders}", "--out", "run", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not [word for word in ("Traceback", "[ERROR", "[ WARN", "DecompressionBomb") if word in done.stderr]
    result = json.loads(done.stdout)
    found = table_of(tmp_path / "run")
    assert len(found) == len(EXPECTED) * len(GENERAL + JPEG_ONLY)
    for name, expected in EXPECTED.items():
        stem = name.replace(".", "-")
        for decoder in GENERAL + JPEG_ONLY:
            error, pixels, label = found[stem, decoder]
            wanted = expected
            if decoder in JPEG_ONLY and not expected and name not in JPEGS:
                wanted = "decode: BadInput: expected a JPEG, got "
            assert error.startswith(wanted) if wanted else error == "", (name, decoder, error)
            assert "\n" not in error
            assert (pixels == 0) == bool(error)
            assert isinstance(label, str) == (not error)
        if not expected and name != "cmyk.jpg":
            assert found[stem, "pillow"][1] == found[stem, "opencv"][1], name
    failed = sum(bool(error) for error, _, _ in found.values())
    assert result["failed"] == failed == sum(row["failed"] for row in result["rows"])
    assert result["pictures"] == len(EXPECTED)
    # Orientation, alpha, the second picture of a moving one and the name of a file change nothing of the pixels.
    same = {found[name.replace(".", "-"), "pillow"][1] for name in ("png-named.jpg", "turned.png", "moving.png")}
    same |= {found[name, "pillow"][1] for name in ("moving-webp", "transparent-png")}
    assert len(same) == 1
    # The answer of a person's terminal counts them too, and the second call has nothing to do.
    again = instability(*words[:-1], "--vary", f"decoder={decoders}", "--out", "run", "--quiet", cwd=tmp_path)
    assert f"failed         {failed} predictions" in again.stdout


MEASURED = """
import json, resource, sys
from hostctl.cli import main
code = main(sys.argv[1:])
print(json.dumps({"code": code, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def peak_mb(folder: Path, *, name: str) -> float:
    """Predict a folder in one process, and give the most memory that it held."""
    words = ["predict", "--scenes", str(folder), "--model", "mobilenet-v2", "--workers", "1", "--quiet"]
    words += ["--vary", "decoder=pillow,opencv,libjpeg-9f,jpeg-accurate,ffmpeg", "--out", str(folder.parent / name)]
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, check=True, timeout=240)
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["code"] == 0
    return float(last["peak_mb"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bombs_are_refused_without_the_memory_that_they_unpack_to(tmp_path: Path) -> None:
    plain = peak_mb(write_folder(tmp_path / "plain", ("good.jpg",)), name="plain-run")
    bombs = peak_mb(write_folder(tmp_path / "bombs", ("good.jpg", "bomb.png", "bomb.jpg")), name="bombs-run")
    assert bombs < plain + 100, (plain, bombs)
    errors = [error for error, _, _ in table_of(tmp_path / "bombs-run").values()]
    assert sum(BOMB in error for error in errors) == 2 * 5
    assert sum(error == "" for error in errors) == 5


def test_a_raw_that_libraw_cannot_read_is_one_message_and_the_rest_goes_on(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(300, 4000, (96, 128)).astype(np.uint16)
    matrix = np.array([[0.9, -0.3, -0.1], [-0.4, 1.3, 0.1], [0.0, 0.2, 0.6]])
    good = write_dng(Raw(codes, (256.0,) * 4, 4095, "RGGB", (0.5, 1.0, 0.6), matrix))
    files = {"good": good, "cut": good[: len(good) // 10], "text": b"a letter", "damaged": good[:64] + bytes(5000)}
    (tmp_path / "list.csv").write_text("file,label\n" + "".join(f"{name}.dng,{LABEL}\n" for name in files))
    for name, data in files.items():
        (tmp_path / f"{name}.dng").write_bytes(data)
    words = ("predict", "--scenes", "list.csv", "--model", "mobilenet-v2", "--vary", "isp=libraw-auto-bright")
    done = instability(*words, "--out", "run", "--quiet", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result = json.loads(done.stdout)
    assert sorted(line.split(":")[0] for line in result["not_made"]) == ["cut", "damaged", "text"]
    assert all("expected a raw file that LibRaw reads, got" in line for line in result["not_made"])
    assert (result["pictures"], result["failed"]) == (1, 0)
