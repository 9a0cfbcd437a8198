"""`instability demo --train`: drawn garments on the virtual rack, a plain and a stable training, and a new device.

Two virtual devices give the pictures to learn from; a third is never trained on. Every object is held out once a seed:
what is judged was seen by no training, on no device. What is there is not made again.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    from stability_train.photos import Photo

CLEAN, PARTNER, HELD_OUT = "flagship", "budget", "old"  # chosen for what the devices are, before any prediction
NAMES = (CLEAN, PARTNER, HELD_OUT)
EACH, SEED = 40, 1  # objects a class; the drawings of another seed were looked at before, those of this one were not
FOLDS, SEEDS = 5, 2


@dataclass(frozen=True)
class Scheme:
    """One way to train: what it is called, the devices whose photographs it learns from, and its settings."""

    name: str
    devices: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


# alpha (of 0.1, 1, 3, 10, 30, 100) and epochs (of 20, 40, 60) were chosen on the drawings of seed 78, 30 a class.
COMMON: dict[str, Any] = {"noise": "none", "validation_share": 0.0, "epochs": 40}
SCHEMES = (
    Scheme("plain", (CLEAN,)),
    Scheme("plain, both devices", (CLEAN, PARTNER)),
    Scheme(
        "stability",
        (CLEAN, PARTNER),
        {"noise": "two-images", "device": CLEAN, "partner": PARTNER, "loss": "relative-entropy", "alpha": 10.0},
    ),
)


@dataclass(frozen=True)
class Cell:
    """One training: a scheme, a seed and a fold of objects, in the study's folder."""

    folder: Path
    scheme: Scheme
    seed: int
    fold: int
    model: str

    @property
    def file(self) -> Path:
        """Where its answers on the objects held out are kept."""
        name = self.scheme.name.replace(", ", "-").replace(" ", "-")
        return self.folder / "cells" / f"{name}-seed-{self.seed}-fold-{self.fold}.npz"

    @property
    def settings(self) -> Any:
        """Its settings."""
        from stability_train.settings import settings_from

        return settings_from({"model": self.model, **COMMON, **self.scheme.settings, "seed": self.seed})


@dataclass(frozen=True)
class Judged:
    """What all models answered: labels by (schemes, seeds, objects, devices), and whether they are right."""

    objects: tuple[str, ...]
    labels: npt.NDArray[Any]
    right: npt.NDArray[np.bool_]


