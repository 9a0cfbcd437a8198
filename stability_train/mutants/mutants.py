"""MUTANTS: known small changes to one layer of an ONNX model, to test whether the kit's measures notice and find them.

After mutation testing of deep-learning compilers (MutateNN; DeMillo, Lipton and Sayward 1978 for programs). A mutant is
drawn by its kind and a seed alone: other kinds and other counts do not change which layers a kind takes first.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from device_agents.errors import BadInput, pick
from stability_train.mutants.graph import Unfit, Work, copied, opened
from stability_train.mutants.operators import OPERATOR_KINDS
from stability_train.mutants.weights import WEIGHT_KINDS, Kind

KINDS: dict[str, Kind] = dict(sorted({**OPERATOR_KINDS, **WEIGHT_KINDS}.items()))
COUNT = 3  # of each kind


@dataclass(frozen=True)
class Plan:
    """A mutant that is to be made: its name, kind, the layer's place among the nodes, and what its chance is.

    layer: the name of the first tensor that the changed node makes in the original; operator: the node's kind.
    changed: all tensors that the changed layers make, two where neighbours change places.
    """

    name: str
    kind: str
    place: int
    layer: str
    operator: str
    changed: tuple[str, ...]
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Mutant:
    """A made mutant: the change in words and the model file's bytes, empty where ``problem`` says why there is none."""

    plan: Plan
    change: str
    data: bytes = b""
    problem: str = ""


def asked_kinds(names: Sequence[str] = ()) -> list[str]:
    """Check names of kinds and put them in order; none for all. Raises BadInput for an unknown one."""
    for name in names:
        pick(KINDS, name, what="kind of mutant")
    return [name for name in KINDS if not names or name in names]


def plan_mutants(model: Any, *, seed: int, count: int = COUNT, kinds: Sequence[str] = ()) -> list[Plan]:
    """Choose at most ``count`` layers for each kind in a fixed model (mutant_graph.fixed), by chance without repeats.

    Kinds that fit no layer give none. Raises BadInput for an unknown kind, a count below 1 or a negative seed.
    """
    if count < 1 or seed < 0:
        raise BadInput(f"expected a count of 1 or more and a seed of 0 or more, got {count} and {seed}")
    work = opened(model)
    found = []
    for kind in asked_kinds(kinds):
        places = [place for place, node in enumerate(model.graph.node) if node.output and _fits(kind, work, node)]
        drawn = np.random.default_rng((seed, zlib.crc32(kind.encode()))).permutation(len(places))[:count]
        for number, which in enumerate(drawn, 1):
            found.append(_plan(work, kind, number, places[int(which)], seed))
    return found


def make_mutant(model: Any, plan: Plan) -> Mutant:
    """Make a planned mutant of the same fixed model; what onnx.checker does not pass has its reason in ``problem``."""
    import onnx

    work = copied(opened(model))
    node = work.model.graph.node[plan.place]
    try:
        change = KINDS[plan.kind].change(work, node, np.random.default_rng(plan.seed))
    except Unfit as problem:
        return Mutant(plan, "", problem=f"cannot be made: {problem}")
    try:
        onnx.checker.check_model(work.model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        return Mutant(plan, change, problem=f"is no valid model: {_one_line(problem)}")
    return Mutant(plan, change, work.model.SerializeToString())


def mutants(model: Any, *, seed: int, count: int = COUNT, kinds: Sequence[str] = ()) -> Iterator[Mutant]:
    """Make the planned mutants one after another, since each is as large as the model; see plan_mutants."""
    for plan in plan_mutants(model, seed=seed, count=count, kinds=kinds):
        yield make_mutant(model, plan)


def _fits(kind: str, work: Work, node: Any) -> bool:
    return any(name not in work.constants for name in node.input) and KINDS[kind].fits(work, node)


def _plan(work: Work, kind: str, number: int, place: int, seed: int) -> Plan:
    node = work.model.graph.node[place]
    changed = [*node.output]
    if KINDS[kind].layers == 2:
        changed += work.readers(node.output[0])[0].output
    chance = (seed, zlib.crc32(kind.encode()), place)
    return Plan(f"{kind}-{number}", kind, place, node.output[0], node.op_type, tuple(changed), chance)


def _one_line(problem: Exception) -> str:
    """The first of the errors that the checker names, without its own names for kinds of errors."""
    text = re.sub(r"\[\w+Error\] ?|Inference error\(s\): ", "", " ".join(str(problem).split()))
    return text.split(" (op_type:")[0][:300]
