"""The devices of a batch: which are asked for, who may share whose work, and what is asked of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from device_agents.errors import BadInput, pick
from device_agents.predict import Job
from device_agents.records import Prediction

ALIVE_S = 10.0
LAST_WORDS_S = 5.0  # for what must be tidied up on the device after its time is over
ANY, EACH = "any", "each"


class Worker(Protocol):
    """What a batch asks of a device; any hostctl.agents.predictor.Predictor is one."""

    @property
    def name(self) -> str:
        """The device's name."""
        ...

    def predict(self, job: Job, *, limit_s: float) -> Iterator[Prediction]:
        """Give the job's predictions as Predictor.predict does, within limit_s seconds (0: no limit), else TimedOut."""
        ...

    def alive(self) -> bool:
        """Whether the device answers at all."""
        ...


@dataclass(frozen=True)
class Group:
    """Devices that share work: ``count`` of ``devices``, or, where ``each``, that many of which each does it all."""

    name: str
    devices: tuple[str, ...]
    count: int
    each: bool = False


def parse_devices(text: str, predicts: Mapping[str, str]) -> list[Group]:
    """Read "any:2", "each:3", "pi", "pi+nano" or several of these with commas; raises BadInput with what is wrong.

    ``predicts``: for each device there is who predicts its pictures. A name is a device that does so by its agent,
    "pi+nano" are two that share the work, "any:2" two of those not named, "each:3" three of those not named that do all
    of it each.
    """
    agents = [name for name, who in predicts.items() if who == "agent"]
    words = [word.strip() for word in text.split(",") if word.strip()]
    named = [name for word in words if not _counted(word) for name in word.split("+")]
    for name in named:
        who = pick(predicts, name, what="device")
        if name not in agents:
            raise BadInput(f'device {name}: expected predicts = "agent", got predicts = "{who}"')
    twice = [name for name, count in Counter(named).items() if count > 1]
    if not words or twice or sum(_counted(word) is not None for word in words) > 1:
        raise BadInput(
            f"--devices: expected each device once, and any:N or each:N at most once, got '{text}'; "
            f"devices with an agent: {', '.join(agents) or 'none'}"
        )
    others = tuple(name for name in agents if name not in named)
    return [_group(word, others) for word in words]


def _counted(word: str) -> tuple[str, int] | None:
    found = re.fullmatch(rf"({ANY}|{EACH}):(\d+)", word)
    return (found[1], int(found[2])) if found else None


def _group(word: str, others: tuple[str, ...]) -> Group:
    counted = _counted(word)
    if counted is None:
        names = tuple(word.split("+"))
        return Group(word, names, len(names))
    kind, count = counted
    if not 1 <= count <= len(others):
        raise BadInput(f"--devices {word}: expected 1 to {len(others)}, the devices with an agent that are not named")
    return Group(word, others, count, each=kind == EACH)


def shared_among(groups: Sequence[Group], taken: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Give for each part of the matrix the devices that share it, after ``taken`` was taken for each group."""
    found: dict[str, list[str]] = {}
    for group, devices in zip(groups, taken, strict=True):
        found |= {device: [device] for device in devices} if group.each else {group.name: list(devices)}
    return found
