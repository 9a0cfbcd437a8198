"""Adds a [[device]] table to a lab file: what stands there is kept to the letter, and no entry is ever changed."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_agents.errors import BadInput
from hostctl.lab import parse_lab

NEW = """# A lab of the instability kit; docs/display.md and README.md say what may stand here.
[display]
screen = "browser"

[session]
angles = [0]
repeats = 1
"""


def devices_in(lab: Path) -> list[dict[str, Any]]:
    """The device tables of a lab file as they stand there; none where there is no file; raises BadInput if no TOML."""
    devices = _parsed(_text(lab), lab).get("device", [])
    return [entry for entry in devices if isinstance(entry, dict)] if isinstance(devices, list) else []


def refuse_twice(lab: Path, *, serials: Mapping[str, str]) -> None:
    """Raise BadInput if a lab has a phone already; ``serials`` are the names it goes by -> how to call them."""
    for entry in devices_in(lab):
        for key in ("serial", "address"):
            if entry.get(key) and entry[key] in serials:
                raise BadInput(
                    f"{lab}: the phone with {serials[entry[key]]} '{entry[key]}' is there already as "
                    f"'{entry.get('name')}'; setup changes no entry: remove it there to set the phone up anew"
                )


def free_name(lab: Path, wanted: str) -> str:
    """A device name that the lab has not: "pixel-7", or "pixel-7-2" if that is taken."""
    taken = {entry.get("name") for entry in devices_in(lab)}
    base = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-") or "phone"
    return next(name for number in range(1, 1000) if (name := base if number == 1 else f"{base}-{number}") not in taken)


def add_device(lab: Path, entry: Mapping[str, Any], *, comment: str = "") -> None:
    """Append a [[device]] table (with a comment above it) and make the file where there is none.

    The file is replaced at once by a whole one. Raises BadInput, and changes nothing, if the lab would not be good.
    """
    place = lab.resolve()  # a link stays a link
    old = _text(place) if place.exists() else NEW
    lines = [*(f"# {line}" for line in comment.splitlines()), "[[device]]"]
    lines += [f"{key} = {_value(value)}" for key, value in entry.items()]
    text = old + ("" if old.endswith("\n") or not old else "\n") + "\n" + "\n".join(lines) + "\n"
    parse_lab(_parsed(text, lab), folder=place.parent, name=lab.name)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            part.chmod(place.stat().st_mode & 0o777)
        part.replace(place)
    except OSError as problem:
        raise BadInput(f"cannot write the lab file {lab}: {problem.strerror}") from problem
    finally:
        part.unlink(missing_ok=True)


def _text(lab: Path) -> str:
    try:
        with lab.open(encoding="utf-8", newline="") as file:  # its line ends are kept
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as problem:
        raise BadInput(f"cannot read the lab file {lab}: {problem}") from problem


def _parsed(text: str, lab: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise BadInput(
            f"{lab}: expected TOML to which a [[device]] table can be added, got: {problem}; write its devices as "
            "[[device]] tables"
        ) from problem


def _value(value: Any) -> str:
    """A text, number or list as TOML; JSON's escapes of texts are TOML's."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(one) for one in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
