"""What was found out about one flip, and the same as plain values for JSON, the terminal and the pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.bisect import Cause, Search, Trial
from hostctl.causes.flips import Flip, shown_item
from hostctl.explain import Answer, Stages

TO_A, TO_B = "to A", "to B"
TOLD = {"label": "label_1", "score": "score_1", "verdict": "verdict"}
HASH = 64
MOST_FAILED = 5


@dataclass(frozen=True)
class Explained:
    """All that was found out about one flip.

    stages: what differs, with both variants. fixed: stages that differ and cannot be swapped on this host. growth: how
    much the two ways differ after each of file, pixels, resized, tensor and scores; first: the first of them that
    differs. again: for each side, the first fingerprint in which this host's work is not what the run recorded ("" if
    none), and whether the label is. norms: where and by how much B's variant of a stage changes way A. layers: rows of
    hostctl.causes.layers, where the runtime or the model restores; layers_note: why there are none then.
    """

    flip: Flip
    cause: Cause
    stages: tuple[str, ...]
    variants: tuple[Mapping[str, Any], Mapping[str, Any]]
    fixed: tuple[str, ...]
    answers: tuple[Answer, Answer]
    growth: list[dict[str, Any]]
    first: str
    again: tuple[dict[str, Any], dict[str, Any]]
    tested: tuple[Trial, ...]
    searches: Mapping[str, Search]
    norms: Mapping[str, tuple[str, float]]
    pictures: tuple[Stages, Stages]
    inferences: int
    seconds: float
    layers: list[dict[str, Any]] = field(default_factory=list)
    layers_note: str = ""


def flip_row(found: Explained, page: Path) -> dict[str, Any]:
    """Give one explained flip as plain values, for JSON and for the table in the terminal."""
    return {
        "item": found.flip.item,
        "cluster": found.flip.cluster,
        **{key: _side(found, number) for number, key in enumerate("ab")},
        "cause": found.cause.text,
        "kind": found.cause.kind,
        "first": found.first,
        "growth": found.growth,
        "stages": stage_rows(found),
        "swaps": swap_rows(found.tested),
        "searched": {key: {"tried": one.tried, "complete_to": one.complete_to} for key, one in found.searches.items()},
        "layers": found.layers,
        "layers_note": found.layers_note,
        "inferences": found.inferences,
        "seconds": found.seconds,
        "page": str(page),
    }


def stage_rows(found: Explained) -> list[dict[str, Any]]:
    """One row a stage that differs: both variants, what swapping it does, the change's norm and the random share.

    restores: "alone, both ways", "alone, to A", "alone, to B", "with codec" (in a larger minimal swap), "no", or "not
    swappable here". share, lost: of random changes of its size, those that gave the same answer and those that gave
    any other than the end's own, where it restores alone.
    """
    rows = []
    for stage in found.stages:
        alone = [one for one in found.tested if one.swap == (stage,)]
        larger = [other for one in found.tested if stage in one.swap for other in one.swap if other != stage]
        where = "both ways" if len(alone) > 1 else "".join(one.direction for one in alone)
        restores = f"alone, {where}" if alone else f"with {' or '.join(dict.fromkeys(larger))}" if larger else "no"
        drawn = [one for one in alone if one.draws]
        measured, norm = found.norms.get(stage, ("", math.nan))
        rows.append(
            {
                "stage": stage,
                **{key: variant_text(one[stage]) for key, one in zip("ab", found.variants, strict=True)},
                "restores": "not swappable here" if stage in found.fixed else restores,
                "measured": measured,
                "norm": _number(norm),
                "share": min(one.share for one in drawn) if drawn else None,
                "lost": min(one.lost / one.draws for one in drawn) if drawn else None,
            }
        )
    return rows


def swap_rows(tested: Sequence[Trial]) -> list[dict[str, Any]]:
    """One row a minimal swap in a direction, with what chance of equal size did."""
    return [
        {
            "direction": one.direction,
            "swap": list(one.swap),
            "label": one.label,
            "score": _number(one.score),
            "measured": one.measured,
            "norm": _number(one.norm),
            "same": one.same,
            "lost": one.lost,
            "draws": one.draws,
            "share": _number(one.share),
            "blamed": one.blamed,
        }
        for one in tested
    ]


def explain_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability explain` found: one flip in full, or a row a flip; then the stages and their counts."""
    from hostctl.printing import table_text

    flips = result["flips"]
    lines = _one_lines(flips[0]) if len(flips) == 1 else [table_text([_short_row(flip) for flip in flips])]
    counted = [row for row in result["table"] if row["blamed"] or row["shared"] or row["differs"]]
    lines += ["", table_text(counted)] if len(flips) > 1 else []
    if failed := result["failed"]:
        lines += ["", f"{len(failed)} could not be computed here:", *(f"  {line}" for line in failed[:MOST_FAILED])]
    page = flips[0]["page"] if len(flips) == 1 else result["page"]
    return "\n".join([*lines, "", f"page    {page}"])


def _one_lines(flip: Mapping[str, Any]) -> list[str]:
    from hostctl.printing import table_text

    sides = [f"{key.upper()}  {one['name']}: {one['label']} ({one['verdict']})" for key, one in _sides(flip)]
    rows = [{**row, "share": _percent(row["share"]), "lost": _percent(row["lost"])} for row in flip["stages"]]
    heads = {"share": "random, same", "lost": "random, any other", "norm": "change (L2)", "measured": "at"}
    table = table_text([{heads.get(key, key): value for key, value in row.items()} for row in rows])
    swaps = []
    for one in flip["swaps"]:
        swaps.append(f"{one['direction']}: {' + '.join(one['swap'])}{'' if one['blamed'] else ' (not blamed)'}")
    told = [f"first difference: {flip['first'] or 'none'}", f"smallest swaps: {'; '.join(swaps) or 'none'}"]
    return [
        shown_item(flip["item"]),
        *sides,
        "",
        table,
        "",
        *told,
        *_layer_lines(flip["layers"]),
        f"cause: {flip['cause']}",
    ]


def _layer_lines(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    first = next((row for row in layers if row["restores"]), None)
    return [f"layers: A's values restore first at {first['kind']} {first['tensor']}"] if first else []


def _short_row(flip: Mapping[str, Any]) -> dict[str, Any]:
    named = {key: f"{one['name']} ({one['verdict']})" for key, one in _sides(flip)}
    return {"item": shown_item(flip["item"]), **named, "first difference": flip["first"], "cause": flip["cause"]}


def _sides(flip: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(key, flip[key]) for key in "ab"]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def variant_text(variant: Any) -> str:
    """Write a variant in a few words; hashes are cut, and what is empty is left out."""
    parts = variant if isinstance(variant, tuple) else (variant,)
    return " ".join(str(part)[:12] if len(str(part)) == HASH else str(part) for part in parts if part) or "as shot"


def _side(found: Explained, number: int) -> dict[str, Any]:
    side = (found.flip.a, found.flip.b)[number]
    again = found.again[number]
    told = {name: side.recorded[column] for name, column in TOLD.items()}
    return {"name": side.name, **told, "here": found.answers[number].label, "differs_from_recorded": again["differs"]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
