"""The paper's section 7 in one command: the same pictures as JPEG and as PNG on many executors, and what differs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.decoding.groups import FORMATS, JPEG, TOLERANCE
from analysis.run_folder.parts import LABELS, SCORES
from analysis.store import Run
from device_agents.errors import BadInput, DeviceError, KitError
from hostctl.decodings.executors import Executor, executor_of, opened_executors, parse_executors
from hostctl.decodings.pictures import Coding, count_encoded, run_of_scenes
from hostctl.decodings.work import CODECS, Network, Work
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

    from device_agents.sidecar import Sidecar

NOTE = "decoding"  # of a run: its executors with their environments
DEFAULT = "host,chromium,legacy-tflite,arm"
COLUMNS = (
    *("picture", "scene", "cluster", "codec", "environment", "verdict", *LABELS, *SCORES, "error"),
    *("pixels_fingerprint", "resized_fingerprint", "tensor_fingerprint"),
)


@dataclass(frozen=True)
class Request:
    """What is asked; as the options of `instability decoding`. Without executors and devices the DEFAULT is meant."""

    scenes: Path
    model: str
    out: Path | None = None
    executors: str = ""
    lab: Path | None = None
    devices: tuple[str, ...] = ()
    coding: Coding = field(default_factory=Coding)
    sidecar: Path | None = None
    tolerance: float = TOLERANCE
    wait_s: float = 0.0


def decoding(request: Request, *, progress: Progress = silent) -> dict[str, Any]:
    """Run the experiment and tell what it found, as hostctl.decodings.result gives it, with "wall_s".

    What is in the run already is not predicted again. Raises BadInput for a wrong request, DeviceError where fewer than
    two executors can be had, or devices are held by another command.
    """
    from hostctl.decodings.result import tell
    from stability_train.zoo import resolve_model

    started = time.monotonic()
    if request.devices and request.lab is None:
        raise BadInput("--devices: expected --lab with the lab file that has them")
    if not 0 <= request.tolerance < 1:
        raise BadInput(f"--tolerance: expected 0 or more and less than 1, got {request.tolerance:g}")
    asked = parse_executors(request.executors or ("" if request.devices else DEFAULT))
    wanted = [*(one.name for one in asked), *request.devices]
    if len(set(wanted)) < max(2, len(wanted)):
        raise BadInput(f"expected two executors or more of different names, got {', '.join(wanted) or 'none'}")
    path, sidecar = resolve_model(request.model, sidecar=request.sidecar, progress=partial(progress, "model", 0, 0))
    # Devices alone are compared as devices that shot the pictures; other executors have setups of their own.
    devices = () if asked else request.devices
    with run_of_scenes(request.scenes, request.out, request.coding, devices=devices, progress=progress) as run:
        with _opened(request, path, sidecar, run.folder, progress) as (executors, lacking):
            executors = [_as_prepared(one, sidecar, run.note("prepared")) for one in executors]
            for name, reason in lacking.items():
                run.add_failure(f"decoding: {name}", reason)
            if len(executors) < 2:
                raise DeviceError(_too_few(executors, lacking))
            _keep(run, executors, path, sidecar)
            work = Work(run, Network(path, sidecar), executors, progress=progress)
            work.work()
        _note(run, executors, {**lacking, **work.lost})
        result = tell(run, tolerance=request.tolerance, problems=work.reasons, progress=progress)
    return {**result, "wall_s": round(time.monotonic() - started, 2)}


def _too_few(executors: Sequence[Executor], lacking: Mapping[str, str]) -> str:
    there = ", ".join(one.name for one in executors) or "none"
    reasons = "".join(f"\n  {name}: {reason}" for name, reason in lacking.items())
    return f"expected two executors or more that can be had, got {there}{reasons}"


@contextlib.contextmanager
def _opened(
    request: Request, path: Path, sidecar: Sidecar, folder: Path, progress: Progress
) -> Iterator[tuple[list[Executor], dict[str, str]]]:
    """All executors that can be had, the built-in ones and the devices of the lab, and why others cannot."""
    asked = parse_executors(request.executors or ("" if request.devices else DEFAULT))
    with contextlib.ExitStack() as stack:
        found, lacking = stack.enter_context(opened_executors(asked, path, sidecar, progress=progress))
        if request.devices:
            devices, others = stack.enter_context(_devices(request, path, sidecar, folder, progress))
            found, lacking = [*found, *devices], {**lacking, **others}
        yield found, lacking


@contextlib.contextmanager
def _devices(
    request: Request, path: Path, sidecar: Sidecar, folder: Path, progress: Progress
) -> Iterator[tuple[list[Executor], dict[str, str]]]:
    """The devices of the lab that were asked for, held meanwhile."""
    from dataclasses import replace

    from hostctl.batches.crew import lab_groups
    from hostctl.decodings.executors import Asked
    from hostctl.lab import read_lab
    from hostctl.labs.holding import FOLDER, held, identity
    from hostctl.labs.laboratory import opened, state_folder

    assert request.lab is not None
    lab = read_lab(request.lab)
    groups = lab_groups(lab, ",".join(request.devices))
    shared = [group.name for group in groups if group.each or len(group.devices) > 1 or group.name not in group.devices]
    if shared:
        raise BadInput(f"--devices: expected names of devices, each on its own, got {', '.join(shared)}")
    identities = {device.name: identity(device, lab) for device in lab.devices}
    wants = [(1, {name: identities[name]}) for name in request.devices]
    said = partial(progress, "devices", 0, 0)
    place, holder = state_folder() / FOLDER, f"instability decoding into {folder}"
    # Nobody looks at the display, and another command may have the lab's own port.
    unseen = replace(lab, display=replace(lab.display, port=0))
    with (
        held(wants, name=holder, folder=place, wait_s=request.wait_s, said=said),
        opened(unseen, folder=folder / "lab", waiting=None, names=list(request.devices)) as laboratory,
    ):
        found, lacking = [], dict(laboratory.failures)
        for device in laboratory.devices:
            if device.agent is None:
                continue
            try:
                found.append(executor_of(device.agent, Asked(device.name), path, sidecar))
            except KitError as problem:
                lacking[device.name] = str(problem)
        yield found, lacking


def _as_prepared(executor: Executor, sidecar: Sidecar, note: Mapping[str, Any] | None) -> Executor:
    """The executor with the fit that leaves pictures of the model's size as they are, where the run has such."""
    from dataclasses import replace

    from hostctl.pictures.prepared import as_prepared

    made = {name: as_prepared(one, sidecar, note) for name, one in executor.environments.items()}
    return replace(executor, environments=made)


