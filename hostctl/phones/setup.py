"""`instability devices setup`: from a phone in a hand to its tried [[device]] table in the lab file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput, DeviceError
from hostctl.adb import AdbServer, AdbTransport
from hostctl.labs.device import phone_identity
from hostctl.labs.entry import add_device, devices_in, free_name, refuse_twice
from hostctl.labs.laboratory import state_folder
from hostctl.labs.person import Person
from hostctl.phones.health import Health, health
from hostctl.phones.learnt_keys import remember_key, remembered_key
from hostctl.phones.profiles import TESTED, CameraProfile, profile_for
from hostctl.phones.stock_camera import StockCamera
from hostctl.phones.trial import TRIAL_S, Trial, check_file, try_camera
from hostctl.phones.waiting import pair, wait_for_phone, wait_until_unlocked

DIALOG_WORDS = ("permissioncontroller", "packageinstaller")  # packages of Android's permission dialogs
DIALOG = "a permission dialog covers the camera: answer it on the phone (allow the camera; location is not needed)"


@dataclass(frozen=True)
class Wanted:
    """What a person asked of setup; everything may be left out."""

    serial: str = ""
    address: str = ""
    pair: str = ""
    code: str = ""
    name: str = ""
    formats: tuple[str, ...] = ()
    key: str = ""
    wait_s: float = 120.0
    trial_s: float = TRIAL_S


def set_up(lab: Path, wanted: Wanted, person: Person) -> dict[str, Any]:
    """Wait for a phone, try its camera, and add it to the lab file, which is made where there is none.

    Gives what was found: device, lab, added, identity, profile, key, folder, formats, shutter_s, files, health,
    problems, notes. With problems nothing is added. Raises BadInput for a phone or name that the lab has already, and
    DeviceError with what to do if the phone cannot be reached, unlocked or made to take photographs.
    """
    if wanted.serial and wanted.address:
        raise BadInput("expected either --serial (USB) or --address (network), got both")
    _check_early(lab, wanted)
    with AdbServer(state_folder() / "adb", usb=not wanted.address) as server:
        if wanted.pair:
            code = wanted.code or person.ask("pairing code?") or ""
            pair(server, wanted.pair, code)
            person.say(f"paired with {wanted.pair}")
        known = {str(entry.get(key)) for entry in devices_in(lab) for key in ("serial", "address") if entry.get(key)}
        serial = wait_for_phone(
            server,
            serial=wanted.serial,
            address=wanted.address,
            known=known,
            person=person,
            wait_s=wanted.wait_s,
        )
        return _try_and_add(lab, wanted, person, AdbTransport(server, serial, name=wanted.name or serial))


def setup_text(found: Mapping[str, Any]) -> str:
    """What setup found, as a person reads it."""
    identity, state = found["identity"], found["health"]
    files = [
        f"  {one['name']}: {one['width']} x {one['height']}, {one['bytes'] / 1e6:.1f} MB"
        + (f", camera '{one['camera']}'" if one["camera"] else "")
        + (f", {one['problem']}" if one["problem"] else "")
        for one in found["files"]
    ]
    lines = [
        f"phone     {identity.get('maker', '?')} {identity.get('model', '?')}, Android {identity.get('android', '?')}",
        f"profile   {found['profile']} ({TESTED})",
        f"shutter   {found['key']}, {found['shutter_s']:.1f} s from key to whole files",
        f"files     {', '.join(found['formats'])} in {found['folder']}",
        *files,
        f"battery   {_or(state['battery_percent'])} %, {_or(state['battery_c'])} C, "
        f"thermal status {_or(state['thermal_status'])}",
        f"clock     {_or(state['clock_offset_s'], '+.2f')} s ahead of this computer",
    ]
    lines += [f"note      {note}" for note in found["notes"]]
    lines += [f"problem   {problem}" for problem in found["problems"]]
    done = f"added as '{found['device']}' to {found['lab']}; check it with: instability devices {found['lab']}"
    return "\n".join([*lines, done if found["added"] else f"nothing was written to {found['lab']}"])


def _or(value: Any, form: str = "") -> str:
    return "?" if value is None else format(value, form)


def _check_early(lab: Path, wanted: Wanted) -> None:
    """Refuse what can be refused before anybody waits for a phone."""
    refuse_twice(lab, serials={one: what for one, what in _names(wanted.serial, wanted.address).items() if one})
    if wanted.name and any(entry.get("name") == wanted.name for entry in devices_in(lab)):
        raise BadInput(f"{lab}: there is a device '{wanted.name}' already; choose another --name")


def _names(serial: str, address: str) -> dict[str, str]:
    return {serial: "serial", address: "address"}


def _try_and_add(lab: Path, wanted: Wanted, person: Person, transport: AdbTransport) -> dict[str, Any]:
    identity = phone_identity(transport)
    own = transport.run(["getprop", "ro.serialno"], timeout_s=15).text.strip()
    route = "address" if ":" in transport.serial and not transport.serial.startswith("usb:") else "serial"
    refuse_twice(lab, serials={transport.serial: route} | ({own: "serial"} if own else {}))
    name = wanted.name or _named(lab, identity, person)
    transport.name = name
    profile = profile_for(identity)
    person.say(f"{identity.get('maker', '?')} {identity.get('model', '?')}: profile {profile.name}; {profile.advice}")
    wait_until_unlocked(transport, name=name, person=person, wait_s=wanted.wait_s)
    keys = [wanted.key] if wanted.key else _keys(profile, remembered_key(identity, state_folder()))
    trial, files, package = _photograph(transport, profile, keys, wanted, person, name)
    state = health(transport, name=name)
    problems = [f"{one['name']}: {one['problem']}" for one in files if one["problem"]]
    entry = {
        "name": name,
        "kind": "adb",
        route: transport.serial,
        "shutter_key": trial.key,
        "folder": trial.folder,
        "formats": list(trial.formats),
    }
    if not problems:
        remember_key(identity, trial.key, state_folder())
        add_device(lab, entry, comment=_comment(identity, trial))
    return {
        "device": name,
        "lab": str(lab),
        "added": not problems,
        "entry": entry,
        "identity": identity,
        "profile": profile.name,
        "tested": TESTED,
        "key": trial.key,
        "folder": trial.folder,
        "formats": list(trial.formats),
        "shutter_s": round(trial.shutter_s, 3),
        "files": files,
        "health": asdict(state),
        "problems": problems,
        "notes": _notes(files, identity, state, profile, package),
    }


def _named(lab: Path, identity: Mapping[str, str], person: Person) -> str:
    """Ask for the device's name; its model where nobody answers."""
    free = free_name(lab, identity.get("model", "phone"))
    answer = person.ask(f"name of this device in the lab file? [{free}]")
    return free_name(lab, answer) if answer else free


