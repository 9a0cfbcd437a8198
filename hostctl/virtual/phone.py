"""VirtualPhone: an Android phone with a stock camera app that speaks the real ADB protocol on a loopback port."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from hostctl.virtual.adb_services import Ports, services
from hostctl.virtual.adb_stream import Stream
from hostctl.virtual.adb_sync import serve_sync
from hostctl.virtual.adbd import Daemon
from hostctl.virtual.camera_app import CameraApp, Shoot
from hostctl.virtual.faults import Fault
from hostctl.virtual.phone_commands import Result
from hostctl.virtual.phone_events import befall, from_the_start
from hostctl.virtual.phone_files import PhoneFiles
from hostctl.virtual.phone_profiles import FAULTS, PHONES, Faults, PhoneProfile
from hostctl.virtual.phone_shell import run_line
from hostctl.virtual.phone_state import Agent, PhoneState

__all__ = ["FAULTS", "PHONES", "Faults", "PhoneProfile", "VirtualPhone"]

BANNER_PROPERTIES = ("ro.product.name", "ro.product.model", "ro.product.device")


class VirtualPhone:
    """A phone made from a profile; ``start`` and ``stop`` belong to one running asyncio loop.

    ``shoot`` gives the files of one photograph by suffix and is called in a thread at the moment of exposure.
    ``agent`` runs the words after "python" on a Termux phone (a word that is a path of the phone is given as its place
    on this machine) and gives standard output, standard error and the exit status. ``root`` is the folder for the
    phone's files; without it they live in a temporary folder until ``stop``. ``now`` is true time in seconds since
    1970; the phone's own clock is off by its profile's fault. ``seed`` decides serial number and shutter lag.
    """

    def __init__(
        self,
        profile: PhoneProfile,
        *,
        shoot: Shoot,
        now: Callable[[], float] = time.time,
        seed: int = 0,
        agent: Agent | None = None,
        root: Path | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="phone-") if root is None else None
        folder = root or Path(self._temporary.name if self._temporary else "")
        folder.mkdir(parents=True, exist_ok=True)
        profile = from_the_start(profile)
        faults = profile.faults

        def clock() -> float:
            return now() + faults.clock_offset_s

        self.profile = profile
        self.camera = CameraApp(shoot=shoot, rng=random.Random(seed), strike=self._strike)
        self.ports = Ports()
        self._returning: list[asyncio.Task[None]] = []
        self.files = PhoneFiles(folder, capacity=0 if faults.full_disk else profile.capacity, now=clock)
        self.state = PhoneState(
            profile, f"KIT{profile.device.upper()}{seed:04d}", self.files, clock, on_key=self._key, agent=agent
        )
        banner = "device::" + "".join(f"{key}={self.state.properties[key]};" for key in BANNER_PROPERTIES)
        features = ",".join(profile.link.features)
        offered = {"sync": self._sync, **services(self._run_line, self.ports)}
        self.daemon = Daemon(
            profile.link, banner=banner + (f"features={features}" if features else ""), services=offered
        )

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that the phone listens on; 0 before it is started."""
        return self.daemon.port

    async def start(self, port: int = 0) -> None:
        """Switch the phone on: listen on a port, 0 for any free one."""
        await self.daemon.start(port)
        await self._strike([fault for fault in self.profile.plan if not fault.at_shot])

    async def stop(self) -> None:
        """Switch the phone off and remove its temporary files."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        await self.camera.stop()
        await self.ports.close_all()
        await self.daemon.stop()
        if self._temporary:
            self._temporary.cleanup()

    async def _strike(self, faults: Sequence[Fault]) -> bool:
        return await befall(self.state, self.daemon, faults, self._returning)

    def _key(self, key: int) -> None:
        self.camera.key(self.state, key)

    def _run_line(self, line: str) -> AsyncIterator[Result]:
        return run_line(self.state, line)

    async def _sync(self, stream: Stream, name: str) -> None:
        await serve_sync(stream, self.files)
