"""Twenty labelled photographs that a registry package ships: enough for a demonstration, not for a study.

They are foolbox's samples of ImageNet classes, whose file names carry the class index (imagenet_00_243.jpg): JPEG,
4:2:0, nineteen of 512 x 512 pixels and one of 1024 x 683.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from capture.scenes import read_scenes, write_scenes
from device_agents.errors import BadInput
from device_agents.records import Scene
from device_agents.sidecar import read_labels
from stability_train.cache import Progress, cache_folder, locked, new_folder, silent
from stability_train.labels import imagenet_labels, read_names
from stability_train.wheels import WHEELS, fetch_wheel

_MEMBER = re.compile(r"foolbox/data/imagenet_(?P<number>\d\d)_(?P<index>\d+)\.jpg")


class Photographs(NamedTuple):
    """The scenes (their files as absolute paths), the folder they lie in, and the scenes file that lists them."""

    scenes: tuple[Scene, ...]
    folder: Path
    csv: Path


def photographs(cache: Path | None = None, *, progress: Progress = silent) -> Photographs:
    """Give the twenty photographs as scenes, fetching them into the cache first where they are not there.

    Each has one accepted label, the WordNet id of the class that the package states, and that class's name as its
    category; each is its own cluster. Raises BadInput or Unreachable when a wheel is wrong or cannot be had.
    """
    base = cache_folder(cache)
    wheel = WHEELS["foolbox"]
    folder = base / "photographs" / f"{wheel.project}-{wheel.version}"
    if not (folder / "scenes.csv").exists():
        with locked(base, "photographs", progress=progress):
            if not (folder / "scenes.csv").exists():
                classes = imagenet_labels(base, progress=progress)
                file = fetch_wheel(wheel, base, progress=progress)
                with new_folder(folder) as aside:
                    _unpack(file, aside, labels=read_labels(classes), names=read_names(classes))
    return Photographs(tuple(read_scenes(folder / "scenes.csv")), folder, folder / "scenes.csv")


def _unpack(wheel: Path, folder: Path, *, labels: tuple[str, ...], names: tuple[str, ...]) -> None:
    scenes = []
    with zipfile.ZipFile(wheel) as archive:
        for found in filter(None, map(_MEMBER.fullmatch, sorted(archive.namelist()))):
            label, name = labels[int(found["index"])], names[int(found["index"])]
            file = folder / f"{found['number']}-{re.sub('[^a-z]+', '-', name.lower())}.jpg"
            data = archive.read(found.string)
            file.write_bytes(data)
            scenes.append(Scene(file.stem, str(file), hashlib.sha256(data).hexdigest(), (label,), category=name))
    if len(scenes) != 20:
        raise BadInput(f"expected 20 photographs in {wheel}, got {len(scenes)}")
    write_scenes(scenes, folder / "scenes.csv")
