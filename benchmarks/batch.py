"""Batches: four devices against one, and what the controller costs, with devices that sleep for the inference time.

Scheduler, threads, checks and the commit of every prediction into a run folder are the real ones; the devices are not:
no picture is sent, so this is the controller's part of the overhead and not the transfer's.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from device_agents.predict import Job, default_environment
from device_agents.records import Prediction
from hostctl.batches.rows import Limits, Matrix, Network, Row
from hostctl.pictures.file_runs import run_of_files
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite

INFERENCE_S = 0.020
PICTURES = 1000
LABELS, SCORES = ("a", "b", "c", "d", "e"), (0.5, 0.2, 0.1, 0.1, 0.1)


@dataclass
class Sleeper:
    """A device whose inference is a sleep; ``busy_s`` is what it slept, as it measured itself."""

    name: str
    busy_s: float = 0.0

    def predict(self, job: Job, *, limit_s: float) -> Iterator[Prediction]:
        """Sleep for each picture, then answer for it."""
        environment = job.environments[0].environment
        for one in job.pictures:
            started = time.monotonic()
            time.sleep(INFERENCE_S)
            seconds = time.monotonic() - started
            self.busy_s += seconds
            yield Prediction(one.picture, environment, LABELS, SCORES, 1000 * seconds)

    def alive(self) -> bool:
        """It never fails."""
        return True


def bench() -> Iterator[str]:
    """Give the wall time of one and of four devices over the same pictures, their ratio, and the overhead."""
    walls: dict[int, list[float]] = {1: [], 4: []}
    with tempfile.TemporaryDirectory() as folder:
        scenes = _scenes(Path(folder) / "scenes")
        for turn in range(2):
            for count in walls:
                out = Path(folder) / f"run-{count}-{turn}"
                wall_s, busy_s, shards = _batch(out, scenes, Path(folder), count)
                walls[count].append(wall_s)
                overhead = wall_s * count / busy_s - 1
                yield (
                    f"{count} device{'s' * (count > 1)}, {PICTURES} pictures of {1000 * INFERENCE_S:.0f} ms: "
                    f"{wall_s:.2f} s, {shards} shards, {100 * overhead:.1f} % above the devices' own time (5 % allowed)"
                )
    yield f"four devices are {min(walls[1]) / min(walls[4]):.2f} times as fast as one (3.5 wanted)"


def _batch(out: Path, scenes: Path, folder: Path, count: int) -> tuple[float, float, int]:
    """Run a batch; gives its wall time, the devices' own time and the number of shards."""
    model = write_tflite(folder / "tiny.tflite")
    environment = replace(default_environment(tiny_sidecar(), model), machine="", runtime_version="")
    devices = [Sleeper(f"device-{number}") for number in range(count)]
    names = tuple(one.name for one in devices)
    row = Row(f"any:{count}", Network("tiny", "as given", model, tiny_sidecar(), environment), names, names)
    with run_of_files(scenes, out) as run:
        started = time.monotonic()
        result = Matrix(run, [row], {name: {"litert": "1"} for name in names}).work(devices, Limits())
        wall_s = time.monotonic() - started
    if result["status"] != "OK":
        raise SystemExit(f"benchmarks: the batch ended {result['status']}")
    return wall_s, sum(one.busy_s for one in devices), len(result["attempts"])


def _scenes(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    (folder / "thing").mkdir(parents=True)
    for number in range(PICTURES):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / "thing" / f"{number:04}.png")
    return folder
