"""The grid of 4 decoders x 11 resizers x 2 colours over photographs, against unavoidable work and the nested loop.

Unavoidable is each distinct reading, decoding, colour, resizing, scaling and inference once, with its fingerprints, in
this process and one thread, found by the fingerprints alone and without the kit's loop. The nested loop predicts each
environment by itself, on a sample.
"""

import hashlib
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.scenes import read_scenes
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.placed import PLACEMENTS, Placed, placed
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.preprocess import fingerprint, to_tensor
from device_agents.records import Environment, Scene
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import RUNTIMES
from device_agents.sidecar import Sidecar
from hostctl.grid import SMALLEST_BLOCK, Assignment, predict_run
from hostctl.pictures.file_runs import add_files
from hostctl.predictions.conditions import Condition
from hostctl.predictions.designs import factorial, parse_vary
from stability_train.zoo import photographs, resolve_model

Finish = Callable[[Any, str, Placed], Any]  # raw outputs, post, and where the picture lies -> the answer

PHOTOGRAPHS = 200
SAMPLE = 8  # photographs of the nested loop
VARY = (
    "decoder=pillow,opencv,jpeg-fast-dct,jpeg-plain-upsampling",
    "resizer=pillow-*,opencv-*",
    "colour=rgb,bt601-float",
)


def bench(count: int = PHOTOGRAPHS) -> Iterator[str]:
    """Give the counts of distinct work, the wall times, core efficiency, and the gain over the nested loop."""
    import cv2

    model, sidecar = resolve_model("mobilenet-v2")
    variants = {family: [{family: name} for name in names] for family, names in parse_vary(VARY).items()}
    environments = [one.environment for one in factorial(Condition(default_environment(sidecar, model)), variants)]
    scenes = _scenes(count)
    cores = len(os.sched_getaffinity(0))
    shared(
        scenes[: SMALLEST_BLOCK * cores], model, sidecar, environments, cores
    )  # the worker processes start, and import
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    work = Work()
    classifier = RUNTIMES[environments[0].runtime](model, 1)
    for scene in scenes:
        unavoidable(work, scene, sidecar, environments, classifier)
    nested_s = _nested(scenes[:: max(1, len(scenes) // SAMPLE)][:SAMPLE], model, sidecar, environments)
    cv2.setNumThreads(threads)
    wall_s = shared(scenes, model, sidecar, environments, cores)
    cells = len(scenes) * len(environments)
    alone_s = sum(work.seconds.values())
    each = {stage: work.seconds[stage] / work.done[stage] for stage in work.done}
    yield f"{len(scenes)} photographs x {len(environments)} environments = {cells} cells, on {cores} cores"
    yield "distinct work: " + ", ".join(
        f"{stage} {done} ({1000 * each[stage]:.1f} ms)" for stage, done in work.done.items()
    )
    ratio = wall_s / (alone_s / cores)
    yield f"wall {wall_s:.1f} s; unavoidable {alone_s:.1f} s / {cores} cores; ratio {ratio:.2f} (limit: 1.10)"
    gain, predicted = nested_s * len(scenes) / (wall_s * cores), cells * sum(each.values()) / alone_s
    yield f"gain over the nested loop, a core: {gain:.2f}; predicted by counting {predicted:.2f}"
    yield f"measured / predicted gain: {gain / predicted:.2f} (limit: at least 0.85)"


class Work:
    """Distinct work done so far: how many and how many seconds a stage, by a clock."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Nothing is done yet."""
        self.clock = clock
        self.done: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def time(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do one piece of work and note its time."""
        start = self.clock()
        found = work(*arguments)
        self.seconds[stage] += self.clock() - start
        self.done[stage] += 1
        return found


def unavoidable(
    work: Work,
    scene: Scene,
    sidecar: Sidecar,
    environments: Sequence[Environment],
    network: Callable[[Any], Any],
    finish: Finish | None = None,
) -> None:
    """Do each distinct piece of one photograph's work once; ``finish`` makes the answer where that is work of its own.

    Only then environments that differ in it alone are more than one piece: in post, or in where the picture lies.
    """
    data = work.time("read", _read, scene.file)
    seen: set[str] = set()
    kept: dict[tuple[Any, ...], Any] = {}

    def once(key: tuple[Any, ...], piece: Callable[..., Any], *arguments: Any) -> Any:
        if key not in kept:
            kept[key] = work.time(key[0], piece, *arguments)
        return kept[key]

    for decoder in dict.fromkeys(one.decoder for one in environments):
        pixels, printed = work.time("decode", _with_print, DECODERS[decoder], data)
        if printed in seen:
            continue
        seen.add(printed)
        for one in (one for one in environments if one.decoder == decoder):
            size = (sidecar.input_height, sidecar.input_width)
            coloured = once(("colour", printed, one.colour), COLOURS[one.colour], pixels)
            key = ("resize", printed, one.colour, one.fit, one.resizer)
            resized, digest = once(key, _with_print, FITS[one.fit], coloured, RESIZERS[one.resizer], *size)
            tensor, digest = once(("scale", digest, one.scaling), _scaled, resized, one.scaling, sidecar)
            outputs = once(("infer", digest), network, tensor)
            if finish is not None:
                where = placed(coloured.shape, *size, placement=PLACEMENTS[one.fit])
                once(("finish", digest, one.post, where), finish, outputs, one.post, where)


def _read(file: str) -> bytes:
    data = Path(file).read_bytes()
    hashlib.sha256(data).hexdigest()
    return data


def _with_print(work: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    found = work(*arguments)
    return found, fingerprint(found)


def _scaled(resized: Any, scaling: str, sidecar: Sidecar) -> tuple[Any, str]:
    tensor = to_tensor(resized, scaling=scaling, layout=sidecar.layout, colour_order=sidecar.colour_order)
    return tensor, fingerprint(tensor)


def _nested(scenes: Sequence[Scene], model: Path, sidecar: Sidecar, environments: Sequence[Environment]) -> float:
    """Give the seconds a photograph of predicting each environment by itself, the model loaded once for each."""
    start = time.perf_counter()
    pictures = tuple(JobPicture(scene.scene, scene.file) for scene in scenes)
    for environment in environments:
        for _ in predict(Job(str(model), sidecar, pictures, (environment,))):
            pass
    return (time.perf_counter() - start) / len(scenes)


def shared(
    scenes: list[Scene], model: Path, sidecar: Sidecar, environments: Sequence[Environment], cores: int
) -> float:
    """Give the seconds that the grid takes with all its book-keeping, the pictures being in the run already."""
    with tempfile.TemporaryDirectory() as folder, Run.create(Path(folder), settings={}, scenes=scenes) as run:
        add_files(run, scenes)
        start = time.perf_counter()
        assignments = [Assignment(tuple(environments))]
        predict_run(run, model, sidecar, assignments, workers=cores, progress=lambda done, total, note: None)
        return time.perf_counter() - start


def _scenes(count: int) -> list[Scene]:
    """The first photographs of the data pack, or the twenty packaged ones."""
    pack = os.environ.get("INSTABILITY_DATA")
    found = read_scenes(Path(pack) / "imagenet" / "labels.csv") if pack else list(photographs().scenes)
    return found[:count]
