"""Sealed faults: racks with faults drawn at random, told blind by `instability diagnose`. `make sealed`.

A quarter of the racks are faultless, half have one fault, a quarter two (in two devices, or at two stages of one); a
third or so of the faults lie outside the kit's catalogue, where the right answer is the stage and "unknown". Printed:
each rack's truth and answer, the confusion matrix, the share of racks told right and the false accusations, with Wilson
intervals. Racks are real run folders, and the judge is the product's own diagnose, which sees nothing else.

All thresholds were settled on CALIBRATION seeds, whose cameras and scenes (drawn ones) are others than those judged.

    python -m benchmarks.sealed_faults [--racks 200] [--pictures 400] [--drawn] [--seed N] [--explain 60]
"""

import argparse
import hashlib
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sealed_pictures import Pool, drawn_pool, photographs_pool
from benchmarks.sealed_racks import Found, Job, Rack, Unit, draw_racks, draw_stock, used_units, work, write_run
from benchmarks.sealed_software import Fault, faults_by_stage, other_weights
from device_agents.hashing import hash_file
from device_agents.predict import default_environment
from device_agents.records import Environment
from hostctl.causes.diagnosing import Kept, diagnose
from hostctl.causes.remade import Models
from hostctl.causes.reported import WHOLE
from hostctl.workers.parallel import in_parallel

SEALED, CALIBRATION = (2026, 2027), (11, 12, 13)
MODEL, VARIANTS = "mobilenet-v2", ("int8", "int8-dynamic")
RACKS, PICTURES = 200, 400
# What an answer may call the stage of a fault outside the catalogue: hashes do not tell these apart.
ALSO = {"resizer": WHOLE["resized"], "colour": WHOLE["resized"], "fit": WHOLE["resized"], "model": WHOLE["scores"]}
HIDES = {"colour": WHOLE["resized"], "fit": WHOLE["resized"], "resizer": WHOLE["resized"], "model": WHOLE["scores"]}


@dataclass
class Zoo:
    """The models of a study: the one that all claim, what else the judge knows, and what is hidden."""

    base: Environment
    known: Models
    hidden: Models
    by_name: Mapping[str, str]
    given: Sequence[str]


@dataclass
class Told:
    """One rack as it was told: pairs of truth and answer, and whether they agree; "none" is nothing.

    accused: findings that name no fault of their device; hidden: faults behind an unknown stage, said to be hidden.
    """

    rack: Rack
    pairs: list[tuple[str, str, bool]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    accused: int = 0
    hidden: int = 0

    @property
    def right(self) -> bool:
        """Whether every fault is named and nothing else."""
        return all(good for *_, good in self.pairs)


def make_zoo(folder: Path) -> Zoo:
    """Find the model with its variants, and make the one with other weights."""
    from stability_train.variant_files import asked_names, make_variants
    from stability_train.zoo import resolve_model

    path, sidecar = resolve_model(MODEL)
    made, _ = make_variants(path, sidecar, asked_names(",".join(VARIANTS)))
    other = other_weights(path, folder / "other-weights.tflite")
    known = {hash_file(path): (path, sidecar), **{hash_file(one.path): (one.path, sidecar) for one in made}}
    names = {one.path.stem: hash_file(one.path) for one in made}
    hidden = {hash_file(other): (other, sidecar)}
    by_name = {**names, "other": hash_file(other)}
    return Zoo(default_environment(sidecar, path), known, hidden, by_name, [str(one.path) for one in made])


@dataclass
class Study:
    """The racks of a study with everything that their devices made and reported, by the scene's number."""

    pool: Pool
    zoo: Zoo
    racks: Sequence[Rack]
    units: Sequence[Unit]
    found: dict[int, Found]
    kept: Kept
    folder: Path

    @property
    def files(self) -> Path:
        """Where the picture files are, by hash."""
        return self.folder / "files"


def simulate(pool: Pool, *, seed: int, racks: int, folder: Path, workers: int = 1) -> Study:
    """Draw racks, and let all their devices shoot and predict every scene of the pool."""
    zoo = make_zoo(folder)
    names = tuple(name for name in zoo.by_name if name != "other")
    drawn = draw_racks(seed, racks, draw_stock(seed, zoo.base, faults_by_stage(names, "other")))
    study = Study(pool, zoo, drawn, tuple(used_units(drawn)), {}, Kept(), folder)
    told = repr([(unit, [scene.sha256 for scene in pool.scenes]) for unit in study.units])
    cells = folder / f"cells-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    jobs = (
        Job(number, pool, study.units, study.files, zoo.known, zoo.by_name, zoo.hidden, cells / f"{number}.pickle")
        for number in range(len(pool.scenes))
    )
    found, kept = {}, study.kept
    for one in in_parallel(work, jobs, workers=workers) if workers > 1 else map(work, jobs):
        found[one["number"]] = one
        kept.marks |= one.pop("marks")
        kept.answers |= one.pop("answers")
        kept.seen |= {(sha256, ()): seen for sha256, *_, seen in one["pictures"].values()}
    study.found = dict(sorted(found.items()))
    return study


