"""A lab opened for work: its display server, its virtual rack if it has one, and its devices, all connected."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from device_agents.errors import KitError
from hostctl.browsers.joining import joining_text, open_on_phones
from hostctl.lab import DeviceSettings, Lab
from hostctl.labs.device import Device, Page, connect, located
from hostctl.labs.display import LabDisplay

if TYPE_CHECKING:
    from hostctl.adb import AdbServer
    from hostctl.virtual.rack import Rack


# How long to wait for a person to open the screen's page and then the devices' pages, and for a program.
SCREEN_S, PAGE_S, VIRTUAL_SCREEN_S = 600.0, 180.0, 60.0


@dataclass(frozen=True)
class Laboratory:
    """What a session works with; ``failures`` says for each device that could not be reached why."""

    display: LabDisplay
    devices: Sequence[Device]
    failures: Mapping[str, str]
    rack: Rack | None


def state_folder() -> Path:
    """Where the kit keeps what outlives a run, such as its private ADB keys: XDG_DATA_HOME/instability-kit."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "instability-kit"


@contextlib.contextmanager
def opened(
    lab: Lab,
    *,
    folder: Path,
    waiting: Callable[[str], None] | None,
    names: Sequence[str] | None = None,
    display: LabDisplay | None = None,
    said: Callable[[str], None] | None = None,
) -> Iterator[Laboratory]:
    """Open a lab: start its display and rack, wait for a screen, connect its devices (or those named).

    ``folder`` holds the lab's files while it is open. ``waiting`` is told the address to open on the screen; None if
    no screen is needed. ``said`` is told the address to open on each browser device (default: standard error shows
    it). ``display`` is the lab's display server if it is running already. Devices that cannot be reached, such as a
    page that nobody opens, are listed, not raised. Raises KitError if the display or the rack does not start, or a
    tablet that is the screen cannot be held steady.
    """
    wanted = [device for device in lab.devices if names is None or device.name in names]
    told = said or partial(print, file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        if lab.virtual:
            stack.callback(_forget_keys, folder)
        if display is None:
            display = stack.enter_context(LabDisplay(lab, folder=folder, port=lab.display.port))
        for device in wanted:
            if device.kind == "web":
                told(f"open {display.pages[device.name].address} on {device.name}, and leave the page open")
        if sys.stderr.isatty() and any(device.kind == "web" for device in wanted):
            print(joining_text(display), file=sys.stderr, flush=True)  # for eyes only: there are tokens in it
        server = None
        if waiting is not None and lab.display.tablet:
            server = stack.enter_context(_adb_server(lab, folder))
            stack.enter_context(_tablet(lab, server))
        rack = stack.enter_context(_rack(lab, display, folder, wanted)) if lab.virtual else None
        if waiting is not None:
            if not lab.virtual:
                waiting(f"open {display.url} on the screen, in full screen; waiting for it")
            display.wait_for_screen(timeout_s=VIRTUAL_SCREEN_S if lab.virtual else SCREEN_S)
        pages = {
            one.name: Page(display.pages[one.name], reopen=one.virtual, timeout_s=_patience_s(one))
            for one in wanted
            if one.in_page
        }
        if rack:
            wanted = [located(device, rack.addresses) for device in wanted]
        cables = _cables(wanted, display)
        if server is None and (cables or any(device.kind == "adb" for device in wanted)):
            server = stack.enter_context(_adb_server(lab, folder))
        if server and cables:
            for problem in stack.enter_context(open_on_phones(server, cables)).values():
                told(problem)
        devices, failures = _connect_all(wanted, server, folder, pages)
        for one in devices:
            stack.callback(one.transport.close)
        yield Laboratory(display, devices, failures, rack)


def _forget_keys(folder: Path) -> None:
    """Remove the private keys by which a virtual rack's devices were reached; a run keeps no secret, not even these."""
    for key in (folder / "adb" / ".android" / "adbkey", folder / "board_key"):
        key.unlink(missing_ok=True)


def _cables(wanted: Sequence[DeviceSettings], display: LabDisplay) -> dict[str, tuple[str, str]]:
    """The phones whose page opens through their cable: each name with its serial or address and the page's here."""
    return {
        device.name: (device.serial or device.address, display.page_url_here(device.name))
        for device in wanted
        if device.kind == "web" and (device.serial or device.address)
    }


def _patience_s(device: DeviceSettings) -> float:
    return VIRTUAL_SCREEN_S if device.virtual else PAGE_S


def _rack(lab: Lab, display: LabDisplay, folder: Path, wanted: Sequence[DeviceSettings]) -> Rack:
    from hostctl.virtual.rack import Rack

    pages = {device.name: display.page_url_here(device.name) for device in wanted if device.in_page and device.virtual}
    return Rack(lab, url=display.local_url, folder=folder, pages=pages)


def _tablet(lab: Lab, server: AdbServer) -> contextlib.AbstractContextManager[None]:
    from hostctl.phones.display_tablet import display_tablet

    return display_tablet(server, lab.display.tablet, brightness=lab.display.brightness, state=state_folder())


def _adb_server(lab: Lab, folder: Path) -> AdbServer:
    """The session's private ADB server; real phones remember its key, so that is kept for all labs of this user."""
    from hostctl.adb import AdbServer

    usb = bool(lab.display.serial) or any(device.serial for device in lab.devices)
    return AdbServer(folder / "adb" if lab.virtual else state_folder() / "adb", usb=usb)


def _connect_all(
    wanted: Sequence[DeviceSettings], server: AdbServer | None, folder: Path, pages: Mapping[str, Page]
) -> tuple[list[Device], dict[str, str]]:
    failures: dict[str, str] = {}

    def attempt(settings: DeviceSettings) -> Device | None:
        try:
            device = connect(settings, server=server, folder=folder, page=pages.get(settings.name))
        except KitError as problem:
            failures[settings.name] = str(problem)
            return None
        return device

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return [device for device in pool.map(attempt, wanted) if device], failures
