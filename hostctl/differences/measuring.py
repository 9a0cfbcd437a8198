"""The loop of a differential test on this host: blocks of pictures, rounds in Williams' order, kept block by block.

A block's pictures are decoded and resized once for all variants. Then, once a repeat, every variant infers the whole
block, in an order in which all follow each other equally often; the first inference of a variant in a round finds other
variants' weights in the caches, and is not counted as a time. The outputs of the first round are the answers; later
rounds only tell whether they come out the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.differential.order import orders
from analysis.differential.outputs import fingerprint_outputs, is_finite, output_difference
from analysis.store import Run
from device_agents.errors import KitError
from device_agents.preprocess import FAILURES, StageFailed
from device_agents.records import Picture, Prediction
from device_agents.runtimes import NETWORKS, Network
from device_agents.sidecar import read_labels
from device_agents.tasks.families import TASKS, Asked
from hostctl.differences.asked import Variant, first_line
from hostctl.differences.inputs import Input, input_key, prepare
from hostctl.differences.kept import Kept, Plan
from hostctl.printing import Progress

Array = NDArray[Any]
Outputs = tuple[Array, ...]

BLOCK = 25
SHORT = 4  # pictures under which a round is too short to leave its first inference out
HELD_BYTES = 256 << 20  # of outputs of a block, all variants together
TOP_K = 5


@dataclass
class Loaded:
    """A variant with its network in memory."""

    variant: Variant
    network: Network
    labels: tuple[str, ...] | None


@dataclass
class _Block:
    """A block's work so far: inputs by picture and key, and what came out, by picture and variant."""

    pictures: Sequence[Picture]
    inputs: list[dict[tuple[Any, ...], Input]]
    outputs: dict[tuple[int, int], Outputs] = field(default_factory=dict)
    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    unsteady: dict[tuple[int, int], int] = field(default_factory=dict)
    times: list[dict[str, Any]] = field(default_factory=list)


def load_variants(variants: Sequence[Variant]) -> tuple[list[Loaded], list[str]]:
    """Load every variant's file into its runtime; the second value says which could not be, a line each."""
    loaded, failed = [], []
    for one in variants:
        try:
            network = NETWORKS[one.environment.runtime](one.path, one.environment.threads)
        except FAILURES as problem:
            failed.append(f"{one.variant}: {first_line(problem)}")
            continue
        labels = read_labels(Path(one.sidecar.labels)) if one.sidecar.labels else None
        loaded.append(Loaded(one, network, labels))
    return loaded, failed


