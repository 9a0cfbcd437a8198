"""How a device is in the middle of a session: battery, temperature, and what is wrong, asked with light commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from device_agents.errors import DeviceError
from hostctl.labs.device import Device
from hostctl.phones.health import health

PHONES = ("adb", "adb-shell")
# Starting a board's agent would take a core from its camera; every Linux board has this file or tells no temperature.
THERMAL_FILE = "/sys/class/thermal/thermal_zone0/temp"
HOT_BOARD_C = (
    80.0  # where a Raspberry Pi begins to slow down (raspberrypi.com, "Frequency management and thermal control")
)
ASK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Vitals:
    """Battery in percent (0 to 100), temperature in degrees Celsius, None where untold; what is wrong, if anything."""

    battery_percent: int | None = None
    temperature_c: float | None = None
    problems: tuple[str, ...] = ()


def vitals(device: Device) -> Vitals:
    """Ask a device how it is: a phone all that hostctl.phones.health asks, a board its heat; what fails is told."""
    if device.settings.in_page:
        return Vitals()  # a page is not told either, and its transport is this machine
    if device.settings.kind in PHONES:
        found = health(device.transport, name=device.name)
        return Vitals(found.battery_percent, found.battery_c, found.problems)
    try:
        output = device.transport.run(["cat", THERMAL_FILE], timeout_s=ASK_TIMEOUT_S)
    except DeviceError as problem:
        return Vitals(problems=(str(problem),))
    text = output.text.strip()
    if output.exit_code or not re.fullmatch(r"-?\d{1,9}", text):
        return Vitals()
    degrees = int(text) / 1000
    hot = f"at {degrees:.0f} C, expected at most {HOT_BOARD_C:.0f}; let it cool"
    return Vitals(temperature_c=degrees, problems=(hot,) if degrees > HOT_BOARD_C else ())
