"""The three files of a model against each other on photographs: the same first class on all, the same scores nearly.

TensorFlow's own arithmetic (Keras) is the measure for the converted files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from device_agents.decode import DECODERS
from device_agents.errors import KitError
from device_agents.preprocess import to_tensor
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import RUNTIMES, runtime_for
from device_agents.sidecar import Sidecar

Scores = np.ndarray[Any, np.dtype[Any]]


def scores_of(model: Path, pictures: Sequence[Path], *, sidecar: Sidecar, threads: int = 1) -> Scores:
    """Run a model file on whole pictures, prepared as its sidecar says; gives its raw scores (pictures, classes)."""
    classify = RUNTIMES[runtime_for(model)](model, threads)
    return np.stack([classify(_tensor(picture.read_bytes(), sidecar)) for picture in pictures])


def check_agreement(scores: Mapping[str, Scores], *, reference: str, limit: float) -> dict[str, float]:
    """Give, for each format but the reference, the largest difference of any score; raises KitError past the limit.

    scores: format -> float (pictures, classes). Also raises when a format's first class differs on any picture,
    or when a score is not a finite number.
    """
    expected = scores[reference]
    differences = {}
    for name, got in scores.items():
        if got.shape != expected.shape or not np.isfinite(got).all():
            raise KitError(f"expected finite scores of shape {expected.shape} from the .{name} file, got {got.shape}")
        differences[name] = float(np.abs(got - expected).max())
        other = int((got.argmax(axis=1) != expected.argmax(axis=1)).sum())
        if other or differences[name] > limit:
            raise KitError(
                f"the .{name} file disagrees with the .{reference} file: expected the same first class on all "
                f"{len(expected)} photographs and scores within {limit:g}, got {other} other classes and "
                f"{differences[name]:.2g}; the model is not kept"
            )
    return {name: difference for name, difference in differences.items() if name != reference}


def _tensor(data: bytes, sidecar: Sidecar) -> Any:
    fit, resizer = FITS[sidecar.fit], RESIZERS[sidecar.resizer]
    resized = fit(DECODERS["pillow"](data), resizer, sidecar.input_height, sidecar.input_width)
    return to_tensor(resized, scaling=sidecar.scaling, layout=sidecar.layout, colour_order=sidecar.colour_order)
