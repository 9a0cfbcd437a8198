"""What was found out about one flip, and the same as plain values for JSON, the terminal and the pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.bisect import Cause, Search, Trial
from hostctl.explain import Answer, Stages
from hostctl.flips import Flip

TO_A, TO_B = "to A", "to B"
TOLD = {"label": "label_1", "score": "score_1", "verdict": "verdict"}
HASH = 64


@dataclass(frozen=True)
class Explained:
    """All that was found out about one flip.

    stages: what differs, with both variants. fixed: stages that differ and cannot be swapped on this host. growth: how
    much the two ways differ after each of file, pixels, resized, tensor and scores; first: the first of them that
    differs. again: for each side, the first fingerprint in which this host's work is not what the run recorded ("" if
    none), and whether the label is. norms: where and by how much B's variant of a stage changes way A. layers: rows of
    hostctl.layers, where the runtime or the model restores.
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
        "inferences": found.inferences,
        "seconds": found.seconds,
        "page": str(page),
    }


def stage_rows(found: Explained) -> list[dict[str, Any]]:
    """One row a stage that differs: both variants, what swapping it does, the change's norm and the random share.

    restores: "alone, both ways", "alone, to A", "alone, to B", "with codec" (in a larger minimal swap), "no", or "not
    swappable here". share: the smaller of the two directions', where it restores alone.
    """
    rows = []
    for stage in found.stages:
        alone = [one for one in found.tested if one.swap == (stage,)]
        larger = [other for one in found.tested if stage in one.swap for other in one.swap if other != stage]
        where = "both ways" if len(alone) > 1 else "".join(one.direction for one in alone)
        restores = f"alone, {where}" if alone else f"with {' or '.join(dict.fromkeys(larger))}" if larger else "no"
        shares = [one.share for one in alone if one.draws]
        measured, norm = found.norms.get(stage, ("", math.nan))
        rows.append(
            {
                "stage": stage,
                **{key: variant_text(one[stage]) for key, one in zip("ab", found.variants, strict=True)},
                "restores": "not swappable here" if stage in found.fixed else restores,
                "measured": measured,
                "norm": _number(norm),
                "share": min(shares) if shares else None,
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
