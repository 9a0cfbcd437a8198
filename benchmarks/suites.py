"""The shift and corruption suites over photographs, against the work that none can avoid.

Unavoidable is, for each photograph, one reading, one decoding, one resizing, each step of each perturbation once, and
each distinct tensor scaled and inferred once, in a bare loop without hashes of pixels, records or a run. Both are timed
in this process by the processor's clock, photograph by photograph in turns, so that others who work on the machine
disturb both alike. Memory is the peak of what Python and numpy hold while one photograph goes through a suite, against
the same with a tenth of its perturbations.
"""

import hashlib
import os
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.repeatability.suites import SUITES
from analysis.store import Run
from capture.scenes import read_scenes
from device_agents.decode import DECODERS
from device_agents.perturbations.chains import chain
from device_agents.perturbations.families import VIEWED, generator
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.preprocess import to_tensor
from device_agents.records import Environment, Scene
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import RUNTIMES
from device_agents.sidecar import Sidecar
from hostctl.grid import Assignment, predict_run
from hostctl.pictures.file_runs import add_files
from hostctl.suites.asked import environments
from stability_train.zoo import photographs, resolve_model

ASKED = ("shift", "corruptions")
PHOTOGRAPHS = 8  # of each suite; another one goes before, unmeasured
LIMIT = 1.20


def bench(count: int = PHOTOGRAPHS) -> Iterator[str]:
    """Give each suite's ratio to the unavoidable work, and how its memory grows with the perturbations."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    model, sidecar = resolve_model("mobilenet-v2")
    base = default_environment(sidecar, model)
    classify = RUNTIMES[base.runtime](model, 1)
    scenes = _scenes(count + 1)
    for name in ASKED:
        cells = environments(base, SUITES[name])
        bare_s = kit_s = 0.0
        for number, scene in enumerate(scenes):
            start = time.process_time()
            distinct = unavoidable(scene, sidecar, cells, classify)
            middle = time.process_time()
            _in_grid(scene, model, sidecar, cells)
            if number:  # the first one warms both
                bare_s, kit_s = bare_s + middle - start, kit_s + time.process_time() - middle
        yield (
            f"{name}: {len(scenes) - 1} photographs x {len(cells)} environments, {distinct} distinct tensors of the "
            f"last; {kit_s:.2f} s of the processor, unavoidable {bare_s:.2f} s; ratio {kit_s / bare_s:.2f} "
            f"(limit: {LIMIT:.2f})"
        )
    cells = environments(base, SUITES["corruptions"])
    few, all_of = (_peak(scenes[0], model, sidecar, some) for some in (cells[:: len(cells) // 8], cells))
    yield f"memory of a photograph: {all_of:.1f} MiB, {few:.1f} MiB with a tenth of the corruptions (limit: 8 MiB more)"
    cv2.setNumThreads(threads)


def unavoidable(scene: Scene, sidecar: Sidecar, cells: Sequence[Environment], classify: Any) -> int:
    """Do one photograph's work once, and give how many distinct tensors were inferred."""
    data = Path(scene.file).read_bytes()
    seed = hashlib.sha256(data).hexdigest()
    viewed = DECODERS[cells[0].decoder](data)
    size, resizer = (sidecar.input_height, sidecar.input_width), RESIZERS[cells[0].resizer]
    resized = FITS[cells[0].fit](viewed, resizer, *size)
    inferred = set()
    for cell in cells:
        picture = resized
        for one in chain(cell.perturbation):
            rng = generator(seed, one.stream)
            picture = one.apply(viewed, resizer, *size, rng) if one.of == VIEWED else one.apply(picture, rng)
        known = hash(picture.tobytes())
        if known not in inferred:
            inferred.add(known)
            classify(
                to_tensor(picture, scaling=cell.scaling, layout=sidecar.layout, colour_order=sidecar.colour_order)
            )
    return len(inferred)


def _in_grid(scene: Scene, model: Path, sidecar: Sidecar, cells: Sequence[Environment]) -> None:
    """Predict one photograph as a suite does, into a run of its own."""
    with tempfile.TemporaryDirectory() as folder, Run.create(Path(folder), settings={}, scenes=[scene]) as run:
        add_files(run, [scene])
        work = [Assignment(tuple(cells))]
        predict_run(run, model, sidecar, work, workers=1, progress=lambda done, total, note: None)


def _peak(scene: Scene, model: Path, sidecar: Sidecar, cells: Sequence[Environment]) -> float:
    """Give the most MiB that the loop holds while it predicts one photograph."""
    job = Job(str(model), sidecar, (JobPicture(scene.scene, scene.file),), tuple(cells))
    tracemalloc.start()
    for _ in predict(job):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def _scenes(count: int) -> list[Scene]:
    """The first photographs of the data pack, or the packaged ones."""
    pack = os.environ.get("INSTABILITY_DATA")
    found = read_scenes(Path(pack) / "imagenet" / "labels.csv") if pack else list(photographs().scenes)
    return found[:count]
