"""A lab opened for work: its display server, its virtual rack if it has one, and its devices, all connected."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device_agents.errors import KitError
from device_agents.records import Scene
from hostctl.device import Device, connect, located
from hostctl.lab import DeviceSettings, Lab

if TYPE_CHECKING:
    from flask import Blueprint

    from capture.display import DisplayServer
    from hostctl.adb import AdbServer
    from hostctl.virtual.rack import Rack


SCREEN_S, VIRTUAL_SCREEN_S = 600.0, 60.0  # how long to wait for a person to open the page, and for a program


@dataclass(frozen=True)
class Laboratory:
    """What a session works with; ``failures`` says for each device that could not be reached why."""

    display: DisplayServer
    devices: Sequence[Device]
    failures: Mapping[str, str]
    rack: Rack | None


def state_folder() -> Path:
    """Where the kit keeps what outlives a run, such as its private ADB keys: XDG_DATA_HOME/instability-kit."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "instability-kit"


def display_server(
    lab: Lab,
    *,
    port: int,
    scenes: Mapping[str, Scene] | None = None,
    blueprints: Sequence[Blueprint] = (),
    guests: Mapping[str, str] | None = None,
) -> DisplayServer:
    """Make a lab's display server, not started yet.

    ``scenes`` are those that devices may ask for, if the lab lets them. ``blueprints`` and ``guests`` add pages; see
    capture.display.create_app.
    """
    from capture.display import DisplayServer

    return DisplayServer(
        host=lab.display.host,
        port=port,
        settle_ms=lab.display.settle_ms,
        scenes=scenes if lab.display.device_requests else None,
        blueprints=blueprints,
        guests=guests,
    )


@contextlib.contextmanager
def opened(
    lab: Lab,
    *,
    folder: Path,
    waiting: Callable[[str], None] | None,
    names: Sequence[str] | None = None,
    display: DisplayServer | None = None,
) -> Iterator[Laboratory]:
    """Open a lab: start its display and rack, wait for a screen, connect its devices (or those named).

    ``folder`` holds the lab's files while it is open. ``waiting`` is told the address to open on the screen; None if
    no screen is needed. ``display`` is the lab's display server if it is running already. Devices that cannot be
    reached are listed, not raised. Raises KitError if the display or the rack does not start.
    """
    with contextlib.ExitStack() as stack:
        if display is None:
            display = stack.enter_context(display_server(lab, port=lab.display.port))
        rack = stack.enter_context(_rack(lab, display, folder)) if lab.virtual else None
        if waiting is not None:
            if not lab.virtual:
                waiting(f"open {display.url} on the screen, in full screen; waiting for it")
            display.wait_for_screen(timeout_s=VIRTUAL_SCREEN_S if lab.virtual else SCREEN_S)
        wanted = [device for device in lab.devices if names is None or device.name in names]
        if rack:
            wanted = [located(device, rack.addresses) for device in wanted]
        server = (
            stack.enter_context(_adb_server(lab, folder)) if any(device.kind == "adb" for device in wanted) else None
        )
        devices, failures = _connect_all(wanted, server, folder)
        for device in devices:
            stack.callback(device.transport.close)
        yield Laboratory(display, devices, failures, rack)


def _rack(lab: Lab, display: DisplayServer, folder: Path) -> Rack:
    from hostctl.virtual.rack import Rack

    return Rack(lab, url=display.url, folder=folder)


def _adb_server(lab: Lab, folder: Path) -> AdbServer:
    """The session's private ADB server; real phones remember its key, so that is kept for all labs of this user."""
    from hostctl.adb import AdbServer

    usb = any(device.serial for device in lab.devices)
    return AdbServer(folder / "adb" if lab.virtual else state_folder() / "adb", usb=usb)


def _connect_all(
    wanted: Sequence[DeviceSettings], server: AdbServer | None, folder: Path
) -> tuple[list[Device], dict[str, str]]:
    failures: dict[str, str] = {}

    def attempt(settings: DeviceSettings) -> Device | None:
        try:
            device = connect(settings, server=server, folder=folder)
        except KitError as problem:
            failures[settings.name] = str(problem)
            return None
        return device

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return [device for device in pool.map(attempt, wanted) if device], failures
