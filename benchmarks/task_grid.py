"""Grids of detection and segmentation, against the work that none can avoid: post-processing shares one inference.

Unavoidable is what benchmarks.grid says, the loading of the model, and each distinct answer made of the raw outputs
once. Measured twice: the whole grid by the wall clock, and the loop alone by the processor's, which others that work
on the machine disturb less.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.grid import Work, shared, unavoidable
from capture.scenes import read_scenes
from device_agents.placed import Placed
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.records import Environment, Scene
from device_agents.runtimes import NETWORKS
from device_agents.sidecar import Sidecar, read_labels
from device_agents.tasks.families import TASKS, Asked
from hostctl.grid import SMALLEST_BLOCK, TOP_K
from hostctl.predictions.conditions import Condition
from hostctl.predictions.designs import factorial, parse_vary
from stability_train.zoo import photographs, resolve_model

MODELS = {
    "detection/nanodet_m_416_float.onnx": (
        "decoder=pillow,jpeg-fast-dct",
        "resizer=opencv-linear,pillow-bilinear",
        "post=cells-at-corner,exp-float16,nms-class-agnostic,nms-none,nms-soft-linear,plus-one-areas,round-nearest",
    ),
    "segmentation/deeplabv3_mnv2_dm05_pascal_257_float.tflite": (
        "decoder=pillow,opencv,jpeg-fast-dct",
        "resizer=pillow-bilinear,opencv-linear,opencv-area",
    ),
}
PHOTOGRAPHS = 32
SAMPLE = 8  # photographs of the loop alone


def bench(count: int = PHOTOGRAPHS) -> Iterator[str]:
    """Give the counts of distinct work and the wall time over the unavoidable time, for a model of each task."""
    pack = os.environ.get("INSTABILITY_DATA")
    if not pack:
        yield "INSTABILITY_DATA is not set: the models of these tasks lie there"
        return
    scenes = _scenes(Path(pack), count)
    for name, vary in MODELS.items():
        model, sidecar = resolve_model(str(Path(pack) / "models" / name))
        yield from _grid(model, sidecar, vary, scenes)


def _grid(model: Path, sidecar: Sidecar, vary: tuple[str, ...], scenes: list[Scene]) -> Iterator[str]:
    import cv2

    variants = {family: [{family: one} for one in names] for family, names in parse_vary(vary).items()}
    environments = [one.environment for one in factorial(Condition(default_environment(sidecar, model)), variants)]
    cores = len(os.sched_getaffinity(0))
    shared(scenes[: SMALLEST_BLOCK * cores], model, sidecar, environments, cores)  # the workers start, and import
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    done, alone_s = _alone(model, sidecar, environments, scenes, time.perf_counter)
    _, needed_s = _alone(model, sidecar, environments, scenes[:SAMPLE], time.process_time)
    used_s = _loop(model, sidecar, environments, scenes[:SAMPLE])
    cv2.setNumThreads(threads)
    wall_s = shared(scenes, model, sidecar, environments, cores)
    yield f"{sidecar.task}: {len(scenes)} photographs x {len(environments)} environments of {sidecar.name}"
    yield f"distinct work: {done}"
    ratio = wall_s / (alone_s / cores)
    yield f"wall {wall_s:.1f} s; unavoidable {alone_s:.1f} s / {cores} cores; ratio {ratio:.2f} (limit: 1.15)"
    yield (
        f"the loop alone, {SAMPLE} photographs, seconds of the processor: {used_s:.2f}; unavoidable {needed_s:.2f}; "
        f"ratio {used_s / needed_s:.2f} (limit: 1.15)"
    )


def _alone(
    model: Path,
    sidecar: Sidecar,
    environments: Sequence[Environment],
    scenes: Sequence[Scene],
    clock: Callable[[], float],
) -> tuple[str, float]:
    """Do the unavoidable work; give what was done in words, and the seconds by a clock."""
    work = Work(clock)
    network = work.time("load", NETWORKS[environments[0].runtime], model, 1)
    labels = read_labels(model.parent / sidecar.labels) if sidecar.labels else None
    for scene in scenes:
        unavoidable(work, scene, sidecar, environments, network, partial(_finish, sidecar, labels))
    told = (f"{stage} {count} ({1000 * work.seconds[stage] / count:.1f} ms)" for stage, count in work.done.items())
    return ", ".join(told), sum(work.seconds.values())


def _loop(model: Path, sidecar: Sidecar, environments: Sequence[Environment], scenes: Sequence[Scene]) -> float:
    """Give the processor's seconds of the kit's loop in this process."""
    pictures = tuple(JobPicture(scene.scene, scene.file) for scene in scenes)
    start = time.process_time()
    for _ in predict(Job(str(model), sidecar, pictures, tuple(environments), top_k=TOP_K)):
        pass
    return time.process_time() - start


def _finish(sidecar: Sidecar, labels: tuple[str, ...] | None, outputs: Any, post: str, where: Placed) -> Any:
    return TASKS[sidecar.task](outputs, Asked(sidecar, labels, post, TOP_K, where))


def _scenes(pack: Path, count: int) -> list[Scene]:
    """The photographs of the data pack with boxes, or else the packaged ones."""
    listed = pack / "detection" / "ground_truth.csv"
    return (read_scenes(listed) if listed.is_file() else list(photographs().scenes))[:count]
