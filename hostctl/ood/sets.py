"""What was asked for as sets of pictures, known and unknown, in one run: names apart, each picture once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run
from capture.encode import encode_png
from capture.scene_layouts import SUFFIXES, listing
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.hashing import hash_file
from device_agents.records import UNLABELLED, Picture, Scene
from device_agents.sidecar import Sidecar
from hostctl.ood.generated import GENERATED, generated_picture
from hostctl.pictures.file_runs import add_files, picture_size

KNOWN = "known"
NOTE = "sets"  # of each set: what was asked, whether it is unknown, and its scenes
LEAST = 10  # pictures of a set


@dataclass(frozen=True)
class PictureSet:
    """A set's name, what was asked for, its scenes by their names in the run, and the bytes of those without a file."""

    name: str
    asked: str
    scenes: tuple[Scene, ...]
    made: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


def known_and_unknown(
    known: str, unknown: Sequence[str], *, card: Sidecar, most: int | None = None
) -> list[PictureSet]:
    """Give the known set first, then the unknown ones (the generated where none are named), each picture once.

    A set is a folder, a CSV as capture.scenes reads it, or one of GENERATED, which has as many pictures as the known
    one; NAME=FOLDER names it. most: a sample of each by hashes, as `instability suite` takes it. Raises BadInput for a
    set of fewer than LEAST pictures, sets of one name, and a picture (by its hash) in two sets.
    """
    if known in GENERATED:
        raise BadInput(f"--known: expected pictures that the model was made for, got the generated set {known}")
    first = _read(known, most)
    count = len(first.scenes)
    sets = [replace(first, name=KNOWN, scenes=_prefixed(KNOWN, first.scenes, labelled=True))]
    for text in unknown or list(GENERATED):
        found = _generated(text, count, side(card)) if text in GENERATED else _read(text, most)
        sets.append(replace(found, scenes=_prefixed(found.name, found.scenes, labelled=False)))
    _check(sets)
    return sets


def run_of_sets(sets: Sequence[PictureSet], folder: Path) -> Run:
    """Make or reopen the run whose pictures are those of all sets, with a note of which set a scene belongs to."""
    scenes = [scene for one in sets for scene in one.scenes]
    run = Run.open_or_create(folder, settings={"pictures": "known and unknown"}, scenes=scenes)
    try:
        made = {scene: make for one in sets for scene, make in one.made.items()}
        add_files(run, [scene for scene in scenes if scene.scene not in made])
        there = {record.scene for record in run.picture_records({"parent": ""})}
        for one in sets:
            for scene in one.scenes:
                if scene.scene in made and scene.scene not in there:
                    _add_made(run, scene, made[scene.scene]())
        run.set_note(NOTE, {one.name: _told(one) for one in sets})
    except BaseException:
        run.close()
        raise
    return run


def default_folder(known: str) -> Path:
    """Give runs/ood-NAME for the known pictures' folder, or the folder of their CSV."""
    return Path("runs") / f"ood-{_named(known)[0]}"


def side(card: Sidecar) -> int:
    """The side of generated pictures, px: as large as reaches the model without being resized."""
    wanted = max(card.input_height, card.input_width)
    return round(wanted * 256 / 224) if card.fit == "short-side-256-crop" else wanted


def photographs(text: str) -> list[Path]:
    """Give the files of a folder or CSV of pictures, for the rotation classifier to learn from."""
    return [Path(scene.file) for scene in _scenes(_named(text)[1])]


def _read(text: str, most: int | None) -> PictureSet:
    name, path = _named(text)
    scenes = list({scene.sha256: scene for scene in reversed(_scenes(path))}.values())[::-1]
    if most is not None:
        chosen = {one.sha256 for one in sorted(scenes, key=lambda one: one.sha256)[:most]}
        scenes = [one for one in scenes if one.sha256 in chosen]
    return PictureSet(name, str(path), tuple(scenes))


def _named(text: str) -> tuple[str, Path]:
    """NAME=FOLDER as both; a path alone is called as its folder, or as the folder that its CSV lies in."""
    name, is_named, rest = text.partition("=")
    if is_named and not Path(text).exists() and re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return name, Path(rest)
    path = Path(text)
    whole = path.resolve()
    return (whole.parent.name if path.suffix.lower() == ".csv" else whole.name), path


def _scenes(path: Path) -> list[Scene]:
    """Scenes of a CSV or of a folder as read_scenes takes it; a folder of loose pictures needs no labels."""
    if not path.exists():
        raise BadInput(f"expected a folder, a CSV or one of {', '.join(GENERATED)}; there is no {path}")
    loose = path.is_dir() and listing(path) is None and any(_is_picture(one) for one in path.iterdir())
    if not loose:
        return read_scenes(path, empty_files=True)
    files = sorted(one for one in path.rglob("*") if _is_picture(one))
    return [
        Scene(one.relative_to(path).as_posix().replace("|", "_"), str(one), hash_file(one), (UNLABELLED,))
        for one in files
    ]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _prefixed(name: str, scenes: Sequence[Scene], *, labelled: bool) -> tuple[Scene, ...]:
    """Scenes under their set's name; an unknown picture has no right answer, whatever its folder is called."""
    found = []
    for scene in scenes:
        labels = scene.labels if labelled and not scene.truth else (UNLABELLED,)
        apart = {"scene": f"{name}/{scene.scene}", "cluster": f"{name}/{scene.cluster}"}
        found.append(replace(scene, **apart, labels=labels, ambiguous=(), category="", truth=""))
    return tuple(found)


def _generated(name: str, count: int, side_px: int) -> PictureSet:
    makers = {f"{number:04d}": partial(_png, name, number, side_px) for number in range(count)}
    scenes = tuple(
        Scene(number, f"{name}-{number}.png", hashlib.sha256(make()).hexdigest(), (UNLABELLED,))
        for number, make in makers.items()
    )
    return PictureSet(name, name, scenes, {f"{name}/{number}": make for number, make in makers.items()})


def _png(name: str, number: int, side_px: int) -> bytes:
    return encode_png(generated_picture(name, number, side=side_px))


def _add_made(run: Run, scene: Scene, data: bytes) -> None:
    width, height = picture_size(data, ".png")
    record = Picture(scene.scene, scene.sha256, ".png", len(data), width, height, scene.scene)
    run.add_picture(record, {scene.sha256: data})


def _told(one: PictureSet) -> dict[str, Any]:
    return {"asked": one.asked, "unknown": one.name != KNOWN, "scenes": [scene.scene for scene in one.scenes]}


def _check(sets: Sequence[PictureSet]) -> None:
    names = [one.name for one in sets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"expected sets of different names, got {', '.join(twice)} twice; write NAME=FOLDER")
    for one in sets:
        if len(one.scenes) < LEAST:
            raise BadInput(f"{one.asked}: expected {LEAST} different pictures or more in a set, got {len(one.scenes)}")
    owners: dict[str, str] = {}
    for one in sets:
        for scene in one.scenes:
            other = owners.setdefault(scene.sha256, scene.scene)
            if other != scene.scene:
                raise BadInput(f"expected each picture in one set, got the same bytes as {other} and {scene.scene}")
