"""Does `instability explain` name the stage that was put in? Flips of the sealed study, explained one by one.

A flip here lies between an honest device's photograph, answered rightly, and a faulty device's own photograph of the
same scene, answered wrongly; the faulty way is known, as diagnose names it. Whether the fault is the cause is known by
counterfactual: the same photograph answered as claimed is right (a flip of the fault) or wrong too (of the shot).
"""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.run_folder.files import picture_path
from analysis.store import Run
from benchmarks.sealed_racks import Unit
from benchmarks.sealed_software import Fault
from device_agents.predict import Job, JobPicture, predict
from device_agents.records import Environment, Picture
from hostctl.causes.explained import Explained
from hostctl.causes.explaining import explain_flip
from hostctl.causes.flips import Flip, Side
from hostctl.causes.ways import Way
from hostctl.explain import Bench

if TYPE_CHECKING:
    from benchmarks.sealed_faults import Study

RUNNABLE = ("decoder", "colour", "fit", "resizer", "scaling")  # whose variant an environment can name


@dataclass(frozen=True)
class Case:
    """One flip: the scene, the honest and the faulty device, and whether the fault is its cause."""

    number: int
    honest: Unit
    faulty: Unit
    fault: Fault
    of_the_fault: bool


def explain_sample(study: "Study", *, count: int, seed: int = 5) -> Iterator[str]:
    """Explain so many flips, half of them of the fault, and count what was named; same bytes, then separate shots."""
    rng = np.random.default_rng(seed)
    cases = _cases(study)
    picked = [case for kind in (True, False) for case in _fairly(cases, kind, count // 2, rng)]
    with tempfile.TemporaryDirectory(prefix="explain-", dir=study.folder) as place:
        for own_shot in (False, True):
            counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
            asked = [case for case in picked if own_shot or case.of_the_fault]
            for case, found in _explained(study, asked, Path(place) / f"run-{own_shot}", own_shot=own_shot):
                counts[case.of_the_fault][_named(case.fault.stage, found)] += 1
            for kind, counted in counts.items():
                if counted:
                    yield _told(own_shot, kind, counted)


def _fairly(cases: Sequence[Case], of_the_fault: bool, count: int, rng: np.random.Generator) -> list[Case]:
    """Draw so many cases of a kind, the stages in turn: most flips come of a few gross faults."""
    by_stage = []
    for stage in RUNNABLE:
        some = [case for case in cases if case.of_the_fault == of_the_fault and case.fault.stage == stage]
        by_stage.append([some[place] for place in rng.permutation(len(some))])
    turns = [case for turn in itertools.zip_longest(*by_stage) for case in turn if case is not None]
    return turns[:count]


def _told(own_shot: bool, of_the_fault: bool, counted: Counter[str]) -> str:
    what = "flips of the fault" if of_the_fault else "flips of the shot"
    where = "separate shots" if own_shot else "the same bytes"
    told = ", ".join(f"{name} {number}" for name, number in counted.most_common())
    return f"explain, {where}: of {counted.total()} {what}: {told}"


def _named(stage: str, found: Explained) -> str:
    """What the cause says of the injected stage."""
    swaps = found.cause.swaps
    if swaps == ((stage,),):
        return "the fault's stage"
    if any(stage in swap for swap in swaps):
        return "the fault's stage with or beside another"
    return f"another stage ({found.cause.text})" if swaps else found.cause.kind


def _cases(study: "Study") -> list[Case]:
    """All flips between an honest device and one with a single fault that an environment can name."""
    honest = [unit for unit in study.units if not unit.truth]
    cases = []
    for unit in study.units:
        if len(unit.truth) != 1 or unit.truth[0].stage not in RUNNABLE or not _nameable(unit.truth[0]):
            continue
        alike = [
            one for one in honest if one.software == replace(unit.software, faults=()) and one.camera != unit.camera
        ]
        same = [one for one in honest if one.software.claimed == unit.software.claimed and one.camera == unit.camera]
        for number, found in study.found.items():
            labels = study.pool.scenes[number].labels
            first = {name: one.labels[0] in labels for name, one in found["reported"].items()}
            if first[unit.name] or not alike or not first[alike[0].name]:
                continue
            as_claimed = first[same[0].name] if same else None
            if as_claimed is not None:
                cases.append(Case(number, alike[0], unit, unit.truth[0], as_claimed))
    return cases


def _nameable(fault: Fault) -> bool:
    return all(family in Environment.__dataclass_fields__ for family, _ in fault.change) and bool(fault.change)


def _explained(
    study: "Study", cases: Sequence[Case], folder: Path, *, own_shot: bool
) -> Iterator[tuple[Case, Explained]]:
    """Explain each case in one run; without own_shot both ways start from the faulty device's file."""
    numbers = sorted({case.number for case in cases})
    with Run.create(folder, settings={}, scenes=[study.pool.scenes[number] for number in numbers]) as run:
        sides = {}
        for case in cases:
            claimed = case.faulty.software.claimed
            really = replace(claimed, **dict(case.fault.change))
            for unit, environment in ((case.honest if own_shot else case.faulty, claimed), (case.faulty, really)):
                key = (case.number, unit.camera.name, environment)
                if key not in sides:
                    sides[key] = _add(run, study, case.number, unit, environment)
        rows = {(row["picture"], row["environment"]): row for row in run.predictions().to_dict("records")}
        bench = Bench(run, study.zoo.known)
        for case in cases:
            claimed = case.faulty.software.claimed
            ends = ((case.honest if own_shot else case.faulty, claimed), (case.faulty, None))
            pair = []
            for unit, environment in ends:
                environment = environment or replace(claimed, **dict(case.fault.change))
                picture = sides[case.number, unit.camera.name, environment]
                recorded: Mapping[str, Any] = rows[picture, environment.environment]
                pair.append(Side(unit.name, Way(picture, "", "", environment), recorded))
            scene = study.pool.scenes[case.number]
            yield case, explain_flip(run, bench, Flip(scene.scene, scene.cluster, scene.labels, (), *pair))


def _add(run: Run, study: "Study", number: int, unit: Unit, environment: Environment) -> str:
    """Put one photograph and its prediction into the run, once; gives the picture's name."""
    sha256, size, width, height, _ = study.found[number]["pictures"][unit.camera.name]
    scene = study.pool.scenes[number].scene
    name = f"{scene}|0|0|{unit.camera.name}"
    path = picture_path(study.files, sha256)
    run.add_picture(Picture(name, sha256, ".jpg", size, width, height, scene, device=unit.camera.name), {sha256: path})
    run.add_environment(environment)
    model, sidecar = study.zoo.known[environment.model_sha256]
    job = Job(str(model), sidecar, (JobPicture(name, str(path)),), (environment,))
    run.add_predictions(list(predict(job)))
    return name
