"""How every decoder takes damaged files: thousands each, in worker processes, so that one that crashes is seen.

python -m benchmarks mutations, or python -m benchmarks.mutations COUNT [DECODER ...] for more of some. A damaged file
gives a picture or a refusal that the grid records; anything else (a crash, a hang) is told with the file's number.
"""

from __future__ import annotations

import io
import os
import queue
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from device_agents import decode
from device_agents.decode import DECODERS
from device_agents.decode_jpeg import JPEG_READERS
from device_agents.errors import MissingExtra
from device_agents.preprocess import FAILURES

COUNT = 2000  # damaged files a decoder
LIMIT_S = 30.0  # for one of them, far beyond what any takes
MOST_BAD = 20  # crashes and hangs after which a decoder has shown enough
MAX_PIXELS = 1_000_000  # where a size is what was changed, so that the bench stays quick
HEADER = 640
STARTED, PICTURE, REFUSED, ABSENT = "started", "picture", "refused", "absent"


@dataclass
class Outcome:
    """What became of one decoder's damaged files; crashes and hangs by the number that makes their file again."""

    decoder: str
    pictures: int = 0
    refused: int = 0
    crashes: list[int] = field(default_factory=list)
    hangs: list[int] = field(default_factory=list)
    absent: bool = False

    def __str__(self) -> str:
        """One line for a person."""
        if self.absent:
            return f"{self.decoder}: not installed here"
        bad = {"crash": self.crashes, "hang": self.hangs}
        told = "".join(f"; {name} at {some[:5]}" for name, some in bad.items() if some)
        return (
            f"{self.decoder}: {self.pictures + self.refused} damaged files: {self.pictures} pictures, {self.refused} "
            f"refused; {len(self.crashes)} crashes, {len(self.hangs)} hangs{told}"
        )


def bench(count: int = COUNT, decoders: tuple[str, ...] = tuple(sorted(DECODERS))) -> Iterator[str]:
    """Give a line a decoder, then the sums; the limit is no crash and no hang."""
    start = time.perf_counter()
    outcomes = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for outcome in pool.map(lambda name: _survey(name, count), decoders):
            outcomes.append(outcome)
            yield str(outcome)
    files = sum(one.pictures + one.refused + len(one.crashes) + len(one.hangs) for one in outcomes)
    bad = sum(len(one.crashes) + len(one.hangs) for one in outcomes)
    seconds = time.perf_counter() - start
    yield f"{files} damaged files in {seconds:.0f} s: {bad} crashes and hangs (limit: 0)"


def damaged(decoder: str, number: int) -> bytes:
    """Give the damaged file of a number: a whole one with bytes changed, cut, taken out, put in or moved."""
    rng = np.random.default_rng([zlib.crc32(decoder.encode()), number])
    bases = _bases(decoder not in JPEG_READERS)
    data = bytearray(bases[number % len(bases)])
    for _ in range(rng.integers(1, 5)):
        reach = len(data) if rng.random() < 0.5 else min(len(data), HEADER)
        at = int(rng.integers(0, max(reach, 1)))
        size = int(rng.integers(1, 17))
        kind = rng.random()
        if kind < 0.55:
            data[at : at + 1] = bytes([rng.integers(0, 256)])
        elif kind < 0.7:
            data[at : at + size] = [0xFF, 0x00, 0x7F, 0x80][rng.integers(0, 4)].to_bytes(1, "big") * size
        elif kind < 0.8:
            data[at:at] = rng.bytes(size)
        elif kind < 0.9:
            del data[at : at + size]
        else:
            there = int(rng.integers(0, max(len(data), 1)))
            data[at : at + size] = data[there : there + size]
    if rng.random() < 0.1:
        # Its end stays, as it does where the middle of a file was lost.
        del data[int(rng.integers(2, max(len(data), 3))) : -2]
    return bytes(data)


_KEPT: dict[bool, list[bytes]] = {}


def _bases(general: bool) -> list[bytes]:
    if general not in _KEPT:
        _KEPT[general] = _jpegs() + (_others() if general else [])
    return _KEPT[general]


