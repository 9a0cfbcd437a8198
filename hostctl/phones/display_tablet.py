"""Holds a tablet that is the screen of a lab at one brightness: awake, nothing automatic, restored at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from device_agents.errors import CommandFailed, TimedOut, Unreachable
from hostctl.adb import AdbServer, AdbTransport, connect
from hostctl.phones.changed_settings import ChangedSettings, Setting
from hostctl.transport import Transport

COMMAND_TIMEOUT_S = 15.0
BRIGHTEST = 255
NAME = "display"
# What would change the picture by itself: (namespace, key) -> value. The brightness is added.
STEADY: Mapping[Setting, str] = {
    ("global", "stay_on_while_plugged_in"): "7",
    ("system", "screen_off_timeout"): "1800000",
    ("system", "screen_brightness_mode"): "0",
    ("secure", "night_display_auto_mode"): "0",
    ("secure", "night_display_activated"): "0",
}


@contextmanager
def display_tablet(server: AdbServer, serial: str, *, brightness: int, state: Path) -> Iterator[None]:
    """The same for the tablet of a serial or an address, which is connected first; see steady_display."""
    transport = AdbTransport(server, connect(server, serial, name=NAME), name=NAME)
    with steady_display(transport, brightness=brightness, state=state):
        yield


@contextmanager
def steady_display(transport: Transport, *, brightness: int = BRIGHTEST, state: Path | None = None) -> Iterator[None]:
    """Keep an Android tablet awake and unlocked at one brightness (0 to 255) for a block; then as it was.

    ``state`` is the folder where its settings are remembered in case this process is killed. Makers' own additions
    (adaptive colour, eye comfort, extra dim) have other names and are for a person to switch off. Raises DeviceError
    if the tablet refuses a setting or does not hold it. Source: CameraITS sets its chart tablet up in the same way.
    """
    changed = ChangedSettings(transport, name=NAME, state=state)
    wanted = {**STEADY, ("system", "screen_brightness"): str(brightness)}
    try:
        changed.change(wanted)
        for command in (["input", "keyevent", "KEYCODE_WAKEUP"], ["wm", "dismiss-keyguard"]):
            transport.run(command, timeout_s=COMMAND_TIMEOUT_S)
        _check(transport, wanted)
        yield
    finally:
        try:
            changed.put_back()
        except (Unreachable, TimedOut):
            changed.forget()  # it is gone; what was there is on disk for the next time


def _check(transport: Transport, wanted: Mapping[Setting, str]) -> None:
    """Read the settings back: some makers take a value and keep another."""
    for (space, key), value in wanted.items():
        got = transport.run(["settings", "get", space, key], timeout_s=COMMAND_TIMEOUT_S).text.strip()
        if got != value:
            raise CommandFailed(
                f"{NAME}: expected {key} = {value} on the tablet, got '{got}'; switch off adaptive brightness, night "
                "light and battery saver by hand"
            )
