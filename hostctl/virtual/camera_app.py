"""The stock camera app of a virtual phone: a key takes a photograph, which is written into DCIM as the profile says."""

from __future__ import annotations

import asyncio
import logging
import posixpath
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

from device_agents.errors import KitError
from hostctl.virtual.faults import Fault, hitting, tell
from hostctl.virtual.phone_files import STORAGE
from hostctl.virtual.phone_profiles import Faults, PhoneProfile
from hostctl.virtual.phone_state import PhoneState

CAMERA_FOLDER = STORAGE + "/DCIM/Camera"
PIECES = 4  # a file that grows does so in this many writes
RAW_SUFFIXES = (".dng",)
PENDING_FOR_S = 7 * 24 * 3600  # MediaStore writes when the pending file expires into its name
FLAGS = {
    name: name.replace("-", "_") for name in ("no-new-file", "truncated", "not-an-image", "two-files", "outside-name")
}
Shoot = Callable[[], Mapping[str, bytes]]
Strike = Callable[[Sequence[Fault]], Awaitable[bool]]
LOG = logging.getLogger(__name__)


class CameraApp:
    """Takes one photograph at a time; keys that come while it is busy are lost, as on a phone.

    ``shoot`` gives the files of one photograph by suffix, for example {".jpg": ..., ".dng": ...}; it is called in a
    thread at the moment of exposure and decides by itself what the camera sees. ``strike`` lets faults befall the phone
    and says whether its camera can still take the photograph. ``problems`` collects what failed.
    """

    def __init__(self, *, shoot: Shoot, rng: random.Random, strike: Strike | None = None) -> None:
        self.problems: list[str] = []
        self.shots = 0
        self._shoot = shoot
        self._rng = rng
        self._strike = strike
        self._former: Mapping[str, bytes] = {}
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
        plan = hitting(phone.profile.plan, shot)
        tell(phone.serial, plan, shot)
        try:
            struck = [fault for fault in plan.values() if fault.at_shot == shot]
            if self._strike and not await self._strike(struck):
                return
            await asyncio.sleep(self._rng.uniform(*phone.profile.shutter_lag_s))
            now = phone.clock()
            phone.note("CameraApp", f"shot {shot}: exposure")
            names = phone.files.names(CAMERA_FOLDER)
            base = posixpath.join(CAMERA_FOLDER, _name(phone.profile.picture_name, now, names))
            raw_base = posixpath.join(CAMERA_FOLDER, _name(phone.profile.raw_name, now, names))
            files = await asyncio.to_thread(self._shoot)
            if "previous-frame" in plan and self._former:
                files, self._former = self._former, files
            else:
                self._former = files
            pictures, raws = _kept(files, phone.profile)
            for suffix, data in raws.items():
                self._start(self._write_raw(phone, raw_base + suffix, data, plan))
            for suffix, data in pictures.items():
                write = self._write_picture(phone, base, suffix, data, _kinds(phone.profile.faults, shot) | set(plan))
                if "late-file" in plan:
                    self._start(self._later(plan["late-file"].seconds, write))
                elif "half-written" in plan:
                    write.close()
                    self._start(self._write_halves(phone, base + suffix, data, plan["half-written"].seconds))
                else:
                    await write
        except (KitError, OSError) as problem:
            phone.note("CameraApp", f"shot {shot} failed: {problem}")
            self._note(problem)
        finally:
            self._busy = False

    async def _write_picture(self, phone: PhoneState, base: str, suffix: str, data: bytes, kinds: set[str]) -> None:
        if "outside-name" in kinds:
            phone.files.planted.setdefault(CAMERA_FOLDER, []).append(f"../../../../../evil{self.shots}{suffix}")
        if kinds & {"no-new-file", "outside-name"}:
            return
        data = data[: len(data) * 3 // 5] if "truncated" in kinds else data
        data = b"this is not a picture\n" * 100 if "not-an-image" in kinds else data
        if "two-files" in kinds:
            await _write_together(phone, (base + suffix, f"{base}_BURST001{suffix}"), data)
        else:
            await _write(phone, base + suffix, data)

    async def _later(self, seconds: float, write: Coroutine[None, None, None]) -> None:
        """Write after some time, while the camera goes on."""
        try:
            await asyncio.sleep(seconds)
            await write
        except OSError as problem:
            self._note(problem)
        finally:
            write.close()  # where nobody waited for it

    async def _write_halves(self, phone: PhoneState, path: str, data: bytes, seconds: float) -> None:
        """Write the first half under the final name, and the rest after some time, if ever (0)."""
        half = len(data) // 2
        try:
            phone.files.write(path, data[:half])
            if seconds:
                await asyncio.sleep(seconds)
                phone.files.write(path, data[half:], append=True)
        except OSError as problem:
            self._note(problem)

    async def _write_raw(self, phone: PhoneState, path: str, data: bytes, plan: Mapping[str, Fault]) -> None:
        late_s = plan["late-raw"].seconds if "late-raw" in plan else 0.0
        data = data[: len(data) * 3 // 5] if "truncated-raw" in plan else data
        await asyncio.sleep(phone.profile.raw_delay_s + late_s)
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
    if phone.profile.writing == "pending":
        await _write_together(phone, (path,), data)
    else:
        await _write_slowly(phone, path, data)


async def _write_together(phone: PhoneState, paths: Sequence[str], data: bytes) -> None:
    """Write files under pending names, and give them their own at one moment: nobody can see one without the others."""
    pending = []
    for path in paths:
        folder, name = posixpath.split(path)
        pending.append(posixpath.join(folder, f".pending-{int(phone.clock()) + PENDING_FOR_S}-{name}"))
        await _write_slowly(phone, pending[-1], data)
    for place, path in zip(pending, paths, strict=True):
        phone.files.move(place, path)


async def _write_slowly(phone: PhoneState, path: str, data: bytes) -> None:
    phone.files.write(path, b"")
    size = -(-len(data) // PIECES) or 1
    for start in range(0, len(data), size):
        await asyncio.sleep(phone.profile.write_s / PIECES)
        phone.files.write(path, data[start : start + size], append=True)


def _kinds(faults: Faults, shot: int) -> set[str]:
    """The kinds of virtual.faults that the flags of a phone's own faults stand for at this shot."""
    return {name for name, flag in FLAGS.items() if getattr(faults, flag)} if faults.hit(shot) else set()


def _kept(files: Mapping[str, bytes], profile: PhoneProfile) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Split a photograph's files into pictures and the raws that this phone keeps, by suffix with its dot."""
    dotted = {"." + suffix.lower().lstrip("."): data for suffix, data in files.items()}
    raws = {suffix: data for suffix, data in dotted.items() if suffix in RAW_SUFFIXES and profile.keeps_raw}
    return {suffix: data for suffix, data in dotted.items() if suffix not in RAW_SUFFIXES}, raws


def _name(form: str, now: float, taken: Sequence[str]) -> str:
    """Name a photograph by the phone's clock, IMG_20261122_101530_042, with "(0)" behind a name that is taken."""
    milliseconds = int(now * 1000)
    moment = time.strftime("%Y%m%d_%H%M%S", time.gmtime(milliseconds // 1000))
    name = form.format(time=moment, ms=f"{milliseconds % 1000:03d}")
    stems = {one.rsplit(".", 1)[0] for one in taken}
    return name if name not in stems else next(free for i in range(1000) if (free := f"{name}({i})") not in stems)
