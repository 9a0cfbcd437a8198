"""Photos: labelled pictures to train on, from a run or from a labelled folder or CSV; and their classes."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from capture.scenes import read_scenes
from device_agents.errors import BadInput
from device_agents.records import Corners, Picture, Scene


@dataclass(frozen=True)
class Photo:
    """A picture with its label, and what it is a picture of: ``cluster`` is the object, which no split may divide.

    ``corners`` are the scene's in the picture, () where all of it is the scene. ``labels`` are all accepted ones; the
    first is the one that training aims at. ``raw``: the raw file that was taken together with it, if there is one.
    """

    name: str
    file: Path
    sha256: str
    labels: tuple[str, ...]
    cluster: str
    scene: str
    angle: int = 0
    repeat: int = 0
    device: str = ""
    corners: Corners = ()
    raw: Path | None = None

    @property
    def label(self) -> str:
        """The label that training aims at."""
        return self.labels[0]

    @functools.cached_property
    def identity(self) -> str:
        """What the pixels of the scene follow from: the file's hash and the corners."""
        return hashlib.sha256(f"{self.sha256} {self.corners}".encode()).hexdigest()[:32]


def read_photos(source: Path, *, devices: Sequence[str] = (), isp: str = "", codec: str = "") -> list[Photo]:
    """Read photos from a run's folder, or a labelled folder or CSV as capture.scenes reads it.

    Of a run: pictures of the devices named (none: all), as shot, or as developed by ``isp`` and ``codec``. Raises
    BadInput for devices that the run has no such pictures of.
    """
    if (source / "ledger.sqlite").is_file():
        with Run.open(source, write=False) as run:
            return run_photos(run, devices=devices, isp=isp, codec=codec)
    return scene_photos(read_scenes(source))


def scene_photos(scenes: Sequence[Scene]) -> list[Photo]:
    """Make photos of scenes: the pictures themselves, seen by no device."""
    return [Photo(one.scene, Path(one.file), one.sha256, one.labels, one.cluster, one.scene) for one in scenes]


def run_photos(run: Run, *, devices: Sequence[str] = (), isp: str = "", codec: str = "") -> list[Photo]:
    """Make photos of a run's pictures, in the order of their names; see read_photos."""
    scenes = {scene.scene: scene for scene in run.scenes()}
    raws = {_step(one): run.file(one.sha256) for one in run.picture_records({"parent": "", "suffix": RAW_SUFFIXES})}
    photos = []
    for picture in run.picture_records({"isp": isp, "codec": codec}):
        scene = scenes[picture.scene]
        if picture.suffix.lower() in RAW_SUFFIXES or (devices and picture.device not in devices):
            continue
        what = (picture.picture, run.file(picture.sha256), picture.sha256, scene.labels, scene.cluster, picture.scene)
        beside = raws.get(_step(picture)) if not picture.parent else None
        photos.append(Photo(*what, picture.angle, picture.repeat, picture.device, picture.corners, beside))
    absent = sorted(set(devices) - {photo.device for photo in photos})
    if absent or not photos:
        there = ", ".join(sorted({picture.device for picture in run.picture_records()})) or "none"
        how = f" developed by '{isp}' and '{codec}'" if isp or codec else ""
        raise BadInput(
            f"{run.folder}: expected pictures{how} of {', '.join(absent) or 'a device'}, got none; devices: {there}"
        )
    return sorted(photos, key=lambda photo: photo.name)


def _step(picture: Picture) -> tuple[str, int, int, str]:
    return picture.scene, picture.angle, picture.repeat, picture.device


def classes_of(photos: Sequence[Photo], *, known: Collection[str] = ()) -> tuple[str, ...]:
    """Give the labels in order: the photos' own, sorted, or the model's (``known``), which must hold all of theirs.

    Raises BadInput for a class with pictures of one object only, which cannot be both learnt and checked, for a single
    class, and for labels outside the model.
    """
    objects = {photo.label: {other.cluster for other in photos if other.label == photo.label} for photo in photos}
    problems = []
    if lonely := sorted(label for label, clusters in objects.items() if len(clusters) < 2):
        problems.append(
            f"expected at least two objects a class, got one of {', '.join(lonely)}: add some or leave it out"
        )
    if len(objects) < 2 and not known:
        problems.append(f"expected at least two classes, got {', '.join(f'only {name}' for name in objects) or 'none'}")
    if known and (strangers := sorted(set(objects) - set(known))):
        shown = ", ".join(strangers[:5]) + ", ..." * (len(strangers) > 5)
        problems.append(f"expected labels of the model's {len(known)}, got {shown}: choose head new, or other labels")
    if problems:
        raise BadInput("; ".join(problems))
    return tuple(known) if known else tuple(sorted(objects))


def check_devices(photos: Sequence[Photo], *, needed: Sequence[str], why: str) -> None:
    """Raise BadInput unless every needed device has photos; ``why`` is what needs them."""
    there = Counter(photo.device for photo in photos)
    if absent := sorted(set(needed) - set(there)):
        known = ", ".join(f"{device or '(none)'} ({count})" for device, count in sorted(there.items()))
        raise BadInput(f"{why}: expected pictures of {', '.join(absent)}, got none; there are {known or 'none at all'}")
