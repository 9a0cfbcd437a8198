"""The pictures of the decoding experiment: each scene as one JPEG, and as the PNG of the host's decode of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.store import Run
from capture.encode import encode_jpeg
from capture.scenes import read_scenes
from device_agents.decode import decode_pillow
from device_agents.errors import BadInput
from device_agents.preprocess import FAILURES
from device_agents.records import Picture, Scene
from hostctl.causes.photographs import coding_of
from hostctl.pictures.developing import develop_run
from hostctl.pictures.file_runs import picture_size
from hostctl.pictures.prepared import prepared
from hostctl.printing import Progress

SAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")
AS_IS, NEEDED, ALL = "as-is", "needed", "all"


@dataclass(frozen=True)
class Coding:
    """How the JPEGs are made. ``encode``: "as-is" none, "needed" those that are no JPEG in this sampling, "all"."""

    quality: int = 85
    sampling: str = "4:2:0"
    encode: str = NEEDED

    def __post_init__(self) -> None:
        """Refuse what no JPEG can be."""
        if not 1 <= self.quality <= 100:
            raise BadInput(f"--quality: expected 1 to 100, got {self.quality}")
        if self.sampling not in SAMPLINGS:
            raise BadInput(f"--sampling: expected {', '.join(SAMPLINGS)}, got '{self.sampling}'")


def run_of_scenes(
    scenes: Path, out: Path | None, coding: Coding, *, devices: Sequence[str] = (), progress: Progress
) -> Run:
    """Make or reopen the run whose pictures are the scenes as JPEG (as shot) and as PNG (coded from it).

    scenes: a folder of CLASS/PICTURE files or a CSV, as capture.scenes reads it. ``devices`` have a record of each
    picture of their own, as if they had shot it, so that a report compares devices; without them all executors share
    one record, and a report compares environments. A file that cannot be decoded here is given as it is, and fails
    where it is used. Raises BadInput where the run was made with other settings.
    """
    listed = read_scenes(scenes, empty_files=True)
    of = scenes.resolve().parent.name if scenes.suffix == ".csv" else scenes.resolve().stem
    settings = {"pictures": "decoding", "quality": coding.quality, "sampling": coding.sampling, "encode": coding.encode}
    settings |= {"devices": list(devices)} if devices else {}
    run = Run.open_or_create(out or Path("runs") / f"decoding-{of}", settings=settings, scenes=listed)
    try:
        _add_jpegs(run, listed, coding, devices or ("",), progress)
        if (made := prepared(scenes)) is not None:
            run.set_note("prepared", made)
        develop_run(run, codecs=["png"], workers=1, progress=partial(progress, "PNG"))
    except BaseException:
        run.close()
        raise
    return run


def _add_jpegs(run: Run, scenes: Sequence[Scene], coding: Coding, devices: Sequence[str], progress: Progress) -> None:
    """Commit each scene's JPEG, for each device; what is in the run already is not made again."""
    there = {(picture.scene, picture.device) for picture in run.picture_records({"parent": ""})}
    for number, scene in enumerate(scenes, 1):
        if lacking := [one for one in devices if (scene.scene, one) not in there]:
            jpeg, suffix = as_jpeg(Path(scene.file).read_bytes(), Path(scene.file).suffix.lower(), coding)
            sha256 = run.put_file(jpeg)
            width, height = picture_size(jpeg, suffix)
            records = [
                Picture(
                    f"{scene.scene}|{device}" if device else scene.scene,
                    sha256,
                    suffix,
                    len(jpeg),
                    width,
                    height,
                    scene.scene,
                    device=device,
                )
                for device in lacking
            ]
            run.add_pictures(records, {sha256: jpeg})
        progress("JPEG", number, len(scenes), "")


def as_jpeg(data: bytes, suffix: str, coding: Coding) -> tuple[bytes, str]:
    """Give a picture file's bytes as the JPEG that is wanted, with its suffix; the bytes themselves where that is due.

    What cannot be decoded stays as it is.
    """
    if coding.encode == AS_IS:
        return data, suffix
    try:
        found = coding_of(data)
        if coding.encode == NEEDED and (found.kind, found.subsampling) == ("JPEG", coding.sampling):
            return data, suffix
        return encode_jpeg(decode_pillow(data), quality=coding.quality, subsampling=coding.sampling), ".jpg"
    except FAILURES:
        return data, suffix


def count_encoded(run: Run) -> tuple[int, int]:
    """How many JPEGs the host encoded, and how many are the scenes' own bytes."""
    own = {scene.scene: scene.sha256 for scene in run.scenes()}
    kept = {one.scene for one in run.picture_records({"parent": ""}) if one.sha256 == own[one.scene]}
    return len(own) - len(kept), len(kept)