def _picture() -> Image.Image:
    y, x = np.mgrid[0:40, 0:61]
    pixels = np.stack([x * 4, y * 6, (x + y) * 2], axis=2).clip(0, 255).astype(np.uint8)
    pixels[5:25, 5:30] ^= np.random.default_rng(0).integers(0, 64, (20, 25, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _jpegs() -> list[bytes]:
    picture, exif = _picture(), Image.Exif()
    exif[0x0112] = 6
    return [
        _saved(picture, "JPEG", quality=85, subsampling="4:2:0", exif=exif),
        _saved(picture, "JPEG", quality=95, subsampling="4:4:4"),
        _saved(picture, "JPEG", subsampling="4:2:2", optimize=True),
        _saved(picture.convert("L"), "JPEG"),
        _saved(picture.convert("CMYK"), "JPEG"),
        _saved(picture, "JPEG", progressive=True),
        _saved(picture, "JPEG", restart_marker_blocks=2),
    ]


def _others() -> list[bytes]:
    import pillow_heif
    import pillow_jxl

    pillow_heif.register_heif_opener()
    del pillow_jxl  # importing it registers it
    picture, clear = _picture(), _picture()
    clear.putalpha(128)
    more: dict[str, object] = {"save_all": True, "append_images": [picture.transpose(Image.Transpose.ROTATE_180)]}
    wide = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    return [
        *(_saved(picture, kind) for kind in ("PNG", "BMP", "PPM", "TIFF", "JPEG2000", "AVIF", "HEIF", "JXL", "WEBP")),
        *(_saved(clear, kind) for kind in ("PNG", "TIFF", "AVIF", "WEBP")),
        *(_saved(picture.quantize(16), kind) for kind in ("PNG", "GIF", "TIFF")),
        *(_saved(picture, kind, **more) for kind in ("GIF", "PNG", "TIFF", "WEBP")),
        *(_saved(picture, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")),
        _saved(wide, "PNG"), _saved(wide, "TIFF"), _saved(picture, "WEBP", lossless=True),
        _saved(picture, "JXL", lossless=True),
    ]  # fmt: skip


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _survey(decoder: str, count: int) -> Outcome:
    """Decode the damaged files of one decoder, in a new process after each crash or hang."""
    outcome, number = Outcome(decoder), 0
    while number < count and not outcome.absent and len(outcome.crashes) + len(outcome.hangs) < MOST_BAD:
        number = _watch(outcome, number, count)
    return outcome


def _watch(outcome: Outcome, first: int, count: int) -> int:
    """Watch one worker; gives the number that the next one starts at."""
    words = [sys.executable, "-m", "benchmarks.mutations", "--work", outcome.decoder, str(first), str(count)]
    root = Path(__file__).parents[1]
    worker = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert worker.stdout is not None
    said: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(worker.stdout, said), daemon=True)
    reader.start()
    number, open_file = first, False
    try:
        while line := said.get(timeout=LIMIT_S if open_file else 10 * LIMIT_S):
            what, _, text = line.partition(" ")
            open_file = what == STARTED
            if what == ABSENT:
                outcome.absent = True
                return count
            if open_file:
                number = int(text)
                continue
            outcome.pictures += what == PICTURE
            outcome.refused += what == REFUSED
            number += 1
    except queue.Empty:
        outcome.hangs.append(number)
    finally:
        worker.kill()
        worker.wait()
        reader.join()
        worker.stdout.close()
    if number < count and number not in outcome.hangs:
        outcome.crashes.append(number)
    return number if number >= count else number + 1


def _read(stream: Iterator[str], said: queue.Queue[str]) -> None:
    for line in stream:
        said.put(line.strip())
    said.put("")


def work(decoder: str, first: int, count: int) -> None:
    """Decode damaged files by number and say each outcome; what is no refusal ends the process, as in a run."""
    warnings.simplefilter("ignore")
    decode.MAX_PIXELS = MAX_PIXELS
    try:
        DECODERS[decoder](_bases(False)[0])
    except MissingExtra:
        print(ABSENT, flush=True)
        return
    for number in range(first, count):
        print(STARTED, number, flush=True)
        try:
            DECODERS[decoder](damaged(decoder, number))
        except FAILURES:
            print(REFUSED, flush=True)
        else:
            print(PICTURE, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        asked = sys.argv[1:]
        for text in bench(int(asked[0]) if asked else COUNT, tuple(asked[1:]) or tuple(sorted(DECODERS))):
            print(text, flush=True)
