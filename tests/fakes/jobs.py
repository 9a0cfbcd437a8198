"""A small job of random pictures for a tiny model, for tests of agents."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from device_agents.predict import Job, JobPicture, default_environment
from device_agents.records import Prediction
from tests.device_agents.tiny_models import tiny_sidecar, write_tflite


def make_job(folder: Path, *, pictures: int = 3, decoders: Sequence[str] = ("pillow", "opencv")) -> Job:
    """A job of random pictures, one of them a second name for the first file, and one that is no picture."""
    model = write_tflite(folder / "tiny.tflite")
    sidecar = tiny_sidecar(labels="labels.csv")
    (folder / "labels.csv").write_text(
        "label,name\n" + "".join(f"n{number:08d},class {number}\n" for number in range(12))
    )
    rng = np.random.default_rng(3)
    listed = []
    for number in range(pictures):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "PNG")
        (folder / f"p{number}").write_bytes(buffer.getvalue())
        listed.append(JobPicture(f"picture {number}", str(folder / f"p{number}")))
    (folder / "copy.png").write_bytes((folder / "p0").read_bytes())
    (folder / "broken").write_bytes(b"no picture")
    listed += [JobPicture("copy", str(folder / "copy.png")), JobPicture("broken", str(folder / "broken"))]
    first = default_environment(sidecar, model)
    environments = tuple(dataclasses.replace(first, decoder=decoder) for decoder in decoders)
    return Job(model=str(model), sidecar=sidecar, pictures=tuple(listed), environments=environments)


def timeless(predictions: Sequence[Prediction]) -> list[Prediction]:
    """The same predictions without the time they took."""
    return [dataclasses.replace(prediction, latency_ms=0.0) for prediction in predictions]
