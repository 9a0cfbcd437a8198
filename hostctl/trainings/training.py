"""`instability train`: photos of a run or folder and settings to a trained model's folder and the files for devices."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.run_folder.files import write_whole
from device_agents.errors import BadInput
from hostctl.printing import Progress, silent
from stability_train.fine_tuned import (
    FORMATS,
    check_base_quantisable,
    check_calibration,
    export_trained,
    pick_calibration,
)
from stability_train.photos import Photo, check_devices, classes_of, read_photos
from stability_train.settings import Settings, settings_from
from stability_train.splits import split_photos
from stability_train.tensorflow_setup import load_tensorflow
from stability_train.zoo import resolve_model

RESULT = "result.json"
SHOWN = ("loss", "cross_entropy", "stability", "accuracy", "val_loss", "val_accuracy", "val_instability", "seconds")
TEST_SEED = 1_000_003  # objects put aside for the test are drawn otherwise than those to validate on


@dataclass(frozen=True)
class Sides:
    """The photos of a training: to learn from, to validate on, and put aside; no object is in two of them."""

    training: list[Photo]
    validation: list[Photo]
    held_out: list[Photo]


def train_run(
    source: Path,
    *,
    out: Path,
    settings: Mapping[str, Any],
    held_out: Sequence[str] = (),
    int8: int = 0,
    features: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train on a run's or a labelled folder's photos in the folder ``out``, or go on there, and export the model.

    settings: fields of stability_train.settings.Settings. held_out: objects (clusters) that are neither learnt from
    nor validated on. int8: how many training photos an int8 file is calibrated with, 0 for no such file. features: a
    folder in which trainings share what a frozen front computes. Gives what result.json in the folder holds: settings,
    files, exported (differences to the Keras model), history, accuracy and instability on the validation photos. A
    training that is done is not done again. Raises BadInput before the first step for all that cannot work.
    """
    asked = settings_from(settings)
    sides = divide_photos(source, asked, held_out=held_out)
    return train_sides(sides, out=out, settings=asked, int8=int8, features=features, progress=progress)


def divide_photos(source: Path, settings: Settings, *, held_out: Collection[str] = ()) -> Sides:
    """Read the photos that settings ask for and divide them by object; raises BadInput for what cannot be divided.

    The division follows from the clean photos (those of settings.device, all where none is named), the share and the
    seed alone, so that trainings with other noises learn from the same objects.
    """
    needed = [name for name in (settings.device, settings.partner) if name]
    photos = read_photos(source, devices=needed)
    check_devices(photos, needed=needed, why=f"noise {settings.noise}")
    strangers = sorted(set(held_out) - {photo.cluster for photo in photos})
    if strangers:
        raise BadInput(f"held out: expected objects of {source}, got {len(strangers)} others: {strangers[0]}, ...")
    clean = [one for one in photos if not settings.device or one.device == settings.device]
    rest = [one for one in clean if one.cluster not in held_out]
    if settings.head == "new":
        classes_of(rest)
    _, judged = split_photos(rest, share=settings.validation_share, seed=settings.seed)
    validation = {one.cluster for one in judged}
    sides = Sides([], [], [])
    for one in photos:
        held = one.cluster in held_out
        (sides.held_out if held else sides.validation if one.cluster in validation else sides.training).append(one)
    return sides


def objects_aside(source: Path, settings: Settings, share: float) -> list[str]:
    """Give the objects to put aside for a test: about ``share`` of each class's, by the settings' seed."""
    if not 0 < share < 1:
        raise BadInput(f"test share: expected more than 0 and less than 1, got {share:g}")
    photos = read_photos(source, devices=[settings.device] if settings.device else [])
    _, held = split_photos(photos, share=share, seed=settings.seed + TEST_SEED)
    return sorted({one.cluster for one in held})


