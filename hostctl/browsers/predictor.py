"""A page as a Predictor: what a host's environment is called in a browser, and jobs that keep to their time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from device_agents.errors import DeviceError, TimedOut, Unreachable
from device_agents.page_names import IN_PAGES
from device_agents.predict import Job
from device_agents.records import Environment, Prediction
from hostctl.browsers.device import PREDICTION_SILENCE_S, WebDevice
from hostctl.browsers.wire import VARIANTS


def in_page(environment: Environment) -> Environment:
    """Give an environment of this host with a browser's decoder and runtime in the place of the host's."""
    decoder, runtime = environment.decoder, environment.runtime
    decoder, runtime = IN_PAGES["decoder"].get(decoder, decoder), IN_PAGES["runtime"].get(runtime, runtime)
    return replace(environment, decoder=decoder, runtime=runtime)


def on_agent(environment: Environment) -> Environment:
    """Give an environment of a page with what an agent, or this host, has in the place of its decoder and runtime."""
    agents = {field: {page: agent for agent, page in names.items()} for field, names in IN_PAGES.items()}
    decoder, runtime = environment.decoder, environment.runtime
    decoder, runtime = agents["decoder"].get(decoder, decoder), agents["runtime"].get(runtime, runtime)
    return replace(environment, decoder=decoder, runtime=runtime)


@dataclass(frozen=True)
class PagePredictor:
    """The page that is open on a device, as a Predictor."""

    device: WebDevice
    clock: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    def install(self) -> None:
        """Do nothing: the page was loaded from this host."""

    def info(self) -> dict[str, Any]:
        """What the page says of itself."""
        return self.device.info()

    def own(self, environment: Environment) -> Environment:
        """Give the environment as it is in the page, see in_page; raises DeviceError for a variant that it has not."""
        found, info = in_page(environment), self.info()
        for field, key in VARIANTS.items():
            name, there = getattr(found, field), ", ".join(sorted(info[key]))
            if name not in info[key]:
                raise DeviceError(f"{self.name}: expected the {field} '{name}' in the page, got one with {there}")
        return replace(found, machine=self.name, runtime_version=info["runtimes"][found.runtime])

    def predict(self, job: Job, *, limit_s: float = 0.0) -> Iterator[Prediction]:
        """Predict a job in the page; one that falls silent just before limit_s is heard of after twice that time."""
        until = self.clock() + limit_s
        silence_s = min(PREDICTION_SILENCE_S, limit_s) if limit_s else PREDICTION_SILENCE_S
        for prediction in self.device.predict(job, silence_s=silence_s):
            if limit_s and self.clock() > until:
                raise TimedOut(f"{self.name}: the page did not end its job within {limit_s:g} s")
            yield prediction

    def alive(self) -> bool:
        """Whether the page is open."""
        try:
            self.device.link.wait_for_page(timeout_s=0)
        except Unreachable:
            return False
        return True
