"""The controller's overhead: a step of eight devices against a step of one, with cameras that take no time.

The phones speak ADB to the real adb program and hand out 1.2-megapixel JPEG files; every photograph is pulled, hashed
at both ends, proven by its frame code, rectified and committed, while the next scenes are shown.
"""

import csv
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from capture.scenes import read_scenes
from hostctl.lab import parse_lab
from hostctl.sitting import sit

SCENES = 40


def bench() -> Iterator[str]:
    """Give the median step of one and of eight devices, twice in turn, their ratio, and the timeline of eight."""
    steps: dict[int, list[float]] = {1: [], 8: []}
    with tempfile.TemporaryDirectory() as folder:
        scenes = _scenes(Path(folder) / "scenes")
        for turn in range(2):
            for count in steps:
                out = Path(folder) / f"run-{count}-{turn}"
                steps[count].append(_step_s(out, scenes, count))
        yield from _timeline(out)
    one, eight = (statistics.median(steps[count]) for count in (1, 8))
    yield f"step of 1 device: {1000 * one:.0f} ms; of 8 devices: {1000 * eight:.0f} ms"
    limit = 1.25 * one + 0.020
    yield f"ratio: {eight / one:.2f}; {eight / limit:.2f} of the limit (1.25 x the step of 1, plus 20 ms)"


def _scenes(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    (folder / "thing").mkdir(parents=True)
    for number in range(SCENES):
        small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8))
        small.resize((640, 480), Image.Resampling.BICUBIC).save(folder / "thing" / f"{number:02}.png")
    return folder


def _step_s(out: Path, scenes: Path, count: int) -> float:
    device = {"kind": "virtual-phone", "camera": "instant", "phone": "instant"}
    values: dict[str, Any] = {
        "display": {"screen": "virtual", "width": 1280, "height": 960, "settle_ms": 20, "paint_delay_ms": 0},
        "session": {"repeats": 1, "reserve_mb": 0},
        "device": [{"name": f"phone-{number}", **device} for number in range(count)],
    }
    sit(parse_lab(values, folder=out), scenes=read_scenes(scenes), out=out, model=None, progress=lambda *_: None)
    rows = _rows(out)
    starts = [float(row["start_s"]) for row in rows if row["what"] == "show"]
    last = max(float(row["end_s"]) for row in rows)
    return (last - starts[2]) / (len(starts) - 2)  # the last photographs' way home is part of it, the start is not


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "lab" / "timeline.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _timeline(out: Path) -> Iterator[str]:
    """Draw four steps: s = showing, x = a device between key and whole file, h = photographs on their way home."""
    rows = _rows(out)
    shows = sorted(float(row["start_s"]) for row in rows if row["what"] == "show")
    begin, end, width = shows[8], shows[12], 100
    for what, mark in (("show", "s"), ("shoot", "x"), ("home", "h")):
        line = [" "] * width
        for row in rows:
            if row["what"] == what:
                first = int((float(row["start_s"]) - begin) / (end - begin) * width)
                last = int((float(row["end_s"]) - begin) / (end - begin) * width)
                line[max(first, 0) : max(min(last + 1, width), 0)] = mark * (
                    max(min(last + 1, width), 0) - max(first, 0)
                )
        yield f"{what:>6} |{''.join(line[:width])}| {1000 * (end - begin):.0f} ms"
