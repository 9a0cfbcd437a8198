"""The determinism floor measured: the same pictures predicted again and again, here or on a device of a lab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.metrology.determinism import determinism
from analysis.pages.answer import percent
from analysis.run_folder.parts import LABELS, SCORES
from capture.scenes import read_scenes
from device_agents.errors import BadInput, DeviceError
from device_agents.predict import Job, JobPicture, default_environment, predict
from device_agents.records import Prediction
from device_agents.sidecar import Sidecar
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    from hostctl.agents.predictor import Predictor

PICTURES, TIMES = 20, 10
SEVERAL = 2


def measure_determinism(
    scenes: Path,
    *,
    model: str,
    sidecar: Path | None = None,
    runtime: str | None = None,
    threads: int = 1,
    times: int = TIMES,
    pictures: int = PICTURES,
    lab: Path | None = None,
    on: str = "",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Predict the first pictures several times, each time in a model newly loaded: a row of metrology.determinism.

    With ``lab`` and ``on`` the agent of that device does it. "steady" says whether every label and score was the same
    each time. Raises BadInput for fewer than two times, no pictures, or half of a device; DeviceError if nothing could
    be predicted.
    """
    if times < SEVERAL or pictures < 1:
        raise BadInput(f"expected two times or more and a picture or more, got {times} times and {pictures} pictures")
    if bool(on) != (lab is not None):
        raise BadInput("expected --on DEVICE together with --lab FILE, got one of them")
    from stability_train.zoo import resolve_model

    files = [Path(one.file) for one in read_scenes(scenes)[:pictures]]
    path, card = resolve_model(model, sidecar=sidecar)
    with _agent(lab, on) as agent:
        job, machine = _job(path, card, files, runtime, threads, agent)
        rows = []
        for turn in range(times):
            progress("determinism", turn, times, machine)
            rows += [_row(one) for one in (predict(job) if agent is None else agent.predict(job))]
    table = pd.DataFrame(rows).assign(machine=machine)
    if (table["error"] != "").all():
        raise DeviceError(f"{machine}: expected answers, got none: {table['error'].iloc[0]}")
    found = {str(name): value for name, value in determinism(table).iloc[0].items()}
    return {
        "model": card.name,
        "runtime": f"{job.environments[0].runtime} {job.environments[0].runtime_version}".strip(),
        "threads": threads,
        "times": times,
        "failed": int((table["error"] != "").sum()),
        **found,
        "steady": not found["scores_differ"],
    }


def determinism_text(found: Mapping[str, Any]) -> str:
    """Lay out what measure_determinism gives."""
    told = f"{found['inputs']} inputs, {found['times']} times each, by {found['runtime']} on {found['machine']}"
    if found["steady"]:
        lines = [f"the same every time: {told}"]
    else:
        lines = [
            f"not the same every time: {told}",
            f"  another first label   {found['labels_differ']} inputs",
            f"  other labels, scores  {found['scores_differ']} inputs, by {found['largest']:.2g} at most",
        ]
    low, high = percent(found["low"]), percent(found["high"])
    told = "an instability within may be the runtime's"
    lines.append(f"  inputs whose first label may change: {low} to {high} (95 %); {told}")
    return "\n".join(lines + ([f"  {found['failed']} predictions failed"] if found["failed"] else []))


def _job(
    path: Path, card: Sidecar, files: list[Path], runtime: str | None, threads: int, agent: Predictor | None
) -> tuple[Job, str]:
    environment = default_environment(card, path, runtime=runtime, threads=threads)
    if agent is not None:
        environment = agent.own(environment)
    named = tuple(JobPicture(f"{number}", str(file)) for number, file in enumerate(files))
    return Job(str(path), card, named, (environment,)), environment.machine


@contextmanager
def _agent(lab: Path | None, on: str) -> Iterator[Predictor | None]:
    if lab is None:
        yield None
        return
    from hostctl.predictions.predicting_on import agent_of

    with TemporaryDirectory() as folder, agent_of(lab, on, folder=Path(folder)) as agent:
        yield agent


def _row(one: Prediction) -> dict[str, Any]:
    """A row as determinism reads it, without the latency: each of these is an inference of its own."""
    ranks = range(min(len(one.labels), len(LABELS)))
    return {
        "environment": one.environment,
        "tensor_fingerprint": int(one.tensor_sha256[:15] or "0", 16),
        "error": one.error,
        "label_1": "",
        "score_1": float("nan"),
        **{LABELS[rank]: one.labels[rank] for rank in ranks},
        **{SCORES[rank]: one.scores[rank] for rank in ranks},
    }
