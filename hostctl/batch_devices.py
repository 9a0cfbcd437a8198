"""The devices of a batch: which are asked for, who may share whose work, and a worker for each that is in reach."""

from __future__ import annotations

import copy
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from device_agents.errors import BadInput, CommandFailed, DeviceError, pick
from device_agents.predict import Job
from device_agents.records import Prediction
from hostctl.lab import Lab
from hostctl.transport import Output, Transport

if TYPE_CHECKING:
    from hostctl.agent import Agent

ALIVE_S = 10.0
LAST_WORDS_S = 5.0  # for what must be tidied up on the device after its time is over
ANY, EACH = "any", "each"


class Worker(Protocol):
    """What a batch asks of a device."""

    @property
    def name(self) -> str:
        """The device's name."""
        ...

    def predict(self, job: Job, *, limit_s: float) -> Iterator[Prediction]:
        """Give the job's predictions as Agent.predict does, within limit_s seconds (0: no limit), else TimedOut."""
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


def parse_devices(text: str, lab: Lab) -> list[Group]:
    """Read "any:2", "each:3", "pi", "pi+nano" or several of these with commas; raises BadInput with what is wrong.

    A name is a device of the lab that predicts by its agent, "pi+nano" are two that share the work, "any:2" two of
    those not named, "each:3" three of those not named that do all of it each.
    """
    agents = {device.name: device for device in lab.devices if device.predicts == "agent"}
    words = [word.strip() for word in text.split(",") if word.strip()]
    named = [name for word in words if not _counted(word) for name in word.split("+")]
    for name in named:
        settings = pick({one.name: one for one in lab.devices}, name, what="device of the lab")
        if name not in agents:
            raise BadInput(f'device {name}: expected predicts = "agent", got predicts = "{settings.predicts}"')
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


@dataclass(frozen=True)
class AgentWorker:
    """A device of a lab that predicts through its agent."""

    agent: Agent
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        """The device's name."""
        return self.agent.name

    def predict(self, job: Job, *, limit_s: float) -> Iterator[Prediction]:
        """Predict a job on the device; a file that cannot be sent is the infrastructure's failure, not the agent's."""
        limited = copy.copy(self.agent)
        until = self.clock() + limit_s if limit_s else None
        limited.transport = _Limited(self.agent.transport, self.agent.name, until, self.clock)
        return limited.predict(job)

    def alive(self) -> bool:
        """Whether the device runs a command."""
        try:
            self.agent.transport.run(["ls", "-1", self.agent.folder], timeout_s=ALIVE_S)
        except DeviceError:
            return False
        return True


@dataclass(frozen=True)
class _Limited:
    """A transport whose commands together end at a time of the clock, but for a few seconds to tidy up."""

    transport: Transport
    name: str
    until: float | None
    clock: Callable[[], float]

    def run(self, command: Sequence[str], *, timeout_s: float) -> Output:
        if self.until is not None:
            timeout_s = min(timeout_s, max(self.until - self.clock(), LAST_WORDS_S if command[0] == "rm" else 0.1))
        return self.transport.run(command, timeout_s=timeout_s)

    def push(self, local: Path, remote: str) -> None:
        try:
            self.transport.push(local, remote)
        except CommandFailed as problem:  # a full card or a broken one; the model has not been asked anything yet
            raise DeviceError(str(problem)) from problem

    def pull(self, remote: str, local: Path) -> None:
        self.transport.pull(remote, local)

    def close(self) -> None:
        self.transport.close()
