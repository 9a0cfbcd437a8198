"""The racks of the sealed-fault study: which devices they have and what is hidden in them, and their run folders.

A study draws a stock of devices first: a camera with a piece of software, honest or not. Racks are drawn from it, so
that no picture is rendered, decoded or inferred twice; each rack is a real run folder over one folder of files.
"""

import hashlib
import itertools
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.run_folder.files import picture_path
from analysis.store import Run
from benchmarks.sealed_pictures import KINDS, Alteration, Camera, Pool, draw_alteration, shoot
from benchmarks.sealed_software import Fault, Software, report
from device_agents.records import Environment, Picture, Prediction
from hostctl.causes.photographs import Seen, see
from hostctl.causes.remade import Answer, Maker, Models, PictureFile
from hostctl.causes.reported import Reported

HONEST_CAMERAS, ISP_DEVICES, DOUBLES = 8, 26, 20
DEVICES = (3, 4, 5)
KINDS_OF_RACKS = ("none", "one", "one", "two")
# How often a fault lies where; an ISP that differs can be any of many things, so it is drawn most.
WEIGHTS = {"isp": 0.28, "decoder": 0.2, "resizer": 0.16, "colour": 0.08, "fit": 0.06, "scaling": 0.12, "model": 0.1}

Found = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """A device of the stock: a camera with its software; the truth is what is wrong with either."""

    name: str
    camera: Camera
    software: Software

    @property
    def truth(self) -> tuple[Fault, ...]:
        """All faults: the ISP's first, as in the order of the way."""
        wrong = self.camera.alteration
        before = (as_fault(wrong),) if wrong else ()
        return (*before, *self.software.faults)


def as_fault(wrong: Alteration) -> Fault:
    """An alteration of the ISP or codec in the words of a fault."""
    outside = "" if wrong.variant else " (outside)"
    return Fault(f"{wrong.kind} {wrong.amount:g}{outside}", wrong.stage, (wrong.variant,) if wrong.variant else ())


@dataclass(frozen=True)
class Rack:
    """A rack: the kind that was drawn ("none", "one", "two"), and its devices by name."""

    number: int
    kind: str
    units: Mapping[str, Unit]

    @property
    def truth(self) -> list[tuple[str, Fault]]:
        """Device and fault, of all that are hidden in it."""
        return [(name, fault) for name, unit in self.units.items() for fault in unit.truth]


def environments(base: Environment) -> list[Environment]:
    """What honest devices of one rack may claim."""
    return [
        base,
        replace(base, decoder="opencv", resizer="pillow-bicubic"),
        replace(base, decoder="jpeg-accurate", resizer="half-pixel-bilinear-antialias"),
    ]


def draw_stock(seed: int, base: Environment, faults: Mapping[str, Sequence[Fault]]) -> dict[str, list[Unit]]:
    """Draw the devices of a study: "honest", one list for each stage of a fault, and "double" for two at once."""
    rng = np.random.default_rng([seed, 1])
    claims = environments(base)
    honest = [
        Unit(f"honest {number} {place}", Camera(number, seed), Software(claim))
        for number in range(HONEST_CAMERAS)
        for place, claim in enumerate(claims[:2] if number % 2 else claims[::2])
    ]
    stock = {"honest": honest}
    for stage, some in faults.items():
        stock[stage] = [
            Unit(
                fault.name,
                Camera(int(rng.integers(HONEST_CAMERAS)), seed),
                Software(_claim(rng, claims, fault), (fault,)),
            )
            for fault in some
        ]
    kinds = list(itertools.islice(itertools.cycle(KINDS), ISP_DEVICES))
    wrong = [Camera(100 + number, seed, draw_alteration(rng, kind)) for number, kind in enumerate(kinds)]
    stock["isp"] = [Unit(camera.name, camera, Software(claims[0])) for camera in wrong]
    stock["double"] = [_double(rng, seed, number, stock) for number in range(DOUBLES)]
    return stock


def _claim(rng: np.random.Generator, claims: Sequence[Environment], fault: Fault) -> Environment:
    return next(
        claim
        for place in rng.permutation(len(claims))
        for claim in [claims[place]]
        if all(getattr(claim, family, "") != name for family, name in fault.change)
    )


def _double(rng: np.random.Generator, seed: int, number: int, stock: Mapping[str, Sequence[Unit]]) -> Unit:
    """A device with two faults: its ISP's and one of its software, or two of its software at different stages."""
    stages = [stage for stage in stock if stage not in ("honest", "isp")]
    one, other = (stages[place] for place in rng.permutation(len(stages))[:2])
    first, second = sorted((one, other), key=stages.index)
    later = stock[second][int(rng.integers(len(stock[second])))]
    if number % 2:
        camera = stock["isp"][int(rng.integers(len(stock["isp"])))].camera
        software = later.software
    else:
        earlier = stock[first][int(rng.integers(len(stock[first])))]
        camera, claimed = later.camera, stock["honest"][0].software.claimed
        software = Software(claimed, (*earlier.software.faults, *later.software.faults))
    return Unit(f"double {number}", replace(camera, number=camera.number), software)


def draw_racks(seed: int, count: int, stock: Mapping[str, Sequence[Unit]]) -> list[Rack]:
    """Draw racks: a quarter faultless, half with one fault, a quarter with two, of three to five devices."""
    rng = np.random.default_rng([seed, 2])
    kinds = np.resize(np.array(KINDS_OF_RACKS), count)
    return [_rack(rng, number, str(kind), stock) for number, kind in enumerate(rng.permutation(kinds))]


