"""From a run to the metrology reading of it: repeat shots by lag, the R&R study, label agreement, advice on sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from analysis.agreement import Agreement, agreement, appraisals
from analysis.intervals.planning import measured_icc, plan
from analysis.metrology.gage import Gage, gage
from analysis.metrology.gage_planning import sizes
from analysis.metrology.lags import device_pairs, device_rows, lag_rows, longer, other_row, repeat_pairs
from analysis.run_folder.homes import LATER, with_later
from analysis.store import Run
from analysis.tables import Study, study, to_json
from device_agents.errors import BadInput
from hostctl.runs.reporting import in_order, is_virtual

if TYPE_CHECKING:
    import pandas as pd

REPEATS = (2, 3, 5)
Found = TypeVar("Found")


@dataclass(frozen=True)
class Measured:
    """What was found: the result for people and JSON, the study, its R&R and agreement; None where impossible."""

    result: dict[str, Any]
    study: Study
    gage: Gage | None
    agreement: Agreement | None
    pairs: pd.DataFrame


def measure_repeats(folder: Path, *, width: float | None = None, level: float = 0.95) -> Measured:
    """Read a run as a study of repeatability and reproducibility: scenes are parts, devices operators, shots trials.

    width: the wanted width, low to high, of the interval of P(top-1 changes); None: half of the present one. Raises
    BadInput for a run without predictions, or one that has no device that photographed a scene twice.
    """
    if width is not None and not 0 < width < 1:
        raise BadInput(f"--width: expected a share between 0 and 1 such as 0.02, got {width:g}")
    with Run.open(folder, write=False) as run:
        chosen = _as_shot(run)
        taken = run.pictures()[["picture", "taken_utc"]]
        virtual = is_virtual(run)
    table = chosen.table.merge(taken, on="picture", how="left").fillna({"taken_utc": ""})
    pairs = repeat_pairs(table)
    if pairs.empty:
        raise BadInput(
            f"{folder}: expected two shots or more of a scene by the same device, got one each: set repeats = 2 under "
            "[session] in the lab's file and run `instability run` again (`instability demo` takes two)"
        )
    lacking: list[str] = []
    found = _or_told(lambda: gage(chosen.table.drop(columns="picture"), level=level), lacking, _WANTED)
    labels = _or_told(lambda: agreement(appraisals(chosen.table), level=level), lacking, "label agreement")
    whole = lag_rows(pairs, level=level)
    result: dict[str, Any] = {
        "run": str(folder),
        "virtual": virtual,
        "summary": {name: chosen.summary[name] for name in ("scenes", "devices", "angles", "repeats", "compared")},
        "lags": to_json(whole),
        "devices": to_json(device_rows(pairs, level=level)),
        "other": to_json(other_row(device_pairs(table), level=level)),
        "longer": _longer(pairs, level),
        "gage": _gage(found) if found else None,
        "agreement": _agreement(labels) if labels else None,
        "advice": _advice(whole, pairs, chosen, found, width, level),
        "lacking": lacking,
    }
    return Measured(result, chosen, found, labels, pairs)


_WANTED = "R&R (it needs two devices; add a [[device]] to the lab's file)"


def _as_shot(run: Run) -> Study:
    """The study of the run's unperturbed predictions; raises BadInput where there are none."""
    table = with_later(in_order(run)) if run.environments() else None
    if table is not None:
        table = table[(table[list(LATER)] == "").all(axis=1)].reset_index(drop=True)
    if table is None or table.empty:
        raise BadInput(
            f"{run.folder}: expected predictions, got none; `instability predict RUN --model NAME` makes them"
        )
    return study(table)


def _or_told(make: Callable[[], Found], lacking: list[str], what: str) -> Found | None:
    try:
        return make()
    except BadInput as problem:  # one part less; the reader learns why
        lacking.append(f"no {what}: {problem}")
        return None


def _longer(pairs: pd.DataFrame, level: float) -> dict[str, Any] | None:
    found = longer(pairs, level=level)
    if found is None:
        return None
    short, long, value, interval = found
    return {"short": short, "long": long, "difference": value, "low": interval.low, "high": interval.high}


def _gage(found: Gage) -> dict[str, Any]:
    told = {"method": found.method, "parts": found.parts, "operators": found.operators, "values": found.values}
    told |= {"components": found.components, "anova": found.anova, "notes": found.notes}
    told |= {"percent_grr": found.percent_grr, "percent_grr_interval": found.percent_grr_interval}
    told |= {"distinct": found.distinct, "distinct_interval": found.distinct_interval}
    plain: dict[str, Any] = to_json(told)
    return plain


def _agreement(found: Agreement) -> dict[str, Any]:
    names = ("within", "between", "standard", "coefficients")
    plain: dict[str, Any] = to_json({name: getattr(found, name) for name in names})
    return plain


def _advice(
    lags: pd.DataFrame, pairs: pd.DataFrame, chosen: Study, found: Gage | None, width: float | None, level: float
) -> dict[str, Any]:
    """Sizes of study: scenes for the interval of P(top-1 changes), and devices for that of %GRR."""
    row = lags.iloc[-1]
    wanted = width if width is not None else float(row["high"] - row["low"]) / 2
    icc = measured_icc(pairs["changed"], pairs["cluster"])
    alike = icc if icc == icc else 0.3
    # Where nothing changed, half of the upper limit is as likely as any: a rate of 0 would ask for hardly anything.
    expect = min(max(float(row["rate"]), float(row["high"]) / 2 if row["changed"] == 0 else 0.0), 0.99)
    shots = chosen.summary["devices"] * chosen.summary["angles"]
    rows = []
    for repeats in REPEATS:
        each = shots * repeats * (repeats - 1) // 2
        one = plan(expect, wanted, items_per_cluster=each, icc=alike, level=level)
        rows.append({"repeats": repeats, "scenes": one.clusters, "photographs": one.clusters * shots * repeats})
        rows[-1]["width"] = one.width
    told: dict[str, Any] = {
        "width_now": float(row["high"] - row["low"]),
        "width": wanted,
        "expect": expect,
        "icc": alike,
    }
    told |= {"icc_from": "measured" if icc == icc else "assumed", "changes": rows}
    return {**told, "grr": sizes(found, level=level) if found else []}
