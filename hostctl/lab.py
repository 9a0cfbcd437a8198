"""lab.toml -> Lab: the display, the session and the devices; every mistake reported at once, in plain words."""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput

DEVICE_KINDS = {
    "adb": "a phone over ADB: give 'serial' (USB) or 'address' (host:port)",
    "adb-shell": "the same without the adb program: give 'address'",
    "ssh": "a board over SSH: give 'host', 'user', 'key' and 'known_hosts'",
    "local": "this machine with its own camera: give 'camera'",
    "virtual-phone": "a virtual phone that speaks ADB: give 'camera' (a camera profile) and 'phone'",
    "virtual-board": "a virtual board behind SSH: give 'camera' (a camera profile)",
}
NEEDED = {
    "adb-shell": ("address",),
    "ssh": ("host", "user", "key", "known_hosts"),
    "local": ("camera",),
    "virtual-phone": ("camera",),
    "virtual-board": ("camera",),
}
FORMATS = ("jpg", "jpeg", "heic", "heif", "png", "dng")


@dataclass(frozen=True)
class DisplaySettings:
    """The screen: who paints it, where its server listens, how long the panel needs after a frame was painted."""

    screen: str = "browser"
    host: str = "127.0.0.1"
    port: int = 0
    width: int = 1280
    height: int = 960
    settle_ms: float = 150.0
    timeout_s: float = 20.0
    paint_delay_ms: float = 20.0
    acknowledges_early: bool = False
    device_requests: bool = False


@dataclass(frozen=True)
class SessionSettings:
    """What a session asks for: angles in degrees, repeats at each, and when to give up on a photograph."""

    angles: tuple[int, ...] = (0,)
    repeats: int = 1
    seed: int = 1
    attempts: int = 3
    move_command: tuple[str, ...] = ()
    reserve_mb: int = 1000
    shoot_timeout_s: float = 30.0


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
    faults: tuple[dict[str, Any], ...] = ()

    @property
    def virtual(self) -> bool:
        """Whether the device is simulated."""
        return self.kind.startswith("virtual-")


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
    _check_devices([device for device in devices if device], display, mistakes)
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
    note = _noter("[display] ", mistakes)
    note(display.screen in ("browser", "virtual"), f"'screen': expected browser or virtual, got '{display.screen}'")
    note(0 <= display.port < 65536, f"'port': expected 0 (any free one) to 65535, got {display.port}")
    note(
        min(display.width, display.height) >= 480,
        f"expected at least 480 pixels a side, got {display.width} x {display.height}",
    )
    note(0 <= display.settle_ms <= 10_000, f"'settle_ms': expected 0 to 10000, got {display.settle_ms:g}")
    note(display.timeout_s > 0, f"'timeout_s': expected more than 0, got {display.timeout_s:g}")


def _check_session(session: SessionSettings, mistakes: list[str]) -> None:
    note = _noter("[session] ", mistakes)
    whole = all(_fits(angle, int) and -60 <= angle <= 60 for angle in session.angles)
    note(bool(session.angles) and whole, f"'angles': expected whole degrees from -60 to 60, got {list(session.angles)}")
    note(len(set(session.angles)) == len(session.angles), f"'angles': each once, got {list(session.angles)}")
    note(session.repeats >= 1, f"'repeats': expected 1 or more, got {session.repeats}")
    note(1 <= session.attempts <= 10, f"'attempts': expected 1 to 10, got {session.attempts}")
    note(session.reserve_mb >= 0, f"'reserve_mb': expected 0 or more, got {session.reserve_mb}")
    note(session.shoot_timeout_s > 0, f"'shoot_timeout_s': expected more than 0, got {session.shoot_timeout_s:g}")


def _check_devices(devices: list[DeviceSettings], display: DisplaySettings, mistakes: list[str]) -> None:
    if not devices:
        mistakes.append("expected at least one good [[device]] table, got none")
    for what, values in {
        "name": [device.name for device in devices],
        "serial": [device.serial for device in devices if device.serial],
        "address": [device.address for device in devices if device.address],
    }.items():
        for value, count in Counter(values).items():
            if count > 1:
                mistakes.append(f"{count} devices share the {what} '{value}'; give each device its own")
    for device in devices:
        _check_device(device, display, mistakes)


def _check_device(device: DeviceSettings, display: DisplaySettings, mistakes: list[str]) -> None:
    note = _noter(f"[[device]] '{device.name}': ", mistakes)
    note("|" not in device.name and device.name.strip() == device.name, "a name has no '|' and no blanks at its ends")
    lacking = [key for key in NEEDED.get(device.kind, ()) if not getattr(device, key)]
    note(not lacking, f"a device of kind {device.kind} needs {', '.join(lacking)}")
    if device.kind == "adb":
        note(bool(device.serial) != bool(device.address), "expected either 'serial' (USB) or 'address' (host:port)")
    _check_formats(device.formats, note)
    note(device.predicts in ("host", "agent"), f"'predicts': expected host or agent, got '{device.predicts}'")
    agentless = device.kind in ("adb", "adb-shell") and device.python == "python3"
    agentless |= device.kind == "virtual-phone" and device.phone != "termux"
    note(
        not (agentless and device.predicts == "agent"),
        "a stock phone has no Python; let the host predict, or name Termux's own with 'python'",
    )
    note(
        not (device.virtual and display.screen != "virtual"),
        'a virtual camera sees only a virtual screen; set [display] screen = "virtual"',
    )
    if device.faults:
        from hostctl.virtual.faults import mistakes_in

        mistakes += [f"[[device]] '{device.name}': {text}" for text in mistakes_in(device.faults, device=device.kind)]
    if device.kind == "virtual-phone":
        from hostctl.virtual.phone import PHONES

        _note_unknown(device.phone, PHONES, "phone", note)
    if device.virtual:
        from capture.profiles import PROFILES

        _note_unknown(device.camera, {**PROFILES, "instant": None}, "camera", note)


def _check_formats(formats: tuple[Any, ...], note: Callable[[bool, str], None]) -> None:
    note(bool(formats), f"'formats': expected at least one of {', '.join(FORMATS)}, got none")
    for name in formats:
        close = difflib.get_close_matches(str(name).lower().lstrip("."), FORMATS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(FORMATS)}"
        note(name in FORMATS, f"'formats': unknown format {name!r}; {hint}")


def _note_unknown(name: str, table: Mapping[str, Any], what: str, note: Callable[[bool, str], None]) -> None:
    note(name in table, f"unknown {what} '{name}'; known: {', '.join(sorted(table))}")


def _noter(where: str, mistakes: list[str]) -> Callable[[bool, str], None]:
    def note(good: bool, text: str) -> None:
        if not good:
            mistakes.append(where + text)

    return note