def _rack(rng: np.random.Generator, number: int, kind: str, stock: Mapping[str, Sequence[Unit]]) -> Rack:
    size = int(rng.choice(DEVICES))
    units: list[Unit] = []
    if kind == "two" and rng.random() < 0.5:
        units.append(_any(rng, stock["double"]))
    else:
        for _ in range(("none", "one", "two").index(kind)):
            units.append(_faulty(rng, stock, units, size))
    while len(units) < size:
        units.append(_another(rng, stock["honest"], units))
    names = [f"device-{letter}" for letter in "abcde"[:size]]
    return Rack(number, kind, dict(zip(names, (units[place] for place in rng.permutation(size)), strict=True)))


def _faulty(rng: np.random.Generator, stock: Mapping[str, Sequence[Unit]], so_far: Sequence[Unit], size: int) -> Unit:
    """A device with one fault; wrong ISPs stay a minority, since the majority of a rack is what is right."""
    altered = sum(unit.camera.alteration is not None for unit in so_far)
    while True:
        stage = str(rng.choice(list(WEIGHTS), p=list(WEIGHTS.values())))
        if stage != "isp" or altered < (size - 1) // 2:
            return _another(rng, stock[stage], so_far)


def _another(rng: np.random.Generator, some: Sequence[Unit], so_far: Sequence[Unit]) -> Unit:
    """One that shares no camera with those chosen so far."""
    used = {unit.camera for unit in so_far}
    return _any(rng, [unit for unit in some if unit.camera not in used] or list(some))


def _any(rng: np.random.Generator, some: Sequence[Unit]) -> Unit:
    return some[int(rng.integers(len(some)))]


@dataclass(frozen=True)
class Job:
    """One scene of a study: everything that its racks' devices make of it."""

    number: int
    pool: Pool
    units: tuple[Unit, ...]
    folder: Path
    models: Models
    hidden: Mapping[str, str]  # Fault.model -> the model's sha256
    hidden_models: Models
    kept: Path  # where the result is kept, for a judge who comes again


def work(job: Job) -> Found:
    """Do as _work does, once: what is kept from another time is taken from there."""
    if job.kept.is_file():
        with job.kept.open("rb") as file:
            found: Found = pickle.load(file)  # our own, of the same units
        return found
    found = _work(job)
    job.kept.parent.mkdir(parents=True, exist_ok=True)
    part = job.kept.with_suffix(".part")
    with part.open("wb") as file:
        pickle.dump(found, file)
    part.replace(job.kept)
    return found


def _work(job: Job) -> Found:
    """Shoot a scene with every camera, and report it by every device; gives also what the host makes of it as claimed.

    "pictures": camera -> (sha256, size, width, height, Seen); "reported": unit -> Reported; "marks", "answers": of a
    Maker that computed each claimed way, as the product does.
    """
    light = job.pool.light(job.number)
    host = Maker(job.models)
    liar = Maker({**job.models, **job.hidden_models})
    pictures: dict[str, tuple[str, int, int, int, Seen | None]] = {}
    files: dict[str, PictureFile] = {}
    reported: dict[str, Reported] = {}
    for unit in sorted(job.units, key=lambda unit: unit.camera.name):
        name = unit.camera.name
        if name not in files:
            data = shoot(light, unit.camera, job.number)
            sha256 = hashlib.sha256(data).hexdigest()
            path = picture_path(job.folder, sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            files[name] = PictureFile(f"{job.number}", sha256, path)
            height, width = (side - 4 for side in light.shape[:2])
            pictures[name] = (sha256, len(data), width, height, see(files[name]))
        claimed = replace(unit, software=Software(unit.software.claimed)).software
        honest = report(files[name], claimed, host, job.hidden)
        reported[unit.name] = (
            honest if not unit.software.faults else report(files[name], unit.software, liar, job.hidden)
        )
    # What a model answers to an input depends on nothing else, so the judge need not infer the same input again.
    claimed_models = set(job.models)
    answers = {key: value for key, value in {**liar.answers, **host.answers}.items() if key[1] in claimed_models}
    return {"number": job.number, "pictures": pictures, "reported": reported, "marks": host.marks, "answers": answers}


def write_run(folder: Path, rack: Rack, pool: Pool, found: Mapping[int, Found], files: Path) -> Path:
    """Write a rack's run folder: scenes, photographs and the predictions that each device's agent reported."""
    folder.mkdir(parents=True)
    (folder / "pictures").symlink_to(files.absolute(), target_is_directory=True)
    scenes = [pool.scenes[number] for number in found]
    with Run.create(folder, settings={}, scenes=scenes) as run:
        pictures, predictions = [], []
        for name, unit in rack.units.items():
            claimed = replace(unit.software.claimed, machine=name)
            environment = run.add_environment(claimed)
            shard = []
            for number, one in found.items():
                scene = pool.scenes[number].scene
                sha256, size, width, height, _ = one["pictures"][unit.camera.name]
                picture = f"{scene}|0|0|{name}"
                pictures.append(Picture(picture, sha256, ".jpg", size, width, height, scene, device=name))
                shard.append(_prediction(picture, environment, one["reported"][unit.name]))
            predictions.append(shard)
        run.add_pictures(pictures, {})
        for shard in predictions:
            run.add_predictions(shard)
    return folder


def _prediction(picture: str, environment: str, reported: Reported) -> Prediction:
    marks = {f"{stage}_sha256": sha256 for stage, sha256 in reported.marks.items()}
    return Prediction(picture, environment, reported.labels, reported.scores, 1.0, **marks)


def used_units(racks: Sequence[Rack]) -> Iterator[Unit]:
    """Every device that some rack has, once."""
    yield from {unit.name: unit for rack in racks for unit in rack.units.values()}.values()


__all__ = ["Answer", "Job", "Rack", "Unit", "draw_racks", "draw_stock", "used_units", "work", "write_run"]