def demo_train(
    *,
    out: Path,
    model: str = "mobilenet-v2",
    each: int = EACH,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Draw ``each`` garments a class, photograph them with three virtual devices, train each scheme, judge, report.

    Gives headline, parts (tables as text and numbers), page and the run's folder; what the folder holds is not made
    again. Raises BadInput for fewer than five objects a class, which the folds need.
    """
    from hostctl.demos.demo_train_page import write_result

    if each < FOLDS:
        raise BadInput(f"expected at least {FOLDS} objects a class, one for each fold, got {each}")
    photos = _photographed(out, each=each, progress=progress)
    cells = _cells(out, model)
    owed = [cell for cell in cells if not cell.file.exists()]
    if owed:
        _train_and_judge(owed, photos, out, progress)
    return write_result(out, _collect(cells, photos), photos)


def _photographed(out: Path, *, each: int, progress: Progress) -> list[Photo]:
    """Draw the objects and photograph those that are not yet; gives the photographs of all three devices."""
    from capture.drawn_objects import draw_objects
    from capture.scenes import read_scenes
    from hostctl.sessions.sitting import sit
    from stability_train.photos import read_photos

    drawn = out / "objects" / "scenes.csv"
    if not drawn.exists():
        progress("objects", 0, 0, f"drawing {each} garments of each class")
        drawn = draw_objects(out / "objects", each=each, seed=SEED)
    sit(_lab(), scenes=read_scenes(drawn), out=out / "run", model=None, progress=progress)
    photos = read_photos(out / "run", devices=NAMES)
    taken = Counter(photo.scene for photo in photos)
    if lacking := sorted(scene for scene, count in taken.items() if count < len(NAMES)):
        raise BadInput(
            f"{out / 'run'}: expected each object photographed by {', '.join(NAMES)}, got fewer for "
            f"{len(lacking)}, such as {lacking[0]}; run the same command again"
        )
    return photos


def _lab() -> Any:
    from hostctl.demos.demo import DEVICES, DISPLAY
    from hostctl.lab import parse_lab

    devices = [next(one for one in DEVICES if one["name"] == name) for name in NAMES]
    session = {"angles": [0], "repeats": 1, "seed": SEED, "reserve_mb": 300}
    values = {"name": "virtual rack", "display": DISPLAY, "session": session, "device": devices}
    return parse_lab(values, folder=Path(), name="the demo's lab")


def _cells(out: Path, model: str) -> list[Cell]:
    return [
        Cell(out, scheme, seed, fold, model) for seed in range(SEEDS) for fold in range(FOLDS) for scheme in SCHEMES
    ]


def _train_and_judge(cells: Sequence[Cell], photos: Sequence[Photo], out: Path, progress: Progress) -> None:
    """Train each cell on the objects of the other folds, and keep its answers on those of its own, on all devices."""
    from stability_train.kept_heads import Backbone
    from stability_train.pairs import make_plan
    from stability_train.photos import classes_of
    from stability_train.splits import fold_photos
    from stability_train.views import View

    classes = classes_of(photos)
    backbone = Backbone(cells[0].model, photos, classes=len(classes), folder=out / "features")
    views = [View(photo.identity) for photo in photos]
    matrix = backbone.matrix(views, progress=lambda done, total: progress("features", done, total, ""))
    plans = {}
    for scheme in SCHEMES:
        learnt = [photo for photo in photos if photo.device in scheme.devices]
        settings = Cell(out, scheme, 0, 0, cells[0].model).settings
        plans[scheme.name] = backbone.views_of(make_plan(learnt, pool=learnt, classes=classes, settings=settings))
    for done, cell in enumerate(cells):
        progress("trainings", done, len(cells), "")
        kept = plans[cell.scheme.name]
        _, held_out = fold_photos(photos, folds=FOLDS, seed=cell.seed)[cell.fold]
        hidden = {photo.cluster for photo in held_out}
        places = [place for place, photo in enumerate(kept.plan.photos) if photo.cluster not in hidden]
        head = backbone.train_head(kept, places, settings=cell.settings)
        rows = [row for row, photo in enumerate(photos) if photo.cluster in hidden]
        labels = np.array(classes)[head(matrix[rows]).argmax(axis=1)]
        _write_cell(cell, [photos[row].identity for row in rows], labels)
    progress("trainings", len(cells), len(cells), "")


def _write_cell(cell: Cell, identities: Sequence[str], labels: npt.NDArray[Any]) -> None:
    from analysis.run_folder.files import write_whole

    stream = io.BytesIO()
    np.savez(stream, photos=np.array(identities), labels=labels)
    cell.file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(cell.file, stream.getvalue())


def _collect(cells: Sequence[Cell], photos: Sequence[Photo]) -> Judged:
    """Put what all cells answered into one array."""
    objects = tuple(sorted({photo.scene for photo in photos}))
    row = {name: number for number, name in enumerate(objects)}
    place = {photo.identity: (row[photo.scene], NAMES.index(photo.device)) for photo in photos}
    truth = {photo.scene: photo.label for photo in photos}
    names = [scheme.name for scheme in SCHEMES]
    labels = np.full((len(names), SEEDS, len(objects), len(NAMES)), "", dtype=object)
    for cell in cells:
        with np.load(cell.file) as held:
            for identity, label in zip(held["photos"].tolist(), held["labels"].tolist(), strict=True):
                labels[(names.index(cell.scheme.name), cell.seed, *place[identity])] = label
    right = labels == np.array([truth[name] for name in objects], dtype=object)[None, None, :, None]
    return Judged(objects, labels, right)
