"""The command `devices`: check a lab's devices, set up a new phone, make certificates, clear photographs of runs.

Only what parsing needs is imported here; each action imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, comma_list, print_result

ACTIONS = ("setup", "certificate", "clear")


def _devices_options(parser: argparse.ArgumentParser) -> None:
    words = "the lab file (TOML) to check; or one of: setup (a new phone), certificate [HOST ...] (for the display's "
    words += "https), clear (remove photographs that runs hold from the phones)"
    parser.add_argument("words", nargs="*", metavar="LAB | ACTION", help=words)
    parser.add_argument("--lab", type=Path, help="the lab file (TOML); setup makes it where there is none")
    setup = parser.add_argument_group("setup")
    setup.add_argument("--serial", default="", help="the phone on USB with this serial (default: the one that is new)")
    setup.add_argument("--address", default="", metavar="HOST:PORT", help="a phone on the network")
    setup.add_argument("--pair", default="", metavar="HOST:PORT", help="pair by Wi-Fi first (Android 11 and newer)")
    setup.add_argument("--code", default="", help="the pairing code; without it a terminal is asked")
    setup.add_argument("--name", default="", help="the device's name in the lab file (default: from its model)")
    setup.add_argument("--formats", default="", metavar="jpg,dng", help="files of a photograph (default: what comes)")
    setup.add_argument("--key", default="", help="the shutter key (default: tried, or remembered)")
    setup.add_argument("--wait", type=float, default=120.0, metavar="SECONDS", help="how long to wait for a person")
    clear = parser.add_argument_group("clear")
    clear.add_argument("--run", type=Path, action="append", default=[], help="a run that holds the photographs")
    clear.add_argument("--yes", action="store_true", help="delete without asking")


def _run_devices(options: argparse.Namespace) -> int:
    action, rest = (options.words[0], options.words[1:]) if options.words[:1] else ("", [])
    if action not in ACTIONS:
        return _check(options)
    if action == "certificate":
        return _certificate(options, rest)
    if rest:
        raise BadInput(f"devices {action}: expected options only, got '{rest[0]}'; the lab file goes after --lab")
    if options.lab is None:
        raise BadInput(f"devices {action}: expected --lab with the lab file, got none")
    return _setup(options) if action == "setup" else _clear(options)


def _check(options: argparse.Namespace) -> int:
    from hostctl import commands, printing

    named = [*([options.lab] if options.lab else []), *map(Path, options.words)]
    if len(named) != 1:
        got = " ".join(map(str, named)) or "none"
        raise BadInput(f"devices: expected one lab file, or an action of {', '.join(ACTIONS)}; got {got}")
    table = commands.devices(named[0])
    print_result(options, table.to_dict("records"), printing.devices_text)
    return 0 if bool(table["ok"].all()) else 3


def _setup(options: argparse.Namespace) -> int:
    from hostctl.labs.person import person
    from hostctl.phones.setup import Wanted, set_up, setup_text

    wanted = Wanted(
        serial=options.serial,
        address=options.address,
        pair=options.pair,
        code=options.code,
        name=options.name,
        formats=comma_list(options.formats),
        key=options.key,
        wait_s=options.wait,
    )
    found = set_up(options.lab, wanted, person(quiet=options.quiet))
    print_result(options, found, setup_text)
    return 3 if found["problems"] else 0


def _certificate(options: argparse.Namespace, hosts: list[str]) -> int:
    from hostctl.browsers.certificate import certificate, certificate_text

    return print_result(options, certificate(hosts), certificate_text)


def _clear(options: argparse.Namespace) -> int:
    from hostctl.labs.person import person
    from hostctl.phones.clearing import clear_lab, clear_text

    if not options.run:
        raise BadInput("devices clear: expected --run with a run that holds the photographs, got none")
    found = clear_lab(options.lab, options.run, person=person(quiet=options.quiet), yes=options.yes)
    print_result(options, found, clear_text)
    return 3 if any(row["problem"] for row in found["devices"]) else 0


COMMANDS = (
    Command(
        "devices",
        "check every device of a lab; setup walks you through a new phone",
        "devices setup --lab lab.toml",
        _devices_options,
        _run_devices,
    ),
)
