"""EVENTS: faults that befall a whole virtual phone, from the start or in the middle of a shot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from hostctl.virtual.adbd import Daemon
from hostctl.virtual.faults import Fault
from hostctl.virtual.phone_profiles import FAULTS, PhoneProfile
from hostctl.virtual.phone_state import HOME_SCREEN, PhoneState

DIALOG = "com.android.permissioncontroller/.permission.ui.GrantPermissionsActivity"
BUILT_IN = ("unauthorised", "wrong-clock", "full-disk")  # what a phone is made with
Event = Callable[[PhoneState, Daemon, Fault], Awaitable[None]]


def from_the_start(profile: PhoneProfile) -> PhoneProfile:
    """The profile with those faults of its plan that it is made with."""
    for fault in profile.plan:
        if not fault.at_shot and fault.kind in BUILT_IN:
            profile = FAULTS[fault.kind](profile)
    return profile


async def befall(
    phone: PhoneState, daemon: Daemon, faults: Sequence[Fault], returning: list[asyncio.Task[None]]
) -> bool:
    """Let faults befall a phone; whether its camera can still take the photograph that it was asked for.

    ``returning`` gets the tasks that end them after their time.
    """
    struck = [fault for fault in faults if fault.kind in EVENTS]
    for fault in struck:
        begin, end = EVENTS[fault.kind]
        await begin(phone, daemon, fault)
        if fault.seconds:
            returning.append(asyncio.get_running_loop().create_task(_later(end, phone, daemon, fault)))
    return not any(fault.kind in LOSES_THE_SHOT for fault in struck)


async def _later(end: Event, phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    await asyncio.sleep(fault.seconds)
    await end(phone, daemon, fault)


async def _leave(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    await daemon.leave()


async def _come_back(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    await daemon.start(daemon.port)


async def _boot(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    """Come back as a phone does that was switched on: screen off, locked, nothing open; its settings are kept."""
    phone.switch_off()
    phone.front, phone.cover = HOME_SCREEN, ""
    await daemon.start(daemon.port)


async def _freeze(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    daemon.freeze()


async def _thaw(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    daemon.freeze(False)


async def _fill(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.files.fill()


async def _change(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.profile = FAULTS[fault.kind](phone.profile)


async def _cool(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.profile = replace(phone.profile, battery_c=30.0, thermal_status=0)


async def _charge(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.profile = replace(phone.profile, battery_percent=60)


async def _ask(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.cover = DIALOG


async def _answer(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.cover = ""


async def _lock(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.switch_off()
    phone.pin = fault.kind == "pin-locked"


async def _open(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.pin = False


async def _crash(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    phone.front = HOME_SCREEN


async def _stay(phone: PhoneState, daemon: Daemon, fault: Fault) -> None:
    """Nothing ends by itself."""


# How each begins, and how it ends where it has a length.
EVENTS: dict[str, tuple[Event, Event]] = {
    "offline": (_leave, _come_back),
    "reboot": (_leave, _boot),
    "frozen": (_freeze, _thaw),
    "full-disk": (_fill, _stay),
    "hot": (_change, _cool),
    "flat-battery": (_change, _charge),
    "permission-dialog": (_ask, _answer),
    "screen-locked": (_lock, _stay),
    "pin-locked": (_lock, _open),
    "camera-closed": (_crash, _stay),
}
LOSES_THE_SHOT = ("offline", "reboot", "frozen", "permission-dialog", "screen-locked", "pin-locked", "camera-closed")
