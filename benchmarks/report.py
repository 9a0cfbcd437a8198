"""The report of a drawn run: 10,000 pictures by 5 devices at 1,000 scenes, twice each: its seconds and its size.

A scene has a margin, a device a bias, a picture some noise; the first label is right where their sum is positive.
Pictures are a few small photographs drawn once, since only those on the page are read.
"""

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from analysis.store import Run
from device_agents.records import Environment, Picture, Prediction, Scene
from hostctl.runs.reporting import report_run

SCENES, DEVICES, REPEATS = 1_000, 5, 2
SIDE_PX = 480


def bench(scenes: int = SCENES, devices: int = DEVICES, repeats: int = REPEATS) -> Iterator[str]:
    """Give the seconds of the report with its other formats, and the size of each file."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        pictures = draw_run(run, scenes=scenes, devices=devices, repeats=repeats)
        start, start_cpu = time.perf_counter(), time.process_time()
        told = report_run(run)
        took, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        yield f"{pictures} pictures: report in {took:.1f} s (limit 60 s), {cpu:.1f} s of processor time"
        size = Path(told["report"]).stat().st_size
        yield f"page {size / 1e6:.2f} MB of {scenes} scenes (limit 5 MB for 1,000)"
        start = time.perf_counter()
        told = report_run(run, formats=["md", "json", "junit"])
        sizes = ", ".join(f"{name} {Path(path).stat().st_size / 1e6:.2f} MB" for name, path in told["files"].items())
        yield f"with the other formats {time.perf_counter() - start:.1f} s: {sizes}"


def draw_run(folder: Path, *, scenes: int, devices: int, repeats: int, seed: int = 1) -> int:
    """Write a run with one prediction of every picture, and give the number of pictures."""
    rng = np.random.default_rng(seed)
    files = dict(_photographs(rng, count=2 * devices))
    known = [Scene(f"scene-{n:05}", f"scene-{n:05}.jpg", f"{n:064x}", (_label(n % 100),)) for n in range(scenes)]
    margins, bias = rng.normal(1.5, 1.5, scenes), rng.normal(0, 0.4, devices)
    environment = Environment("drawn", "0" * 64, "pillow", "whole", "rgb", "squash", "pillow-box", "zero-one", "litert")
    with Run.create(folder, settings={"lab": "drawn"}, scenes=known) as run:
        name = run.add_environment(environment)
        hashes = [run.put_file(content) for content in files.values()]
        pictures, predictions = [], []
        for n, scene in enumerate(known):
            for repeat, device in np.ndindex(repeats, devices):
                key = f"{scene.scene}|0|{repeat}|device-{device}"
                sha256 = hashes[(n + device) % len(hashes)]
                place = {"scene": scene.scene, "repeat": repeat, "device": f"device-{device}"}
                pictures.append(Picture(f"{key}|jpg", sha256, ".jpg", 40_000, SIDE_PX, SIDE_PX, **place))
                margin = margins[n] + bias[device] + rng.normal(0, 0.4)
                predictions.append(_prediction(f"{key}|jpg", name, n % 100, float(margin)))
        run.add_pictures(pictures, {})
        for start in range(0, len(predictions), 2_000):
            run.add_predictions(predictions[start : start + 2_000])
    return len(pictures)


def _prediction(picture: str, environment: str, label: int, margin: float) -> Prediction:
    first = 1 / (1 + np.exp(-abs(margin)))
    order = [label, label + 1, label + 2, label + 3, label + 4]
    if margin <= 0:
        order = [label + 1, label, *order[2:]]
    scores = tuple(float(first * 0.3**rank) for rank in range(5))
    return Prediction(picture, environment, tuple(_label(n % 100) for n in order), scores, 4.0)


def _photographs(rng: np.random.Generator, *, count: int) -> Iterator[tuple[int, bytes]]:
    """Photographs with as much detail as real ones have, so that their thumbnails weigh as much."""
    from PIL import Image

    for number in range(count):
        rough = Image.fromarray(rng.integers(0, 256, (SIDE_PX // 6, SIDE_PX // 6, 3), dtype=np.uint8))
        stream = io.BytesIO()
        rough.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).save(stream, format="JPEG", quality=90)
        yield number, stream.getvalue()


def _label(number: int) -> str:
    return f"n{number:08}"
