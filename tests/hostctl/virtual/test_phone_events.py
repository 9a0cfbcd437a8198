"""What befalls a virtual phone shows in what it says of itself, and ends when its time is over."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hostctl.virtual.faults import KINDS, PHONE, Fault
from hostctl.virtual.phone import PHONES, VirtualPhone
from hostctl.virtual.phone_events import DIALOG, EVENTS, befall
from hostctl.virtual.phone_shell import run_line
from hostctl.virtual.phone_state import HOME_SCREEN, LOCK_SCREEN, PhoneState

OPEN = "input keyevent KEYCODE_WAKEUP; wm dismiss-keyguard; am start -W -a android.media.action.STILL_IMAGE_CAMERA"


async def said(phone: VirtualPhone, line: str) -> str:
    return "".join([(part.stdout + part.stderr).decode() async for part in run_line(phone.state, line)])


async def struck(folder: Path, fault: Fault, then: Callable[[PhoneState], bool]) -> tuple[str, str, bool]:
    """Open the camera, let the fault befall the phone, wait until `then`, and open it again.

    Gives what is in front after the fault, after the camera was opened again, and whether the shot could be taken.
    """
    phone = VirtualPhone(PHONES["instant"], shoot=dict, root=folder)
    await phone.start()
    tasks: list[asyncio.Task[None]] = []
    try:
        await said(phone, OPEN)
        assert phone.state.camera_ready
        able = await befall(phone.state, phone.daemon, [fault], tasks)
        front = phone.state.shown
        async with asyncio.timeout(20):
            while not then(phone.state):
                await asyncio.sleep(0.01)
            await asyncio.gather(*tasks)
        await said(phone, OPEN)
        return front, phone.state.shown, able
    finally:
        await phone.stop()


CAMERA = PHONES["instant"].camera_app
CASES = {
    "permission-dialog": (Fault("permission-dialog", 1), DIALOG, DIALOG, False),
    "permission-dialog, answered": (Fault("permission-dialog", 1, seconds=0.05), DIALOG, CAMERA, False),
    "screen-locked": (Fault("screen-locked", 1), LOCK_SCREEN, CAMERA, False),
    "pin-locked": (Fault("pin-locked", 1), LOCK_SCREEN, LOCK_SCREEN, False),
    "pin-locked, opened": (Fault("pin-locked", 1, seconds=0.05), LOCK_SCREEN, CAMERA, False),
    "camera-closed": (Fault("camera-closed", 1), HOME_SCREEN, CAMERA, False),
    "reboot": (Fault("reboot", 1, seconds=0.05), CAMERA, CAMERA, False),
    "hot": (Fault("hot", 1), CAMERA, CAMERA, True),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_in_front(tmp_path: Path, case: str) -> None:
    fault, front, again, able = CASES[case]
    assert asyncio.run(struck(tmp_path, fault, lambda state: True)) == (front, again, able)


def test_hot_and_flat_are_told_and_a_full_disk_takes_no_byte(tmp_path: Path) -> None:
    async def tell() -> tuple[str, str, int]:
        faults = tuple(Fault(kind) for kind in ("hot", "flat-battery", "full-disk"))
        phone = VirtualPhone(replace(PHONES["instant"], plan=faults), shoot=dict, root=tmp_path)
        await phone.start()
        try:
            return await said(phone, "dumpsys battery"), await said(phone, "dumpsys thermalservice"), phone.files.free
        finally:
            await phone.stop()

    battery, thermal, free = asyncio.run(tell())
    assert "temperature: 460" in battery
    assert "level: 4\n" in battery
    assert "Thermal Status: 3" in thermal
    assert free == 0


def test_every_event_is_a_fault_of_phones() -> None:
    assert all(PHONE in KINDS[kind][0] for kind in EVENTS)
