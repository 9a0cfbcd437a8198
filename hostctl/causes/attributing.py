"""Attribution of a run's instability to stages: counts the cost of the hybrids, computes those missing, and answers.

Hybrids are made by develop_run and predict_run, so they stay in the run, and a killed command goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.attribution import COUNTED, UNCOUNTED, Plan, Verdicts, plan_cells, sentence
from analysis.store import Run
from analysis.verdicts import VERDICTS
from capture.raw import RAW_SUFFIXES
from device_agents.errors import BadInput
from device_agents.predict import default_environment
from device_agents.records import Environment
from device_agents.sidecar import Sidecar
from hostctl.causes.players import Way, parse_ways, variant_name, variants_of, way_of, ways_of_devices
from hostctl.grid import Assignment, predict_run
from hostctl.pictures.developing import develop_run
from hostctl.pictures.file_runs import run_of_files
from hostctl.pictures.prepared import as_prepared
from hostctl.printing import Progress
from hostctl.runs.reporting import is_virtual

if TYPE_CHECKING:
    from analysis.causes.attribution_answers import Attribution, Pairs, WhatIf
    from analysis.causes.attribution_intervals import Estimate
    from analysis.statistics import Interval

LIMIT = 100_000
MOST_LISTED = 50
NOTE = "attribution"
SHOT = ("scene", "angle", "repeat")  # the item, and the device too where ways do not name one
WAY = ("device", "isp", "codec", "environment")
COLUMNS = (*SHOT, *WAY, "cluster", "picture", "verdict")
SEED = 0
VIRTUAL = "the photographs are of simulated cameras: shares of their stages say nothing about real ones"


@dataclass(frozen=True)
class Request:
    """What to attribute: the model and what is fixed, the conditions in words (none: the run's devices), and how."""

    model: str
    sidecar: Path | None = None
    runtime: str | None = None
    decoder: str = "pillow"
    view: str | None = None
    conditions: tuple[str, ...] = ()
    limit: int = LIMIT
    dry_run: bool = False
    workers: int = 1


@dataclass
class Cost:
    """What an attribution needs, and of it what is still to be made: pictures to develop, and predictions."""

    hybrids: int
    pictures: int = 0
    predictions: int = 0
    pictures_owed: int = 0
    predictions_owed: int = 0
    making: dict[str, list[str]] = field(default_factory=dict)  # codecs by ISP, of pictures to develop

    @property
    def summary(self) -> dict[str, int]:
        """The counts alone."""
        return {name: value for name, value in asdict(self).items() if name != "making"}


def attribute_run(
    request: Request, *, run: Path | None, scenes: Path | None, out: Path | None, progress: Progress
) -> dict[str, Any]:
    """Share out the instability between conditions among the stages at which they differ; all of it fits JSON.

    The cost is told before anything is made, and is all that a dry run gives ("cost", "players", "conditions"). Raises
    BadInput where more predictions are owed than the limit, for wrong conditions, or where a device has no pictures.
    """
    from stability_train.zoo import resolve_model

    path, card = resolve_model(request.model, sidecar=request.sidecar, progress=partial(progress, "model", 0, 0))
    with _opened(run, scenes, out) as opened:
        base = _base(opened, request, path, card)
        named, notes = _named(opened, request.conditions, base)
        variants = variants_of(list(named.values()))
        plan = plan_cells(variants)
        ways = [way_of({**variants[0], **dict(zip(plan.players, way, strict=True))}, base) for way in plan.ways]
        cost = count_cost(opened, ways)
        result: dict[str, Any] = {"run": str(opened.folder), "model": card.name, "notes": notes, "cost": cost.summary}
        result |= {"players": list(plan.players), "alike": list(plan.alike), "conditions": _told(named, plan)}
        progress("attribution", 0, 0, cost_text(result))
        if request.dry_run:
            return {**result, "dry_run": True}
        if cost.predictions_owed > request.limit:
            raise BadInput(
                f"{cost_text(result)}: expected at most {request.limit} predictions to make; give --limit "
                f"{cost.predictions_owed} to make them all, or compare fewer conditions or stages"
            )
        not_made = compute(opened, path, card, ways, cost, workers=request.workers, progress=progress)
        verdicts, clusters = read_verdicts(opened, ways)
        result |= {"dry_run": False, "not_made": not_made[:MOST_LISTED], "missing": int((verdicts == UNCOUNTED).sum())}
        result |= _found(plan, verdicts, clusters)
        opened.set_note(NOTE, {**(opened.note(NOTE) or {}), card.name: result})
        return result


def count_cost(run: Run, ways: Sequence[Way]) -> Cost:
    """Count what the ways need of a run and what it lacks; nothing is written.

    Raises BadInput for a way without any root picture.
    """
    roots: Counter[tuple[str, bool]] = Counter()
    made: Counter[tuple[str, str]] = Counter()
    for one in run.picture_records():
        if one.parent:
            made[one.isp, one.codec] += 1
        else:
            roots[one.device, one.suffix in RAW_SUFFIXES] += 1
    there = Counter(zip(*_columns(run, WAY), strict=True))
    cost = Cost(len(ways))
    for way in ways:
        of, isp, codec, environment = way.key
        devices = [of] if of else list(dict.fromkeys(device for device, _ in roots))
        count = sum(roots[device, bool(isp)] for device in devices)
        if not count:
            kind = "raw pictures" if isp else "photographs"
            raise BadInput(f"{run.folder}: expected {kind}{f' of {of}' if of else ''} to start from, got none")
        cost.predictions += count
        cost.predictions_owed += max(0, count - sum(there[device, isp, codec, environment] for device in devices))
        if (isp or codec) and codec not in cost.making.setdefault(isp, []):
            cost.making[isp].append(codec)
    for isp, codecs in cost.making.items():
        parents = sum(count for (_, raw), count in roots.items() if raw == bool(isp))
        cost.pictures += parents * len(codecs)
        cost.pictures_owed += sum(max(0, parents - made[isp, codec]) for codec in codecs)
    return cost


def cost_text(result: Mapping[str, Any]) -> str:
    """Say in one line what an attribution costs."""
    cost, of = result["cost"], len(result["conditions"])
    return (
        f"{cost['hybrids']} hybrids of {of} conditions over {', '.join(result['players'])}: {cost['pictures_owed']} of "
        f"{cost['pictures']} pictures to develop, {cost['predictions_owed']} of {cost['predictions']} predictions owed"
    )


def compute(
    run: Run, model: Path, card: Sidecar, ways: Iterable[Way], cost: Cost, *, workers: int, progress: Progress
) -> list[str]:
    """Make the pictures and predictions that the ways lack; gives a line for each picture that could not be made."""
    failed = []
    for isp, codecs in cost.making.items():
        said = partial(progress, f"pictures {isp}".strip())
        failed += develop_run(run, isps=[isp] if isp else [], codecs=codecs, workers=workers, progress=said)
    groups: dict[tuple[str, tuple[str, str]], list[Any]] = {}
    for way in ways:
        groups.setdefault((way.device, way.condition.made), []).append(way.condition.environment)
    assignments = [
        Assignment(tuple(environments), devices=(device,) if device else (), made=made)
        for (device, made), environments in groups.items()
    ]
    predict_run(run, model, card, assignments, workers=workers, progress=partial(progress, "predictions"))
    return failed


def read_verdicts(run: Run, ways: Sequence[Way]) -> tuple[Verdicts, np.ndarray[Any, Any]]:
    """Give the verdicts of the ways' predictions, int8 (ways, items), and the items' clusters.

    An item is a scene, angle and repeat, and the device too where the ways name none. Raises BadInput where a device
    has two pictures of the same item and way.
    """
    import pandas as pd

    from analysis.instability import group_codes

    by_device = bool(ways[0].device)
    table = run.predictions(COLUMNS)
    table = table if by_device else table.assign(device="", root=table["device"])
    numbers = {way.key: number for number, way in enumerate(ways)}
    places = table.groupby(list(WAY), sort=False, observed=True).ngroup().to_numpy()
    keys = table[list(WAY)].iloc[np.unique(places, return_index=True)[1]].itertuples(index=False, name=None)
    rows = np.array([numbers.get((str(d), str(i), str(c), str(e)), -1) for d, i, c, e in keys], dtype=np.int64)[places]
    item = list(SHOT if by_device else (*SHOT, "root"))
    # Pictures are in the order in which workers made them; the same numbers come of any.
    table = table.assign(row=rows)[rows >= 0].sort_values([*item, "row"], ignore_index=True)
    rows, items = table["row"].to_numpy(), group_codes(table, item)
    twice = pd.Series(items * len(ways) + rows).duplicated().to_numpy()
    if twice.any():
        name = table["picture"][int(np.flatnonzero(twice)[0])]
        raise BadInput(f"{run.folder}: expected one picture of each device, scene, angle and repeat, got also {name}")
    firsts = np.unique(items, return_index=True)[1]
    verdicts = np.full((len(ways), len(firsts)), UNCOUNTED, dtype=np.int8)
    verdicts[rows, items] = COUNTED[table["verdict"].map({name: n for n, name in enumerate(VERDICTS)}).to_numpy()]
    return verdicts, table["cluster"].to_numpy(dtype=object)[firsts]


def _base(run: Run, request: Request, path: Path, card: Sidecar) -> Environment:
    """The environment that conditions change."""
    view = request.view or ("rectified-pillow" if run.steps() else "whole")
    base = default_environment(card, path, runtime=request.runtime, decoder=request.decoder, view=view)
    return as_prepared(base, card, run.note("prepared"))


def _named(run: Run, conditions: Sequence[str], base: Environment) -> tuple[dict[str, Way], list[str]]:
    """The ways to compare by name, those asked for or the run's devices, and what a reader must know of them."""
    if conditions:
        raws = not any(one.suffix not in RAW_SUFFIXES for one in run.picture_records({"parent": ""}))
        named, notes = parse_ways(conditions, base, raws=raws), list[str]()
    else:
        named, notes = ways_of_devices(run, base)
    return named, notes + [VIRTUAL] * is_virtual(run)


def _found(plan: Plan, verdicts: Verdicts, clusters: Any) -> dict[str, Any]:
    from analysis.causes.attribution_answers import attribute, what_ifs

    rng = np.random.default_rng(SEED)
    found: Attribution = attribute(plan, verdicts, clusters, rng=rng)
    told: list[WhatIf] = what_ifs(plan, verdicts, clusters)
    whole, interval = found.whole
    return {
        "items": found.items,
        "clusters": interval.clusters,
        **_estimate(found.whole, "instability"),
        "shares": [
            {"stage": stage, **_estimate(one, "share")}
            | {"checks": {method: _ends(by_stage[stage]) for method, by_stage in found.checks.items()}}
            for stage, one in found.shares.items()
        ],
        "interactions": [{"stages": list(two), **_estimate(one, "value")} for two, one in found.interactions.items()],
        "pairs": _pairs(found.pairs),
        "what_if": [
            {"stage": one.stage, "variant": variant_name(one.stage, one.variant)}
            | _estimate(one.rate, "instability")
            | {"change": one.change[0], "change_interval": _ends(one.change[1]), "pairs": _pairs(one.pairs)}
            for one in told
        ],
        "sentence": sentence({stage: one[0] for stage, one in found.shares.items()}, whole, interval.half_width),
    }


def _told(named: dict[str, Way], plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            **{stage: variant_name(stage, variant) for stage, variant in zip(plan.players, own, strict=True)},
        }
        for name, own in zip(named, (plan.ways[place] for place in plan.conditions), strict=True)
    ]


def _estimate(estimate: Estimate, name: str) -> dict[str, Any]:
    return {name: estimate[0], "interval": _ends(estimate[1])}


def _pairs(pairs: Pairs) -> dict[str, Any]:
    such, unseen = (None if one is None else _ends(one) for one in (pairs.such, pairs.unseen))
    return {"rate": pairs.rate, "such": such, "unseen": unseen}


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _columns(run: Run, names: Sequence[str]) -> list[list[str]]:
    table = run.predictions(list(names))
    return [table[name].astype(str).to_list() for name in names]


def _opened(run: Path | None, scenes: Path | None, out: Path | None) -> Run:
    if (run is None) == (scenes is None):
        raise BadInput("expected either a run or --scenes (a folder or a CSV of pictures)")
    return Run.open(run) if run is not None else run_of_files(scenes or Path(), out, name=NOTE)
