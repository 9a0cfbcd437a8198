"""Waits until a phone is there, authorised and unlocked, and says at each state what a person should do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection

from device_agents.errors import BadInput, DeviceError, TimedOut, Unauthorised, Unreachable
from hostctl.adb import AdbServer
from hostctl.labs.person import Person
from hostctl.transport import Transport

POLL_S = 0.5
ASK_TIMEOUT_S = 10.0
PAIR_TIMEOUT_S = 30.0
NONE = "none"
# The adb server's word for a phone's state -> what to do.
ADVICE = {
    NONE: "no phone yet: plug it in with a cable that carries data; on the phone, Settings > About > tap 'Build "
    "number' seven times, then Developer options > USB debugging on. If another program's `adb devices` shows it, end "
    "its server with `adb kill-server`: a USB phone belongs to one server at a time",
    "unauthorized": "unlock the phone and accept this computer's key in the dialog ('Always allow'); if no dialog "
    "comes, Developer options > Revoke USB debugging authorisations, and plug it in again",
    "authorizing": "the phone is checking this computer's key; unlock it and accept the dialog",
    "offline": "the phone is there and does not answer: unlock it, plug it in again, or switch USB debugging off "
    "and on",
    "no permissions": "this user may not open the phone's USB device: on Debian and Ubuntu `sudo apt install "
    "android-sdk-platform-tools-common` brings the udev rules; then plug the phone in again (elsewhere: a rule in "
    '/etc/udev/rules.d with its vendor id and TAG+="uaccess")',
    "recovery": "the phone is in its recovery system; restart it",
    "sideload": "the phone is in its recovery system; restart it",
    "bootloader": "the phone is in its boot loader; restart it",
}
LOCKED = re.compile(r"(?m)^\s*(?:showing|mIsShowing|mShowingLockscreen)=(true|false)")
UNLOCK = (
    "the phone's lock screen is showing: unlock it by hand (PIN, pattern or finger); for a rack set the screen lock to "
    "'None' or 'Swipe', since a phone that restarts in the night waits for its PIN"
)


def pair(server: AdbServer, address: str, code: str) -> None:
    """Pair with a phone on the network (Android 11 and newer); ``code`` is never written anywhere.

    Raises BadInput for a wrong address or code, DeviceError with the server's words if pairing fails.
    """
    if not re.fullmatch(r"[^\s/]+:\d+", address) or not re.fullmatch(r"\d{6}", code):
        raise BadInput(
            f"expected HOST:PORT and a code of six digits to pair, got '{address}' and {len(code)} characters; both "
            "stand in Developer options > Wireless debugging > Pair device with pairing code"
        )
    try:
        words = server.ask(f"host:pair:{code}:{address}", name=address, timeout_s=PAIR_TIMEOUT_S).strip()
    except Unreachable as problem:
        words = str(problem)
    if "uccessfully paired" not in words:
        raise DeviceError(
            f"{address}: expected to be paired, got '{words.replace(code, '...')}'; code and port change each time the "
            "dialog is opened, and both sides must be in one network"
        )


def wait_for_phone(
    server: AdbServer,
    *,
    serial: str,
    address: str,
    known: Collection[str],
    person: Person,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait for the phone of a serial or address, or else the one that is not ``known``; give its serial.

    Tells ``person`` once at each change what to do. Raises Unauthorised, Unreachable or BadInput with the same advice
    if it does not come in time or several could be meant and nobody can be asked.
    """
    end, told = clock() + wait_s, ""
    while True:
        states = _states(server, address)
        wanted = serial or address
        ready = [one for one, state in states.items() if state == "device"]
        new = [one for one in ready if one == wanted or (not wanted and one not in known)]
        if len(new) == 1:
            return new[0]
        if len(new) > 1:
            return _chosen(new, person)
        advice = _advice(states, wanted, known)
        if advice != told:
            person.say(advice)
            told = advice
        if clock() >= end:
            refused = any("authoriz" in state for state in states.values())
            raise (Unauthorised if refused else Unreachable)(
                f"expected {wanted or 'a new phone'} within {wait_s:g} s, got none that is ready; {advice}"
            )
        sleep(POLL_S)


def is_locked(transport: Transport) -> bool | None:
    """Whether the lock screen is showing; None if the phone does not say. Source: dumpsys window policy (keyguard)."""
    found = LOCKED.findall(transport.run(["dumpsys", "window", "policy"], timeout_s=ASK_TIMEOUT_S).text)
    return None if not found else "true" in found


def wait_until_unlocked(
    transport: Transport,
    *,
    name: str,
    person: Person,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wake the phone, swipe its lock screen away, and wait for a person where that asks for a PIN.

    Raises TimedOut with what to do.
    """
    end, told = clock() + wait_s, False
    while True:
        for command in (["input", "keyevent", "KEYCODE_WAKEUP"], ["wm", "dismiss-keyguard"]):
            transport.run(command, timeout_s=ASK_TIMEOUT_S)
        if not is_locked(transport):
            return
        if not told:
            person.say(UNLOCK)
            told = True
        if clock() >= end:
            raise TimedOut(f"{name}: expected an unlocked phone within {wait_s:g} s; {UNLOCK}")
        sleep(POLL_S)


def _states(server: AdbServer, address: str) -> dict[str, str]:
    """The state of each phone by serial; the one of ``address`` is connected first if it is not there."""
    states = server.devices()
    if address and address not in states:
        try:
            server.ask(f"host:connect:{address}", name=address, timeout_s=ASK_TIMEOUT_S)
        except DeviceError:
            return states  # it is not there yet, which its absence says
        states = server.devices()
    return states


def _advice(states: dict[str, str], wanted: str, known: Collection[str]) -> str:
    mine = {one: state for one, state in states.items() if one == wanted or (not wanted and one not in known)}
    for serial, state in mine.items():
        for word, advice in ADVICE.items():
            if state.startswith(word):
                return f"{serial}: {advice}"
    if ":" in wanted:
        return (
            f"{wanted} does not answer: switch on Developer options > Wireless debugging, pair once with --pair and "
            "--code, and give the address and port that stand on that page (the port of the pairing dialog is another)"
        )
    others = ", ".join(one for one in states if one not in mine)
    return ADVICE[NONE] + (f"; there are: {others}" if others else "")


def _chosen(serials: list[str], person: Person) -> str:
    person.say("\n".join(f"  {number}  {serial}" for number, serial in enumerate(serials, 1)))
    answer = person.ask(f"which phone, 1 to {len(serials)}?")
    if answer and answer.isdigit() and 1 <= int(answer) <= len(serials):
        return serials[int(answer) - 1]
    raise BadInput(f"expected one phone, got {len(serials)}: {', '.join(serials)}; name it with --serial or --address")
