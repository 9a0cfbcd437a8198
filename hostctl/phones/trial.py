"""Tries a phone's camera: which key, folder and formats it has, whether its files are whole, how long it takes."""

from __future__ import annotations

import posixpath
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.raw import read_raw
from device_agents.decode import DECODERS, open_image
from device_agents.errors import BadInput, CommandFailed, DeviceError
from device_agents.hashing import hash_file
from device_agents.preprocess import FAILURES
from hostctl.labs.shutter import RemoteFile
from hostctl.phones.profiles import CameraProfile, odd_name
from hostctl.phones.remote_folder import check_plain, file_format, listed_sizes
from hostctl.phones.stock_camera import NoPhotograph, StockCamera, remote_sha256
from hostctl.transport import Transport

COMMAND_TIMEOUT_S = 15.0
TRIAL_S = 8.0  # how long a key may take to bring a file
RAW_AFTER_S = 2.5  # how long after a picture its raw may begin to come
SHOTS = 3  # photographs with the key that works, to see that it does so again and how long it takes
POLL_S = 0.1
KINDS = ("jpg", "heic", "png", "dng")  # the picture that is taken where several come, and the raw
LONGEST = 100  # characters of what a file's metadata says that are told


@dataclass(frozen=True)
class Trial:
    """What works on a phone; ``seconds`` from the key to whole files, one for each of the photographs."""

    key: str
    folder: str
    formats: tuple[str, ...]
    seconds: tuple[float, ...]
    files: tuple[RemoteFile, ...]

    @property
    def shutter_s(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)


def try_camera(
    transport: Transport,
    profile: CameraProfile,
    *,
    name: str,
    keys: Sequence[str],
    formats: Sequence[str],
    open_camera: Callable[[], None],
    say: Callable[[str], None],
    trial_s: float = TRIAL_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Trial:
    """Press the keys in order until one brings a photograph, again and again.

    ``open_camera`` brings the camera in front; a key that is not the shutter's may have left it. ``formats`` are those
    each photograph must bring; none: what the first one brings. Raises DeviceError naming the
    keys if none works.
    """
    tried = []
    for key in keys:
        say(f"trying {key}")
        open_camera()
        found = _first(transport, profile, key, name, trial_s, clock, sleep)
        tried.append(key)
        if found is None:
            continue
        folder, kinds = found
        camera = StockCamera(
            transport, key=key, folder=folder, formats=formats or kinds, name=name, clock=clock, sleep=sleep
        )
        try:
            seconds, files = _timed(camera, trial_s + RAW_AFTER_S, clock)
        except NoPhotograph:
            if formats and not set(map(file_format, formats)) <= set(kinds):
                raise  # the key works; its reason says which format is missing
            continue
        return Trial(key, folder, tuple(formats or kinds), seconds, files)
    raise DeviceError(
        f"{name}: expected one of the keys {', '.join(tried)} to take a photograph, none brought a file into "
        f"{' or '.join(profile.folders)} within {trial_s:g} s; {profile.advice}; or give --key"
    )


def check_file(transport: Transport, file: RemoteFile, profile: CameraProfile, *, name: str) -> dict[str, Any]:
    """Pull a photograph, compare hashes, decode it whole; its row: name, format, bytes, size, camera, problem, note.

    Raises DeviceError if the phone fails.
    """
    row: dict[str, Any] = {"name": posixpath.basename(file.path), "format": file_format(file.path), "bytes": file.size}
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "photograph"
        transport.pull(file.path, local)
        if remote_sha256(transport, file.path) != hash_file(local):
            raise CommandFailed(f"{name}: {file.path}: expected the same sha256 here as on the phone, got another")
        data = local.read_bytes()
    raw = row["format"] == "dng"
    try:
        height, width = read_raw(data).mosaic.shape[:2] if raw else DECODERS["pillow"](data).shape[:2]
        row |= {"width": int(width), "height": int(height), "camera": "" if raw else _camera(data), "problem": ""}
    except (*FAILURES, BadInput) as problem:
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        row |= {"width": None, "height": None, "camera": "", "problem": f"not a whole picture: {first}"}
    return row | {"note": odd_name(profile, row["name"])}


def _first(
    transport: Transport,
    profile: CameraProfile,
    key: str,
    name: str,
    trial_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[str, tuple[str, ...]] | None:
    """Press a key once; give the folder and the formats of what comes, the picture first; None if nothing does."""
    before = {folder: frozenset(_sizes(transport, folder, name)) for folder in profile.folders}
    transport.run(["input", "keyevent", *key.split()], timeout_s=COMMAND_TIMEOUT_S)
    former: dict[str, int] = {}
    settled: float | None = None
    end = clock() + trial_s
    while clock() < end:
        sleep(POLL_S)
        for folder, old in before.items():
            fresh = _fresh(transport, folder, name, old)
            if not fresh:
                continue
            if fresh == former and all(fresh.values()):
                settled = clock() if settled is None else settled
                if clock() - settled >= RAW_AFTER_S:
                    return folder, _kinds(fresh)
            else:
                former, settled = fresh, None
                end = max(end, clock() + trial_s)
            break
    return None


def _fresh(transport: Transport, folder: str, name: str, before: Collection[str]) -> dict[str, int]:
    fresh = {one: size for one, size in _sizes(transport, folder, name).items() if one not in before}
    for one in fresh:
        check_plain(one, folder=folder, device=name)
    return {one: size for one, size in fresh.items() if file_format(one) in KINDS}


def _sizes(transport: Transport, folder: str, name: str) -> dict[str, int]:
    """The folder's files; one that is not there has none."""
    return listed_sizes(transport.run(["ls", "-l", folder + "/"], timeout_s=COMMAND_TIMEOUT_S).text, device=name)


def _kinds(fresh: Collection[str]) -> tuple[str, ...]:
    """One format of picture and, if it came, the raw; the key must bring these every time."""
    kinds = {file_format(one) for one in fresh}
    pictures = [one for one in KINDS if one in kinds and one != "dng"]
    return (*pictures[:1], *(["dng"] if "dng" in kinds else []))


def _timed(
    camera: StockCamera, limit_s: float, clock: Callable[[], float]
) -> tuple[tuple[float, ...], tuple[RemoteFile, ...]]:
    """Take SHOTS photographs; the seconds of each, and the files of the last."""
    seconds, files = [], []
    for _ in range(SHOTS):
        started = clock()
        files = camera.shoot(timeout_s=limit_s)
        seconds.append(clock() - started)
    return tuple(seconds), tuple(files)


def _camera(data: bytes) -> str:
    """Maker and model as the file's metadata tell them, "" if they do not or are damaged."""
    try:
        with open_image(data) as image:
            exif = image.getexif()
        said = " ".join(str(exif.get(tag, "")).strip("\x00 ") for tag in (0x010F, 0x0110)).strip()
    except FAILURES:  # the pixels were decoded; a camera that writes bad metadata is still a camera
        return ""
    return "".join(one for one in said if one.isprintable())[:LONGEST]
