"""Develops the pictures of a run: raws x ISPS x CODECS, or photographs x CODECS; what is there is not made again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.run_folder.files import put_picture
from analysis.store import Run
from capture.codecs import CODECS
from capture.develop import Beside, Derivation, Failed, derived_name, develop
from capture.isp import ISPS
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput, pick
from device_agents.records import Corners, Picture
from hostctl.pictures.parents import beside_of, parents
from hostctl.pictures.picture_versions import Variant, keep_versions
from hostctl.workers.parallel import in_parallel

BLOCK = 16  # parents whose pictures are looked up together

Said = Callable[[int, int, str], None]
Owed = tuple[Picture, list[Derivation]]


@dataclass(frozen=True)
class Job:
    """One parent picture to develop, by file names, so that it is small; beside: the photograph taken with a raw."""

    parent: Picture
    file: Path
    derivations: tuple[Derivation, ...]
    beside: tuple[Path, Corners] | None
    folder: Path


@dataclass
class Made:
    """What came of a job: records of pictures whose files are in the run's folder, and what failed."""

    renderings: int
    pictures: list[Picture] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def develop_run(
    run: Run, *, isps: Sequence[str] = (), codecs: Sequence[str], workers: int, progress: Said
) -> list[str]:
    """Make the pictures that a run's raws (or, without ISPs, its photographs) lack of these ISPs and codecs.

    A finished parent is committed at once, so a killed command loses at most a parent a worker; progress counts
    renderings (a raw by an ISP, a photograph decoded). Gives a line for each failure; they stand in the run too, are
    retried when this is called again, and never stop the others. Raises BadInput for an unknown ISP or codec, where
    the run's pictures of one were made by another version, or if there is nothing to develop; MissingExtra naming
    every program and library that is absent.
    """
    for isp in isps:
        pick(ISPS, isp, what="ISP")
    for codec in codecs:
        pick(CODECS, codec, what="codec")
    derivations = [(isp, codec) for isp in dict.fromkeys(isps or [""]) for codec in dict.fromkeys(codecs)]
    total, done, owed = _count(run, derivations)
    if not total:
        raise BadInput(f"{run.folder}: expected {_parents_are(derivations)}, got none")
    keep_versions(run, owed)
    progress(done, total, "")
    lines = []
    known = {(row.where, row.reason) for row in run.failures().itertuples()}
    for made in _finished(_jobs(run, derivations), workers=min(workers, total - done)):
        if made.pictures:
            run.add_pictures(made.pictures, {})
        for one in made.failed:
            if (one.where, one.reason) not in known:
                run.add_failure(one.where, one.reason)
        lines += [f"{one.where}: {one.reason}" for one in made.failed]
        done += made.renderings
        progress(done, total, lines[-1] if made.failed else "")
    return lines


def _parents_are(derivations: Sequence[Derivation]) -> str:
    if derivations[0][0]:
        return f"raw pictures ({', '.join(RAW_SUFFIXES[:4])}, ...) to develop"
    return "photographs to code again"


def _owed(run: Run, derivations: Sequence[Derivation]) -> Iterator[Owed]:
    """Each parent with what the run lacks of it; a block of parents at a time."""
    of = parents(run, raws=bool(derivations[0][0]))
    while block := list(itertools.islice(of, BLOCK)):
        names = [derived_name(one.picture, derivation) for one in block for derivation in derivations]
        there = {one.picture for one in run.picture_records({"picture": tuple(names)})}
        for one in block:
            yield one, [pair for pair in derivations if derived_name(one.picture, pair) not in there]


def _count(run: Run, derivations: Sequence[Derivation]) -> tuple[int, int, list[Variant]]:
    """All renderings, those of which every picture is there, and the ISPs and codecs of the pictures that are not."""
    each = len({isp for isp, _ in derivations})
    total, left, owed = 0, 0, set[Derivation]()
    for _, lacking in _owed(run, derivations):
        total += each
        left += len({isp for isp, _ in lacking})
        owed.update(lacking)
    variants = [("isp", isp) for isp, _ in derivations if isp] + [("codec", codec) for _, codec in derivations]
    needed = {("isp", isp) for isp, _ in owed} | {("codec", codec) for _, codec in owed}
    return total, total - left, [one for one in dict.fromkeys(variants) if one in needed]


def _jobs(run: Run, derivations: Sequence[Derivation]) -> Iterator[Job]:
    for parent, lacking in _owed(run, derivations):
        if lacking:
            file = run.file(parent.sha256).absolute()
            beside = beside_of(run, parent) if lacking[0][0] else None
            yield Job(parent, file, tuple(lacking), beside, run.pictures_folder.absolute())


def _finished(jobs: Iterator[Job], *, workers: int) -> Iterator[Made]:
    return in_parallel(_make, jobs, workers=workers) if workers > 1 else map(_make, jobs)


def _make(job: Job) -> Made:
    """Make a job's pictures and write each to the run's folder as soon as it is there: one at a time is held."""
    beside = Beside(job.beside[0].read_bytes(), job.beside[1]) if job.beside else None
    made = Made(len({isp for isp, _ in job.derivations}))
    for one in develop(job.parent, job.file.read_bytes(), job.derivations, beside=beside):
        if isinstance(one, Failed):
            made.failed.append(one)
        else:
            record, data = one
            put_picture(job.folder, data)
            made.pictures.append(record)
    return made
