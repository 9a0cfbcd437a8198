"""Mix training against training with one variant: what each, trained, gets right with every variant (SysNoise, 4.3).

A cell is one training: a row (a variant, or the mix of all), a seed and a fold of objects. It leaves a small file with
what its model got right on the held-out pictures through every variant; what is there is not trained again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput, pick
from stability_train.cache import Progress as Say
from stability_train.cache import silent, write_whole
from stability_train.kept_answers import answers_on, fresh_keras, keep_views
from stability_train.kept_heads import Backbone
from stability_train.pairs import make_plan
from stability_train.photos import Photo, classes_of
from stability_train.settings import FAMILIES, Settings, changed_settings, settings_from
from stability_train.splits import fold_photos
from stability_train.train import train
from stability_train.views import View

MIX = "mix"
MIXED = ("resizer", "decoder", "colour", "codec", "isp")  # families whose variants follow from nothing but their name
ASKED, CELLS, FEATURES = "mix.json", "cells", "features"


@dataclass(frozen=True)
class Study:
    """What is asked for: the family and its variants, how many seeds and folds, and the settings of every training."""

    family: str
    variants: tuple[str, ...]
    seeds: int
    folds: int
    settings: Settings

    @property
    def rows(self) -> tuple[str, ...]:
        """What is trained with: each variant alone, then the mix of all."""
        return (*self.variants, MIX)

    def settings_of(self, row: str, seed: int) -> Settings:
        """Give the settings of a row's trainings: every picture of every step draws one of the row's variants."""
        drawn = {"mix": (self.family,), FAMILIES[self.family]: self.variants if row == MIX else (row,)}
        return dataclasses.replace(self.settings, **drawn, seed=self.settings.seed + seed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Cell:
    """One training of a study, and the folder that the study is kept in."""

    study: Study
    folder: Path
    row: str
    seed: int
    fold: int

    @property
    def file(self) -> Path:
        """Where what it got right is kept."""
        return self.folder / CELLS / f"{self.row}-seed-{self.seed}-fold-{self.fold}.npz"


def make_study(
    photos: Sequence[Photo], *, family: str, variants: Sequence[str], seeds: int, folds: int, settings: Settings
) -> Study:
    """Check what is asked for; raises BadInput for what cannot work, before any training."""
    pick(dict.fromkeys(MIXED), family, what="family to mix")
    chosen = tuple(dict.fromkeys(variants))
    if len(chosen) < 2 or MIX in chosen:
        raise BadInput(
            f"expected two variants of {family} or more, none called {MIX}, got {', '.join(chosen) or 'none'}"
        )
    if not 1 <= seeds <= 100:
        raise BadInput(f"expected 1 to 100 seeds, got {seeds}")
    if settings.noise != "none" or settings.mix:
        raise BadInput(f"expected settings without noise and mix, got noise {settings.noise}, mix {settings.mix}")
    if settings.validation_share:
        raise BadInput("expected validation_share 0: the folds hold out what is tested, nothing is chosen by it")
    study = Study(family, chosen, seeds, folds, settings)
    study.settings_of(MIX, 0)
    if family == "isp" and (bare := [one.name for one in photos if one.raw is None]):
        raise BadInput(f"family isp: expected a raw beside each of {len(photos)} photographs, got none for {bare[0]}")
    for seed in range(seeds):
        for training, _ in fold_photos(photos, folds=folds, seed=seed):
            classes_of(training)
    return study


def begin(study: Study, photos: Sequence[Photo], folder: Path) -> None:
    """Note the study in its folder; raises BadInput where the folder was begun with another."""
    data = hashlib.sha256("\n".join(f"{one.identity} {one.label} {one.cluster}" for one in photos).encode()).hexdigest()
    asked = {**dataclasses.asdict(study), "photos": data}
    path = folder / ASKED
    if not path.exists():
        write_whole(path, (json.dumps(asked, indent=2) + "\n").encode())
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    changed = changed_settings(settings_from(before.pop("settings")), study.settings)
    now = json.loads(json.dumps({name: value for name, value in asked.items() if name != "settings"}))
    changed += [f"{name}: {before.get(name)} before" for name, value in now.items() if before.get(name) != value]
    if changed:
        raise BadInput(f"{folder}: this study was begun otherwise; name a new folder, or undo: {'; '.join(changed)}")


def cells(study: Study, folder: Path) -> list[Cell]:
    """Give all trainings of a study; those of one fold stand together."""
    return [
        Cell(study, folder, row, seed, fold)
        for seed in range(study.seeds)
        for fold in range(study.folds)
        for row in study.rows
    ]


def view_through(study: Study, photo: Photo, variant: str) -> View:
    """Give the view of a photo through a variant of the study's family."""
    return dataclasses.replace(View(photo.identity), **{study.family: variant})  # type: ignore[arg-type]


