"""A trained model's folder to the files that devices run: TFLite, ONNX and int8, each beside its source on photos."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, KitError
from device_agents.runtimes import RUNTIMES, runtime_for
from device_agents.sidecar import Sidecar, read_sidecar, write_sidecar
from stability_train.cache import Progress, sha256_of, silent
from stability_train.calibration import LEAST, MOST
from stability_train.make_variants import compare
from stability_train.photos import Photo
from stability_train.train import MODEL
from stability_train.views import View, ViewMaker

Array = npt.NDArray[Any]
LIMIT = 1e-3  # of a logit, for files that compute in float32; measured: 3e-5 (docs/models.md)
CHECKED = 64  # photos that the files are compared on
STEM = "model"
INT8 = "int8"
FORMATS = ("tflite", "onnx")


@dataclass(frozen=True)
class Exported:
    """A file of a trained model: its format ("tflite", "onnx", "int8") and its differences to the Keras model.

    max_difference is the largest of any logit; flips are first labels that differ, of ``pictures`` photos.
    """

    format: str
    path: Path
    bytes: int
    max_difference: float
    flips: int
    pictures: int


def export_trained(
    folder: Path,
    photos: Sequence[Photo],
    *,
    formats: Sequence[str] = FORMATS,
    calibration: Sequence[Photo] = (),
    progress: Progress = silent,
) -> list[Exported]:
    """Write model.tflite and model.onnx beside a training's model.keras, each with its sidecar, and compare them.

    photos: what the files are compared on, at most CHECKED of them. formats: which of FORMATS. calibration: photos of
    other objects, with which model-int8.tflite is made too, from the TFLite file; none: no such file. Raises BadInput
    for an object in both, or too few or many photos to calibrate with; KitError for a float file whose logits are
    further than LIMIT from the Keras model's.
    """
    import keras

    from stability_train.export import export_onnx, export_tflite

    check_calibration(calibration, photos)
    card = read_sidecar(folder / MODEL)
    model = keras.models.load_model(folder / MODEL, compile=False)
    shown = _tensors(_spread(photos, CHECKED), card)
    expected = np.concatenate([np.asarray(model(tensor, training=False)) for tensor in shown])
    writers: dict[str, Callable[[Path], None]] = {
        "tflite": lambda path: export_tflite(model, path),
        "onnx": lambda path: export_onnx(model, path),
    }
    made = []
    for name in formats:
        progress(f"writing {STEM}.{name}")
        path = folder / f"{STEM}.{name}"
        writers[name](path)
        write_sidecar(path, card)
        made.append(_compared(name, path, expected, shown, limit=LIMIT))
    if calibration:
        progress(f"quantising with {len(calibration)} photos")
        path = _write_int8(folder / f"{STEM}.tflite", card, calibration)
        made.append(_compared(INT8, path, expected, shown, limit=None))
    return made


def check_calibration(calibration: Sequence[Photo], photos: Sequence[Photo]) -> None:
    """Raise BadInput unless the calibration photos are none, or of a good number and of other objects than photos."""
    if not calibration:
        return
    if not LEAST <= len(calibration) <= MOST:
        raise BadInput(f"int8: expected {LEAST} to {MOST} photos to calibrate with, got {len(calibration)}")
    shared = sorted({one.cluster for one in calibration} & {one.cluster for one in photos})
    if shared:
        raise BadInput(f"int8: expected other objects to calibrate with than to judge by, got {', '.join(shared[:5])}")


def check_base_quantisable(base: Path) -> None:
    """Raise BadInput naming each operator of a base model (.keras or .tflite) that has no integer kernel."""
    from stability_train.tflite_edits import check_quantisable

    if base.suffix != ".keras":
        check_quantisable(base)
        return
    import keras

    from stability_train.export import export_tflite

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{base.stem}.tflite"
        export_tflite(keras.models.load_model(base, compile=False), path)
        check_quantisable(path)


def pick_calibration(photos: Sequence[Photo], count: int) -> list[Photo]:
    """Give ``count`` of the photos, spread over all of them; raises BadInput where there are fewer, or for a count."""
    if not LEAST <= count <= min(MOST, len(photos)):
        raise BadInput(
            f"int8: expected {LEAST} to {min(MOST, len(photos))} photos to calibrate with (there are {len(photos)} to "
            f"train on), got {count}"
        )
    return _spread(photos, count)


def _write_int8(source: Path, card: Sidecar, calibration: Sequence[Photo]) -> Path:
    from stability_train.quantise import tflite_int8

    path = source.with_name(f"{STEM}-{INT8}.tflite")
    tflite_int8(source, path, _tensors(calibration, card), per_channel=True)
    hashes = tuple(dict.fromkeys(one.sha256 for one in calibration))
    name, source_sha256 = f"{card.name}-{INT8}", sha256_of(source)
    write_sidecar(path, replace(card, name=name, variant=INT8, source_sha256=source_sha256, calibration=hashes))
    return path


def _tensors(photos: Sequence[Photo], card: Sidecar) -> list[Array]:
    maker = ViewMaker(photos, card)
    return [maker.tensor(View(photo.identity))[None] for photo in photos]


def _compared(name: str, path: Path, expected: Array, shown: Sequence[Array], *, limit: float | None) -> Exported:
    classify = RUNTIMES[runtime_for(path)](path, 1)
    found = compare(expected, np.stack([classify(tensor) for tensor in shown]))
    if limit is not None and found.max_difference > limit * max(1.0, float(np.abs(expected).max())):
        raise KitError(
            f"{path}: expected logits within {limit:g} of the Keras model's, got {found.max_difference:.2g} apart on "
            f"{found.pictures} photos ({found.flips} other first labels); use {MODEL}"
        )
    return Exported(name, path, path.stat().st_size, found.max_difference, found.flips, found.pictures)


def _spread(photos: Sequence[Photo], count: int) -> list[Photo]:
    """At most ``count`` photos, evenly from first to last."""
    places = np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int)
    return [photos[place] for place in dict.fromkeys(places.tolist())]
