"""A device of the rack: a transport, a shutter and, where the model runs on it, an agent; made from its settings."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput, DeviceError
from hostctl.lab import DeviceSettings
from hostctl.labs.shutter import Shutter
from hostctl.transport import LocalTransport, Transport

if TYPE_CHECKING:
    from hostctl.adb import AdbServer, AdbTransport
    from hostctl.agent import Agent
    from hostctl.agents.predictor import Predictor
    from hostctl.browsers.link import WebLink
    from hostctl.ssh import SshTransport
    from hostctl.transports.adb_shell import AdbShellTransport

ASK_TIMEOUT_S = 15.0
PHONE_AGENT = "/sdcard/instability-agent"
# What identifies a phone and its software; serial numbers and other personal things are left out.
PROPERTIES = {
    "maker": "ro.product.manufacturer",
    "model": "ro.product.model",
    "codename": "ro.product.device",
    "soc": "ro.soc.model",
    "platform": "ro.board.platform",
    "android": "ro.build.version.release",
    "build": "ro.build.fingerprint",
    "processor": "ro.product.cpu.abilist",
}


@dataclass(frozen=True)
class Device:
    """What the controller holds of one device; agent predicts there, None where the host does that."""

    settings: DeviceSettings
    transport: Transport
    shutter: Shutter
    identify: Callable[[], Mapping[str, Any]]
    agent: Predictor | None = None

    @property
    def name(self) -> str:
        """The device's name in the lab file, records and plots."""
        return self.settings.name


@dataclass(frozen=True)
class Page:
    """How to come to a browser device: the link to its page, and how many seconds to wait until that is open.

    ``reopen``: its camera is a file of the rack's, which Chromium reads when the camera is opened.
    """

    link: WebLink
    reopen: bool
    timeout_s: float


def connect(settings: DeviceSettings, *, server: AdbServer | None, folder: Path, page: Page | None = None) -> Device:
    """Reach a device and compose it; raises Unreachable or Unauthorised naming it, BadInput if its kind is unknown.

    ``server`` is the private ADB server of the session; ``folder`` holds files that the device needs (the agent's zip);
    ``page`` is a browser device's.
    """
    if settings.kind == "web" and page is not None:
        return _browser(settings, page)
    if settings.kind in ("adb", "adb-shell"):
        return _phone(settings, server, folder)
    if settings.kind in ("ssh", "local"):
        return _board(settings, folder)
    raise BadInput(f"device '{settings.name}': expected a rack that started it, got kind '{settings.kind}'")


def located(settings: DeviceSettings, addresses: Mapping[str, Mapping[str, Any]]) -> DeviceSettings:
    """Give a virtual device's settings as those of the real kind it speaks, with the address that the rack gave it."""
    return replace(settings, **addresses[settings.name]) if settings.virtual else settings


def clock_offset_s(transport: Transport, *, now: Callable[[], float] = time.time) -> float:
    """Give by how many seconds the device's clock is ahead of this host's, to half of the round trip.

    Phones before Android 7 print no nanoseconds, and then half a second is added: the mean of what was cut off.
    Raises DeviceError if the device tells no time.
    """
    started = now()
    text = transport.run(["date", "+%s.%N"], timeout_s=ASK_TIMEOUT_S).text
    ended = now()
    match = re.match(r"(\d{1,18})(\.\d{1,9})?", text)
    if not match:
        raise DeviceError(f"{getattr(transport, 'name', 'device')}: expected seconds from date, got {text[:40]!r}")
    return float(match[0]) + (0.0 if match[2] else 0.5) - (started + ended) / 2


def phone_identity(transport: Transport) -> dict[str, str]:
    """Read from an Android phone what it is; what it does not tell is left out."""
    text = transport.run(["getprop"], timeout_s=ASK_TIMEOUT_S).text
    known = dict(re.findall(r"^\[(.+?)\]: \[(.*)\]\r?$", text, re.MULTILINE))
    found = {name: known[key] for name, key in PROPERTIES.items() if known.get(key)}
    serial = known.get("ro.serialno", "")
    # Tells two phones of one model apart in a run, without the number itself; an anonymised export empties it.
    return found | ({"hashed_serial": hashlib.sha256(serial.encode()).hexdigest()[:16]} if serial else {})


