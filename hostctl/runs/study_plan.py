"""How many scenes and repeats a wanted interval needs, and how long the session will take on a lab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.intervals.planning import DEFAULT_ICC, DEFAULT_STEP_S, Plan, measured_icc, plans, step_seconds
from hostctl.lab import Lab, read_lab
from hostctl.plans import session_length_s
from hostctl.printing import percent, table_text

MOVE_S = 20.0  # moving the mount from one angle to the next, by a person


def plan_study(
    expect: float, width: float, *, lab: Path | None = None, run: Path | None = None, icc: float | None = None
) -> dict[str, Any]:
    """Give the sizes of study at which the instability's interval is expected to be as narrow as wanted.

    expect, width: the rate and the interval's whole width, 0..1. lab: angles (and the repeats it has) are taken from
    it; run: an earlier run, by which the seconds of a stimulus and the likeness of a scene's items are measured.
    Gives "rows" (repeats, scenes, photographs a device, width, hours) and what was assumed and measured.
    """
    settings = read_lab(lab) if lab else None
    step_s, alike = _measured(run) if run else (float("nan"), float("nan"))
    chosen_icc = icc if icc is not None else alike if alike == alike else DEFAULT_ICC
    chosen_step = step_s if step_s == step_s else DEFAULT_STEP_S
    found = plans(expect, width, angles=_angles(settings), icc=chosen_icc, **_repeats(settings))
    return {
        "expect": expect,
        "width": width,
        "icc": chosen_icc,
        "icc_from": "given" if icc is not None else "measured" if alike == alike else "assumed",
        "step_s": chosen_step,
        "step_from": "measured" if step_s == step_s else "assumed",
        "angles": _angles(settings),
        "devices": len(settings.devices) if settings else None,
        "rows": [_row(one, chosen_step) for one in found],
    }


def session_time(plan: Plan, *, step_s: float, move_s: float = MOVE_S) -> float:
    """Give the seconds of a plan's session; devices photograph a stimulus at once, so their number hardly counts."""
    return session_length_s(plan.items, step_s=step_s, angles=plan.angles, move_s=move_s)


def _row(plan: Plan, step_s: float) -> dict[str, Any]:
    return {
        "repeats": plan.repeats,
        "scenes": plan.clusters,
        "photographs_a_device": plan.items,
        "design_effect": round(plan.design_effect, 2),
        "width": plan.width,
        "hours": session_time(plan, step_s=step_s) / 3600,
    }


def _angles(lab: Lab | None) -> int:
    return len(lab.session.angles) if lab else 1


def _repeats(lab: Lab | None) -> dict[str, Any]:
    """The usual numbers of repeats, and the lab's own."""
    from analysis.intervals.planning import REPEATS

    return {"repeats": sorted({*REPEATS, lab.session.repeats})} if lab else {}


def _measured(folder: Path) -> tuple[float, float]:
    """The seconds of a stimulus, and the ICC of the unstable items of a scene; NaN where the run does not tell."""
    from analysis.instability import instability
    from analysis.run_folder.homes import at_home
    from analysis.store import Run

    with Run.open(folder, write=False) as run:
        step_s = step_seconds(run.attempts())
        predictions = at_home(run.predictions())
    if predictions.empty:
        return step_s, float("nan")
    commonest = predictions["environment"].value_counts().idxmax() if predictions["environment"].nunique() > 1 else None
    if commonest is not None and predictions.duplicated(["scene", "angle", "repeat", "device"]).any():
        predictions = predictions[predictions["environment"] == commonest]
    counted = instability(predictions).counted
    return step_s, measured_icc(counted["unstable"], counted["cluster"])


def plan_text(result: Mapping[str, Any]) -> str:
    """Lay out what `instability plan` found: sizes of study, and what was assumed."""
    angles = f"{result['angles']} angle{'s' * (result['angles'] > 1)}"
    return "\n".join(
        [
            f"instability of {percent(result['expect'])}, interval {100 * result['width']:g} points wide, {angles}",
            "",
            table_text(result["rows"]),
            "",
            f"ICC of a scene's items {result['icc']:.2f} ({result['icc_from']}); "
            f"{result['step_s']:.1f} s a stimulus ({result['step_from']})",
        ]
    )
