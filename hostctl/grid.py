"""Pictures x environments: on this host or a cluster in parallel, or through the agents of devices; shard by shard.

A shard is a block of pictures in all the environments that they miss: environments share work within a picture only,
so a picture is never split, and blocks of pictures may go to any worker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.store import Run
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput, KitError, MissingExtra, Unreachable
from device_agents.predict import Job, JobPicture, predict
from device_agents.records import Environment, Picture, Prediction
from device_agents.sidecar import Sidecar
from hostctl.predictions.label_names import keep_names
from hostctl.predictions.model_notes import keep_model
from hostctl.workers.parallel import in_parallel

if TYPE_CHECKING:
    from hostctl.agents.predictor import Predictor

# Large enough that loading the model costs nothing, small enough to lose little in a kill and to end together.
BLOCK, SMALLEST_BLOCK = 32, 4
CELLS = 256  # pictures x environments that a shard aims at
MOST_SHARDS = 4000  # of one assignment: opening each costs half a millisecond
FEW_BLOCKS = 32  # of which one more or less for a process is time that the others wait
TOP_K = 5
CONNECT_TIMEOUT_S = 15

Said = Callable[[int, int, str], None]
Missing = tuple[list[Picture], list[Environment]]


@dataclass(frozen=True)
class Assignment:
    """Pictures to be predicted in some environments, here or by a device's agent.

    devices: whose pictures (none: everyone's). made: the ISP and codec that made them (None: any; empty: as shot).
    """

    environments: tuple[Environment, ...]
    devices: tuple[str, ...] = ()
    agent: Predictor | None = None
    made: tuple[str, str] | None = None


def predict_run(
    run: Run,
    model: Path,
    sidecar: Sidecar,
    assignments: Sequence[Assignment],
    *,
    workers: int,
    progress: Said,
    cluster: str = "",
) -> list[str]:
    """Predict every picture of a run that an assignment names, in its environments in which it is not predicted yet.

    Each finished block is committed at once, so a killed command loses at most a block a worker; progress counts
    pictures. ``cluster`` is the address of a Dask scheduler, whose workers see the run's folder under the same path;
    without it, ``workers`` processes of this host work. Gives the reasons of agents that failed (also recorded in the
    run); what they owed stays missing. Raises Unreachable where there is no cluster.
    """
    keep_names(run.folder, sidecar.labels)
    keep_model(run, model, sidecar)
    total = sum(1 for one in assignments for _ in _pictures(run, one))
    owed = [[len(block) for block, _ in _missing(run, one)] for one in assignments]
    done = total - sum(map(sum, owed))
    progress(done, total, "")
    failures = []
    for assignment, blocks in zip(assignments, owed, strict=True):
        jobs = _jobs(run, model, sidecar, assignment)
        try:
            for predictions in _finished(jobs, assignment, workers=min(workers, len(blocks)), cluster=cluster):
                run.add_predictions(predictions)
                done += len({prediction.picture for prediction in predictions})
                progress(done, total, "")
        except KitError as problem:
            if assignment.agent is None:
                raise
            where = f"predictions {_whose(assignment)}"
            run.add_failure(where, str(problem))
            failures.append(f"{where}: {problem}")
    return failures


def _where(assignment: Assignment) -> Mapping[str, Any]:
    where: dict[str, Any] = {"device": assignment.devices} if assignment.devices else {}
    return where | ({} if assignment.made is None else dict(zip(("isp", "codec"), assignment.made, strict=True)))


def _whose(assignment: Assignment) -> str:
    if assignment.devices:
        return f"of {', '.join(assignment.devices)}"
    return f"on {assignment.agent.name}" if assignment.agent else "on this host"


def _pictures(run: Run, assignment: Assignment) -> Iterator[Picture]:
    return (one for one in run.picture_records(_where(assignment)) if one.suffix not in RAW_SUFFIXES)


def _block(pictures: int, environments: int) -> int:
    """How many pictures a shard has: few in a small run, more in a large one, so that shards stay readable."""
    return max(SMALLEST_BLOCK, min(BLOCK, CELLS // environments), pictures // MOST_SHARDS)


def _even(size: int, pictures: int) -> int:
    """A block's size near this one by which few pictures make two blocks or a multiple of four.

    Five blocks keep one of two processes for three of them; it must not depend on how many processes there are, so that
    whoever goes on with a run makes the same shards.
    """
    blocks = math.ceil(pictures / size)
    if not 1 < blocks <= FEW_BLOCKS:
        return size
    return math.ceil(pictures / (blocks // 4 * 4 or 2))


def _missing(run: Run, assignment: Assignment) -> Iterator[Missing]:
    known = run.summary()["pictures"]
    size = _block(known, len(assignment.environments))
    if known <= FEW_BLOCKS * size:
        size = _even(size, sum(1 for _ in _pictures(run, assignment)))
    missing = run.missing_predictions(assignment.environments, where=_where(assignment), block=size)
    for block, environments in missing:
        wanted = [picture for picture in block if picture.suffix not in RAW_SUFFIXES]
        if wanted:
            yield wanted, environments


def _jobs(run: Run, model: Path, sidecar: Sidecar, assignment: Assignment) -> Iterator[Job]:
    for block, environments in _missing(run, assignment):
        yield Job(
            model=str(model.absolute()),
            sidecar=sidecar,
            pictures=tuple(JobPicture(one.picture, str(run.file(one.sha256).absolute()), one.corners) for one in block),
            environments=tuple(environments),
            top_k=TOP_K,
        )


def _finished(jobs: Iterator[Job], assignment: Assignment, *, workers: int, cluster: str) -> Iterator[list[Prediction]]:
    """Give each job's predictions when it is done; a device works a block at a time, a host's blocks in any order."""
    if assignment.agent is not None:
        for job in jobs:
            yield list(assignment.agent.predict(job))
    elif cluster:
        with connected(cluster):
            yield from in_parallel(_predict_block, jobs, workers=-1)
    elif workers > 1:
        yield from in_parallel(_predict_block, jobs, workers=workers)
    else:
        yield from map(_predict_block, jobs)


def _predict_block(job: Job) -> list[Prediction]:
    return list(predict(job))


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Let joblib use the Dask scheduler at an address such as tcp://host:8786 for as long as the block runs."""
    import joblib

    try:
        import distributed
    except ImportError as problem:
        raise MissingExtra("--cluster needs distributed; pip install 'instability-kit[cluster]'") from problem
    if not re.fullmatch(r"(tcp|tls)://.+:\d+", address):
        raise BadInput(f"--cluster: expected an address such as tcp://host:8786, got '{address}'")
    connect: Any = distributed.Client  # it has no types
    try:
        client = connect(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except OSError as problem:
        raise Unreachable(f"--cluster: no Dask scheduler answers at {address}: {problem}") from problem
    with client, joblib.parallel_config(backend="dask", client=client):
        yield client
