"""What agents reported of their pictures against what this host makes of the same bytes: which stage is not as claimed.

A fingerprint that is equal proves the stage; the first that is not names it. Variants of the catalogue are tried on a
few pictures and then on all: first those that differ from the claim in one thing, then in two.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from analysis.causes.diagnosis import (
    AS_CLAIMED,
    DIFFERS,
    EQUAL,
    UNKNOWN,
    UNTESTED,
    VARIANT,
    Matches,
    Proof,
    decide_stage,
)
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS
from device_agents.preprocess import SCALINGS
from device_agents.records import Environment
from device_agents.resize import FITS, RESIZERS
from device_agents.view import VIEWS
from hostctl.causes.remade import RED_BLUE, Maker, PictureFile, Steps

MARKS = ("pixels", "resized", "tensor")
# The stages that a mark depends on, with the variants of each; "twist" and "order" are mistakes that no claim names.
FAMILIES: dict[str, dict[str, Sequence[str]]] = {
    "pixels": {"decoder": tuple(DECODERS), "twist": (RED_BLUE, "as stored")},
    "resized": {
        "view": tuple(VIEWS),
        "colour": tuple(COLOURS),
        "fit": tuple(FITS),
        "resizer": tuple(RESIZERS),
        "swap": (RED_BLUE,),
    },
    "tensor": {"scaling": tuple(SCALINGS), "order": ("rgb", "bgr")},
}
STAGE_OF = {"twist": "decoder", "swap": "resizer", "order": "scaling"}
WHOLE = {
    "pixels": "decoder",
    "resized": "view, colour, fit or resizer",
    "tensor": "scaling",
    "scores": "runtime or model",
}
PROBES, PAIR_PROBES = 6, 2
FEWEST_KNOWN = 5  # pictures on which later stages are still tested where an earlier stage is unknown on most
# Of probabilities: another machine's arithmetic moves them by 1e-5, a quantised model by 1e-2.
TOLERATED_SCORE, OTHER_SCORES = 1e-3, 0.05

Change = tuple[tuple[str, str], ...]


class Reported(NamedTuple):
    """One picture as an agent reported it: the file, each mark's sha256 ("" where not reached), labels and scores."""

    file: PictureFile
    marks: Mapping[str, str]
    labels: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Stage:
    """What was found of one stage of a device's software; variants: the group that fits alike, () for unknown."""

    stage: str
    proof: Proof
    variants: tuple[str, ...] = ()


@dataclass
class Trace:
    """The faults of a device's software in the order of the way, the stages that stay hidden, and the way found.

    ways: for each picture the steps that give what was reported, None where they are not known.
    """

    stages: list[Stage] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    checked: int = 0
    ways: list[Steps | None] = field(default_factory=list)


def trace(cells: Sequence[Reported], claimed: Environment, maker: Maker, *, models: Sequence[str] = ()) -> Trace:
    """Follow a device's pictures through the stages: what is as claimed, what another variant, what unknown.

    models: sha256 of the maker's models that may be running instead of the claimed one.
    """
    found = Trace(ways=[Steps.claimed(claimed, maker.sidecar(claimed.model_sha256)) for _ in cells])
    for mark in MARKS:
        if not _mark(found, cells, mark, maker):
            found.hidden += [WHOLE[later] for later in (*MARKS, "scores")[MARKS.index(mark) + 1 :]]
            return found
    _scores(found, cells, claimed, maker, models)
    return found


def _mark(found: Trace, cells: Sequence[Reported], mark: str, maker: Maker) -> bool:
    """Test one mark and move the ways on to what was found; says whether later ones can be tested."""
    claim = _matches(found, cells, mark, maker, ())
    tried: dict[Any, Matches] = {}
    proof = decide_stage(claim, tried)
    for changes, probes in ((_single(mark), PROBES), (_pairs(mark), PAIR_PROBES)):
        if proof.kind == UNKNOWN:
            likely = _likely(found, cells, mark, maker, claim, changes, probes)
            tried |= {change: _matches(found, cells, mark, maker, change) for change in likely}
            proof = decide_stage(claim, tried)
    found.checked = max(found.checked, proof.pictures)
    if proof.kind == VARIANT:
        found.stages += _named(proof, found)
    if proof.kind == UNKNOWN:
        found.stages.append(Stage(WHOLE[mark], proof))
    order = [(), *sorted(tried, key=lambda change: (change not in proof.names, len(change)))]
    if proof.kind == VARIANT:
        order = order[1:] + order[:1]
    for place, way in enumerate(found.ways):
        if way is None or not cells[place].marks.get(mark):
            found.ways[place] = None
            continue
        good = [one for one in order if (tried[one] if one else claim)[place] == EQUAL]
        found.ways[place] = way.changed(good[0]) if good else None
    known = sum(way is not None for way in found.ways)
    return proof.kind in (AS_CLAIMED, VARIANT) or known >= FEWEST_KNOWN


