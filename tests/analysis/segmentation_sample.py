"""A small segmentation run as a long table: pictures with truths and the masks of several environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from device_agents.tasks.answers import Mask, mask_text

LABELS = ("sky", "tree", "car")


def mask(classes: Any, labels: Sequence[str] = LABELS, **more: Any) -> Mask:
    values = np.asarray(classes, np.uint8)
    return Mask(*values.shape, values, tuple(labels), **more)


def table(
    truths: Mapping[str, Mask | None], answers: Mapping[str, Mapping[str, Mask | None]], **more: Any
) -> pd.DataFrame:
    """truths: scene -> mask or none; answers: environment -> scene -> mask, None for a prediction that failed."""
    rows = []
    for environment, given in answers.items():
        for scene, found in given.items():
            truth = truths[scene]
            row = {"scene": scene, "picture": scene, "angle": 0, "repeat": 0, "device": "host", "cluster": scene}
            row |= {"environment": environment, "error": "" if found else "infer: it failed", "category": "street"}
            row |= {"detail": mask_text(found) if found else "", "truth": mask_text(truth) if truth else ""}
            row |= {"label_1": "sky" if found else "", "score_1": 1.0, "labels": ("sky",), "ambiguous": ()}
            row |= {"verdict": "right" if found else "missing", "latency_ms": 60_000.0, "isp": "", "codec": ""}
            rows.append(row)
    return pd.DataFrame(rows).assign(**more)


SETUP = {
    "model": "unet",
    "model_sha256": "a" * 64,
    "decoder": "pillow",
    "view": "whole",
    "colour": "rgb",
    "fit": "squash",
    "resizer": "pillow-bilinear",
    "scaling": "bytes",
    "runtime": "litert",
    "threads": 1,
    "post": "",
}
CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "area": {"resizer": "opencv-area"},
    "near": {"resizer": "pillow-nearest"},
    "nv12": {"colour": "bt601-nv12-nearest"},
    "grown": {"model_sha256": "b" * 64, "runtime": "onnxruntime"},
}
VARIANTS = {
    "b" * 64: {
        "of": "a" * 64,
        "noise": "upsample",
        "variant": "nearest",
        "runtime": "onnxruntime",
        "base_runtime": "litert",
    }
}


def street(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """20 x 30 pixels: sky above, trees below, a car of 10 x 12 somewhere."""
    classes = np.zeros((20, 30), np.uint8)
    classes[10:] = 1
    left = 2 + seed % 15
    classes[6:16, left : left + 12] = 2
    return classes


def study_table(scenes: int = 4) -> pd.DataFrame:
    """Four pictures in five environments: area moves the mask by a pixel, near loses the first car, grown by three."""
    truths = {f"s{number}": mask(street(3 * number)) for number in range(scenes)}
    moved = {"base": 0, "area": 1, "near": 0, "nv12": 0, "grown": 3}
    answers: dict[str, dict[str, Mask | None]] = {
        name: {scene: mask(np.roll(one.classes, shift, axis=1)) for scene, one in truths.items()}
        for name, shift in moved.items()
    }
    lost = truths["s0"].classes.copy()
    lost[lost == 2] = 1
    answers["near"]["s0"] = mask(lost)
    found = table(truths, answers, machine="host")
    fields = {name: [{**SETUP, **CHANGES[one]}[name] for one in found["environment"]] for name in SETUP}
    prints = [hash((one["scene"], one["environment"])) % 10**9 + 1 for one in found.to_dict("records")]
    return found.assign(**fields, tensor_fingerprint=prints)
