"""KINDS: what can go wrong with a virtual device or the link to it; a Fault says which of them, and when."""

from __future__ import annotations

import difflib
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from device_agents.errors import BadInput

PHONE, BOARD = "virtual-phone", "virtual-board"
BOTH = (PHONE, BOARD)
AWAY = ("offline", "reboot")
LOG = logging.getLogger(__name__)
LINK = "link-"  # the kinds that strike the connection and not the device begin with this


@dataclass(frozen=True)
class Fault:
    """One entry of a device's faults.

    ``at_shot``: at which shot it strikes first, counted from 1 (for an agent's faults: shots and prediction jobs
    together; for a link's: connections); 0: from the start and always. ``times``: at how many in a row. ``seconds``:
    how late a file comes, how long a device is away; 0: for good. ``after_bytes``: where in a connection a link fails.
    """

    kind: str
    at_shot: int = 0
    times: int = 1
    seconds: float = 0.0
    after_bytes: int = 0

    def hits(self, shot: int) -> bool:
        """Whether it strikes at this shot."""
        return self.at_shot == 0 or self.at_shot <= shot < self.at_shot + self.times


# Which kinds of device know a fault, and what happens.
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "unauthorised": ((PHONE,), "nobody accepts the host's key; from the start only"),
    "offline": (BOTH, "its connections break and it listens no more"),
    "frozen": ((PHONE,), "connections stay open and nothing is answered"),
    "reboot": (BOTH, "offline, and back after 'seconds'; a phone shows its lock screen and its camera is closed"),
    "full-disk": (BOTH, "no photograph can be written any more"),
    "no-new-file": (BOTH, "the photograph is never written"),
    "late-file": ((PHONE,), "the photograph is written 'seconds' later, while the camera takes the next ones"),
    "late-raw": ((PHONE,), "the same with the raw alone"),
    "truncated-raw": ((PHONE,), "the raw is cut short"),
    "half-written": (
        (PHONE,),
        "half of the file stands there under its final name, the rest comes after 'seconds', if ever",
    ),
    "truncated": (BOTH, "the file is cut short"),
    "not-an-image": ((PHONE,), "the file holds text"),
    "two-files": ((PHONE,), "two files of one format"),
    "outside-name": ((PHONE,), "a file name that leads out of its folder"),
    "previous-frame": (BOTH, "the photograph before, again"),
    "wrong-clock": ((PHONE,), "its clock is an hour late; from the start only"),
    "hot": ((PHONE,), "battery at 46 C, thermal status severe, until it has cooled after 'seconds'"),
    "flat-battery": ((PHONE,), "battery at 4 %, until it is charged after 'seconds'"),
    "permission-dialog": ((PHONE,), "a dialog lies over the camera, until somebody answers it after 'seconds'"),
    "screen-locked": ((PHONE,), "the screen goes off and locks; a swipe opens it"),
    "pin-locked": ((PHONE,), "the same, and only a person with the PIN opens it"),
    "camera-closed": ((PHONE,), "the camera app has crashed, the home screen is in front"),
    "no-camera": ((BOARD,), "the camera's cable is loose"),
    "agent-crash": ((BOARD,), "the agent dies half-way through its answer"),
    "out-of-memory": ((BOARD,), "the system kills the agent before it answers"),
    "wrong-answer": ((BOARD,), "the model's scores come out in reverse: a broken runtime"),
    "stray-answer": ((BOARD,), "the agent answers for a picture that nobody asked about"),
    "double-answer": ((BOARD,), "the agent gives its first answer twice"),
    "link-slow": (BOTH, "20 ms a way and 5 MB/s"),
    "link-cut": (BOTH, "the connection ends after 'after_bytes' bytes from the device"),
    "link-reset": (BOTH, "the same, with a reset"),
    "link-stall": (BOTH, "after 'after_bytes' bytes nothing comes any more, and the connection stays open"),
    "link-flip": (BOTH, "one bit of byte number 'after_bytes' from the device is turned over"),
    "link-refused": (BOTH, "the connection is refused"),
}


def parse_faults(entries: Sequence[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """Make Faults of checked entries, as mistakes_in passes them."""
    return tuple(Fault(**entry) for entry in entries)


def mistakes_in(entries: Sequence[Any], *, device: str) -> list[str]:
    """Say what is wrong with the entries of a device of this kind (a key of lab.DEVICE_KINDS), one text a mistake."""
    return [text for number, entry in enumerate(entries, 1) for text in _mistakes(entry, f"fault {number}: ", device)]


def _mistakes(entry: Any, where: str, device: str) -> list[str]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("kind"), str):
        return [f'{where}expected a table like {{kind = "late-file", at_shot = 3}}, got {entry!r}']
    kind, known = entry["kind"], {name for name, (devices, _) in KINDS.items() if device in devices}
    found = []
    if kind not in known:
        close = difflib.get_close_matches(kind, sorted(known), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
        found.append(f"{where}a {device} has no fault '{kind}'; {hint}")
    numbers = {field.name: type(field.default) for field in fields(Fault) if field.name != "kind"}
    for key, value in entry.items():
        if key == "kind":
            continue
        if key not in numbers:
            found.append(f"{where}unknown key '{key}'; known: kind, {', '.join(numbers)}")
        elif isinstance(value, bool) or not isinstance(value, (int, numbers[key])) or value < (key == "times"):
            whole = "a number" if numbers[key] is float else "a whole number"
            found.append(f"{where}'{key}': expected {whole} of at least {int(key == 'times')}, got {value!r}")
    return found


def random_faults(kinds: Sequence[str], *, shots: int, rate: float, seconds: float, seed: str) -> tuple[Fault, ...]:
    """Draw faults for a device's shots 1 to ``shots``: each goes wrong with probability ``rate``, by one of ``kinds``.

    The same seed gives the same faults. Raises BadInput for a kind that is not known.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise BadInput(f"unknown fault {unknown or 'none'}; known: {', '.join(sorted(KINDS))}")
    rng = random.Random(seed)
    return tuple(
        Fault(rng.choice(kinds), at_shot=shot, seconds=seconds) for shot in range(1, shots + 1) if rng.random() < rate
    )


def hitting(faults: Sequence[Fault], shot: int) -> dict[str, Fault]:
    """The faults that strike at a shot, by kind."""
    return {fault.kind: fault for fault in faults if fault.hits(shot)}


def tell(device: str, kinds: Iterable[str], number: int) -> None:
    """Say in the log which faults strike a device at a shot, job or connection: what a run tells is compared with it.

    ``device`` is what the device calls itself: a phone its serial number, boards and links the device's name.
    """
    for kind in kinds:
        LOG.info("struck %s %s %d", device, kind, number)
