"""Batches: pictures predicted by many devices of a lab at once, as by a hosted test lab, into one run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import BadInput, DeviceError
from device_agents.predict import default_environment
from hostctl.batch_devices import AgentWorker, parse_devices, shared_among
from hostctl.batch_rows import Limits, Matrix, Network, Row
from hostctl.batch_text import write_junit
from hostctl.batch_work import PATIENCE_S
from hostctl.file_runs import run_of_files
from hostctl.holding import FOLDER, held, identity
from hostctl.lab import Lab, read_lab
from hostctl.label_names import keep_names
from hostctl.model_notes import keep_model
from hostctl.prepared import as_prepared
from hostctl.printing import Progress, silent

AS_GIVEN = "as given"


@dataclass(frozen=True)
class Request:
    """What a batch is asked to do; as the options of `instability batch`."""

    models: tuple[str, ...]
    scenes: Path
    lab: Path
    devices: str
    out: Path | None = None
    precision: str = ""
    calibration: Path | None = None
    sidecar: Path | None = None
    runtime: str | None = None
    decoder: str = "pillow"
    retries: int = 2
    shard_timeout_s: float = 0.0
    patience_s: float = PATIENCE_S
    wait_s: float = 0.0
    junit: Path | None = None


def batch(request: Request, *, progress: Progress = silent) -> dict[str, Any]:
    """Predict pictures on devices of a lab; keys: run, status, exit_code, rows, devices, attempts, wall_s, junit.

    Devices are held meanwhile (hostctl.holding), and what is in the run already is not made again. Raises BadInput for
    a wrong request, DeviceError where devices are held by another command for longer than ``wait_s``.
    """
    from hostctl.laboratory import opened, state_folder

    _check(request)
    started = time.monotonic()
    lab = read_lab(request.lab)
    groups = parse_devices(request.devices, lab)
    identities = {device.name: identity(device, lab) for device in lab.devices}
    wants = [(group.count, {name: identities[name] for name in group.devices}) for group in groups]
    with run_of_files(request.scenes, request.out, name="batch") as run:
        networks = _networks(request, run, progress)
        name, place = f"instability batch into {run.folder}", state_folder() / FOLDER
        said = partial(progress, "devices", 0, 0)
        with held(wants, name=name, folder=place, wait_s=request.wait_s, said=said) as taken:
            shared = shared_among(groups, taken)
            pools = {group.name: group.devices for group in groups if not group.each}
            names = [device for devices in shared.values() for device in devices]
            with opened(_without_screen(lab), folder=run.folder / "lab", waiting=None, names=names) as laboratory:
                agents = [AgentWorker(one.agent) for one in laboratory.devices if one.agent is not None]
                known, lost = _prepared(run, agents, laboratory.failures)
                workers = [one for one in agents if one.name in known]
                rows = [
                    Row(group, network, tuple(devices), pools.get(group, tuple(devices)))
                    for group, devices in shared.items()
                    for network in networks
                ]
                limits = Limits(request.retries, request.shard_timeout_s, request.patience_s)
                found = Matrix(run, rows, known, lost=lost, progress=progress).work(workers, limits)
    result = {"run": str(run.folder), **found, "wall_s": round(time.monotonic() - started, 2)}
    junit = request.junit or run.folder / "report" / "junit.xml"
    write_junit(junit, result)
    return {**result, "junit": str(junit)}


def _check(request: Request) -> None:
    for what, value in (("--retries", request.retries), ("--wait", request.wait_s), ("--patience", request.patience_s)):
        if value < 0:
            raise BadInput(f"{what}: expected 0 or more, got {value:g}")
    if request.shard_timeout_s < 0:
        raise BadInput(f"--shard-timeout: expected seconds, or 0 for no limit, got {request.shard_timeout_s:g}")


def _without_screen(lab: Lab) -> Lab:
    """The lab with its display on any free port: nobody looks at it, and another command may have the lab's own."""
    return replace(lab, display=replace(lab.display, port=0))


def _networks(request: Request, run: Run, progress: Progress) -> list[Network]:
    """Every model as it is given and in every precision asked for; notes in the run what they are."""
    from hostctl.model_variants import variants_of_run
    from stability_train.variant_files import asked_names
    from stability_train.zoo import resolve_model

    asked = asked_names(request.precision) if request.precision else {}
    found: list[Network] = []
    for text in request.models:
        path, card = resolve_model(text, sidecar=request.sidecar, progress=partial(progress, "model", 0, 0))
        environment = default_environment(card, path, runtime=request.runtime, decoder=request.decoder)
        environment = replace(as_prepared(environment, card, run.note("prepared")), machine="", runtime_version="")
        keep_names(run.folder, card.labels)
        keep_model(run, path, card)
        found.append(Network(card.name, AS_GIVEN, path, card, environment))
        if not asked:
            continue
        given: dict[str, Any] = {"runtime": environment.runtime, "calibration": request.calibration}
        made, changes, lacking = variants_of_run(run, path, card, asked, progress=progress, **given)
        for name, reason in lacking.items():
            progress("variants of the model", 0, 0, f"{name} is left out: {reason}")
        for change in changes:
            variant = made[change["model_sha256"]]
            its = replace(environment, model_sha256=change["model_sha256"], runtime=change["runtime"])
            found.append(Network(card.name, change["precision"], variant.path, variant.sidecar, its))
    names = [(one.model, one.precision) for one in found]
    if len(set(names)) < len(names):
        raise BadInput("--model: expected models of different names (in their sidecars), got one twice")
    return found


def _prepared(
    run: Run, agents: Sequence[AgentWorker], failures: Mapping[str, str]
) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
    """Ask every device what it is; gives the runtimes of those that answer, and why the others do not."""
    from hostctl.device import clock_offset_s

    known: dict[str, Mapping[str, str]] = {}
    lost = dict(failures)
    for worker in agents:
        try:
            worker.agent.install()
            info = worker.agent.info()
            run.add_device(worker.name, info, clock_offset_s(worker.agent.transport))
            known[worker.name] = {str(name): str(version) for name, version in dict(info["runtimes"]).items()}
        except DeviceError as problem:
            lost[worker.name] = str(problem)
    for name, reason in lost.items():
        run.add_failure(f"batch: {name}", reason)
    return known, lost
