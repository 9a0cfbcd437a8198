"""From a photograph on a device to a picture in the run: pull, check the hash, prove the frame, commit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from analysis.store import Run
from capture import screen
from capture.raw import RAW_SUFFIXES, read_raw
from device_agents.decode import DECODERS
from device_agents.errors import CommandFailed
from device_agents.preprocess import FAILURES
from device_agents.records import Picture, Step
from hostctl.device import Device
from hostctl.shutter import RemoteFile
from hostctl.stock_camera import remote_sha256

CROP_QUALITY = 92
THUMBNAIL_SIDE = 160


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


def collect(photograph: Photograph, *, limits: screen.Limits, run: Run, spool: Path, clock: Callable[[], float]) -> str:
    """Bring a photograph home, verify and commit it; give the reason it was refused for, or "" if it is accepted.

    A refused photograph is kept too: its file and its reason stand in the run beside the accepted ones, so that a
    person can look. Raises DeviceError if the device fails, KitError if the run cannot be written.
    """
    started = clock()
    pulled = [_pull(photograph, file, spool) for file in photograph.files]
    photograph.durations["pull_s"] = clock() - started
    try:
        return _commit(photograph, pulled, limits, run, clock)
    finally:
        for path in pulled:
            path.unlink(missing_ok=True)


def _pull(photograph: Photograph, file: RemoteFile, spool: Path) -> Path:
    """Copy a file from its device under a name of our own, and compare the hashes at both ends."""
    step = photograph.step
    digest = hashlib.sha256(f"{step.key}|{photograph.attempt}".encode()).hexdigest()[:24]
    local = spool / f"{digest}{Path(file.path).suffix.lower()}"
    photograph.device.transport.pull(file.path, local)
    there = remote_sha256(photograph.device.transport, file.path)
    here = hashlib.sha256(local.read_bytes()).hexdigest()
    if there != here:
        local.unlink()
        raise CommandFailed(
            f"{photograph.device.name}: {file.path}: expected sha256 {there} as on the device, got {here} here"
        )
    return local


def _commit(
    photograph: Photograph, pulled: list[Path], limits: screen.Limits, run: Run, clock: Callable[[], float]
) -> str:
    """Verify the pulled files and write them to the run, accepted or refused; give the reason, "" if accepted."""
    started = clock()
    pictures = [path for path in pulled if path.suffix not in RAW_SUFFIXES]
    if not pictures:
        return _refuse(photograph, "expected a picture, got only a raw", b"", run)
    data = pictures[0].read_bytes()
    try:
        rgb = DECODERS["pillow"](data)
    except FAILURES as problem:
        return _refuse(
            photograph,
            f"not a whole picture: {str(problem).splitlines()[0] if str(problem) else type(problem).__name__}",
            data,
            run,
        )
    proof = screen.read_proof(rgb, layout=photograph.painted.layout, box=photograph.painted.box)
    reason = "; ".join(screen.judge(proof, stimulus=photograph.step.stimulus, limits=limits))
    if reason:
        return _refuse(photograph, reason, data, run)
    crop = screen.rectify(rgb, proof.corners)
    parts = [data, _jpeg(crop), _jpeg(screen.thumbnail(crop, THUMBNAIL_SIDE))]
    files = {hashlib.sha256(part).hexdigest(): part for part in parts}
    records = [_picture(photograph, pictures[0].suffix, data, rgb.shape, list(files), proof.corners)]
    for path in pulled:
        if path.suffix in RAW_SUFFIXES:
            raw = path.read_bytes()
            digest = hashlib.sha256(raw).hexdigest()
            files[digest] = raw
            records.append(_picture(photograph, path.suffix, raw, read_raw(raw).mosaic.shape, [digest, "", ""], ()))
    photograph.durations["verify_s"] = clock() - started
    run.add_pictures(records, files, started_utc=photograph.started_utc, durations=photograph.durations)
    return ""


def _refuse(photograph: Photograph, reason: str, data: bytes, run: Run) -> str:
    """Record a refused photograph with its file and its reason, and give the reason."""
    run.add_attempt(
        photograph.step.key,
        "rejected",
        reason=reason,
        started_utc=photograph.started_utc,
        durations=photograph.durations,
        sha256=run.put_file(data),
    )
    return reason


def _picture(
    photograph: Photograph,
    suffix: str,
    data: bytes,
    shape: tuple[int, ...],
    hashes: list[str],
    corners: tuple[tuple[float, float], ...],
) -> Picture:
    step = photograph.step
    return Picture(
        picture=f"{step.key}|{suffix.lstrip('.')}",
        sha256=hashes[0],
        suffix=suffix,
        size=len(data),
        width=shape[1],
        height=shape[0],
        scene=step.scene,
        angle=step.angle,
        repeat=step.repeat,
        device=step.device,
        corners=corners,
        crop_sha256=hashes[1],
        thumb_sha256=hashes[2],
        attempt=photograph.attempt,
        taken_utc=photograph.started_utc,
    )


def _jpeg(rgb: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=CROP_QUALITY)
    return buffer.getvalue()
