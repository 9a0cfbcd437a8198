"""From a photograph on a device to a picture in the run: pull, check the hash, prove the frame, commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from analysis.store import Run
from capture import screen
from capture.raw import RAW_SUFFIXES, read_raw
from device_agents.errors import BadInput, CommandFailed
from device_agents.predict import hash_file
from device_agents.records import Picture, Step
from hostctl.device import Device
from hostctl.examine import Examine, Examined, Question
from hostctl.shutter import RemoteFile
from hostctl.stock_camera import remote_sha256


class Painted(Protocol):
    """What the display said of the frame it painted: its layout, and the scene's box in it."""

    @property
    def layout(self) -> screen.Layout:
        """Where markers and codes lie."""
        ...

    @property
    def box(self) -> screen.Box:
        """Where the scene lies: left, top, right, bottom."""
        ...


@dataclass(frozen=True)
class Photograph:
    """Files that a device wrote for a step, of which frame, and when; durations are in seconds."""

    step: Step
    device: Device
    painted: Painted
    files: tuple[RemoteFile, ...]
    attempt: int
    started_utc: str
    durations: dict[str, float] = field(default_factory=dict)


class Collected(NamedTuple):
    """Why a photograph was refused, "" if it is accepted, and then the sha256 of its thumbnail."""

    reason: str
    thumbnail: str = ""


def collect(
    photograph: Photograph,
    *,
    limits: screen.Limits,
    examine: Examine,
    run: Run,
    spool: Path,
    clock: Callable[[], float],
) -> Collected:
    """Bring a photograph home, verify and commit it; say whether it was refused and why.

    A refused photograph is kept too: its file and its reason stand in the run beside the accepted ones, so that a
    person can look. Raises DeviceError if the device fails, KitError if the run cannot be written.
    """
    started = clock()
    pulled: list[Path] = []
    try:
        for file in photograph.files:
            pulled.append(_spool_path(photograph, file, spool))
            _pull(photograph, file, pulled[-1])
        photograph.durations["pull_s"] = clock() - started
        pictures = [path for path in pulled if path.suffix not in RAW_SUFFIXES]
        if not pictures:
            return Collected(_refuse(photograph, "expected a picture, got only a raw", pulled[0], run))
        painted = photograph.painted
        question = Question(pictures[0], photograph.step.stimulus, painted.layout, painted.box, limits)
        started = clock()
        examined = examine(question)
        photograph.durations["examine_s"] = clock() - started
        if examined.reason:
            return Collected(_refuse(photograph, examined.reason, pictures[0], run))
        raws = [path for path in pulled if path.suffix in RAW_SUFFIXES]
        try:
            shapes = {path: read_raw(path.read_bytes()).mosaic.shape for path in raws}
        except BadInput as problem:
            return Collected(_refuse(photograph, f"not a whole raw: {problem}", raws[0], run))
        return Collected("", _commit(photograph, pulled, examined, shapes, run))
    finally:
        for path in pulled:
            path.unlink(missing_ok=True)


def _spool_path(photograph: Photograph, file: RemoteFile, spool: Path) -> Path:
    """Where a file of a device is kept meanwhile: under a name of our own."""
    digest = hashlib.sha256(f"{photograph.step.key}|{photograph.attempt}".encode()).hexdigest()[:24]
    return spool / f"{digest}{Path(file.path).suffix.lower()}"


def _pull(photograph: Photograph, file: RemoteFile, local: Path) -> None:
    """Copy a file from its device, and compare the hashes at both ends."""
    photograph.device.transport.pull(file.path, local)
    there = remote_sha256(photograph.device.transport, file.path)
    here = hash_file(local)
    if there != here:
        raise CommandFailed(
            f"{photograph.device.name}: {file.path}: expected sha256 {there} as on the device, got {here} here"
        )


def _commit(
    photograph: Photograph,
    pulled: list[Path],
    examined: Examined,
    shapes: Mapping[Path, tuple[int, ...]],
    run: Run,
) -> str:
    """Write an accepted photograph to the run, with its crop, its thumbnail and the raw that came with it.

    ``shapes``: height and width of each raw. Gives the thumbnail's sha256.
    """
    crop, thumbnail = (hashlib.sha256(part).hexdigest() for part in (examined.crop, examined.thumbnail))
    files: dict[str, bytes | Path] = {crop: examined.crop, thumbnail: examined.thumbnail}
    records = []
    for path in pulled:
        digest = hash_file(path)
        files[digest] = path
        if path in shapes:
            height, width = shapes[path][:2]
            records.append(_picture(photograph, path, digest, width=width, height=height))
        else:
            good = _picture(photograph, path, digest, width=examined.width, height=examined.height)
            records.insert(0, replace(good, corners=examined.corners, crop_sha256=crop, thumb_sha256=thumbnail))
    run.add_pictures(records, files, started_utc=photograph.started_utc, durations=photograph.durations)
    return thumbnail


def _refuse(photograph: Photograph, reason: str, path: Path, run: Run) -> str:
    """Record a refused photograph with its file and its reason, and give the reason."""
    run.add_attempt(
        photograph.step.key,
        "rejected",
        reason=reason,
        started_utc=photograph.started_utc,
        durations=photograph.durations,
        sha256=run.put_file(path),
    )
    return reason


def _picture(photograph: Photograph, path: Path, digest: str, *, width: int, height: int) -> Picture:
    step = photograph.step
    return Picture(
        picture=f"{step.key}|{path.suffix.lstrip('.')}",
        sha256=digest,
        suffix=path.suffix,
        size=path.stat().st_size,
        width=width,
        height=height,
        scene=step.scene,
        angle=step.angle,
        repeat=step.repeat,
        device=step.device,
        attempt=photograph.attempt,
        taken_utc=photograph.started_utc,
    )