def _keys(profile: CameraProfile, known: str) -> list[str]:
    """The key that worked on this model and build before goes first."""
    return [*([known] if known else []), *(key for key in profile.keys if key != known)]


def _photograph(
    transport: AdbTransport, profile: CameraProfile, keys: Sequence[str], wanted: Wanted, person: Person, name: str
) -> tuple[Trial, list[dict[str, Any]], str]:
    """Try the camera and check its files; the phone is left as it was found."""
    camera = StockCamera(transport, key=keys[0], folder=profile.folders[0], name=name, state=state_folder())
    try:
        trial = try_camera(
            transport,
            profile,
            name=name,
            keys=keys,
            formats=wanted.formats,
            open_camera=lambda: _open(camera, wanted.wait_s, person),
            say=person.say,
            trial_s=wanted.trial_s,
        )
        files = [check_file(transport, file, profile, name=name) for file in trial.files]
        return trial, files, camera.package
    finally:
        camera.release()


def _open(camera: StockCamera, wait_s: float, person: Person) -> None:
    """Bring the camera in front; a person has so long to answer a dialog that covers it."""
    end, told = time.monotonic() + wait_s, False
    while True:
        try:
            return camera.prepare()
        except DeviceError as problem:
            if not any(word in str(problem) for word in DIALOG_WORDS):
                raise
            if time.monotonic() >= end:
                raise DeviceError(f"{camera.name}: {DIALOG} ({problem})") from problem
            if not told:
                person.say(DIALOG)
                told = True


def _comment(identity: Mapping[str, str], trial: Trial) -> str:
    told = f"{identity.get('maker', '')} {identity.get('model', '')}, Android {identity.get('android', '?')}"
    told = "".join(one for one in told if one.isprintable()).strip()[:200]
    return f"{told}; set up by trying: {trial.shutter_s:.1f} s from key to whole files"


def _notes(
    files: Sequence[Mapping[str, Any]], identity: Mapping[str, str], state: Health, profile: CameraProfile, package: str
) -> list[str]:
    notes = [one["note"] for one in files if one["note"]]
    notes += list(state.problems)
    if package and package not in profile.packages:
        notes.append(f"the camera app is {package}, which profile {profile.name} does not name; it worked all the same")
    model = identity.get("model", "")
    notes += [
        f"{one['name']} says it is of '{one['camera']}', the phone calls itself '{model}'"
        for one in files
        if one["camera"] and model and model.lower() not in one["camera"].lower()
    ]
    return [*notes, "the photographs that setup took are still on the phone"]