def _matches(found: Trace, cells: Sequence[Reported], mark: str, maker: Maker, change: Change) -> Matches:
    """Say on which pictures a change of the ways found so far gives the mark that was reported."""
    result = np.full(len(cells), UNTESTED, dtype=np.int8)
    for place, (way, cell) in enumerate(zip(found.ways, cells, strict=True)):
        if way is None or not cell.marks.get(mark):
            continue
        made = maker.mark(cell.file, way.changed(change), mark)
        if made or change:  # what this host cannot make as claimed says nothing; a candidate that fails is none
            result[place] = EQUAL if made == cell.marks[mark] else DIFFERS
    return result


def _single(mark: str) -> list[Change]:
    """All changes of one family that a mark depends on."""
    return [((family, name),) for family, names in FAMILIES[mark].items() for name in names]


def _pairs(mark: str) -> list[Change]:
    """All changes of two of them."""
    return [
        ((a, first), (b, second))
        for (a, some), (b, others) in itertools.combinations(FAMILIES[mark].items(), 2)
        for first, second in itertools.product(some, others)
    ]


def _likely(
    found: Trace,
    cells: Sequence[Reported],
    mark: str,
    maker: Maker,
    claim: Matches,
    changes: Sequence[Change],
    count: int,
) -> list[Change]:
    """Give the changes that explain half of some probes on which the claim fails."""
    probes = _spread(np.flatnonzero(claim == DIFFERS).tolist(), count)
    hits = dict.fromkeys(changes, 0)
    for place in probes:
        way, cell = found.ways[place], cells[place]
        assert way is not None
        for change in changes:
            if cell.file.allows(change) and all(getattr(way, family) != name for family, name in change):
                hits[change] += maker.mark(cell.file, way.changed(change), mark) == cell.marks[mark]
    return [change for change, hit in hits.items() if hit and 2 * hit >= len(probes)]


def _spread(places: Sequence[int], count: int) -> list[int]:
    at = np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int))
    return [places[one] for one in at]


def _named(proof: Proof, found: Trace) -> list[Stage]:
    """One stage for each family that the group changes; what the claim has already does not count as changed."""
    base = next(way for way in found.ways if way is not None)
    by_family: dict[str, dict[str, None]] = {}
    for change in proof.names:
        for family, name in change:
            if getattr(base, family) != name:
                by_family.setdefault(family, {})[_written(family, name, base)] = None
    if len(proof.names[0]) == 1 and len(by_family) > 1:  # one change, of one family or another: they fit alike
        stage = " or ".join(dict.fromkeys(STAGE_OF.get(family, family) for family in by_family))
        return [Stage(stage, proof, tuple(name for names in by_family.values() for name in names))]
    return [Stage(STAGE_OF.get(family, family), proof, tuple(names)) for family, names in by_family.items()]


def _written(family: str, name: str, base: Steps) -> str:
    if family == "order":
        return f"{base.scaling} {name}"
    return {"twist": f"{base.decoder}, {name}", "swap": f"{base.resizer}, {name}"}.get(family, name)


def _scores(found: Trace, cells: Sequence[Reported], claimed: Environment, maker: Maker, models: Sequence[str]) -> None:
    """Compare labels and scores where the input is proved: another model of those at hand, or unknown."""
    claim = _scored(found, cells, claimed.model_sha256, claimed, maker)
    tested = claim != UNTESTED
    if not tested.any():
        found.hidden.append(WHOLE["scores"])
        return
    if (claim[tested] == DIFFERS).mean() <= OTHER_SCORES:
        return
    tried = {one: _scored(found, cells, one, claimed, maker) for one in models if one != claimed.model_sha256}
    proof = decide_stage(claim, tried)
    named = tuple(maker.model_name(one) for one in proof.names)
    found.stages.append(Stage("model" if named else WHOLE["scores"], proof, named))


def _scored(found: Trace, cells: Sequence[Reported], model: str, claimed: Environment, maker: Maker) -> Matches:
    result = np.full(len(cells), UNTESTED, dtype=np.int8)
    for place, (way, cell) in enumerate(zip(found.ways, cells, strict=True)):
        if way is None or not cell.scores:
            continue
        answer = maker.answer(cell.file, way, model, claimed.runtime)
        if answer is None:
            result[place] = UNTESTED if model == claimed.model_sha256 else DIFFERS
            continue
        result[place] = EQUAL if _alike(answer, cell) else DIFFERS
    return result


def _alike(answer: tuple[tuple[str, ...], tuple[float, ...]], cell: Reported) -> bool:
    """Whether scores agree in the tolerance: rank by rank, and the first label where it is not a near tie."""
    labels, scores = answer
    if len(scores) != len(cell.scores):
        return False
    near = max(abs(a - b) for a, b in zip(scores, cell.scores, strict=True)) <= TOLERATED_SCORE
    tie = len(scores) > 1 and scores[0] - scores[1] <= 2 * TOLERATED_SCORE
    return near and (labels[0] == cell.labels[0] or tie)
