"""lab.toml -> Lab: the display, the session and the devices; every mistake reported at once, in plain words."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from hostctl.labs.checks import check_devices, check_golden_and_rotation, noter

DEVICE_KINDS = {
    "adb": "a phone over ADB: give 'serial' (USB) or 'address' (host:port)",
    "adb-shell": "the same without the adb program: give 'address'",
    "ssh": "a board over SSH: give 'host', 'user', 'key' and 'known_hosts'",
    "local": "this machine with its own camera: give 'camera'",
    "virtual-phone": "a virtual phone that speaks ADB: give 'camera' (a camera profile) and 'phone'",
    "web": "a phone or computer that opens the page: give 'camera' (canvas, take-photo or file)",
    "virtual-board": "a virtual board behind SSH: give 'camera' (a camera profile)",
    "virtual-browser": "headless Chromium on this machine that opens the page: give 'camera' (a camera profile)",
}
PAGE_KINDS = ("web", "virtual-browser")


@dataclass(frozen=True)
class DisplaySettings:
    """The screen: who paints it, where its server listens, how long the panel needs after a frame was painted.

    ``serial`` or ``address``: an Android tablet that is the screen, held awake at ``brightness`` (0 to 255) over ADB.
    """

    screen: str = "browser"
    host: str = "127.0.0.1"
    port: int = 0
    https: bool = False
    width: int = 1280
    height: int = 960
    settle_ms: float = 150.0
    timeout_s: float = 20.0
    paint_delay_ms: float = 20.0
    acknowledges_early: bool = False
    device_requests: bool = False
    serial: str = ""
    address: str = ""
    brightness: int = 255

    @property
    def tablet(self) -> str:
        """The serial or address of the tablet that is the screen, "" if it is no such tablet."""
        return self.serial or self.address


@dataclass(frozen=True)
class SessionSettings:
    """What a session asks for: angles in degrees, repeats at each, and when to give up on a photograph or a device.

    ``patience_s``: how long a device that fails is waited for once the others are done; ``rest_s``: the same for one
    that is hot or empty. ``health_every_s``: how often devices are asked how they are, 0: never. ``golden_every``: the
    golden scene is shown before every n-th scene, 0: never; ``rotate``: devices change places between repeats.
    """

    angles: tuple[int, ...] = (0,)
    repeats: int = 1
    seed: int = 1
    attempts: int = 3
    move_command: tuple[str, ...] = ()
    reserve_mb: int = 1000
    shoot_timeout_s: float = 30.0
    patience_s: float = 120.0
    rest_s: float = 1800.0
    health_every_s: float = 300.0
    hot_c: float = 42.0
    low_battery: int = 10
    keep_place: bool = False
    golden_every: int = 0
    rotate: bool = False


@dataclass(frozen=True)
class DeviceSettings:
    """One device of the lab; which keys it needs depends on its kind (DEVICE_KINDS).

    ``faults`` are what goes wrong with a virtual one: the fields of virtual.faults.Fault.
    """

    name: str
    kind: str
    place: int = 0
    serial: str = ""
    address: str = ""
    host: str = ""
    port: int = 22
    user: str = ""
    key: str = ""
    known_hosts: str = ""
    camera: str = ""
    camera_arguments: tuple[str, ...] = ()
    phone: str = "modern"
    folder: str = ""
    formats: tuple[str, ...] = ("jpg",)
    shutter_key: str = "KEYCODE_CAMERA"
    predicts: str = "host"
    python: str = "python3"
    environment: str = "system"
    libraries: tuple[str, ...] = ("numpy", "pillow", "ai-edge-litert")
    faults: tuple[dict[str, Any], ...] = ()

    @property
    def virtual(self) -> bool:
        """Whether the device is simulated."""
        return self.kind.startswith("virtual-")

    @property
    def in_page(self) -> bool:
        """Whether the device is a page in a browser."""
        return self.kind in PAGE_KINDS


@dataclass(frozen=True)
class Lab:
    """A laboratory: a display, a session, devices."""

    name: str
    display: DisplaySettings
    session: SessionSettings
    devices: tuple[DeviceSettings, ...]
    folder: Path

    @property
    def virtual(self) -> bool:
        """Whether any device of the lab is simulated; results of such a lab are called so."""
        return any(device.virtual for device in self.devices)


def read_lab(path: Path) -> Lab:
    """Read a lab file; raises BadInput with every mistake found, one a line.

    Relative paths of keys and known_hosts files are taken from the lab file's own folder.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise BadInput(f"cannot read the lab file {path}: {problem.strerror}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise BadInput(f"{path}: expected TOML, got a line that is not: {problem}") from problem
    return parse_lab(values, folder=path.parent, name=path.name)


def parse_lab(values: Mapping[str, Any], *, folder: Path, name: str = "lab.toml") -> Lab:
    """Check a lab file's values and make the Lab; raises BadInput with every mistake found, one a line."""
    mistakes: list[str] = []
    top = _checked(values, {"name": str, "display": dict, "session": dict, "device": list}, "", mistakes)
    display = _section(DisplaySettings, top.get("display", {}), "[display] ", mistakes)
    session = _section(SessionSettings, top.get("session", {}), "[session] ", mistakes)
    devices = [
        _device(entry, f"[[device]] number {number}", mistakes) for number, entry in enumerate(top.get("device", []), 1)
    ]
    _check_display(display, mistakes)
    _check_session(session, mistakes)
    check_golden_and_rotation(session, len(devices), mistakes)
    check_devices([device for device in devices if device], display, mistakes)
    if mistakes:
        count = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)}"
        raise BadInput(f"{name}: {count}, nothing was started:\n" + "\n".join(f"  - {text}" for text in mistakes))
    return Lab(
        name=top.get("name", Path(name).stem),
        display=display,
        session=session,
        devices=tuple(_rooted(device, folder) for device in devices if device),
        folder=folder,
    )


