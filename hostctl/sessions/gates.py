"""Is a device cool and charged enough for photographs? What it rests for, and when it may work again."""

from __future__ import annotations

from dataclasses import dataclass

from hostctl.lab import SessionSettings
from hostctl.labs.device import Device
from hostctl.phones.health import health
from hostctl.sessions.vitals import HOT_BOARD_C, PHONES, vitals

COOLER_BY_C = 3.0  # a device that rests is let in again only so far below the limit, so that it does not go in and out
FULLER_BY_PERCENT = 5
SEVERE, LIGHT = 3, 1  # PowerManager.THERMAL_STATUS_SEVERE: the phone slows itself down; _LIGHT: it does not yet


@dataclass(frozen=True)
class Condition:
    """Battery in percent (0 to 100), temperature in degrees Celsius, Android's thermal status (0 to 6); None: untold.

    A phone's temperature is its battery's, a board's its processor's: ``board`` says which.
    """

    battery_percent: int | None = None
    temperature_c: float | None = None
    thermal_status: int | None = None
    board: bool = False


def ask(device: Device) -> Condition:
    """Ask a device; what it does not tell, or cannot be asked, stays None: its absence is found elsewhere."""
    if device.settings.kind in PHONES:
        found = health(device.transport, name=device.name)
        return Condition(found.battery_percent, found.battery_c, found.thermal_status)
    if device.settings.in_page:
        return Condition()
    known = vitals(device)
    return Condition(known.battery_percent, known.temperature_c, board=True)


def why_rest(found: Condition, limits: SessionSettings, *, resting: bool) -> str:
    """Say why a device has to rest, "" if it may work; one that rests already must be better by a margin.

    ``limits``: ``hot_c`` in degrees Celsius for phones (a board's is vitals.HOT_BOARD_C), ``low_battery`` in percent.
    """
    hot_c = (HOT_BOARD_C if found.board else limits.hot_c) - COOLER_BY_C * resting
    low = limits.low_battery + FULLER_BY_PERCENT * resting
    status = LIGHT + 1 if resting else SEVERE
    reasons = []
    if found.temperature_c is not None and found.temperature_c > hot_c:
        reasons.append(f"at {found.temperature_c:.1f} C, expected at most {hot_c:g}")
    if found.thermal_status is not None and found.thermal_status >= status:
        reasons.append(f"thermal status {found.thermal_status}, expected less than {status}")
    if found.battery_percent is not None and found.battery_percent < min(low, 100):
        reasons.append(f"battery at {found.battery_percent} %, expected at least {min(low, 100)}")
    return "; ".join(reasons)
