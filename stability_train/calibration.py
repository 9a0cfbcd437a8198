"""Calibration pictures: what a static quantisation takes its ranges from, and the promise that none is evaluated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from capture.raw import RAW_SUFFIXES
from capture.scenes import read_scenes
from device_agents.decode import DECODERS
from device_agents.errors import BadInput
from device_agents.preprocess import FAILURES, to_tensor
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import Sidecar
from stability_train.cache import Progress, silent
from stability_train.photographs import photographs

Array = np.ndarray[Any, np.dtype[Any]]

LEAST, MOST = 8, 2000  # fewer leave ranges to chance; more cost minutes and change nothing
FEW = 100  # SysNoise does not say its own number; TensorFlow's guide names "around 100-500"


@dataclass(frozen=True)
class Calibration:
    """Pictures to calibrate with: their files, the sha256 of each file's bytes, and what they are, for people."""

    files: tuple[Path, ...]
    sha256s: tuple[str, ...]
    told: str

    @property
    def note(self) -> str:
        """What a person should know about the set; empty where it is large enough."""
        few = f"few: {len(self.files)} pictures, where {FEW} to 500 are usual" if len(self.files) < FEW else ""
        return f"calibrated with {self.told}" + (f" ({few})" if few else "")


def read_calibration(
    scenes: Path | None = None, *, cache: Path | None = None, progress: Progress = silent
) -> Calibration:
    """Give the calibration pictures of a folder or CSV, or the kit's twenty packaged photographs.

    Two files with the same bytes count once. Raises BadInput for raw files and for fewer than LEAST or more than MOST
    distinct pictures, before anything is calibrated.
    """
    given = photographs(cache, progress=progress).scenes if scenes is None else tuple(read_scenes(scenes))
    told = "the packaged photographs" if scenes is None else str(scenes)
    found = {hashlib.sha256(Path(one.file).read_bytes()).hexdigest(): Path(one.file) for one in given}
    raws = sorted(path.name for path in found.values() if path.suffix.lower() in RAW_SUFFIXES)
    if raws:
        raise BadInput(f"calibration {told}: expected pictures, got raw files ({', '.join(raws[:3])}); develop them")
    if not LEAST <= len(found) <= MOST:
        raise BadInput(
            f"calibration {told}: expected {LEAST} to {MOST} distinct pictures, got {len(found)}; "
            "name another folder or CSV with --calibration"
        )
    return Calibration(tuple(found.values()), tuple(found), told)


def input_tensors(files: Sequence[Path], sidecar: Sidecar) -> list[Array]:
    """Prepare whole pictures as the sidecar says: float32 tensors with a batch of one in front.

    Raises BadInput that names every picture that cannot be read.
    """
    tensors, broken = [], []
    for file in files:
        try:
            tensors.append(input_tensor(file.read_bytes(), sidecar))
        except FAILURES as problem:
            broken.append(f"{file.name}: {problem}")
    if broken:
        raise BadInput(f"{len(broken)} of {len(files)} pictures cannot be read: {'; '.join(broken[:5])}")
    return tensors


def input_tensor(data: bytes, sidecar: Sidecar) -> Array:
    """Prepare one picture file's bytes as the sidecar says, by the base decoder."""
    fit, resizer = FITS[sidecar.fit], RESIZERS[sidecar.resizer]
    resized = fit(DECODERS["pillow"](data), resizer, sidecar.input_height, sidecar.input_width)
    return to_tensor(resized, scaling=sidecar.scaling, layout=sidecar.layout, colour_order=sidecar.colour_order)


def check_disjoint(sidecar: Sidecar, picture_sha256s: Iterable[str], *, what: str = "the evaluated pictures") -> None:
    """Raise BadInput where any evaluated picture (sha256 of its file) is one that the model was calibrated with."""
    shared = set(sidecar.calibration) & set(picture_sha256s)
    if shared:
        raise BadInput(
            f"{sidecar.name}: expected calibration pictures apart from {what}, got {len(shared)} that are in both "
            f"({', '.join(sorted(shared)[:2])}...); give others with --calibration"
        )
