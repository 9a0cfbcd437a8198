"""The command freeze: suites to a frozen set, a check of one, and what a person reads of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.repeatability.suites import SUITES
from device_agents.errors import pick
from hostctl.suites.frozen import FrozenSet, Said, freeze, read_frozen, verify

MOST_TOLD = 20


def freeze_suites(
    scenes: Path, *, out: Path, suites: Sequence[str], perturbations: Sequence[str], progress: Said
) -> dict[str, Any]:
    """Freeze scenes under all perturbations of suites, and others by name; gives what freeze made, as values."""
    wanted = [name for suite in suites for name in pick(SUITES, suite, what="suite").perturbations]
    return _told(freeze(scenes, out=out, perturbations=[*wanted, *perturbations], progress=progress))


def check_frozen(folder: Path, *, progress: Said) -> dict[str, Any]:
    """Make a frozen set's outcomes anew: whether it is the same, what is not, and which libraries changed."""
    found = verify(folder, progress=progress)
    told = {"same": found.same, "problems": list(found.problems), "versions": list(found.versions)}
    return {**_told(read_frozen(folder)), **told}


def _told(frozen: FrozenSet) -> dict[str, Any]:
    failed = [f"{one['scene']}, {name}: {why}" for one in frozen.pictures for name, why in one["failed"].items()]
    known = {"set": str(frozen.folder), "sha256": frozen.sha256, "scenes": str(frozen.scenes)}
    return {**known, "pictures": len(frozen.pictures), "perturbations": len(frozen.perturbations) - 1, "failed": failed}


def frozen_text(result: Mapping[str, Any]) -> str:
    """Lay out a set that was made."""
    lines = [f"froze {result['pictures']} pictures, each as it is and under {result['perturbations']} perturbations"]
    lines += _listed("cannot be done", result["failed"])
    return "\n".join([*lines, f"set     {result['set']}", f"sha256  {result['sha256']}", f"scenes  {result['scenes']}"])


def checked_text(result: Mapping[str, Any]) -> str:
    """Lay out a check."""
    answer = "the same as it was frozen" if result["same"] else "no longer the set that was frozen"
    lines = [f"{result['set']}: {answer} ({result['pictures']} pictures, {result['perturbations']} perturbations)"]
    return "\n".join([*lines, *_listed("differs", result["problems"]), *_listed("library", result["versions"])])


def _listed(what: str, lines: Sequence[str]) -> list[str]:
    more = [f"  and {len(lines) - MOST_TOLD} more"] if len(lines) > MOST_TOLD else []
    return [*(f"  {what}: {line}" for line in lines[:MOST_TOLD]), *more]
