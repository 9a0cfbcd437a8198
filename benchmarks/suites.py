"""The shift, corruption and sequence suites over photographs, against the work that none can avoid.

Unavoidable is the loading of the model and, for each photograph, one reading, one decoding, one resizing, each step of
each perturbation once and from its beginning, and each distinct tensor scaled and inferred once, in a bare loop without
fingerprints, records or a run; what frames and severities share, only the suite does once. Both are timed in this
process by the processor's clock, in turns, so that others who work on the machine disturb both alike. Memory is the
peak of what Python and numpy hold while one photograph goes through a suite, against the same with a tenth of its
perturbations.
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

ASKED = ("shift", "corruptions", "sequences")
TURN, TURNS = 16, 2  # photographs that each side does before it is the other's turn


def bench() -> Iterator[str]:
    """Give each suite's ratio to the unavoidable work, and how its memory grows with the perturbations."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    model, sidecar = resolve_model("mobilenet-v2")
    base = default_environment(sidecar, model)
    scenes = _scenes(TURNS * TURN)
    for name in ASKED:
        cells = environments(base, SUITES[name])
        bare_s = kit_s = distinct = 0.0
        _in_grid(scenes[:1], model, sidecar, cells)  # imports, and the first use of each operator
        for first in range(0, len(scenes), TURN):
            turn = scenes[first : first + TURN]
            start = time.process_time()
            classify = RUNTIMES[base.runtime](model, 1)
            distinct += sum(unavoidable(scene, sidecar, cells, classify) for scene in turn)
            bare_s += time.process_time() - start
            kit_s += _in_grid(turn, model, sidecar, cells)
        yield (
            f"{name}: {len(scenes)} photographs x {len(cells)} environments, {distinct:.0f} distinct tensors; "
            f"{kit_s:.2f} s of the processor, unavoidable {bare_s:.2f} s; ratio {kit_s / bare_s:.2f} (limit: 1.20)"
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
            classify(to_tensor(picture, scaling=cell.scaling, layout=sidecar.layout, colour_order=sidecar.colour_order))
    return len(inferred)


def _in_grid(scenes: Sequence[Scene], model: Path, sidecar: Sidecar, cells: Sequence[Environment]) -> float:
    """Give the processor's seconds of predicting photographs as a suite does, which are in a run already."""
    with tempfile.TemporaryDirectory() as folder, Run.create(Path(folder), settings={}, scenes=scenes) as run:
        add_files(run, scenes)
        work = [Assignment(tuple(cells))]
        start = time.process_time()
        predict_run(run, model, sidecar, work, workers=1, progress=lambda done, total, note: None)
        return time.process_time() - start


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
