"""The stock camera app of a virtual phone: a key takes a photograph, which is written into DCIM as the profile says."""

from __future__ import annotations

import asyncio
import logging
import posixpath
import random
import time
from collections.abc import Callable, Coroutine, Mapping

from device_agents.errors import KitError
from hostctl.virtual.phone_files import STORAGE
from hostctl.virtual.phone_profiles import PhoneProfile
from hostctl.virtual.phone_state import PhoneState

CAMERA_FOLDER = STORAGE + "/DCIM/Camera"
PIECES = 4  # a file that grows does so in this many writes
RAW_SUFFIXES = (".dng",)
PENDING_FOR_S = 7 * 24 * 3600  # MediaStore writes when the pending file expires into its name
Shoot = Callable[[], Mapping[str, bytes]]
LOG = logging.getLogger(__name__)


class CameraApp:
    """Takes one photograph at a time; keys that come while it is busy are lost, as on a phone.

    ``shoot`` gives the files of one photograph by suffix, for example {".jpg": ..., ".dng": ...}; it is called in a
    thread at the moment of exposure and decides by itself what the camera sees. ``problems`` collects what failed.
    """

    def __init__(self, *, shoot: Shoot, rng: random.Random) -> None:
        self.problems: list[str] = []
        self.shots = 0
        self._shoot = shoot
        self._rng = rng
        self._busy = False
        self._tasks: set[asyncio.Task[None]] = set()

    def key(self, phone: PhoneState, key: int) -> None:
        """Take a photograph if this is the shutter's key."""
        if key in phone.profile.shutter_keys and not self._busy:
            self._busy = True
            self.shots += 1
            self._start(self._photograph(phone, self.shots))

    async def stop(self) -> None:
        """Give up what is being written."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _photograph(self, phone: PhoneState, shot: int) -> None:
        try:
            await asyncio.sleep(self._rng.uniform(*phone.profile.shutter_lag_s))
            base = posixpath.join(CAMERA_FOLDER, _name(phone.clock()))
            files = await asyncio.to_thread(self._shoot)
            pictures, raws = _kept(files, phone.profile)
            for suffix, data in raws.items():
                self._start(self._write_raw(phone, base + suffix, data))
            for suffix, data in pictures.items():
                await self._write_picture(phone, base, suffix, data, shot)
        except (KitError, OSError) as problem:
            self._note(problem)
        finally:
            self._busy = False

    async def _write_picture(self, phone: PhoneState, base: str, suffix: str, data: bytes, shot: int) -> None:
        faults = phone.profile.faults
        names = [base + suffix]
        if faults.hit(shot):
            if faults.outside_name:
                phone.files.planted.setdefault(CAMERA_FOLDER, []).append(f"../../../../../evil{shot}{suffix}")
            if faults.no_new_file or faults.outside_name:
                return
            data = data[: len(data) * 3 // 5] if faults.truncated else data
            data = b"this is not a picture\n" * 100 if faults.not_an_image else data
            names += [f"{base}_BURST001{suffix}"] * faults.two_files
        for name in names:
            await _write(phone, name, data)

    async def _write_raw(self, phone: PhoneState, path: str, data: bytes) -> None:
        await asyncio.sleep(phone.profile.raw_delay_s)
        try:
            await _write(phone, path, data)
        except OSError as problem:
            self._note(problem)

    def _note(self, problem: Exception) -> None:
        self.problems.append(str(problem))
        LOG.warning("virtual camera: %s", problem)


async def _write(phone: PhoneState, path: str, data: bytes) -> None:
    """Write a file in the profile's way; for a while it is half there, unless the way is "whole"."""
    if phone.profile.writing == "whole":
        phone.files.write(path, data)
        return
    pending = phone.profile.writing == "pending"
    folder, name = posixpath.split(path)
    place = posixpath.join(folder, f".pending-{int(phone.clock()) + PENDING_FOR_S}-{name}") if pending else path
    phone.files.write(place, b"")
    size = -(-len(data) // PIECES) or 1
    for start in range(0, len(data), size):
        await asyncio.sleep(phone.profile.write_s / PIECES)
        phone.files.write(place, data[start : start + size], append=True)
    if pending:
        phone.files.move(place, path)


def _kept(files: Mapping[str, bytes], profile: PhoneProfile) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Split a photograph's files into pictures and the raws that this phone keeps, by suffix with its dot."""
    dotted = {"." + suffix.lower().lstrip("."): data for suffix, data in files.items()}
    raws = {suffix: data for suffix, data in dotted.items() if suffix in RAW_SUFFIXES and profile.keeps_raw}
    return {suffix: data for suffix, data in dotted.items() if suffix not in RAW_SUFFIXES}, raws


def _name(now: float) -> str:
    """Name a photograph by the phone's clock, to the millisecond: IMG_20261122_101530_042."""
    milliseconds = int(now * 1000)
    return time.strftime("IMG_%Y%m%d_%H%M%S", time.gmtime(milliseconds // 1000)) + f"_{milliseconds % 1000:03d}"
