"""Predicting on a device of a lab instead of this host, and what came out otherwise than here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis.measures.cells import DETAILED, count_stages, first_difference
from analysis.run_folder.homes import as_agents
from analysis.store import Run
from device_agents.errors import BadInput, Unreachable, pick
from hostctl.agents.predictor import Predictor
from hostctl.lab import read_lab
from hostctl.predictions.conditions import Variant

HOST = "host"


@contextmanager
def agent_of(lab: Path, device: str, *, folder: Path) -> Iterator[Predictor]:
    """Open a lab for one device and give what predicts there; ``folder`` holds the lab's files while it is open.

    Raises BadInput for a device that the lab has not or that predicts on the host, DeviceError if it is out of reach.
    """
    from hostctl.labs.laboratory import opened

    described = read_lab(lab)
    settings = pick({one.name: one for one in described.devices}, device, what="device of the lab")
    if settings.predicts != "agent":
        raise BadInput(f'{lab}: device {device}: expected predicts = "agent", got predicts = "{settings.predicts}"')
    with opened(described, folder=folder, waiting=None, names=[device]) as laboratory:
        if laboratory.failures:
            raise Unreachable(f"{device}: {laboratory.failures[device]}")
        agent = laboratory.devices[0].agent
        assert agent is not None
        agent.install()
        yield agent


def variants_on(asked: Mapping[str, Mapping[str | int, bool]], agent: Predictor) -> dict[str, list[Variant]]:
    """Give all variants asked for; what the device lacks shows as "not available" in the cells that it fills."""
    found: dict[str, list[Variant]] = {}
    versions = agent.info()["runtimes"]
    for family, names in asked.items():
        runtime = family == "runtime"
        found[family] = [
            {family: name, **({"runtime_version": versions.get(name, "")} if runtime else {})} for name in names
        ]
    return found


def against_host(run: Run, device: str) -> dict[str, Any]:
    """Compare a device's cells with the host's of the same run: how many both have, how many differ, where first.

    A page's usual decoder and runtime are held against this host's.
    """
    table = run.predictions([*DETAILED, "machine"])
    here, there = table[table["machine"] == HOST], as_agents(table[table["machine"] == device])
    found = first_difference(here, there)
    alone = found["stage"].astype(str).str.startswith("only on")
    stages = count_stages(found[~alone])
    return {
        "both": len(there) - int((found["stage"] == "only on the device").sum()),
        "differing": int((~alone).sum()),
        "first_stage": dict(zip(stages["stage"].astype(str), stages["cells"].tolist(), strict=True)),
    }
