"""Explains flips: what differs first, which smallest swaps restore the answer, and whether chance does it as well."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.bisect import (  # fmt: skip
    DRAWS,
    ELSEWHERE,
    FINGERPRINTED,
    LEVEL,
    MOST_TRIED,
    Cause,
    Search,
    Swap,
    Trial,
    amounts,
    count_causes,
    differing,
    find_cause,
    sentence,
    smallest_swaps,
)
from analysis.store import Run
from analysis.verdicts import verdicts
from device_agents.errors import BadInput, MissingExtra
from device_agents.preprocess import StageFailed
from hostctl.causes.explained import TO_A, TO_B, Explained, flip_row
from hostctl.causes.flips import Flip, Side, find_flips
from hostctl.causes.layers import substitute
from hostctl.causes.ways import Way, hybrid, variants
from hostctl.explain import Answer, Array, Bench, Models, Stages
from hostctl.printing import Progress, silent

MOST_TESTED = 8  # minimal swaps in one direction that are tested against chance, the smallest first
RECORDED = ("pixels", "resized", "tensor")


def explain_run(
    folder: Path,
    *,
    item: str = "",
    between: Sequence[str] = (),
    models: Sequence[str] = (),
    out: Path | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    most: int = MOST_TRIED,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Explain the flips of an item, or with item "" of the whole run, and write a page for each and one for all.

    item, between: see flips.find_flips. models: files or zoo names of the run's models, where the name in its
    environments does not say enough. out: the pages' folder (default RUN/explain). Gives "flips" (one dict each, see
    flip_row), "table" (bisect.count_causes), "failed" (flips that could not be computed, with the reason), "page",
    and the rule. Raises BadInput where there is no flip, or a model is not at hand.
    """
    from hostctl.causes.explain_page import write_index, write_page

    out = out or folder / "explain"
    rows, counted, failed = [], [], []
    with Run.open(folder, write=False) as run:
        flips = find_flips(run, item=item, between=between)
        bench = Bench(run, find_models(flips, models, progress))
        for number, flip in enumerate(flips, 1):
            progress("flips", number - 1, len(flips), "")
            try:
                found = explain_flip(run, bench, flip, draws=draws, seed=seed, most=most)
            except StageFailed as problem:
                failed.append(f"{flip.item} ({flip.a.name} / {flip.b.name}): {problem}")
                continue
            page = write_page(out, found, folder)
            rows.append(flip_row(found, page))
            counted.append((found.stages, found.tested, found.cause))
            progress("flips", number, len(flips), "")
    table = count_causes(counted)
    rule = {"draws": draws, "level": LEVEL, "seed": seed, "most_tried": most, "most_tested": MOST_TESTED}
    page = write_index(out, rows, table, failed, folder, rule)
    if not item:
        with Run.open(folder) as run:  # only now: nobody else could have written while the flips were explained
            said = [row for row in table if row["blamed"] or row["shared"] or row["differs"]]
            run.set_note("explained", {"sentence": sentence(len(rows), table), "by stage": said})
    return {"run": str(folder), "flips": rows, "table": table, "failed": failed, "page": str(page), **rule}


def find_models(flips: Sequence[Flip], given: Sequence[str], progress: Progress) -> Models:
    """Find the file of every model that the flips need, by its hash, among those given and the zoo's formats."""
    from stability_train.cache import sha256_of
    from stability_train.zoo import FORMATS, MODELS, resolve_model

    environments = {side.way.environment for flip in flips for side in (flip.a, flip.b)}
    wanted = {one.model_sha256: one for one in environments}
    found: dict[str, Any] = {}
    named = [f"{one.model}.{kind}" for one in wanted.values() if one.model in MODELS for kind in FORMATS]
    for text in (*given, *named):
        if not wanted.keys() - found.keys():
            break
        path, sidecar = resolve_model(text, progress=lambda note: progress("model", 0, 0, note))
        found.setdefault(sha256_of(path), (path, sidecar))
    if lacking := [wanted[sha256] for sha256 in wanted.keys() - found.keys()]:
        names = ", ".join(f"{one.model} ({one.model_sha256[:12]}...)" for one in lacking)
        raise BadInput(
            f"expected the files of the models {names}, got none with these hashes; give them with --model FILE"
        )
    return found


def explain_flip(
    run: Run, bench: Bench, flip: Flip, *, draws: int = DRAWS, seed: int = 0, most: int = MOST_TRIED
) -> Explained:
    """Explain one flip: recompute both ways, search the swaps in both directions, test them against chance.

    Raises StageFailed where one of the two ways cannot be computed here at all.
    """
    start_s = time.perf_counter()
    bench.forget()
    a, b = flip.a.way, flip.b.way
    answers = bench.evaluate([a, b])
    for answer in answers:
        if answer.error:
            raise StageFailed(answer.error)
    ours = variants(a, b)
    stages = differing(*ours)
    fixed = tuple(stage for stage in stages if stage == "runtime" and _same_runtime(a, b))
    b = hybrid(b, a, fixed)  # both in this host's runtime from here on: one way, one piece of work
    again = tuple(_again(run, side, answer) for side, answer in zip((flip.a, flip.b), answers, strict=True))
    pictures = bench.stages(a), bench.stages(b)
    growth = _growth(pictures, (answers[0], answers[1]))
    tested, searches = list[Trial](), dict[str, Search]()
    reproduced = all(one["label"] for one in again)
    if reproduced:
        free = [stage for stage in stages if stage not in fixed]
        for direction, base, other, target in ((TO_A, b, a, answers[0]), (TO_B, a, b, answers[1])):
            reached = _reaching(flip, (answers[0], answers[1]), target)
            search = _search(bench, free, base, other, reached, most)
            searches[direction] = search
            for swap in search.minimal[:MOST_TESTED]:
                ends = base, hybrid(base, other, swap)
                tested.append(_test(bench, flip, direction, swap, ends, draws, seed))
    layers, layers_note = _layers(bench, flip, tested, (answers[0], answers[1]))
    cause = find_cause(tested) if reproduced else Cause(ELSEWHERE)
    return Explained(
        flip=flip,
        cause=cause,
        stages=stages,
        variants=ours,
        fixed=fixed,
        answers=(answers[0], answers[1]),
        growth=growth,
        first=next((row["stage"] for row in growth if not row["equal"]), ""),
        again=(again[0], again[1]),
        tested=tuple(tested),
        searches=searches,
        norms=_norms(bench, a, b, [stage for stage in stages if stage not in fixed]),
        pictures=pictures,
        inferences=bench.computed,
        seconds=time.perf_counter() - start_s,
        layers=layers,
        layers_note=layers_note,
    )


