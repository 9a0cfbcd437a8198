"""`instability remedies`: photos, what is missing of the trainings and answers, the table and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput
from hostctl.printing import Progress, silent
from hostctl.trainings.mix import write_study

if TYPE_CHECKING:
    from stability_train.photos import Photo
    from stability_train.remedies.bench import Bench
    from stability_train.remedies.conditions import Condition
    from stability_train.remedies.study import Study

AT_ONCE = 8  # conditions of a job: a process loads its networks once, a killed command loses one condition
SEED = 11  # of the draws for the intervals of ratios


@dataclass(frozen=True)
class Work:
    """What a worker needs to load its networks."""

    study: Study
    photos: tuple[Photo, ...]
    folder: Path
    cache: Path | None
    threads: int


@dataclass(frozen=True)
class Job:
    """A training (remedy set), or answers under some conditions."""

    seed: int
    remedies: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


def compare(
    source: Path,
    *,
    out: Path,
    remedies: Sequence[str] = (),
    devices: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    workers: int = 2,
    threads: int = 1,
    cache: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train and test remedies on a run's or labelled folder's photos, into the folder ``out``.

    remedies: keys of REMEDIES, none: all; plain fine-tuning is always among them. settings: fields of
    stability_train.remedies.study.Study. What is there is not made again, and remedies may be added later.
    threads: of TensorFlow in each worker, 1 for the same weights every time. Gives headline, parts (with rows), notes,
    and the paths of page, csv, markdown and JSON. Raises BadInput for all that cannot work, before the first training.
    """
    import numpy as np

    from hostctl.remedies.remedy_table import remedy_table
    from stability_train.photos import read_photos
    from stability_train.remedies import study as studies

    if workers < 1:
        raise BadInput(f"expected 1 worker or more, got {workers}")
    names = studies.choose_remedies(remedies)
    asked = studies.Study(**{"folds": max(studies.LEAST_FOLDS, (settings or {}).get("seeds", 0)), **(settings or {})})
    photos = read_photos(source, devices=devices)
    asked.conditions()
    studies.begin(asked, photos, out)
    work = Work(asked, tuple(photos), out, cache, threads)
    _do("trainings", work, _trainings(work, names), workers=workers, progress=progress)
    _do("conditions", work, _questions(work, names), workers=workers, progress=progress)
    found = studies.collect(asked, photos, out, remedies=names)
    table = remedy_table(asked, found, rng=np.random.default_rng(SEED))
    return write_study(out, table, source, json_name=f"{table.name}-table.json")


def remedies_text(result: Mapping[str, Any]) -> str:
    """Lay the result out for the terminal."""
    from hostctl.runs.tabling import tables_text

    return tables_text(result) + f"\ntext  {result['markdown']}"


def _trainings(work: Work, names: Sequence[str]) -> list[Job]:
    """The trainings that are missing, those that take longest first."""
    from stability_train.remedies.remedies import REMEDIES
    from stability_train.remedies.study import weights_file

    owed = [
        Job(seed, (name,))
        for seed in range(work.study.seeds)
        for name in names
        if not REMEDIES[name].weights_of and not weights_file(work.folder, name, seed).exists()
    ]
    return sorted(owed, key=lambda job: REMEDIES[job.remedies[0]].how != "adversarial")


def _questions(work: Work, names: Sequence[str]) -> list[Job]:
    """The conditions under which some remedy has not been asked yet, several a job."""
    from stability_train.remedies.study import answers_file, read_arrays

    jobs = []
    for seed in range(work.study.seeds):
        owed = [
            one
            for one in work.study.conditions()
            if not set(names) <= set(read_arrays(answers_file(work.folder, one.name, seed)))
        ]
        jobs += [
            Job(seed, tuple(names), tuple(owed[start : start + AT_ONCE])) for start in range(0, len(owed), AT_ONCE)
        ]
    return jobs


def _do(stage: str, work: Work, jobs: Sequence[Job], *, workers: int, progress: Progress) -> None:
    from hostctl.workers.parallel import in_parallel

    total = sum(len(job.conditions) or 1 for job in jobs)
    done = 0
    progress(stage, done, total, "")
    for count in in_parallel(partial(_job, work), iter(jobs), workers=min(workers, max(1, len(jobs)))):
        done += count
        progress(stage, done, total, "")


def _job(work: Work, job: Job) -> int:
    bench = _bench(work)
    if not job.conditions:
        bench.train(job.remedies[0], job.seed)
        return 1
    for condition in job.conditions:
        bench.ask(condition, job.seed, job.remedies)
    return len(job.conditions)


@lru_cache(maxsize=1)
def _bench(work: Work) -> Bench:
    """A process's networks: loaded and compiled once for all of its jobs."""
    from stability_train.tensorflow_setup import load_tensorflow

    load_tensorflow(work.threads)
    from stability_train.remedies.bench import Bench

    return Bench(work.study, work.photos, work.folder, cache=work.cache)
