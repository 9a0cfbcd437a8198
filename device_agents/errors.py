"""The kit's few error classes; the command line turns each into one line and an exit code.

KitError                 anything the kit raises on purpose: expected, got, what to do
|-- BadInput             a file, an option or a lab file is wrong (exit code 2)
|   |-- MissingExtra     a library is absent; says which extra to install (2)
|   `-- WrongJob         what a prediction shows to be wrong for every picture, such as the label list (2)
`-- DeviceError          devices or infrastructure failed (3)
    |-- Unreachable      no connection, or it broke
    |-- Unauthorised     the device is there and refuses us (unauthorised ADB key, wrong host key)
    |-- TimedOut         the device did not answer in time
    `-- CommandFailed    a command on the device ended with a non-zero status
"""

from __future__ import annotations

import difflib
from typing import Mapping, TypeVar

Value = TypeVar("Value")


class KitError(Exception):
    """Anything the kit raises on purpose; its text reads: what was expected, what was got, what to do."""

    exit_code = 2


class BadInput(KitError):
    """A file, an option or a lab file is wrong."""


class MissingExtra(BadInput):
    """A library is absent; the text names the extra that brings it."""


class WrongJob(BadInput):
    """Something is wrong that no other picture would mend; it ends the job instead of failing each picture."""


class DeviceError(KitError):
    """A device or the infrastructure around it failed."""

    exit_code = 3


class Unreachable(DeviceError):
    """There is no connection to the device, or it broke."""


class Unauthorised(DeviceError):
    """The device is there and refuses us, or is not the one we know."""


class TimedOut(DeviceError):
    """The device did not answer in time."""


class CommandFailed(DeviceError):
    """A command on the device ended with a non-zero status."""


def pick(table: Mapping[str, Value], name: str, *, what: str) -> Value:
    """Give table[name], or raise BadInput that lists the known names: "unknown decoder 'pil'; known: ..."."""
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name, list(table), n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise BadInput(f"unknown {what} '{name}'{hint or ';'} known: {', '.join(sorted(table))}")