def train_sides(
    sides: Sides,
    *,
    out: Path,
    settings: Settings,
    formats: Sequence[str] = FORMATS,
    int8: int = 0,
    features: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train on divided photos and export in these formats; see train_run."""
    from stability_train.train import train

    told = partial(_tell, progress, settings.epochs)
    clean = [one for one in sides.training if not settings.device or one.device == settings.device]
    calibration = pick_calibration(clean, int8) if int8 else []
    check_calibration(calibration, [*sides.validation, *sides.held_out])
    asked = {"settings": dataclasses.asdict(settings), "photos": _digest(sides), "int8": int8, "formats": list(formats)}
    if (done := _done(out, asked)) is not None:
        progress("training", settings.epochs, settings.epochs, "")
        return done
    with _quiet():
        load_tensorflow(settings.threads)
        if int8:
            base, _ = resolve_model(settings.model, progress=told)
            check_base_quantisable(base)
    progress("training", 0, settings.epochs, "")
    trained = train(
        sides.training,
        folder=out,
        settings=settings,
        validation=sides.validation,
        features=features,
        progress=told,
    )
    with _quiet():
        judged = sides.validation or clean
        exported = export_trained(out, judged, formats=formats, calibration=calibration, progress=told)
    result = {
        "out": str(out),
        "model": str(trained.model),
        "files": {"keras": str(trained.model), **{one.format: str(one.path) for one in exported}},
        "exported": [{**dataclasses.asdict(one), "path": str(one.path)} for one in exported],
        "history": str(trained.history),
        "classes": list(trained.classes),
        "photos": {"training": len(clean), "validation": len(_clean(sides.validation, settings))},
        "objects": {
            name: len({one.cluster for one in getattr(sides, name)}) for name in ("training", "validation", "held_out")
        },
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "kept_epoch": trained.kept_epoch,
        "validation": _kept_row(trained.history, trained.kept_epoch),
        "kept_features": trained.kept_features,
        "seconds": trained.seconds,
        "waited_share": trained.waited_share,
        "peak_memory_mb": trained.peak_memory_mb,
        "settings": asked["settings"],
    }
    write_whole(out / RESULT, (json.dumps({"asked": asked, "result": result}, indent=2) + "\n").encode())
    return result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the terminal what TensorFlow and its converters say of themselves; they write past Python's stderr."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    with tempfile.TemporaryFile() as aside:
        kept = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _clean(photos: Sequence[Photo], settings: Settings) -> list[Photo]:
    return [one for one in photos if not settings.device or one.device == settings.device]


def _digest(sides: Sides) -> str:
    """What was trained on and judged by, so that a finished training is known again."""
    rows = [(name, one.identity, one.label) for name in ("training", "validation") for one in getattr(sides, name)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _done(out: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The result of this very training where the folder holds it with all its files."""
    path = out / RESULT
    if not path.is_file():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Any] = held["result"]
    same = held["asked"] == json.loads(json.dumps(asked)) and found["out"] == str(out)
    return found if same and all(Path(file).is_file() for file in found["files"].values()) else None


def _kept_row(history: Path, epoch: int) -> dict[str, float]:
    """Accuracy, loss and instability on the validation photos after the epoch whose weights the model has."""
    with history.open(encoding="utf-8", newline="") as stream:
        rows = {int(row["epoch"]): row for row in csv.DictReader(stream)}
    row = rows.get(epoch, {})
    return {name.removeprefix("val_"): float(value) for name, value in row.items() if name.startswith("val_")}


def _tell(progress: Progress, epochs: int, line: str) -> None:
    """Turn the training's lines into progress: "epoch 3/10  loss 0.5  ..." is a row of the live table."""
    first, *parts = line.split("  ")
    if line.startswith("features "):
        done, total = line.removeprefix("features ").split("/")
        progress("features", int(done), int(total), "")
        return
    if not line.startswith("epoch "):
        progress("model", 0, 0, line)
        return
    number = int(first.removeprefix("epoch ").partition("/")[0])
    cells = dict(part.rsplit(" ", 1) for part in parts)
    shown = [name for name in SHOWN if name in cells]
    if number == 1:
        progress("epoch", 0, 0, "  ".join(name.replace("_", " ").rjust(_width(name)) for name in ("", *shown)))
    row = [str(number).rjust(_width("")), *(cells[name].rjust(_width(name)) for name in shown)]
    progress("epoch", 0, 0, "  ".join(row))
    progress("training", number, epochs, "")


def _width(name: str) -> int:
    return max(4, len(name)) if not name else max(9, len(name))
