"""The devices that a batch works with, held for it alone: opened from a lab, or taken from a pool of other hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from analysis.store import Run
from device_agents.errors import DeviceError
from hostctl.batches.devices import Group, Worker, parse_devices, shared_among
from hostctl.lab import Lab
from hostctl.labs.holding import FOLDER, held, identity
from hostctl.printing import Progress


@dataclass(frozen=True)
class Crew:
    """Who does a batch's work: the devices of each part of the matrix, those that work, and why the others do not.

    ``pools``: for each part all devices that may have done some of it before. ``runtimes``: of each that works, its
    runtimes and their versions. ``pages``: the browsers among them.
    """

    shared: Mapping[str, Sequence[str]]
    pools: Mapping[str, Sequence[str]]
    workers: Sequence[Worker]
    runtimes: Mapping[str, Mapping[str, str]]
    lost: Mapping[str, str]
    pages: frozenset[str] = frozenset()


def lab_groups(lab: Lab, devices: str) -> list[Group]:
    """Read what was asked of a lab's devices; raises BadInput with what is wrong."""
    return parse_devices(devices, {device.name: device.predicts for device in lab.devices})


@contextmanager
def crew_of_lab(lab: Lab, devices: str, *, run: Run, wait_s: float, progress: Progress) -> Iterator[Crew]:
    """Hold and open devices of a lab for a block; raises BadInput, DeviceError where they are held for too long."""
    from hostctl.labs.device import clock_offset_s
    from hostctl.labs.laboratory import opened, state_folder

    groups = lab_groups(lab, devices)
    identities = {device.name: identity(device, lab) for device in lab.devices}
    wants = [(group.count, {name: identities[name] for name in group.devices}) for group in groups]
    said = partial(progress, "devices", 0, 0)
    with held(wants, name=_name(run), folder=state_folder() / FOLDER, wait_s=wait_s, said=said) as taken:
        shared = shared_among(groups, taken)
        names = [device for some in shared.values() for device in some]
        with opened(_without_screen(lab), folder=run.folder / "lab", waiting=None, names=names) as laboratory:
            workers: list[Worker] = []
            runtimes: dict[str, Mapping[str, str]] = {}
            lost = dict(laboratory.failures)
            for device in laboratory.devices:
                if device.agent is None:
                    continue
                try:
                    device.agent.install()
                    info = device.agent.info()
                    runtimes[device.name] = _noted(run, device.name, info, clock_offset_s(device.transport))
                    workers.append(device.agent)
                except DeviceError as problem:
                    lost[device.name] = str(problem)
            for name, reason in lost.items():
                run.add_failure(f"batch: {name}", reason)
            pages = frozenset(device.name for device in lab.devices if device.in_page)
            yield Crew(shared, _pools(groups), workers, runtimes, lost, pages)


@contextmanager
def crew_of_pool(
    address: str, devices: str, *, security: Mapping[str, str], run: Run, wait_s: float, progress: Progress
) -> Iterator[Crew]:
    """Take devices of a pool (hostctl.batches.pool) for a block; raises what crew_of_lab does, and Unreachable."""
    from hostctl.batches import pool

    said = partial(progress, "devices", 0, 0)
    with pool.joined(address, security=security) as client:
        groups = parse_devices(devices, dict.fromkeys(pool.offers(client), "agent"))
        wants = [(group.count, group.devices) for group in groups]
        with pool.taken(client, wants, name=_name(run), wait_s=wait_s, said=said) as got:
            taken = [[device.name for device in some] for some in got]
            workers = [device for some in got for device in some]
            runtimes = {one.name: _noted(run, one.name, one.info(), one.clock_offset_s) for one in workers}
            yield Crew(shared_among(groups, taken), _pools(groups), workers, runtimes, {})


def _noted(run: Run, name: str, info: Mapping[str, Any], clock_offset_s: float) -> dict[str, str]:
    """Record what a device is in the run; gives its runtimes."""
    run.add_device(name, info, clock_offset_s)
    return {str(runtime): str(version) for runtime, version in dict(info["runtimes"]).items()}


def _name(run: Run) -> str:
    return f"instability batch into {run.folder}"


def _pools(groups: Sequence[Group]) -> dict[str, Sequence[str]]:
    return {group.name: group.devices for group in groups if not group.each}


def _without_screen(lab: Lab) -> Lab:
    """The lab with its display on any free port: nobody looks at it, and another command may have the lab's own."""
    return replace(lab, display=replace(lab.display, port=0))
