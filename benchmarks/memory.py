"""Peak memory of a grid of 8 environments over 200 and over 2,000 distinct files: it must not grow with their number.

Two decoders by four resizers, so that it takes minutes and not an hour; decoded photographs are what a worker holds, so
more environments would add rows only. The files are photographs saved again at several JPEG qualities. Memory is the
sum of the resident sets of the process that predicts and of its workers, looked at ten times a second; libraries that
they share count in each.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
from PIL import Image

from analysis.store import Run
from capture.scenes import read_scenes
from device_agents.hashing import hash_file
from device_agents.predict import default_environment
from device_agents.records import Scene
from hostctl.grid import Assignment, predict_run
from hostctl.pictures.file_runs import add_files
from stability_train.zoo import photographs, resolve_model

COUNTS = (200, 2000)
MODEL = "mobilenet-v2"
DECODERS = ("pillow", "opencv")
RESIZERS = ("pillow-bilinear", "pillow-bicubic", "opencv-linear", "opencv-area")
BEST_QUALITY = 95
LOOK_S = 0.1


def bench(counts: Sequence[int] = COUNTS) -> Iterator[str]:
    """Give the peak memory at each number of files, and how far the last one lies above the first."""
    resolve_model(MODEL)  # made once, here, so that making it counts in neither
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        files = _save_again(Path(folder) / "photographs", max(counts))
        for count in counts:
            start = time.perf_counter()
            run = _make_run(Path(folder) / f"run-{count}", _some(files, count))
            peaks.append(_peak_bytes([sys.executable, "-m", "benchmarks.memory", str(run)]))
            cells, span_s = count * len(DECODERS) * len(RESIZERS), time.perf_counter() - start
            yield f"{count} files, {cells} cells: {peaks[-1] / 1e9:.2f} GB (limit 1.5), {span_s:.0f} s"
    yield f"{counts[-1]} files against {counts[0]}: {100 * (peaks[-1] / peaks[0] - 1):+.1f} % (limit: 10 %)"


def _save_again(folder: Path, count: int) -> list[Scene]:
    """Save photographs at as many JPEG qualities as it takes to have count different files."""
    pack = os.environ.get("INSTABILITY_DATA")
    found = read_scenes(Path(pack) / "imagenet" / "labels.csv") if pack else list(photographs().scenes)
    folder.mkdir()
    made = []
    for number, scene in enumerate(itertools.islice(itertools.cycle(found), count)):
        path = folder / f"{number:05}.jpg"
        with Image.open(scene.file) as picture:
            picture.convert("RGB").save(path, quality=BEST_QUALITY - number // len(found))
        made.append(replace(scene, scene=f"{scene.scene}-{number:05}", file=str(path), sha256=hash_file(path)))
    return made


def _some(files: list[Scene], count: int) -> list[Scene]:
    """Choose files evenly by their photographs' size, the largest among them: it decides how much a worker holds."""
    pixels = [_pixels(Path(one.file)) for one in files]
    places = sorted(range(len(files)), key=lambda place: -pixels[place])[:: len(files) // count][:count]
    return [files[place] for place in sorted(places)]


def _pixels(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.width * picture.height


def _make_run(folder: Path, scenes: Sequence[Scene]) -> Path:
    with Run.create(folder, settings={}, scenes=scenes) as run:
        add_files(run, scenes)
    return folder


def _peak_bytes(command: list[str]) -> int:
    """Run a command to its end; give the largest sum of the resident sets of its processes."""
    peak = 0
    with subprocess.Popen(command) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, sum(map(_resident_bytes, [watched, *_children(watched)])))
            time.sleep(LOOK_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # it has just ended
        return 0


def _predict(folder: Path) -> None:
    """Predict a run's pictures in all environments, as `instability predict` does."""
    model, sidecar = resolve_model(MODEL)
    base = default_environment(sidecar, model)
    grid = [replace(base, decoder=decoder, resizer=resizer) for decoder in DECODERS for resizer in RESIZERS]
    with Run.open(folder) as run:
        workers = len(os.sched_getaffinity(0))
        predict_run(run, model, sidecar, [Assignment(tuple(grid))], workers=workers, progress=lambda *_: None)
        missing = sum(1 for _ in run.missing_predictions(grid))
        if missing or run.summary()["prediction_errors"]:
            raise SystemExit(
                f"benchmarks.memory: {missing} blocks missing, {run.summary()['prediction_errors']} errors"
            )


if __name__ == "__main__":
    _predict(Path(sys.argv[1]))