def judge(study: Study) -> Iterator[tuple["Told", dict[str, Any]]]:
    """Write each rack's run, diagnose it, and hold the answer against the truth."""
    for rack in study.racks:
        with tempfile.TemporaryDirectory(prefix="rack-", dir=study.folder) as place:
            run = write_run(Path(place) / "run", rack, study.pool, study.found, study.files)
            result = diagnose(run, models=study.zoo.given, pictures=0, kept=study.kept)
        yield tell(rack, result), result


def tell(rack: Rack, result: Mapping[str, Any]) -> Told:
    """Hold a diagnosis against the truth, device by device."""
    told = Told(rack)
    answers = {device["device"]: device for device in result["devices"]}
    for name, unit in rack.units.items():
        findings = list(answers[name]["findings"])
        left = []
        for fault in unit.truth:
            hit = next((one for one in findings if matches(fault, one)), None)
            if hit is not None:
                findings.remove(hit)
                told.pairs.append((label(fault), answered(hit), True))
            else:
                left.append(fault)
        for fault in list(left):
            if HIDES.get(fault.stage, fault.stage) in answers[name]["hidden"]:
                left.remove(fault)
                told.hidden += 1
        told.accused += len(findings)  # a wrong variant is an accusation too
        for fault in left:
            wrong = findings.pop(0) if findings else None
            told.pairs.append((label(fault), answered(wrong) if wrong else "none", False))
        told.pairs += [("none", answered(one), False) for one in findings]
        if not unit.truth and not answers[name]["findings"]:
            told.pairs.append(("none", "none", True))
        if unit.truth or answers[name]["findings"]:
            truth = " + ".join(fault.name for fault in unit.truth) or "nothing"
            answer = " + ".join(_answer(one) for one in answers[name]["findings"]) or "nothing"
            hidden = f" (cannot tell: {'; '.join(answers[name]['hidden'])})" if answers[name]["hidden"] else ""
            told.lines.append(f"{name}: {truth} -> {answer}{hidden}")
    return told


def matches(fault: Fault, finding: Mapping[str, Any]) -> bool:
    """Whether a finding names a fault: its stage, and the variant or "unknown"."""
    if not fault.variants:
        return finding["kind"] == "unknown" and finding["stage"] in (fault.stage, ALSO.get(fault.stage))
    named = any(variant in answer for variant in fault.variants for answer in finding["variants"])
    return finding["stage"] == fault.stage and named


def label(fault: Fault) -> str:
    """A fault's row in the confusion matrix: its stage, with "?" where the catalogue has no such variant."""
    return fault.stage + "?" * (not fault.variants)


def answered(finding: Mapping[str, Any]) -> str:
    """An answer's column in the confusion matrix."""
    return _plain(finding["stage"]) + "?" * (finding["kind"] == "unknown")


def _plain(stage: str) -> str:
    return {WHOLE["resized"]: "resizer", WHOLE["scores"]: "model"}.get(stage, stage)


def _answer(finding: Mapping[str, Any]) -> str:
    return f"{finding['stage']}: {' = '.join(finding['variants']) or 'unknown'} [{finding['text']}]"


