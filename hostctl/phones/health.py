"""The health of an Android phone over its transport: is it fit for a session, and what is wrong if not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from device_agents.errors import DeviceError, Unauthorised
from hostctl.labs.device import clock_offset_s, phone_identity
from hostctl.transport import Transport

COMMAND_TIMEOUT_S = 10.0
HOT_BATTERY_C = 38.0
LOW_BATTERY_PERCENT = 15
LITTLE_SPACE = 500_000_000
MOST_DIGITS = 18  # of a number that a phone tells: Python refuses those of thousands, and floats those of hundreds
CLOCK_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Health:
    """What `instability devices` shows of one device; unknown numbers are None.

    ``free_bytes`` on the storage of its photographs; ``battery_percent`` 0 to 100; ``battery_c`` in degrees Celsius;
    ``thermal_status`` 0 (none) to 6 (shutdown), Android's PowerManager.THERMAL_STATUS_*; ``clock_offset_s`` is the
    device's clock minus this host's, to within half of ``clock_round_trip_s``. ``problems`` is empty for a fit device.
    """

    name: str
    reachable: bool
    authorised: bool
    model: str = ""
    system: str = ""
    camera: bool | None = None
    free_bytes: int | None = None
    battery_percent: int | None = None
    battery_c: float | None = None
    thermal_status: int | None = None
    clock_offset_s: float | None = None
    clock_round_trip_s: float | None = None
    problems: tuple[str, ...] = ()


def health(
    transport: Transport,
    *,
    name: str = "",
    folder: str = "/sdcard",
    now: Callable[[], float] = time.time,
) -> Health:
    """Ask an Android phone how it is; a phone that cannot be reached gives a Health that says so, nothing is raised.

    ``now`` is this host's clock in seconds since 1970.
    """
    name = name or str(getattr(transport, "name", "phone"))

    def text(*command: str) -> str:
        return transport.run(command, timeout_s=COMMAND_TIMEOUT_S).text

    try:
        about = phone_identity(transport)
        started = now()
        offset_s = clock_offset_s(transport, now=now)
        round_trip_s = now() - started
        measured = Health(
            name,
            reachable=True,
            authorised=True,
            model=f"{about.get('maker', '')} {about.get('model', '')}".strip(),
            system=f"Android {about.get('android', '?')}",
            camera=(_number(r"Number of camera devices: (\d+)", text("dumpsys", "media.camera")) or 0) > 0,
            free_bytes=_free_bytes(text("df", "-k", folder)),
            battery_percent=_number(r"(?m)^\s*level: (\d+)", battery := text("dumpsys", "battery")),
            battery_c=None if (tenths := _number(r"(?m)^\s*temperature: (-?\d+)", battery)) is None else tenths / 10,
            thermal_status=_number(r"Thermal Status: (\d+)", text("dumpsys", "thermalservice")),
            clock_offset_s=offset_s,
            clock_round_trip_s=round_trip_s,
        )
    except DeviceError as problem:
        return unhealthy(name, problem)
    return _judged(measured)


def unhealthy(name: str, problem: DeviceError) -> Health:
    """Give the Health of a device that could not be reached or asked, with the reason as its problem."""
    refused = isinstance(problem, Unauthorised)
    return Health(name, reachable=refused, authorised=False, problems=(str(problem),))


def _judged(measured: Health) -> Health:
    """Add what is wrong, in plain words; a value that the phone did not tell is no problem, except its camera."""
    problems = []
    if not measured.camera:
        problems.append("the camera service shows no camera")
    if measured.free_bytes is not None and measured.free_bytes < LITTLE_SPACE:
        problems.append(f"only {measured.free_bytes / 1e6:.0f} MB free, expected {LITTLE_SPACE / 1e6:.0f}; clear DCIM")
    if measured.battery_percent is not None and measured.battery_percent < LOW_BATTERY_PERCENT:
        problems.append(f"battery at {measured.battery_percent} %; charge it")
    if measured.battery_c is not None and measured.battery_c > HOT_BATTERY_C:
        problems.append(f"battery at {measured.battery_c:.1f} C, expected at most {HOT_BATTERY_C:.0f}; let it cool")
    if measured.thermal_status:
        problems.append(f"thermal status {measured.thermal_status}, expected 0; let it cool")
    if measured.clock_offset_s is not None and abs(measured.clock_offset_s) > CLOCK_TOLERANCE_S:
        problems.append(f"its clock is off by {measured.clock_offset_s:+.1f} s; the offset is stored with the run")
    return replace(measured, problems=tuple(problems))


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match[1]) if match and len(match[1]) <= MOST_DIGITS else None


def _free_bytes(text: str) -> int | None:
    """Read the fourth column of df's last line, in KiB (`df -k`)."""
    lines = [line.split() for line in text.splitlines()]
    numbers = [words[3] for words in lines if len(words) >= 6 and words[3].isdecimal()]
    return int(numbers[-1]) * 1024 if numbers and len(numbers[-1]) <= MOST_DIGITS else None
