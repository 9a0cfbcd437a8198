"""Devices rotated over the places of the mount: which device stands where in which block, and who moves them.

A place may have its own light, angle and reflection; where each device stands once in each place, devices can be told
from places. Blocks are one repeat at one angle; between blocks a person, or the lab's own command, moves the devices.
"""

from __future__ import annotations

import itertools
import logging
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from device_agents.errors import BadInput, DeviceError
from device_agents.records import Step
from hostctl.labs.mount import MOVE_TIMEOUT_S
from hostctl.transport import LocalTransport

if TYPE_CHECKING:
    from hostctl.lab import Lab
    from hostctl.virtual.rack import Rack

log = logging.getLogger("instability")


class Station(NamedTuple):
    """Where everything stands for some steps: the mount's angle in degrees, and each device with its place (from 1)."""

    angle: int
    places: tuple[tuple[str, int], ...]


def williams(count: int) -> list[list[int]]:
    """A Williams design of so many devices: each stands once in every row, and equally often in every column.

    In all rows together each stands directly before every other equally often: once in ``count`` rows where count is
    even; where it is odd that takes 2 x count rows, and the first ``count`` of them are a Latin square (Williams 1949,
    Australian Journal of Scientific Research A 2, 149-168). Raises BadInput for fewer than two.
    """
    if count < 2:
        raise BadInput(f"expected two devices or more to rotate, got {count}")
    first = [0]
    for step in range(1, count):
        first.append((count - (step // 2)) % count if step % 2 == 0 else (step + 1) // 2)
    square = [[(one + row) % count for one in first] for row in range(count)]
    return square if count % 2 == 0 else square + [row[::-1] for row in square]


def rotated(steps: Sequence[Step], *, devices: Sequence[str], seed: int) -> list[Step]:
    """Give a plan's steps their places block by block, and put each repeat of an angle into a block of its own.

    Repeat r is row r of the Williams design, whose devices and rows are drawn by the seed; after its last row it starts
    anew. Within a block the stimuli keep their shuffled order. Raises BadInput for fewer than two devices.
    """
    rows, names = williams(len(devices)), list(devices)
    rng = random.Random(f"{seed}|rotate")
    rng.shuffle(names)
    head, tail = rows[: len(devices)], rows[len(devices) :]
    rng.shuffle(head)  # any rows of the first half are a Latin square's, so that few repeats are one's too
    rng.shuffle(tail)
    rows = head + tail
    places = [{names[one]: place for place, one in enumerate(row, 1)} for row in rows]
    angles = list(dict.fromkeys(step.angle for step in sorted(steps, key=lambda step: step.order)))
    ordered = sorted(steps, key=lambda step: (angles.index(step.angle), step.repeat, step.order))
    groups = itertools.groupby(ordered, key=lambda step: step.order)
    return [
        replace(step, order=order, place=places[step.repeat % len(rows)][step.device])
        for order, (_, group) in enumerate(groups)
        for step in group
    ]


def stations(steps: Sequence[Step]) -> dict[int, Station]:
    """Where everything stands by the order of each stimulus; steps: all that are planned, not only the missing ones."""
    found: dict[int, Station] = {}
    for order, group in itertools.groupby(sorted(steps, key=lambda step: step.order), key=lambda step: step.order):
        members = list(group)
        places = sorted((step.place, step.device) for step in members)
        found[order] = Station(members[0].angle, tuple((device, place) for place, device in places))
    return found


def station_of(steps: Sequence[Step]) -> Callable[[Step], Station]:
    """A function that gives the station of each of these steps."""
    known = stations(steps)
    return lambda step: known[step.order]


def move_devices(lab: Lab, rack: Rack | None, station: Station) -> None:
    """Bring the mount to a station: by the lab's own command, or by a person, who is asked.

    The command gets the angle and then NAME=PLACE for each device. A virtual rack only turns: its cameras stand all in
    one place. Raises DeviceError if the command fails, or nobody is there to ask.
    """
    told = [f"{device}={place}" for device, place in station.places]
    log.info("mount to %d degrees, devices to places: %s", station.angle, ", ".join(told))
    if rack:
        rack.turn(station.angle)
    elif lab.session.move_command:
        command = [*lab.session.move_command, str(station.angle), *told]
        output = LocalTransport("mount").run(command, timeout_s=MOVE_TIMEOUT_S)
        if output.exit_code:
            words = output.stderr.decode("utf-8", "replace").strip()
            raise DeviceError(f"the mount: expected {command} to end well, got exit code {output.exit_code}: {words}")
    else:
        _ask(words_of(station, several_angles=len(lab.session.angles) > 1))


def words_of(station: Station, *, several_angles: bool) -> str:
    """What a person is to do."""
    angle = f"move the mount to {station.angle} degrees and " if several_angles else ""
    places = ", ".join(f"{place}: {device}" for device, place in station.places)
    return f"{angle}put the devices into their places ({places}), then press Enter"


def _ask(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
    if not sys.stdin.readline():
        raise DeviceError(
            "the mount: expected a person to move the devices and press Enter, got the input's end; "
            "give [session] move_command, or run in a terminal"
        )
