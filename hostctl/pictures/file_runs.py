"""Runs whose pictures are files that were there before: photographs or raws out of a folder or a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.store import Run
from capture.raw import RAW_SUFFIXES, read_raw
from capture.scene_layouts import SUFFIXES
from capture.scenes import read_scenes
from device_agents.decode import open_image
from device_agents.preprocess import FAILURES
from device_agents.records import Picture, Scene
from hostctl.pictures.prepared import prepared


def run_of_files(
    scenes: Path, out: Path | None, *, raws: bool = False, name: str = "predict", most: int | None = None
) -> Run:
    """Make or reopen the run whose pictures are the scenes' own files, by default runs/NAME-SCENES.

    scenes: a folder or CSV as capture.scenes reads it; raws: take the raw files of a folder, not its pictures; most:
    only so many of the scenes, those with the lowest hashes: a sample by chance, within any larger one.
    """
    listed = read_scenes(scenes, suffixes=RAW_SUFFIXES if raws else SUFFIXES, empty_files=True)
    if most is not None:
        chosen = {one.scene for one in sorted(listed, key=lambda one: one.sha256)[:most]}
        listed = [one for one in listed if one.scene in chosen]
    of = scenes.resolve().parent.name if scenes.suffix == ".csv" else scenes.resolve().stem
    run = Run.open_or_create(out or Path("runs") / f"{name}-{of}", settings={"pictures": "files"}, scenes=listed)
    try:
        add_files(run, listed)
        if (made := prepared(scenes)) is not None:
            run.set_note("prepared", made)
    except BaseException:
        run.close()
        raise
    return run


def add_files(run: Run, scenes: Sequence[Scene]) -> None:
    """Commit the scenes' files as pictures: a file that is no picture is one too, and fails when it is used."""
    there = {picture.scene for picture in run.picture_records({"parent": ""})}
    for scene in scenes:
        if scene.scene in there:
            continue
        path = Path(scene.file)
        data = path.read_bytes()
        width, height = picture_size(data, path.suffix.lower())
        record = Picture(scene.scene, scene.sha256, path.suffix.lower(), len(data), width, height, scene.scene)
        run.add_picture(record, {scene.sha256: data})


def picture_size(data: bytes, suffix: str) -> tuple[int, int]:
    """Width and height as stored in the file, (0, 0) where it cannot be read."""
    try:
        if suffix in RAW_SUFFIXES:
            height, width = read_raw(data).mosaic.shape[:2]
            return width, height
        with open_image(data) as image:
            return image.size
    except FAILURES:
        return 0, 0
