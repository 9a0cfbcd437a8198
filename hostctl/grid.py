"""Pictures x environments: on this host in parallel processes, or through the agents of devices; shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.errors import KitError
from device_agents.predict import Job, JobPicture, predict
from device_agents.records import Environment, Picture, Prediction
from device_agents.sidecar import Sidecar
from hostctl.label_names import keep_names

if TYPE_CHECKING:
    from hostctl.agent import Agent

BLOCK = 32  # pictures a shard: small enough to lose little, large enough that loading the model costs nothing
TOP_K = 5

Said = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Assignment:
    """Pictures of some devices (none: of all), to be predicted in one environment, here or by a device's agent."""

    environment: Environment
    devices: tuple[str, ...] = ()
    agent: Agent | None = None


def predict_run(
    run: Run, model: Path, sidecar: Sidecar, assignments: Sequence[Assignment], *, workers: int, progress: Said
) -> list[str]:
    """Predict every picture of a run that an assignment names and that is not predicted yet.

    Each finished block is committed at once, so a killed command loses at most a block a worker. Gives the reasons of
    agents that failed (also recorded in the run); what they owed stays missing.
    """
    keep_names(run.folder, sidecar.labels)
    pictures = [picture for picture in run.picture_records() if picture.suffix not in RAW_SUFFIXES]
    total = sum(len(_of(pictures, assignment)) for assignment in assignments)
    done = total - sum(len(block) for one in assignments for block, _ in _missing(run, one))
    progress(done, total, "")
    failures = []
    for assignment in assignments:
        finished = _on_host if assignment.agent is None else _on_device
        try:
            for predictions in finished(list(_jobs(run, model, sidecar, assignment)), assignment, workers):
                run.add_predictions(predictions)
                done += len(predictions)
                progress(done, total, "")
        except KitError as problem:
            if assignment.agent is None:
                raise
            where = f"predictions of {', '.join(assignment.devices)}"
            run.add_failure(where, str(problem))
            failures.append(f"{where}: {problem}")
    return failures


def _of(pictures: Sequence[Picture], assignment: Assignment) -> list[Picture]:
    return [picture for picture in pictures if not assignment.devices or picture.device in assignment.devices]


def _missing(run: Run, assignment: Assignment) -> Iterator[tuple[list[Picture], list[Environment]]]:
    where: Mapping[str, tuple[str, ...]] = {"device": assignment.devices} if assignment.devices else {}
    for block, environments in run.missing_predictions([assignment.environment], where=where, block=BLOCK):
        wanted = [picture for picture in block if picture.suffix not in RAW_SUFFIXES]
        if wanted:
            yield wanted, environments


def _jobs(run: Run, model: Path, sidecar: Sidecar, assignment: Assignment) -> Iterator[Job]:
    for block, environments in _missing(run, assignment):
        yield Job(
            model=str(model),
            sidecar=sidecar,
            pictures=tuple(JobPicture(one.picture, str(run.file(one.sha256)), one.corners) for one in block),
            environments=tuple(environments),
            top_k=TOP_K,
        )


def _on_host(jobs: Sequence[Job], assignment: Assignment, workers: int) -> Iterator[list[Prediction]]:
    """Predict in worker processes with one runtime thread each; blocks come back in any order."""
    import joblib

    if len(jobs) <= 1 or workers <= 1:
        yield from map(_predict_block, jobs)
        return
    parallel = joblib.Parallel(n_jobs=min(workers, len(jobs)), return_as="generator_unordered")
    yield from parallel(joblib.delayed(_predict_block)(job) for job in jobs)


def _predict_block(job: Job) -> list[Prediction]:
    return list(predict(job))


def _on_device(jobs: Sequence[Job], assignment: Assignment, workers: int) -> Iterator[list[Prediction]]:
    """Predict on the device, a block at a time; its agent holds the pictures that it has already."""
    assert assignment.agent is not None
    for job in jobs:
        yield list(assignment.agent.predict(job))