def keep_features(study: Study, photos: Sequence[Photo], folder: Path, *, cache: Path | None = None) -> int:
    """Compute what a frozen front makes of photos through every variant, for all cells; gives how many were made."""
    views = [view_through(study, photo, variant) for photo in photos for variant in study.variants]
    return keep_views(views, photos, settings=study.settings, folder=folder / FEATURES, cache=cache)


def do_heads(todo: Sequence[Cell], photos: Sequence[Photo], *, cache: Path | None = None) -> Iterator[Cell]:
    """Do all cells of a study that trains a head alone, giving each when it is there: seconds instead of minutes.

    The arithmetic is do_cell's; only the variants that the mix draws fall otherwise, as photos have other numbers.
    """
    if not todo:
        return
    study, classes = todo[0].study, classes_of(photos)
    backbone = Backbone(
        study.settings.model,
        photos,
        classes=len(classes),
        folder=todo[0].folder / FEATURES,
        cache=cache,
        threads=study.settings.threads,
    )
    through = [view_through(study, photo, variant) for photo in photos for variant in study.variants]
    matrix = backbone.matrix(through).reshape(len(photos), len(study.variants), -1)
    by_plan = sorted(todo, key=lambda cell: (cell.row, cell.seed))
    for (row, seed), group in itertools.groupby(by_plan, key=lambda cell: (cell.row, cell.seed)):
        settings = study.settings_of(row, seed)
        kept = backbone.views_of(make_plan(photos, pool=photos, classes=classes, settings=settings))
        for cell in group:
            hidden = _hidden(cell, photos)
            places = [place for place, photo in enumerate(photos) if photo.cluster not in hidden]
            answer = backbone.train_head(kept, places, settings=settings)
            rows = [place for place, photo in enumerate(photos) if photo.cluster in hidden]
            held_out = [photos[place] for place in rows]
            first = answer(matrix[rows].reshape(-1, matrix.shape[-1])).argmax(axis=1)
            _write(cell, held_out, _marks(held_out, classes, first))
            yield cell


def do_cell(cell: Cell, photos: Sequence[Photo], *, cache: Path | None = None, progress: Say = silent) -> Path:
    """Train a cell and test its model through every variant; a cell that is there is not done again."""
    if cell.file.exists():
        return cell.file
    fresh_keras(cell.study.settings.threads)
    training, held_out = fold_photos(photos, folds=cell.study.folds, seed=cell.seed)[cell.fold]
    folder = cell.folder / "trainings" / cell.file.stem
    trained = train(
        training,
        folder=folder,
        settings=cell.study.settings_of(cell.row, cell.seed),
        validation=[],
        cache=cache,
        features=cell.folder / FEATURES,
        progress=progress,
    )
    study, classes = cell.study, trained.classes
    logits = answers_on(
        [view_through(study, photo, variant) for photo in held_out for variant in study.variants],
        held_out,
        model=trained.model,
        classes=len(classes),
        settings=study.settings,
        folder=cell.folder / FEATURES,
        cache=cache,
    )
    _write(cell, held_out, _marks(held_out, classes, logits.argmax(axis=1)))
    shutil.rmtree(folder)  # hundreds of models of 10 MB each, which nobody asks for
    return cell.file


def collect(study: Study, photos: Sequence[Photo], folder: Path) -> npt.NDArray[np.bool_]:
    """Read what all cells got right: bool (rows, seeds, photos, variants); raises BadInput for a missing cell."""
    place = {photo.identity: number for number, photo in enumerate(photos)}
    right = np.zeros((len(study.rows), study.seeds, len(photos), len(study.variants)), bool)
    for cell in cells(study, folder):
        try:
            with np.load(cell.file) as held:
                rows = [place[name] for name in held["photos"].tolist()]
                right[study.rows.index(cell.row), cell.seed, rows] = held["right"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as problem:
            raise BadInput(f"{cell.file}: expected a finished cell, got {problem}; remove it and go on") from problem
    return right


def _hidden(cell: Cell, photos: Sequence[Photo]) -> set[str]:
    """The objects that a cell holds out."""
    _, held_out = fold_photos(photos, folds=cell.study.folds, seed=cell.seed)[cell.fold]
    return {photo.cluster for photo in held_out}


def _marks(held_out: Sequence[Photo], classes: Sequence[str], first: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether the first class is an accepted label: bool (photos, variants), of (photos x variants,) numbers."""
    rows = first.reshape(len(held_out), -1)
    return np.array([[classes[one] in photo.labels for one in row] for photo, row in zip(held_out, rows, strict=True)])


def _write(cell: Cell, held_out: Sequence[Photo], right: npt.NDArray[np.bool_]) -> None:
    stream = io.BytesIO()
    np.savez(stream, photos=np.array([one.identity for one in held_out]), right=right)
    write_whole(cell.file, stream.getvalue())