def _keep(run: Run, executors: Sequence[Executor], path: Path, sidecar: Sidecar) -> None:
    """Keep in the run what its predictions are read by: devices, the model's labels and size."""
    from hostctl.predictions.label_names import keep_names
    from hostctl.predictions.model_notes import keep_model

    keep_names(run.folder, sidecar.labels)
    keep_model(run, path, sidecar)
    for one in executors:
        run.add_device(one.name, one.info, 0.0)


def _note(run: Run, executors: Sequence[Executor], lacking: Mapping[str, str]) -> None:
    """Note the executors with their environments and those that were lacking, besides what earlier commands noted."""
    known = run.note(NOTE) or {}
    made = [
        {"executor": one.name, **{name: one.environments[name].environment for name in FORMATS}} for one in executors
    ]
    names = {one.name for one in executors}
    there = [*made, *(one for one in known.get("executors", []) if one["executor"] not in names)]
    reasons = {name: reason for name, reason in {**known.get("lacking", {}), **lacking}.items() if name not in names}
    encoded, kept = count_encoded(run)
    run.set_note(NOTE, {"executors": there, "lacking": reasons, "encoded": encoded, "kept": kept})


def table_of(run: Run) -> pd.DataFrame:
    """Give the experiment's predictions as analysis.decoding.groups wants them, by executor and format."""
    import pandas as pd

    noted = (run.note(NOTE) or {}).get("executors", [])
    table = run.predictions(COLUMNS)
    parts = []
    for one in noted:
        for name in FORMATS:
            mine = table[(table["environment"] == one[name]) & (table["codec"] == CODECS[name])]
            parts.append(mine.assign(executor=one["executor"], format=name))
    whole = pd.concat(parts, ignore_index=True) if parts else table.head(0).assign(executor="", format=JPEG)
    return whole.rename(columns={f"{stage}_fingerprint": stage for stage in ("pixels", "resized", "tensor")})
