"""The loop: pictures x environments -> predictions; work is shared, and one failure never stops the rest."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Hashable, Iterator, Optional, Tuple

from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.errors import BadInput, MissingExtra, pick
from device_agents.hashing import hash_file
from device_agents.perturbations.chains import chain, check_perturbation
from device_agents.preprocess import SCALINGS, Array, Prepared, Share, StageFailed, preprocess_stages
from device_agents.records import Corners, Environment, Prediction, from_dict, to_values
from device_agents.resize import FITS, RESIZERS
from device_agents.runtimes import NETWORKS, RUNTIMES, runtime_for, runtime_version
from device_agents.sidecar import Sidecar, parse_sidecar, read_labels
from device_agents.tasks.families import CLASSIFICATION, TASKS, Answer, Asked, check_post
from device_agents.view import VIEWS

# Each field of an environment that names a variant, with the family it names it in.
FAMILIES: Dict[str, Dict[str, Any]] = {
    "decoder": DECODERS,
    "view": VIEWS,
    "colour": COLOURS,
    "fit": FITS,
    "resizer": RESIZERS,
    "scaling": SCALINGS,
    "runtime": RUNTIMES,
}

Run = Callable[[Array], Tuple[Array, ...]]


@dataclass(frozen=True)
class JobPicture:
    """A picture to predict: its record's name, its file, and the scene's corners in it where a view needs them."""

    picture: str
    file: str
    corners: Corners = ()


@dataclass(frozen=True)
class Job:
    """What to predict: a model file with its sidecar, pictures, and the environments to predict each of them in.

    ``labels`` name the model's classes; None reads the sidecar's label list beside the model, or counts them.
    """

    model: str
    sidecar: Sidecar
    pictures: Tuple[JobPicture, ...]
    environments: Tuple[Environment, ...]
    labels: Optional[Tuple[str, ...]] = None
    top_k: int = 5


def read_job(path: Path) -> Job:
    """Read a job's JSON file; relative paths in it are taken from its folder. Raises BadInput."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise BadInput(f"cannot read the job {path}: {problem}") from problem
    job = from_dict(Job, values)
    lists = (values["pictures"], values["environments"], values.get("labels") or [])
    if not isinstance(job.model, str) or not isinstance(job.top_k, int) or not all(isinstance(x, list) for x in lists):
        raise BadInput(f"job {path}: expected model a path, top_k a whole number, pictures and environments lists")
    return replace(
        job,
        model=str(path.parent / job.model),
        sidecar=parse_sidecar(values["sidecar"], source=f"in {path}"),
        pictures=tuple(_picture_in(path.parent, one) for one in values["pictures"]),
        environments=tuple(from_dict(Environment, one) for one in values["environments"]),
    )


def write_job(path: Path, job: Job) -> None:
    """Write a job as one JSON file."""
    path.write_text(json.dumps(to_values(job), ensure_ascii=False), encoding="utf-8")


def default_environment(
    sidecar: Sidecar,
    model_path: Path,
    *,
    runtime: Optional[str] = None,
    decoder: str = "pillow",
    view: str = "whole",
    colour: str = "rgb",
    threads: int = 1,
    machine: str = "host",
) -> Environment:
    """Give the environment that a model's sidecar asks for on this machine, the runtime by the file's suffix.

    Raises BadInput for an unknown variant or an unreadable model, MissingExtra where the runtime is not installed.
    """
    runtime = runtime if runtime is not None else runtime_for(model_path)
    environment = Environment(
        model=sidecar.name,
        model_sha256=hash_file(model_path),
        decoder=decoder,
        view=view,
        colour=colour,
        fit=sidecar.fit,
        resizer=sidecar.resizer,
        scaling=sidecar.scaling,
        runtime=runtime,
        runtime_version=runtime_version(runtime),
        threads=threads,
        machine=machine,
    )
    check_environment(environment)
    return environment


def check_environment(environment: Environment) -> None:
    """Raise BadInput where the environment names an unknown variant, or fewer than one thread."""
    for field, family in FAMILIES.items():
        pick(family, getattr(environment, field), what=field)
    chain(environment.perturbation)
    if environment.threads < 1:
        raise BadInput(f"expected one thread or more, got {environment.threads}")


