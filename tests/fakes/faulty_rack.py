"""A session with the real runner, the real adb and virtual phones and boards, whose cameras see a fake display.

`check` holds for every fault: what was accepted shows the right frame and is there once, what is not there is listed,
and the device without faults took all its photographs at the first attempt.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.store import Run
from capture import screen
from capture.raw import RAW_SUFFIXES, read_raw
from device_agents.decode import DECODERS
from device_agents.errors import DeviceError
from device_agents.records import Scene
from hostctl.adb import AdbServer, AdbTransport
from hostctl.lab import DeviceSettings, SessionSettings
from hostctl.labs.device import Device, connect
from hostctl.labs.shutter import RemoteFile, Shutter
from hostctl.plans import sweep
from hostctl.runner import Session, run_session
from hostctl.virtual.board import BoardFaults, VirtualBoard, make_key
from hostctl.virtual.fault_proxy import FaultProxy, of_faults
from hostctl.virtual.faults import Fault
from hostctl.virtual.hosting import serving
from hostctl.virtual.phone import PHONES, PhoneProfile, VirtualPhone
from tests.fakes.rack import BOX, LAYOUT, FakeDisplay, _jpeg, scenes
from tests.fakes.raws import raw_of, write_dng

SHOOT_TIMEOUT_S = 1.2  # of the device that is expected to fail
GOOD_TIMEOUT_S = 30.0
Made = VirtualPhone | VirtualBoard


class PacedDisplay(FakeDisplay):
    """A fake display that takes its time."""

    pace_s = 0.0

    def show(self, scene, stimulus, *, next_scene=None, timeout_s):  # type: ignore[no-untyped-def]
        """Show a scene after a while."""
        time.sleep(self.pace_s)
        return super().show(scene, stimulus, next_scene=next_scene, timeout_s=timeout_s)


@dataclass(frozen=True)
class Impatient:
    """A shutter with a time limit of its own, so that the good device may take longer on a busy machine."""

    inner: Shutter
    limit_s: float

    def prepare(self) -> None:
        """Prepare the shutter."""
        self.inner.prepare()

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        """Take a photograph within the own limit."""
        return self.inner.shoot(timeout_s=self.limit_s)

    def release(self) -> None:
        """Release the shutter."""
        self.inner.release()


class FaultyRack:
    """One run with a faulty device and a good phone; ``sit`` does one session of it, with or without the faults."""

    def __init__(self, folder: Path, server: AdbServer, *, count: int = 4, name: str = "faulty") -> None:
        self.folder, self.server, self.name = folder, server, name
        self.display, self.raw = PacedDisplay(), False
        self.scenes: list[Scene] = scenes(count)
        self.run = Run.create(folder / "run", settings={"seed": 1}, scenes=self.scenes)
        names = [one.scene for one in self.scenes]
        self.steps = list(sweep(names, angles=(0,), repeats=1, devices=[name, "good"], seed=1))
        self.run.add_steps(self.steps)
        self.unreached: dict[str, str] = {}
        self.sessions = 0

    def shoot(self) -> Mapping[str, bytes]:
        """What every camera of the rack gives: the painted frame, as a picture and as a raw."""
        glass = self.display.glass
        return {".jpg": _jpeg(glass)} | ({".dng": write_dng(raw_of(glass))} if self.raw else {})

    def sit(
        self,
        *faults: Fault,
        profile: PhoneProfile = PHONES["instant"],
        board: bool = False,
        raw: bool = False,
        attempts: int = 3,
        timeout_s: float = SHOOT_TIMEOUT_S,
        pace_s: float = 0.0,
        stall_s: float = 0.0,
        patience_s: float = 0.0,
        health_every_s: float = 0.0,
        rest_s: float = 30.0,
        during: Callable[[Session, Sequence[Made]], None] = lambda session, made: None,
    ) -> Session:
        """Take the photographs that are missing; devices that cannot be reached or prepared are in ``unreached``."""
        self.sessions += 1
        self.raw = raw
        home = self.folder / f"session{self.sessions}"
        (home / "spool").mkdir(parents=True)
        self.run.renew_attempts()
        with contextlib.ExitStack() as stack:
            formats = ("jpg", "dng") if raw else ("jpg",)
            own = [fault for fault in faults if not fault.kind.startswith("link-")]
            key = home / "key"
            if board:
                public = make_key(key)
                faulty: Made = VirtualBoard(
                    self.folder / "board", self.shoot, authorised_keys=[public], faults=BoardFaults(plan=tuple(own))
                )
            else:
                chosen = replace(profile, plan=tuple(own), keeps_raw=raw)
                faulty = VirtualPhone(chosen, shoot=self.shoot, root=self.folder / "phone")
            good = VirtualPhone(PHONES["instant"], shoot=self.shoot, seed=1, root=self.folder / "good")
            ports = stack.enter_context(serving([faulty, good]))
            script = of_faults(faults)
            if script:
                (ports[0],) = stack.enter_context(serving([FaultProxy(lambda port=ports[0]: port, script)]))
            if isinstance(faulty, VirtualBoard):
                hosts = home / "known_hosts"
                hosts.write_text(faulty.known_hosts_at(ports[0]) + "\n")
                settings = DeviceSettings(
                    self.name, "ssh", host="127.0.0.1", port=ports[0], user=faulty.user, key=str(key),
                    known_hosts=str(hosts), camera="rpicam", formats=formats,
                )  # fmt: skip
            else:
                settings = DeviceSettings(self.name, "adb", address=f"127.0.0.1:{ports[0]}", formats=formats)
            wanted = [settings, DeviceSettings("good", "adb", address=f"127.0.0.1:{ports[1]}")]
            devices = [
                one if one.name == "good" else replace(one, shutter=Impatient(one.shutter, timeout_s))
                for one in self._ready(stack, wanted, home, stall_s)
            ]
            self.display.pace_s = pace_s
            session = Session(
                run=self.run,
                scenes={one.scene: one for one in self.scenes},
                devices=devices,
                display=self.display,
                settings=SessionSettings(
                    attempts=attempts,
                    shoot_timeout_s=GOOD_TIMEOUT_S,
                    patience_s=patience_s,
                    health_every_s=health_every_s,
                    rest_s=rest_s,
                ),
                spool=home / "spool",
                display_timeout_s=10.0,
            )
            during(session, [faulty, good])
            names = {device.name for device in devices}
            run_session(session, [step for step in self.run.steps_missing() if step.device in names])
            assert not list((home / "spool").iterdir())
        return session

    def _ready(
        self, stack: contextlib.ExitStack, wanted: Sequence[DeviceSettings], home: Path, stall_s: float
    ) -> list[Device]:
        """Connect and prepare as a sitting does: what fails is listed."""
        ready = []
        for settings in wanted:
            try:
                device = connect(settings, server=self.server, folder=home)
                stack.callback(device.transport.close)
                if stall_s and isinstance(device.transport, AdbTransport):
                    device.transport._stall_timeout_s = stall_s
                stack.callback(_released, device)
                device.shutter.prepare()
            except DeviceError as problem:
                self.unreached[settings.name] = str(problem)
            else:
                ready.append(device)
        return ready

    def attempts(self, device: str) -> list[tuple[str, str]]:
        """Status and reason of each attempt of a device, in their order."""
        table = self.run.attempts()
        return [(row.status, row.reason) for row in table.itertuples() if row.step.split("|")[3] == device]

    def accepted(self, device: str) -> int:
        """How many steps of a device have a photograph."""
        return len({one.scene for one in self.run.picture_records({"device": device})})

    def check(self, *, raw: bool = False) -> None:
        """What holds whatever went wrong; see the module."""
        by_scene = {step.scene: step.stimulus for step in self.steps}
        records = list(self.run.picture_records())
        assert len({one.picture for one in records}) == len(records)
        for record in records:
            data = self.run.file(record.sha256).read_bytes()
            assert len(data) == record.size
            proof = screen.read_proof(_seen(data, record.suffix), layout=LAYOUT, box=BOX)
            assert (proof.stimulus_top, proof.stimulus_bottom) == (by_scene[record.scene],) * 2, record
        done = {(one.scene, one.device) for one in records if one.suffix not in RAW_SUFFIXES}
        missing = {(step.scene, step.device) for step in self.run.steps_missing(10**6)}
        assert not done & missing
        assert done | missing == {(step.scene, step.device) for step in self.steps}
        assert self.attempts("good") == [("ok", "")] * len(self.scenes)
        assert self.accepted("good") == len(self.scenes)
        assert len(records) == len(done) + (self.accepted(self.name) if raw else 0)


def _released(device: Device) -> None:
    with contextlib.suppress(DeviceError):
        device.shutter.release()


def _seen(data: bytes, suffix: str) -> np.ndarray:
    """The picture in a file; of a raw its green cells, spread out."""
    if suffix not in RAW_SUFFIXES:
        return DECODERS["pillow"](data)
    mosaic = read_raw(data).mosaic.astype(float)
    green = np.clip((mosaic - 64) / (4095 - 64), 0, 1) ** (1 / 2.2) * 255
    green[::2, ::2], green[1::2, 1::2] = green[::2, 1::2], green[1::2, ::2]
    return np.repeat(green.astype(np.uint8)[..., None], 3, axis=2)


@contextmanager
def faulty_rack(folder: Path, server: AdbServer, **options: object) -> Iterator[FaultyRack]:
    """A rack whose run is closed in the end, and that leaves no thread of a transport behind."""
    before = threading.active_count()
    rack = FaultyRack(folder, server, **options)  # type: ignore[arg-type]
    try:
        yield rack
    finally:
        rack.run.close()
    assert threading.active_count() <= before + 1