def measure(
    run: Run,
    loaded: Sequence[Loaded],
    pictures: Sequence[Picture],
    *,
    kept: Kept,
    plan: Plan,
    progress: Progress,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Do the blocks that are not yet kept; the run gets the predictions that it has not.

    progress counts pictures. A killed test loses one block. Raises what the run raises; what fails with one picture in
    one variant is recorded in its prediction.
    """
    size = kept.block_size(_block_size(run, loaded, pictures))
    blocks = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    order = orders(len(loaded), len(blocks) * plan.repeats, rng=np.random.default_rng(plan.seed))
    there = _predicted(run, loaded)
    for number, some in enumerate(blocks):
        progress("differences", number * size, len(pictures), "")
        if kept.has(number):
            continue
        inputs = [prepare(run.file(one.sha256).read_bytes(), one.corners, _variants(loaded)) for one in some]
        block = _Block(some, inputs)
        for repeat in range(plan.repeats):
            at = number * plan.repeats + repeat
            for place, which in enumerate(order[at]):
                _round(block, loaded[which], int(which), at, place, clock)
        predictions = [one for one in _predictions(block, loaded) if (one.picture, one.environment) not in there]
        if predictions:
            run.add_predictions(predictions)
        kept.put(number, {"times": block.times, "marks": _marks(block, loaded), "outputs": _compared(block, loaded)})
    progress("differences", len(pictures), len(pictures), "")


def _variants(loaded: Sequence[Loaded]) -> list[Variant]:
    return [one.variant for one in loaded]


def _predicted(run: Run, loaded: Sequence[Loaded]) -> set[tuple[str, str]]:
    names = {run.add_environment(one.variant.environment) for one in loaded}
    table = run.predictions(("picture", "environment"))
    table = table[table["environment"].isin(names)]
    return set(zip(table["picture"], table["environment"], strict=True))


def _block_size(run: Run, loaded: Sequence[Loaded], pictures: Sequence[Picture]) -> int:
    """Warm every variant up on the first picture that can be read, and see how much memory the outputs take."""
    for one in pictures:
        inputs = prepare(run.file(one.sha256).read_bytes(), one.corners, _variants(loaded))
        if any(given.tensor is None for given in inputs.values()):
            continue
        held = 0
        for each in loaded:
            tensor = inputs[input_key(each.variant)].tensor
            found = _infer(each, tensor) if tensor is not None else ()
            held += sum(output.nbytes for output in found) if not isinstance(found, str) else 0
        return int(np.clip(HELD_BYTES // max(1, held), 1, BLOCK))
    return BLOCK


def _infer(each: Loaded, tensor: Array) -> Outputs | str:
    """The outputs, or why there are none."""
    try:
        return each.network(tensor)
    except FAILURES as problem:
        return str(StageFailed.because("infer", problem))


def _round(block: _Block, each: Loaded, which: int, at: int, place: int, clock: Callable[[], float]) -> None:
    """Infer the whole block in one variant; the first time is left out where there are enough."""
    key, first = input_key(each.variant), len(block.pictures) >= SHORT
    for number, picture in enumerate(block.pictures):
        given, cell = block.inputs[number][key], (number, which)
        if cell in block.errors:
            continue
        if given.tensor is None:
            block.errors[cell] = given.error
            continue
        start_s = clock()
        found = _infer(each, given.tensor)
        ms = (clock() - start_s) * 1000
        if isinstance(found, str):
            block.errors[cell] = found
            continue
        if cell not in block.outputs:
            block.outputs[cell] = found
        elif not _same(block.outputs[cell], found):
            block.unsteady[cell] = block.unsteady.get(cell, 0) + 1
        if not first:
            named = {"variant": each.variant.variant, "picture": picture.picture}
            block.times.append({**named, "round": at, "place": place, "ms": ms})
        first = False


def _same(one: Outputs, other: Outputs) -> bool:
    return len(one) == len(other) and all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def _predictions(block: _Block, loaded: Sequence[Loaded]) -> list[Prediction]:
    times: dict[tuple[str, str], list[float]] = {}
    for row in block.times:
        times.setdefault((row["picture"], row["variant"]), []).append(row["ms"])
    made = []
    for number, picture in enumerate(block.pictures):
        for which, each in enumerate(loaded):
            ms = float(np.median(times.get((picture.picture, each.variant.variant), [0.0])))
            made.append(_prediction(block, number, which, each, picture, ms))
    return made


def _prediction(block: _Block, number: int, which: int, each: Loaded, picture: Picture, ms: float) -> Prediction:
    variant, given = each.variant, block.inputs[number][input_key(each.variant)]
    names = ("pixels_sha256", "resized_sha256", "tensor_sha256")
    found: dict[str, Any] = {"file_sha256": picture.sha256, **dict(zip(names, given.marks, strict=True))}
    error = block.errors.get((number, which), "")
    if not error:
        try:
            assert given.placed is not None
            asked = Asked(variant.sidecar, each.labels, variant.environment.post, TOP_K, given.placed)
            answer = TASKS[variant.sidecar.task](block.outputs[number, which], asked)
            found |= {"labels": answer.labels, "scores": answer.scores, "detail": answer.detail, "latency_ms": ms}
        except (KitError, *FAILURES) as problem:
            error = str(StageFailed.because("classify", problem))
    return Prediction(picture=picture.picture, environment=variant.environment.environment, error=error, **found)


def _marks(block: _Block, loaded: Sequence[Loaded]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for number, picture in enumerate(block.pictures):
        for which, each in enumerate(loaded):
            found = block.outputs.get((number, which))
            told = {"output": "", "finite": False} if found is None else _mark(found)
            unsteady = block.unsteady.get((number, which), 0)
            rows.append({"picture": picture.picture, "variant": each.variant.variant, **told, "unsteady": unsteady})
    return rows


def _mark(found: Outputs) -> dict[str, Any]:
    return {"output": fingerprint_outputs(found), "finite": is_finite(found)}


def _compared(block: _Block, loaded: Sequence[Loaded]) -> list[Mapping[str, Any]]:
    """Every two variants of one model, picture by picture; outputs of another meaning are not comparable."""
    rows: list[Mapping[str, Any]] = []
    for number, picture in enumerate(block.pictures):
        for a, b in combinations(range(len(loaded)), 2):
            one, other = loaded[a].variant, loaded[b].variant
            there = [block.outputs.get((number, which)) for which in (a, b)]
            if one.model != other.model or there[0] is None or there[1] is None:
                continue
            alike = one.sidecar.outputs == other.sidecar.outputs
            found = output_difference(*((there[0], there[1]) if alike else ((), ())))
            named = {"picture": picture.picture, "a": one.variant, "b": other.variant}
            rows.append({**named, **vars(found)})
    return rows