def _hash_once(path: Path) -> str:
    """Hash a model's file unless that was done and it has not changed: a run is many jobs with the same large model."""
    try:
        state = path.stat()
    except OSError as problem:
        raise BadInput(f"cannot read {path}: {problem}") from problem
    return _hash_of_state(path, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _hash_of_state(path: Path, size: int, modified_ns: int) -> str:
    return hash_file(path)


def predict(job: Job, *, clock: Callable[[], float] = time.perf_counter) -> Iterator[Prediction]:
    """Predict every picture in every environment; gives one prediction each, picture by picture, in the job's order.

    A file is read once, decoded once a decoder, and what hashes alike is resized and inferred once, whatever is then
    made of the outputs; the latency of a shared inference stands in each of its predictions. A failure is a prediction
    with its reason in ``error``: "stage: ExceptionType: text", or "not available: ..." for what this machine lacks.
    ``clock`` gives seconds. Raises BadInput at once, before the first picture, where the job itself is wrong, and
    WrongJob, a BadInput too, where the first answer shows it (a label list of another length).
    """
    if job.top_k < 1:
        raise BadInput(f"expected top_k of 1 or more, got {job.top_k}")
    for environment in job.environments:
        check_environment(environment)
        check_post(environment.post, sidecar=job.sidecar)
        check_perturbation(environment.perturbation, task=job.sidecar.task)
    model_sha256 = _hash_once(Path(job.model))
    for wanted in {environment.model_sha256 for environment in job.environments} - {"", model_sha256}:
        raise BadInput(f"model {job.model}: expected the file with sha256 {wanted}, got {model_sha256}")
    return _predictions(_Bench(job, _labels(job), clock, Share()))


@dataclass(frozen=True)
class _Bench:
    """What the whole job shares: its label list, the clock, and the models loaded so far."""

    job: Job
    labels: Optional[Tuple[str, ...]]
    clock: Callable[[], float]
    models: Share


def _predictions(bench: _Bench) -> Iterator[Prediction]:
    # Neighbours share the most: a photograph's large intermediate pictures are held only for the latest variants.
    order = sorted(bench.job.environments, key=_nearness)
    for picture in bench.job.pictures:
        share = Share()
        done = {environment: _predict_one(bench, picture, environment, share) for environment in order}
        yield from (done[environment] for environment in bench.job.environments)


def _nearness(one: Environment) -> Tuple[str, ...]:
    return one.decoder, one.view, one.colour, one.fit, one.resizer, one.perturbation


def _predict_one(bench: _Bench, picture: JobPicture, environment: Environment, share: Share) -> Prediction:
    found: Dict[str, Any] = {}  # the prediction's fields so far; one record is made of them, since cells are many
    try:
        data, found["file_sha256"] = share.once("read", picture.file, lambda: _read(picture.file))
        prepared = Prepared()
        for prepared in preprocess_stages(
            data, environment=environment, sidecar=bench.job.sidecar, corners=picture.corners, share=share
        ):
            found["pixels_sha256"] = prepared.pixels_sha256
            found["resized_sha256"] = prepared.resized_sha256
            found["tensor_sha256"] = prepared.tensor_sha256
        run = _network(bench, environment)
        key = (environment.runtime, environment.runtime_version, environment.threads, prepared.tensor_sha256)
        outputs, latency_ms = share.once("infer", key, lambda: _infer(run, prepared.tensor, bench.clock))
        answer = _finish(bench, environment, prepared, outputs, key, share)
        found.update(labels=answer.labels, scores=answer.scores, detail=answer.detail, latency_ms=latency_ms)
    except StageFailed as failure:
        found["error"] = str(failure)
    return Prediction(picture=picture.picture, environment=environment.environment, **found)


def _network(bench: _Bench, environment: Environment) -> Run:
    def load() -> Run:
        here = runtime_version(environment.runtime)
        if environment.runtime_version not in ("", here):
            raise MissingExtra(
                f"{environment.runtime} {environment.runtime_version} was asked for, this machine has {here}"
            )
        model = Path(bench.job.model)
        if bench.job.sidecar.task != CLASSIFICATION:
            return NETWORKS[environment.runtime](model, environment.threads)
        classify = RUNTIMES[environment.runtime](model, environment.threads)  # refuses what is no classifier
        return lambda tensor: (classify(tensor),)

    return bench.models.once("load", (environment.runtime, environment.runtime_version, environment.threads), load)


def _infer(run: Run, tensor: Optional[Array], clock: Callable[[], float]) -> Tuple[Tuple[Array, ...], float]:
    assert tensor is not None
    start_s = clock()
    outputs = run(tensor)
    return outputs, (clock() - start_s) * 1000


def _finish(
    bench: _Bench,
    environment: Environment,
    prepared: Prepared,
    outputs: Tuple[Array, ...],
    key: Tuple[Hashable, ...],
    share: Share,
) -> Answer:
    """Make an answer of raw outputs, once for each inference (key), post-processing and place of the picture."""
    sidecar, where = bench.job.sidecar, prepared.placed
    assert where is not None
    asked = Asked(sidecar, bench.labels, environment.post, bench.job.top_k, where)
    stage = "classify" if sidecar.task == CLASSIFICATION else "finish"
    return share.once(stage, (*key, environment.post, where), lambda: TASKS[sidecar.task](outputs, asked))


def _labels(job: Job) -> Optional[Tuple[str, ...]]:
    if job.labels is not None or not job.sidecar.labels:
        return job.labels
    return read_labels(Path(job.model).parent / job.sidecar.labels)


def _read(file: str) -> Tuple[bytes, str]:
    data = Path(file).read_bytes()
    return data, hashlib.sha256(data).hexdigest()


def _picture_in(folder: Path, values: Dict[str, Any]) -> JobPicture:
    picture = from_dict(JobPicture, values)
    return replace(picture, file=str(folder / picture.file))
