"""What may be wrong with the devices of a lab file: each mistake noted in plain words."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput

if TYPE_CHECKING:
    from hostctl.lab import DeviceSettings, DisplaySettings, SessionSettings

NEEDED = {
    "adb-shell": ("address",),
    "ssh": ("host", "user", "key", "known_hosts"),
    "local": ("camera",),
    "web": ("camera",),
    "virtual-phone": ("camera",),
    "virtual-board": ("camera",),
    "virtual-browser": ("camera",),
}
FORMATS = ("jpg", "jpeg", "heic", "heif", "png", "dng")
WAYS = ("canvas", "take-photo", "file")  # in which a page takes photographs
Note = Callable[[bool, str], None]


def noter(where: str, mistakes: list[str]) -> Note:
    """Give a function that notes a text, after ``where``, unless it is told that all is good."""

    def note(good: bool, text: str) -> None:
        if not good:
            mistakes.append(where + text)

    return note


def check_golden_and_rotation(session: SessionSettings, devices: int, mistakes: list[str]) -> None:
    """Note a golden scene that is never due, and a rotation with nothing to rotate."""
    note = noter("[session] ", mistakes)
    every, repeats = session.golden_every, session.repeats
    note(0 <= every <= 10_000, f"'golden_every': expected 0 (never) to 10000 scenes, got {every}")
    note(not session.rotate or devices > 1, f"'rotate': expected two devices or more to change places, got {devices}")
    note(not session.rotate or repeats > 1, f"'rotate': expected 'repeats' of 2 or more (places), got {repeats}")


def check_devices(devices: Sequence[DeviceSettings], display: DisplaySettings, mistakes: list[str]) -> None:
    """Note every mistake in a lab's devices, alone and together; an empty lab is one, too."""
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
    note = noter(f"[[device]] '{device.name}': ", mistakes)
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
    _check_environment(device, note)
    if device.in_page:
        _check_page(device, note)
    if device.virtual:
        _check_virtual(device, display, note)
    if device.faults:
        from hostctl.virtual.faults import mistakes_in

        mistakes += [f"[[device]] '{device.name}': {text}" for text in mistakes_in(device.faults, device=device.kind)]


def _check_environment(device: DeviceSettings, note: Note) -> None:
    known = ("system", "venv")
    note(device.environment in known, f"'environment': expected system or venv, got '{device.environment}'")
    note(
        device.environment != "venv" or device.kind in ("ssh", "local", "virtual-board"),
        'environment = "venv" is for boards and this machine; on a phone, install the libraries in Termux',
    )
    if device.environment == "venv":
        from hostctl.agents.wheels import check_requirements

        try:
            check_requirements([str(one) for one in device.libraries])
        except BadInput as problem:
            note(False, str(problem))


def _check_virtual(device: DeviceSettings, display: DisplaySettings, note: Note) -> None:
    from capture.profiles import PROFILES

    note(display.screen == "virtual", 'a virtual camera sees only a virtual screen; set [display] screen = "virtual"')
    if device.kind == "virtual-phone":
        from hostctl.virtual.phone import PHONES

        _note_unknown(device.phone, PHONES, "phone", note)
    _note_unknown(device.camera, {**PROFILES, "instant": None}, "camera", note)


def _check_page(device: DeviceSettings, note: Note) -> None:
    """A page's name stands in its address, so that it has less letters than others; its camera is one of the ways."""
    from hostctl.browsers.pages import blueprint_name

    try:
        blueprint_name(device.name)
    except BadInput as problem:
        note(False, str(problem))
    if device.kind == "web" and device.camera:
        note(device.camera in WAYS, f"'camera': expected {', '.join(WAYS)}, got '{device.camera}'")
    note(not (device.serial and device.address), "expected 'serial' or 'address' of its cable, not both")


def _check_formats(formats: tuple[Any, ...], note: Note) -> None:
    note(bool(formats), f"'formats': expected at least one of {', '.join(FORMATS)}, got none")
    for name in formats:
        close = difflib.get_close_matches(str(name).lower().lstrip("."), FORMATS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(FORMATS)}"
        note(name in FORMATS, f"'formats': unknown format {name!r}; {hint}")


def _note_unknown(name: str, table: Mapping[str, Any], what: str, note: Note) -> None:
    note(name in table, f"unknown {what} '{name}'; known: {', '.join(sorted(table))}")