def summary(told: Sequence[Told]) -> Iterator[str]:
    """Print shares with Wilson intervals, and the confusion matrix."""

    def share(name: str, hits: int, total: int) -> str:
        if not total:
            return f"{name}: none"
        low, high = wilson(hits, total)
        return f"{name}: {hits} of {total}, {hits / total:.1%} ({low:.1%} to {high:.1%})"

    yield share("racks told right", sum(one.right for one in told), len(told))
    for kind in ("none", "one", "two"):
        some = [one for one in told if one.rack.kind == kind]
        yield share(f"  of those with {kind}", sum(one.right for one in some), len(some))
    faults = [pair for one in told for pair in one.pairs if pair[0] != "none"]
    yield share("faults named", sum(good for *_, good in faults), len(faults))
    yield share("  outside the catalogue", *_count([pair for pair in faults if pair[0].endswith("?")]))
    yield share("racks with a false accusation", sum(one.accused > 0 for one in told), len(told))
    clean = [one for one in told if one.rack.kind == "none"]
    yield share("  of the faultless", sum(one.accused > 0 for one in clean), len(clean))
    devices = sum(len(one.rack.units) for one in told)
    yield share("findings that name no fault, by device", sum(one.accused for one in told), devices)
    yield f"faults hidden behind an unknown stage before them, and said to be: {sum(one.hidden for one in told)}"
    yield from matrix(Counter(pair[:2] for one in told for pair in one.pairs))


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share (1927, JASA 22, p. 209); racks are independent draws."""
    rate, weight = hits / total, z * z / total
    middle = (rate + weight / 2) / (1 + weight)
    half = z * math.sqrt(rate * (1 - rate) / total + weight / (4 * total)) / (1 + weight)
    return middle - half, middle + half


def _count(pairs: Sequence[tuple[str, str, bool]]) -> tuple[int, int]:
    return sum(good for *_, good in pairs), len(pairs)


def matrix(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Print the confusion matrix: rows are the truth, columns the answer, "?" is unknown."""
    order = ["none", *(f"{stage}{mark}" for stage in STAGES for mark in ("", "?"))]
    seen = {name for pair in counts for name in pair}
    names = [name for name in order if name in seen] + sorted(seen - set(order))
    width = max(len(name) for name in names) + 1
    yield "truth \\ answer".ljust(15) + "".join(name.rjust(width) for name in names)
    for row in names:
        yield row.ljust(15) + "".join(str(counts.get((row, name), 0) or ".").rjust(width) for name in names)


STAGES = ("file", "isp", "codec", "decoder", "view", "colour", "fit", "resizer", "scaling", "model")


def pool_of(folder: Path, *, pictures: int, drawn: bool) -> Pool:
    """The scenes of a study: the data pack's photographs where there are, else drawn ones."""
    data = Path(os.environ.get("INSTABILITY_DATA", "")) / "imagenet"
    if drawn or not (data / "labels.csv").exists():
        return drawn_pool(folder, count=pictures)
    return photographs_pool(data / "labels.csv", count=pictures)


def main() -> None:
    """Run the study and print it."""
    from benchmarks.sealed_explain import explain_sample

    parser = argparse.ArgumentParser(prog="python -m benchmarks.sealed_faults", description=__doc__)
    parser.add_argument("--racks", type=int, default=RACKS)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--drawn", action="store_true", help="draw the scenes even where there are photographs")
    parser.add_argument("--seed", type=int, default=SEALED[0], help=f"settled on {CALIBRATION}, judged on {SEALED}")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--explain", type=int, default=60, help="flips to explain (default: %(default)s)")
    parser.add_argument("--cache", type=Path, help="where the files go, and stay (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sealed-") as temporary:
        folder = options.cache or Path(temporary)
        pool = pool_of(folder, pictures=options.pictures, drawn=options.drawn)
        start_s = time.perf_counter()
        study = simulate(pool, seed=options.seed, racks=options.racks, folder=folder, workers=options.workers)
        took_s = time.perf_counter() - start_s
        print(f"{len(study.units)} devices x {len(study.found)} scenes simulated in {took_s:.0f} s", flush=True)
        told = []
        for one, _ in judge(study):
            told.append(one)
            for line in one.lines or ["nothing hidden, nothing found"]:
                print(f"rack {one.rack.number:3} {'right' if one.right else 'WRONG'}  {line}", flush=True)
        for line in summary(told):
            print(line)
        if options.explain:
            for line in explain_sample(study, count=options.explain):
                print(line, flush=True)
        print(f"all done in {time.perf_counter() - start_s:.0f} s")


if __name__ == "__main__":
    main()
