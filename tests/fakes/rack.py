"""A rack without protocols: a display that keeps the painted frame, and cameras that save it as a JPEG on this machine.

Faults are scripted per device as a list, one entry a shot ("good" when it has run out); a script that was not used up
fails the test through `used_up`. A shot that "hangs" sees what is shown when its shutter's event `hung` is set.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from capture import screen
from device_agents.errors import CommandFailed, TimedOut, Unreachable
from device_agents.records import Scene
from hostctl.lab import DeviceSettings
from hostctl.labs.device import Device
from hostctl.labs.shutter import RemoteFile
from hostctl.transport import LocalTransport

LAYOUT = screen.layout_for(480, 640)


def picture_of(scene: str) -> np.ndarray:
    """A small picture that differs from scene to scene: a smooth gradient with its own colours."""
    rng = np.random.default_rng(sum(scene.encode()))
    low, high = rng.integers(40, 216, (2, 3))
    ramp = np.linspace(0, 1, 96)[None, :, None] * np.linspace(0.5, 1, 72)[:, None, None]
    return (low + (high.astype(float) - low) * ramp).astype(np.uint8)


def scenes(count: int) -> list[Scene]:
    """Scenes whose pictures exist only in picture_of."""
    return [Scene(f"s{n}", f"s{n}.png", f"{n:064x}", (f"label{n}",)) for n in range(count)]


BOX = screen.scene_box(72, 96, LAYOUT)


class Painted(NamedTuple):
    """Where the fake display says that the scene lies."""

    layout: screen.Layout
    box: screen.Box


@dataclass
class FakeDisplay:
    """Keeps what is painted; `late` stimuli are acknowledged while the former frame is still on the glass."""

    late: set[int] = field(default_factory=set)
    shown: list[int] = field(default_factory=list)
    frame: np.ndarray = field(default_factory=lambda: screen.ground_frame(LAYOUT))
    before: np.ndarray = field(default_factory=lambda: screen.ground_frame(LAYOUT))

    def show(self, scene, stimulus, *, next_scene=None, timeout_s):
        self.before = self.frame
        self.frame = screen.render_frame(picture_of(scene.scene), stimulus=stimulus, layout=LAYOUT).rgb
        self.shown.append(stimulus)
        return Painted(LAYOUT, BOX)

    @property
    def glass(self) -> np.ndarray:
        if self.shown and self.shown[-1] in self.late:
            self.late.remove(self.shown[-1])
            return self.before
        return self.frame


@dataclass
class FakeShutter:
    """Photographs the display into a folder, or does what the script says."""

    display: FakeDisplay
    folder: Path
    script: list[str] = field(default_factory=list)
    count: int = 0
    away: Callable[[], bool] = lambda: False
    hung: threading.Event = field(default_factory=threading.Event)
    prepared: int = 0
    released: int = 0

    def prepare(self) -> None:
        """Nothing to prepare, unless it is away."""
        self.prepared += 1
        if self.away():
            raise Unreachable("phone: still away")

    def release(self) -> None:
        """Nothing to restore."""
        self.released += 1

    def shoot(self, *, timeout_s: float) -> list[RemoteFile]:
        self.count += 1
        fault = self.script.pop(0) if self.script else "good"
        if fault == "hangs" and not self.hung.wait(timeout_s):
            raise TimedOut(f"phone: no answer within {timeout_s:g} s")
        if fault == "unreachable":
            raise Unreachable("phone: no answer")
        if fault == "no file":
            raise CommandFailed("phone: expected a new file, got none")
        data = _jpeg(self.display.glass)
        if fault == "truncated":
            data = data[: len(data) // 2]
        if fault == "not a picture":
            data = b"hello"
        if fault == "torn":
            torn = self.display.glass.copy()
            torn[240:] = self.display.before[240:]
            data = _jpeg(torn)
        path = self.folder / f"IMG_{self.count:04}.jpg"
        path.write_bytes(data)
        return [RemoteFile(str(path), len(data))]

    def used_up(self) -> bool:
        return not self.script


def _jpeg(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def device(name: str, display: FakeDisplay, folder: Path, script: list[str] | None = None) -> Device:
    """A device of the fake rack."""
    home = folder / name
    home.mkdir(parents=True)
    shutter = FakeShutter(display, home, script or [])
    return Device(DeviceSettings(name=name, kind="local", camera="fake"), LocalTransport(name), shutter, dict)