def _section(kind: type[Any], values: Any, where: str, mistakes: list[str]) -> Any:
    """Make a settings dataclass from a table; wrong keys and types become mistakes, their defaults stay."""
    types = {field.name: type(field.default) for field in fields(kind)}
    return kind(**_checked(values, types, where, mistakes))


def _device(values: Any, where: str, mistakes: list[str]) -> DeviceSettings | None:
    types = {field.name: type(field.default) for field in fields(DeviceSettings)}
    types.update(name=str, kind=str)
    if isinstance(values, dict) and isinstance(values.get("name"), str):
        where = f"[[device]] '{values['name']}'"
    good = _checked(values, types, where + ": ", mistakes)
    lacking = [key for key in ("name", "kind") if not good.get(key)]
    if lacking:
        mistakes.append(f"{where}: expected {' and '.join(lacking)}, got none")
        return None
    if good["kind"] not in DEVICE_KINDS:
        known = "; ".join(f"{kind} ({text})" for kind, text in DEVICE_KINDS.items())
        mistakes.append(f"{where}: unknown kind '{good['kind']}'; known: {known}")
        return None
    return DeviceSettings(**good)


def _rooted(device: DeviceSettings, folder: Path) -> DeviceSettings:
    """Take the device's relative paths from the lab file's folder."""

    def rooted(path: str) -> str:
        return str(folder / Path(path).expanduser()) if path else ""

    return replace(device, key=rooted(device.key), known_hosts=rooted(device.known_hosts))


def _checked(values: Any, types: Mapping[str, type], where: str, mistakes: list[str]) -> dict[str, Any]:
    """Give the values whose key and type are known; note a mistake for each of the others."""
    if not isinstance(values, Mapping):
        mistakes.append(f"{where}expected a table, got {values!r}")
        return {}
    good = {}
    for key, value in values.items():
        if key not in types:
            close = difflib.get_close_matches(key, list(types), n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(types)}"
            mistakes.append(f"{where}unknown key '{key}'; {hint}")
        elif not _fits(value, types[key]):
            mistakes.append(f"{where}'{key}': expected {_TYPE_NAMES[types[key]]}, got {value!r}")
        else:
            good[key] = tuple(value) if types[key] is tuple else value
    return good


_TYPE_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    list: "a list of [[tables]]",
    dict: "a [table]",
}


def _fits(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, (list, tuple)) if kind is tuple else isinstance(value, kind)


def _check_display(display: DisplaySettings, mistakes: list[str]) -> None:
    note = noter("[display] ", mistakes)
    note(display.screen in ("browser", "virtual"), f"'screen': expected browser or virtual, got '{display.screen}'")
    note(0 <= display.port < 65536, f"'port': expected 0 (any free one) to 65535, got {display.port}")
    note(
        min(display.width, display.height) >= 480,
        f"expected at least 480 pixels a side, got {display.width} x {display.height}",
    )
    note(0 <= display.settle_ms <= 10_000, f"'settle_ms': expected 0 to 10000, got {display.settle_ms:g}")
    note(display.timeout_s > 0, f"'timeout_s': expected more than 0, got {display.timeout_s:g}")
    note(not (display.serial and display.address), "expected 'serial' (USB) or 'address' of the tablet, got both")
    note(not display.tablet or display.screen == "browser", "a tablet is a screen of kind browser")
    note(0 <= display.brightness <= 255, f"'brightness': expected 0 to 255, got {display.brightness}")


def _check_session(session: SessionSettings, mistakes: list[str]) -> None:
    note = noter("[session] ", mistakes)
    whole = all(_fits(angle, int) and -60 <= angle <= 60 for angle in session.angles)
    note(bool(session.angles) and whole, f"'angles': expected whole degrees from -60 to 60, got {list(session.angles)}")
    note(len(set(session.angles)) == len(session.angles), f"'angles': each once, got {list(session.angles)}")
    note(session.repeats >= 1, f"'repeats': expected 1 or more, got {session.repeats}")
    note(1 <= session.attempts <= 10, f"'attempts': expected 1 to 10, got {session.attempts}")
    note(session.reserve_mb >= 0, f"'reserve_mb': expected 0 or more, got {session.reserve_mb}")
    note(session.shoot_timeout_s > 0, f"'shoot_timeout_s': expected more than 0, got {session.shoot_timeout_s:g}")
    for name in ("patience_s", "rest_s", "health_every_s"):
        seconds = getattr(session, name)
        note(0 <= seconds <= 86_400, f"'{name}': expected 0 to 86400 seconds, got {seconds:g}")
    note(20 <= session.hot_c <= 100, f"'hot_c': expected 20 to 100 degrees Celsius, got {session.hot_c:g}")
    note(0 <= session.low_battery <= 90, f"'low_battery': expected 0 to 90 percent, got {session.low_battery}")
