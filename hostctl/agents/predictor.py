"""The Predictor protocol: what makes predictions on a device; and the one of devices with the Python agent."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from device_agents.errors import CommandFailed, DeviceError
from device_agents.predict import Job, check_environment
from device_agents.records import Environment, Prediction
from hostctl.transport import Output, Stream, Transport

if TYPE_CHECKING:
    from hostctl.agent import Agent

ALIVE_S = 10.0
LAST_WORDS_S = 5.0  # for what must be tidied up on the device after its time is over


class Predictor(Protocol):
    """Predicts on one device: its Python agent, or the page that is open on it. Raises DeviceError naming it."""

    @property
    def name(self) -> str:
        """The device's name."""
        ...

    def install(self) -> object:
        """Bring what predicts there up to date, if that can be done from here."""
        ...

    def info(self) -> dict[str, Any]:
        """What the device says of itself; under "runtimes" the versions of those it has, by their names."""
        ...

    def own(self, environment: Environment) -> Environment:
        """Give an environment of this host as it is on the device; raises KitError where the device has it not."""
        ...

    def predict(self, job: Job, *, limit_s: float = 0.0) -> Iterator[Prediction]:
        """Predict a job of this machine's files; gives each prediction once, within limit_s seconds (0: no limit)."""
        ...

    def alive(self) -> bool:
        """Whether the device answers at all."""
        ...


@dataclass(frozen=True)
class AgentPredictor:
    """The Python agent of a phone or board as a Predictor."""

    agent: Agent
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        """The device's name."""
        return self.agent.name

    def install(self) -> bool:
        """Put the agent on the device if it is not there; says whether it was sent."""
        return self.agent.install()

    def info(self) -> dict[str, Any]:
        """What the agent says of its machine: the fields of device_agents.machine.Machine."""
        return self.agent.info()

    def own(self, environment: Environment) -> Environment:
        """Give the environment with the device as its machine, and the runtime's version there.

        Raises DeviceError if the device has not the runtime, BadInput for a variant that no agent knows.
        """
        check_environment(environment)
        version = self.agent.runtime_version(environment.runtime)
        return replace(environment, machine=self.name, runtime_version=version)

    def predict(self, job: Job, *, limit_s: float = 0.0) -> Iterator[Prediction]:
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
        return self.transport.run(command, timeout_s=self._left(command, timeout_s))

    def stream(self, command: Sequence[str], *, timeout_s: float) -> Stream:
        return self.transport.stream(command, timeout_s=self._left(command, timeout_s))

    def push(self, local: Path, remote: str) -> None:
        try:
            self.transport.push(local, remote)
        except CommandFailed as problem:  # a full card or a broken one; the model has not been asked anything yet
            raise DeviceError(str(problem)) from problem

    def pull(self, remote: str, local: Path) -> None:
        self.transport.pull(remote, local)

    def close(self) -> None:
        self.transport.close()

    def _left(self, command: Sequence[str], timeout_s: float) -> float:
        if self.until is None:
            return timeout_s
        return min(timeout_s, max(self.until - self.clock(), LAST_WORDS_S if command[0] == "rm" else 0.1))
