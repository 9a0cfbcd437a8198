"""The differential test of 8 variants over photographs, against the sum of their bare inference times.

Bare is each variant alone, over the same inputs made beforehand, as often as the test repeats: nothing but the calls.
A part of that is timed before the test and a part after it, so that a machine that grows busier favours neither.
Processor seconds stand beside the wall's, since they hardly change with what else runs.
"""

import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from device_agents.records import Scene
from hostctl.differences.asked import find_variants, read_models
from hostctl.differences.differing import Asked, differ
from hostctl.differences.inputs import Input, input_key, prepare
from hostctl.differences.measuring import Loaded, load_variants
from hostctl.printing import silent
from stability_train.zoo import photographs

PHOTOGRAPHS, REPEATS = 400, 3
MODELS = ("mobilenet-v2.onnx", "mobilenet-v2.tflite")
VARIANTS = (
    *("onnxruntime", "onnxruntime-basic", "onnxruntime-extended", "onnxruntime-none"),
    *("openvino.onnx", "openvino.tflite", "litert", "litert-builtin"),
)
Seconds = tuple[float, float]  # of the wall, of the processor
Inputs = Sequence[dict[tuple[Any, ...], Input]]


def bench(count: int = PHOTOGRAPHS) -> Iterator[str]:
    """Give the seconds of the bare inferences and of the whole test, their ratios, and what is not inference."""
    scenes = _scenes(count)
    files = read_models(MODELS, progress=silent)
    variants, left = find_variants(files, VARIANTS, decoder="pillow", view="whole", threads=1)
    loaded, failed = load_variants(variants)
    yield from (f"left out: {line}" for line in (*left, *failed))
    inputs = [prepare(Path(one.file).read_bytes(), (), variants) for one in scenes]
    middle = len(inputs) // 2
    before = _timed(lambda: _bare(loaded, inputs[:middle]))
    with tempfile.TemporaryDirectory(prefix="instability-bench-") as folder:
        listed = _listed(Path(folder) / "labels.csv", scenes)
        asked = Asked(MODELS, listed, VARIANTS, Path(folder) / "run", repeats=REPEATS, layers=False)
        whole = _timed(lambda: differ(asked, progress=silent))
        after = _timed(lambda: _bare(loaded, inputs[middle:]))
        resumed = _timed(lambda: differ(asked, progress=silent))
    wall, processor = (before[at] + after[at] for at in (0, 1))
    yield f"{len(loaded)} variants, {len(scenes)} photographs, {REPEATS} repeats"
    yield f"bare inferences {wall:.1f} s ({processor:.1f} s of the processor)"
    yield f"the whole test {whole[0]:.1f} s ({whole[1]:.1f} s of the processor)"
    yield f"wall ratio {whole[0] / wall:.2f}, processor ratio {whole[1] / processor:.2f} (limit: 1.20)"
    yield f"of that, what a finished test takes again (models loaded, tables, page): {resumed[0]:.1f} s"


def _bare(loaded: Sequence[Loaded], inputs: Inputs) -> None:
    for each in loaded:
        tensors = [one[input_key(each.variant)].tensor for one in inputs]
        for tensor in tensors * REPEATS:
            assert tensor is not None
            each.network(tensor)


def _timed(work: Callable[[], object]) -> Seconds:
    started, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - used


def _scenes(count: int) -> list[Scene]:
    """The first photographs of the data pack, or the twenty packaged ones."""
    from capture.scenes import read_scenes

    pack = os.environ.get("INSTABILITY_DATA")
    found = read_scenes(Path(pack) / "imagenet" / "labels.csv") if pack else list(photographs().scenes)
    return found[:count]


def _listed(path: Path, scenes: Sequence[Scene]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "labels"])
        writer.writerows([str(Path(one.file).absolute()), "|".join(one.labels)] for one in scenes)
    return path
