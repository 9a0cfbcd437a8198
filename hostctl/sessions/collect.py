"""From a photograph on a device to a picture in the run: pull, check the hash, prove the frame, commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from analysis.store import Run
from capture import screen
from capture.raw import RAW_SUFFIXES
from device_agents.errors import CommandFailed, DeviceError
from device_agents.hashing import hash_file
from device_agents.records import Picture, Step
from hostctl.agents.checks import SUFFIX
from hostctl.labs.device import Device
from hostctl.labs.shutter import RemoteFile
from hostctl.phones.stock_camera import remote_sha256
from hostctl.sessions.examine import Examine, Examined, Question

HASH_TIMEOUT_S = 20.0  # an old phone hashes 50 MB a second


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


def bring_home(photograph: Photograph, *, spool: Path) -> list[Path]:
    """Copy a photograph's files into the spool, and compare the hashes at both ends; give their places there.

    Raises DeviceError if the device fails; then nothing is left of them.
    """
    pulled: list[Path] = []
    try:
        for file in photograph.files:
            pulled.append(_spool_path(photograph, file, spool))
            _pull(photograph, file, pulled[-1])
    except BaseException:
        _remove(pulled)
        raise
    return pulled


def verify(
    photograph: Photograph,
    pulled: Sequence[Path],
    *,
    limits: screen.Limits,
    examine: Examine,
    run: Run,
    keep_place: bool,
    clock: Callable[[], float],
) -> Collected:
    """Prove what a photograph at home shows and commit it, or refuse it and say why; its files leave the spool.

    A refused photograph is kept too: its file and its reason stand in the run beside the accepted ones, so that a
    person can look. Without ``keep_place`` neither tells where it was taken. Raises KitError if the run cannot be
    written.
    """
    started = clock()
    pictures = [path for path in pulled if path.suffix not in RAW_SUFFIXES]
    raws = [path for path in pulled if path.suffix in RAW_SUFFIXES]
    try:
        if not pictures:
            return Collected(_refuse(photograph, "expected a picture, got only a raw", None, run))
        shown, frame = photograph.step.stimulus, (photograph.painted.layout, photograph.painted.box)
        question = Question(pictures[0], shown, *frame, limits, tuple(raws), tuple(pictures[1:]), keep_place)
        examined = examine(question)
        photograph.durations["examine_s"] = clock() - started
        if examined.reason:
            refused = pictures[0] if examined.bad_raw is None else raws[examined.bad_raw]
            return Collected(_refuse(photograph, examined.reason, refused if examined.keep else None, run))
        sizes = [(examined.height, examined.width)] * len(pictures) + list(examined.raw_sizes)
        return Collected("", _commit(photograph, dict(zip([*pictures, *raws], sizes, strict=True)), examined, run))
    finally:
        _remove(pulled)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _spool_path(photograph: Photograph, file: RemoteFile, spool: Path) -> Path:
    """Where a file of a device is kept meanwhile: under a name of our own; only a plain suffix is taken over."""
    digest = hashlib.sha256(f"{photograph.step.key}|{photograph.attempt}".encode()).hexdigest()[:24]
    suffix = Path(file.path).suffix.lower()
    if not SUFFIX.fullmatch(suffix):
        raise DeviceError(f"{photograph.device.name}: expected a file with a plain suffix, got {file.path[-80:]!r}")
    return spool / f"{digest}{suffix}"


def _pull(photograph: Photograph, file: RemoteFile, local: Path) -> None:
    """Copy a file from its device, and compare the hashes at both ends."""
    photograph.device.transport.pull(file.path, local)
    there = remote_sha256(photograph.device.transport, file.path, timeout_s=HASH_TIMEOUT_S)
    here = hash_file(local)
    if there != here:
        raise CommandFailed(
            f"{photograph.device.name}: {file.path}: expected sha256 {there} as on the device, got {here} here"
        )


def _commit(photograph: Photograph, sizes: Mapping[Path, tuple[int, int]], examined: Examined, run: Run) -> str:
    """Write an accepted photograph to the run, with its crop, its thumbnail and the raws that came with it.

    ``sizes``: height and width of each file, the pictures first. Gives the thumbnail's sha256.
    """
    crop, thumbnail = (hashlib.sha256(part).hexdigest() for part in (examined.crop, examined.thumbnail))
    files: dict[str, bytes | Path] = {crop: examined.crop, thumbnail: examined.thumbnail}
    records = []
    for path, (height, width) in sizes.items():
        digest = hash_file(path)
        files[digest] = path
        record = _picture(photograph, path, digest, width=width, height=height)
        if path.suffix not in RAW_SUFFIXES:
            record = replace(record, corners=examined.corners, crop_sha256=crop, thumb_sha256=thumbnail)
        records.append(record)
        if path.name in examined.originals:
            run.set_note(f"with its place {digest}", {"sha256": examined.originals[path.name]})
    run.add_pictures(records, files, started_utc=photograph.started_utc, durations=photograph.durations)
    return thumbnail


def _refuse(photograph: Photograph, reason: str, path: Path | None, run: Run) -> str:
    """Record a refused photograph with its file, if that may be kept, and its reason, and give the reason."""
    run.add_attempt(
        photograph.step.key,
        "rejected",
        reason=reason,
        started_utc=photograph.started_utc,
        durations=photograph.durations,
        sha256=run.put_file(path) if path else "",
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
