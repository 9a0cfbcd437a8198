"""Batches: pictures predicted by many devices of a lab at once, as by a hosted test lab, into one run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from analysis.store import Run
from device_agents.errors import BadInput
from device_agents.predict import default_environment
from device_agents.records import Environment
from hostctl.batches.crew import Crew, crew_of_lab, crew_of_pool, lab_groups
from hostctl.batches.rows import Limits, Matrix, Network, Row
from hostctl.batches.text import write_junit
from hostctl.batches.work import PATIENCE_S
from hostctl.browsers.predictor import in_page
from hostctl.lab import Lab, read_lab
from hostctl.pictures.file_runs import run_of_files
from hostctl.pictures.prepared import as_prepared
from hostctl.predictions.label_names import keep_names
from hostctl.predictions.model_notes import keep_model
from hostctl.printing import Progress, silent

AS_GIVEN = "as given"


@dataclass(frozen=True)
class Request:
    """What a batch is asked to do; as the options of `instability batch`."""

    models: tuple[str, ...]
    scenes: Path
    lab: Path | None
    devices: str
    out: Path | None = None
    pool: str = ""
    security: Mapping[str, str] = field(default_factory=dict)
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
    """Predict pictures on devices of a lab or a pool.

    Keys of the result: run, status, exit_code, rows, devices, attempts, wall_s, junit. Devices are held meanwhile, and
    what is in the run already is not made again. Raises BadInput for a wrong request, DeviceError where devices are
    held by another command for longer than ``wait_s``.
    """
    started, lab = time.monotonic(), _checked(request)
    with run_of_files(request.scenes, request.out, name="batch") as run:
        networks = _networks(request, run, progress)
        with _crew(request, lab, run, progress) as crew:
            rows = [
                Row(group, network, tuple(devices), tuple(crew.pools.get(group, devices)), _own(crew, network))
                for group, devices in crew.shared.items()
                for network in networks
            ]
            limits = Limits(request.retries, request.shard_timeout_s, request.patience_s)
            found = Matrix(run, rows, crew.runtimes, lost=crew.lost, progress=progress).work(crew.workers, limits)
    result = {"run": str(run.folder), **found, "wall_s": round(time.monotonic() - started, 2)}
    junit = request.junit or run.folder / "report" / "junit.xml"
    write_junit(junit, result)
    return {**result, "junit": str(junit)}


def _checked(request: Request) -> Lab | None:
    """The lab of a request, None for a pool's; raises BadInput before a run is made for a wrong one."""
    for what, value in (("--retries", request.retries), ("--wait", request.wait_s), ("--patience", request.patience_s)):
        if value < 0:
            raise BadInput(f"{what}: expected 0 or more, got {value:g}")
    if request.shard_timeout_s < 0:
        raise BadInput(f"--shard-timeout: expected seconds, or 0 for no limit, got {request.shard_timeout_s:g}")
    if (request.lab is None) != bool(request.pool):
        raise BadInput("expected --lab FILE or --pool ADDRESS, one of them")
    lab = read_lab(request.lab) if request.lab else None
    if lab:
        lab_groups(lab, request.devices)
    return lab


def _crew(request: Request, lab: Lab | None, run: Run, progress: Progress) -> AbstractContextManager[Crew]:
    """Who does the work: devices of the lab, or of the pool."""
    given: dict[str, Any] = {"run": run, "wait_s": request.wait_s, "progress": progress}
    if lab is None:
        return crew_of_pool(request.pool, request.devices, security=request.security, **given)
    return crew_of_lab(lab, request.devices, **given)


def _networks(request: Request, run: Run, progress: Progress) -> list[Network]:
    """Every model as it is given and in every precision asked for; notes in the run what they are."""
    from hostctl.predictions.model_variants import variants_of_run
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


def _own(crew: Crew, network: Network) -> dict[str, Environment]:
    """The network's environment for those devices that have another one, which are the pages."""
    return {page: in_page(network.environment) for page in crew.pages}