def _search(
    bench: Bench, stages: Sequence[str], base: Way, other: Way, reached: Callable[[Answer], bool], most: int
) -> Search:
    def restores(swaps: Sequence[Swap]) -> list[bool]:
        return [reached(answer) for answer in bench.evaluate([hybrid(base, other, swap) for swap in swaps])]

    return smallest_swaps(stages, restores, most=most)


def _test(bench: Bench, flip: Flip, direction: str, swap: Swap, ends: tuple[Way, Way], draws: int, seed: int) -> Trial:
    """Test one swap against chance at its right end: a right answer that anything of that size turns over is fragile.

    A wrong end says little: whatever lies just past a border falls back easily, and what lies far gets right by no
    random change at all.
    """
    answers = bench.evaluate(ends)
    right = [_verdict(flip, answer) == "right" for answer in answers]
    drawn = []
    for base, changed, own, other, here in zip(ends, ends[::-1], answers, answers[::-1], right, strict=True):
        if here or sum(right) != 1:
            seeds = [seed, zlib.crc32(f"{flip.item}|{base}".encode())]
            measured, norm, some = bench.perturbed(base, changed, count=draws, seed=seeds)
            drawn.append((sum(one.label == other.label for one in some), sum(one.label != own.label for one in some)))
    same, lost = (max(counts) for counts in zip(*drawn, strict=True))
    after = answers[1]
    return Trial(direction, swap, after.label, after.chance, measured, norm, same, lost, len(some))


def _layers(
    bench: Bench, flip: Flip, tested: Sequence[Trial], answers: tuple[Answer, Answer]
) -> tuple[list[dict[str, Any]], str]:
    """Where in the network the answer turns, if a swap to A is of the runtime or the model; or why not."""
    swaps = [one.swap for one in tested if one.direction == TO_A and {"runtime", "model"} & set(one.swap)]
    if not swaps:
        return [], ""
    way = flip.b.way
    reached = _reaching(flip, answers, answers[0])

    def restores(scores: Array) -> tuple[str, bool]:
        answer = bench.name(way, scores)
        return answer.label, reached(answer)

    try:
        rows = substitute(bench.half(hybrid(way, flip.a.way, swaps[0])), bench.half(way), restores)
    except (BadInput, MissingExtra) as problem:  # such as a model of another kind: the rest of the answer stands
        return [], str(problem)
    return rows, "" if rows else "the two models' graphs do not match"


def _norms(bench: Bench, a: Way, b: Way, stages: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Where and by how much each stage's swap changes way A; a stage that cannot be computed in A is left out."""
    ways = {stage: hybrid(a, b, [stage]) for stage in stages}
    answers = bench.evaluate(ways.values())
    good = [stage for stage, answer in zip(stages, answers, strict=True) if not answer.error]
    return {stage: bench.perturbed(a, ways[stage], count=0, seed=())[:2] for stage in good}


def _reaching(flip: Flip, answers: tuple[Answer, Answer], target: Answer) -> Callable[[Answer], bool]:
    """Say when an answer counts as the target's: the same verdict where the two differ in it, else the same label."""
    wanted = _verdict(flip, target)
    if _verdict(flip, answers[0]) != _verdict(flip, answers[1]):
        return lambda answer: _verdict(flip, answer) == wanted
    return lambda answer: answer.label == target.label


def _verdict(flip: Flip, answer: Answer) -> str:
    return str(verdicts(np.array([[answer.label]], object), [flip.accepted], [flip.ambiguous])[0])


def _same_runtime(a: Way, b: Way) -> bool:
    return all(getattr(a.environment, name) == getattr(b.environment, name) for name in ("runtime", "threads"))


def _again(run: Run, side: Side, answer: Answer) -> dict[str, Any]:
    """Compare what this host computes with what the run recorded of a side."""
    numbers = {name: int(side.recorded[f"{name}_fingerprint"]) for name in RECORDED}
    known = run.fingerprints(number for number in numbers.values() if number)
    other = [
        name for name in RECORDED if known.get(numbers[name], answer.fingerprints[name]) != answer.fingerprints[name]
    ]
    return {"differs": other[0] if other else "", "label": answer.label == side.recorded["label_1"]}


def _growth(pictures: tuple[Stages, Stages], answers: tuple[Answer, Answer]) -> list[dict[str, Any]]:
    """How much the two ways differ after each stage that has a fingerprint."""
    one, two = pictures
    values: dict[str, tuple[Any, Any]] = {name: (getattr(one, name), getattr(two, name)) for name in RECORDED}
    values["scores"] = answers[0].scores, answers[1].scores
    rows = [{"stage": "file", **amounts(None, None), "equal": one.file == two.file}]
    return rows + [{"stage": name, **amounts(*values[name])} for name in FINGERPRINTED[1:]]