def _phone(settings: DeviceSettings, server: AdbServer | None, folder: Path) -> Device:
    from hostctl.agent import Agent, build_agent_zip
    from hostctl.agents.predictor import AgentPredictor
    from hostctl.labs.laboratory import state_folder
    from hostctl.phones.camera import phone_shutter

    transport = _phone_transport(settings, server)
    state = server.folder.parent if server else state_folder()  # a virtual lab's server keeps its things in the run
    shutter = phone_shutter(settings, transport, folder=folder, state=state)
    predictor = None
    if settings.predicts == "agent":
        agent = Agent(transport, build_agent_zip(folder / "agent.zip"), python=settings.python, folder=PHONE_AGENT)
        _install(agent)
        predictor = AgentPredictor(agent)
    return Device(settings, transport, shutter, lambda: phone_identity(transport), predictor)


def _browser(settings: DeviceSettings, page: Page) -> Device:
    """A page that is open: its photographs come by HTTP and lie on this machine."""
    from hostctl.browsers.device import WebDevice, WebShutter
    from hostctl.browsers.predictor import PagePredictor

    page.link.wait_for_page(timeout_s=page.timeout_s)
    device = WebDevice(page.link)
    shutter = WebShutter(device, way=settings.camera, reopen=page.reopen)
    predictor = PagePredictor(device) if settings.predicts == "agent" else None
    return Device(settings, LocalTransport(settings.name), shutter, lambda: page_identity(device.info()), predictor)


def page_identity(info: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a page says of itself with its camera's track under "track": "camera" is how it photographs."""
    return {("track" if key == "camera" else key): value for key, value in info.items()}


def _install(agent: Agent) -> None:
    """Put the agent on its device; one that refuses leaves no connection, nor its thread, behind."""
    try:
        agent.install()
    except BaseException:
        agent.transport.close()
        raise


def _phone_transport(settings: DeviceSettings, server: AdbServer | None) -> AdbTransport | AdbShellTransport:
    if settings.kind == "adb-shell":
        from hostctl.transports.adb_shell import AdbShellTransport

        return AdbShellTransport(settings.address, name=settings.name)
    from hostctl.adb import AdbTransport, connect

    if server is None:
        raise BadInput(f"device '{settings.name}': expected an ADB server, got none")
    serial = connect(server, settings.address or settings.serial, name=settings.name)
    return AdbTransport(server, serial, name=settings.name)


def _board(settings: DeviceSettings, folder: Path) -> Device:
    from hostctl.agent import Agent, AgentShutter, build_agent_zip
    from hostctl.agents.predictor import AgentPredictor
    from hostctl.ssh import SshTransport

    transport: LocalTransport | SshTransport = LocalTransport(settings.name)
    if settings.kind == "ssh":
        transport = SshTransport(
            settings.host,
            settings.port,
            user=settings.user,
            key=Path(settings.key),
            known_hosts=Path(settings.known_hosts),
            name=settings.name,
        )
    home = settings.folder or ("" if settings.kind == "ssh" else str((folder / f"agent-{settings.name}").absolute()))
    python = _agent_python(settings, transport, home)
    agent = Agent(transport, build_agent_zip(folder / "agent.zip"), python=python, folder=home)
    _install(agent)
    predictor = AgentPredictor(agent) if settings.predicts == "agent" else None
    raw = ["--raw"] if "dng" in settings.formats and "--raw" not in settings.camera_arguments else []
    shutter = AgentShutter(agent, camera=settings.camera, arguments=[*raw, *settings.camera_arguments])
    return Device(settings, transport, shutter, agent.info, predictor)


def _agent_python(settings: DeviceSettings, transport: LocalTransport | SshTransport, home: str) -> str:
    """The Python that the agent runs by: the device's own, or that of an environment which is made there."""
    if settings.environment == "system":
        return settings.python
    from hostctl.agents.environment import prepare_environment
    from hostctl.labs.laboratory import state_folder

    cache = state_folder() / "wheels"
    try:
        return prepare_environment(
            transport, cache=cache, python=settings.python, folder=home, libraries=settings.libraries
        ).python
    except BaseException:
        transport.close()
        raise
