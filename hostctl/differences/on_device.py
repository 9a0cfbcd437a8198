"""The variants of a differential test on a device of a lab: through its agent, as `predict --on` does, in rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.differential.order import orders
from analysis.store import Run
from device_agents.errors import KitError
from device_agents.predict import Job, JobPicture, default_environment
from device_agents.records import Picture, Prediction
from hostctl.agents.predictor import Predictor
from hostctl.differences.asked import ModelFile, Variant, check_names, first_line, is_wanted, name_variant
from hostctl.differences.kept import Kept, Plan
from hostctl.differences.kinds import KINDS
from hostctl.predictions.predicting_on import agent_of
from hostctl.printing import Progress

BLOCK = 25
TOP_K = 5

__all__ = ["agent_of", "measure_on", "variants_on_device"]


def variants_on_device(
    files: Sequence[ModelFile], agent: Predictor, asked: Sequence[str], *, decoder: str, view: str, threads: int
) -> tuple[list[Variant], list[str]]:
    """Give the variants that a device has, and why those named were left out; asked: as in asked.find_variants."""
    names, there = check_names(asked), set(agent.info()["runtimes"])
    found, left = [], []
    for one in files:
        usual = default_environment(one.sidecar, one.path, decoder=decoder, view=view, threads=threads)
        for runtime in KINDS:
            if not is_wanted(one, runtime, names) or (runtime not in there and runtime not in names):
                continue
            name = name_variant(one, runtime, files, agent.name)
            try:
                environment = agent.own(replace(usual, runtime=runtime))
            except KitError as problem:
                left.append(f"{name}: {first_line(problem)}")
                continue
            found.append(Variant(name, one.model, one.path, one.sidecar, environment))
    return found, left


def measure_on(
    run: Run,
    variants: Sequence[Variant],
    pictures: Sequence[Picture],
    agent: Predictor,
    *,
    kept: Kept,
    plan: Plan,
    progress: Progress,
) -> None:
    """Have the device predict block by block and round by round; the run gets the predictions that it has not.

    A job is one model file with all its runtimes, in the order of the round; the agent takes them picture by picture.
    The first picture of a job finds cold caches and is not timed. Raw outputs stay on the device.
    """
    names = {run.add_environment(one.environment) for one in variants}
    table = run.predictions(("picture", "environment"))
    there = set(zip(table["picture"], table["environment"], strict=True))
    files = list(dict.fromkeys(one.path for one in variants))
    by_environment = {one.environment.environment: one for one in variants}
    assert names == by_environment.keys()
    size = kept.block_size(BLOCK)
    blocks = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    order = orders(len(variants), len(blocks) * plan.repeats, rng=np.random.default_rng(plan.seed))
    for number, some in enumerate(blocks):
        progress(f"differences on {agent.name}", number * size, len(pictures), "")
        if kept.has(number):
            continue
        times: list[Mapping[str, Any]] = []
        answers: dict[tuple[str, str], Prediction] = {}
        for repeat in range(plan.repeats):
            at = number * plan.repeats + repeat
            for path in files:
                turn = [variants[which] for which in order[at] if variants[which].path == path]
                for one in agent.predict(_job(run, turn, some)):
                    answers.setdefault((one.picture, one.environment), one)
                    variant = by_environment[one.environment]
                    if not one.error and (len(some) < 2 or one.picture != some[0].picture):
                        place = turn.index(variant)
                        named = {"variant": variant.variant, "picture": one.picture}
                        times.append({**named, "round": at, "place": place, "ms": one.latency_ms})
        new = [one for key, one in answers.items() if key not in there]
        if new:
            run.add_predictions(new)
        kept.put(number, {"times": times, "marks": _marks(some, variants), "outputs": []})
    progress(f"differences on {agent.name}", len(pictures), len(pictures), "")


def _job(run: Run, turn: Sequence[Variant], pictures: Sequence[Picture]) -> Job:
    return Job(
        model=str(turn[0].path),
        sidecar=turn[0].sidecar,
        pictures=tuple(JobPicture(one.picture, str(run.file(one.sha256).absolute()), one.corners) for one in pictures),
        environments=tuple(one.environment for one in turn),
        top_k=TOP_K,
    )


def _marks(pictures: Sequence[Picture], variants: Sequence[Variant]) -> list[Mapping[str, Any]]:
    return [
        {"picture": picture.picture, "variant": one.variant, "output": "", "finite": True, "unsteady": 0}
        for picture in pictures
        for one in variants
    ]
