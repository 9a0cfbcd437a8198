"""`drift`: did screen or cameras change during a run: control charts of each device's golden photographs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.metrology.control_charts import FEWEST, RULES, Chart, control_chart, false_alarm_rate, trend
from device_agents.errors import BadInput
from hostctl.quality.golden_photographs import MEASURES, Line, golden_lines

if TYPE_CHECKING:
    from analysis.store import Run
    from hostctl.printing import Progress

NOTE = "drift"
SURE = 0.05  # of a trend in any chart of a run, after Holm
TRIALS = 1000
MOST_NAMED = 3
Row = Mapping[str, Any]


def drift(folder: Path, *, baseline: int = 0, progress: Progress) -> dict[str, Any]:
    """Chart a run's golden photographs, write RUN/report/drift.html, and give what the charts say (see judged).

    Raises BadInput for a run without golden photographs, or a baseline of fewer than FEWEST or more than there are.
    """
    from analysis.metrology.control_page import write_page
    from analysis.store import Run
    from hostctl.runs.reporting import is_virtual

    if baseline and baseline < FEWEST:
        raise BadInput(f"--baseline: expected {FEWEST} photographs or more, got {baseline}")
    with Run.open(folder, write=False) as run:
        lines = golden_lines(run, progress=progress)
        virtual = is_virtual(run)
    if not lines:
        raise BadInput(
            f"{folder}: expected {FEWEST} photographs of the golden scene or more by a device at one angle and place, "
            "got fewer; set [session] golden_every to a smaller number"
        )
    found, drawn = judged(lines, baseline=baseline)
    page = write_page(folder / "report", found, drawn, rules=RULES, measures=MEASURES, virtual=virtual)
    return {**found, "run": str(folder), "page": str(page)}


def note_drift(run: Run, *, progress: Progress) -> None:
    """Leave in the run's note what its golden photographs say, for its summary; nothing while they are too few."""
    lines = golden_lines(run, progress=progress)
    if lines:
        found, _ = judged(lines)
        run.set_note(
            NOTE, {name: found[name] for name in ("sentence", "remark", "signals", "drifts", "expected_by_chance")}
        )


def judged(lines: Sequence[Line], *, baseline: int = 0) -> tuple[dict[str, Any], dict[str, dict[str, Chart]]]:
    """Judge every chart of every device.

    Gives, first, sentence, remark, signals and drifts ("name: measure"), expected_by_chance (charts that would signal),
    and rows: name (device and where it stood), device, measure, photographs, first (mean of the first quarter), change
    (of the last quarter), percent, centre, sigma, rules (fired), trend_p (after Holm over all charts), verdict: "in
    control", "signal" (a rule fired), "drift" (and there is a trend); second, the charts to draw, by name and measure.
    Raises BadInput where the baseline is longer than a line.
    """
    from analysis.intervals.accuracy_tests import holm

    keys = [(line, key) for line in lines for key in MEASURES]
    drawn = {line.name: {key: _chart(line, key, baseline) for key in MEASURES} for line in lines}
    raw = [trend(line.values[key]) for line, key in keys]
    rows = [
        _row(line, key, drawn[line.name][key], float(p))
        for (line, key), p in zip(keys, holm(np.array(raw)), strict=True)
    ]
    signals = [row for row in rows if row["verdict"] != "in control"]
    drifts = [row for row in rows if row["verdict"] == "drift"]
    own = [(len(line.minutes), key) for line, key in keys if not drawn[line.name][key].floor]
    chance = sum(_chance(length, min(baseline, length)) for length, _ in own)
    found = {
        "sentence": _sentence(rows, signals, drifts),
        "remark": _remark(rows, signals, drifts, chance),
        "signals": [f"{row['name']}: {row['measure']}" for row in signals],
        "drifts": [f"{row['name']}: {row['measure']}" for row in drifts],
        "expected_by_chance": round(chance, 2),
        "baseline": baseline,
        "rows": rows,
        "minutes": {line.name: list(line.minutes) for line in lines},
    }
    return found, drawn


@functools.lru_cache(maxsize=64)
def _chance(length: int, baseline: int) -> float:
    return false_alarm_rate(length, baseline=baseline, rng=np.random.default_rng(length), trials=TRIALS)


def _chart(line: Line, key: str, baseline: int) -> Chart:
    values = line.values[key]
    centre = abs(float(np.mean(values[: baseline or None])))
    return control_chart(values, baseline=baseline, least_sigma=MEASURES[key].matters * centre / 3)


def _row(line: Line, key: str, chart: Chart, p: float) -> dict[str, Any]:
    part = max(1, len(chart.values) // 4)
    first = float(chart.values[:part].mean())
    verdict = "in control" if not chart.signals else "drift" if p < SURE else "signal"
    return {
        "name": line.name,
        "device": line.device,
        "measure": key,
        "photographs": len(chart.values),
        "first": first,
        "change": chart.change,
        "percent": 100 * chart.change / first if first else None,
        "centre": chart.centre,
        "sigma": chart.sigma,
        "rules": sorted(chart.signals),
        "trend_p": p,
        "verdict": verdict,
    }


def _sentence(rows: Sequence[Row], signals: Sequence[Row], drifts: Sequence[Row]) -> str:
    if not signals:
        return f"No control chart of {len(rows)} signals: nothing drifted"
    if not drifts:
        return f"No steady drift, but signals: {_named(signals)}"
    worst = sorted(drifts, key=lambda row: -abs(row["percent"] or 0) / MEASURES[row["measure"]].matters)
    return f"Drift: {_named(worst)}"


def _named(rows: Sequence[Row]) -> str:
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    changes = ["" if row["percent"] is None else f" {row['percent']:+.1f} %" for row in rows]
    told = [
        f"{row['name']} {MEASURES[row['measure']].title}{change}" for row, change in zip(rows, changes, strict=True)
    ]
    return ", ".join(told[:MOST_NAMED]) + more


def _remark(rows: Sequence[Row], signals: Sequence[Row], drifts: Sequence[Row], chance: float) -> str:
    """What is to be known of the answer: how many charts would signal by chance, and where to look."""
    if not signals:
        return ""
    by_chance = f"Of {len(rows)} control charts {len(signals)} signal; by chance about {chance:.1f} would."
    return f"{by_chance} {_cause(drifts, {row['device'] for row in rows})}." if drifts else by_chance


def _cause(drifts: Sequence[Row], devices: set[str]) -> str:
    """What is likely: all devices alike point to what they share."""
    told = {row["device"] for row in drifts}
    if told == devices and len(devices) > 1:
        return "All devices drift: look at the screen (warm-up, auto-brightness, night light) and the room's light"
    return f"{'Only ' * (len(devices) > 1)}{', '.join(sorted(told))}: look at that camera (heat, focus, exposure lock)"


def drift_text(found: Mapping[str, Any]) -> str:
    """Lay out the charts' verdicts for a person; charts in control are counted, not listed."""
    from hostctl.printing import table_text

    shown = [
        {
            "device": row["name"],
            "measure": row["measure"],
            "photographs": row["photographs"],
            "first": f"{row['first']:.4g}",
            "change": f"{row['change']:+.3g}",
            "percent": "-" if row["percent"] is None else f"{row['percent']:+.2f}",
            "rules": ", ".join(map(str, row["rules"])) or "-",
            "trend_p": f"{row['trend_p']:.2g}",
            "verdict": row["verdict"],
        }
        for row in found["rows"]
    ]
    lines = [table_text(shown), "", found["sentence"], found["remark"]]
    fired = sorted({rule for row in found["rows"] for rule in row["rules"]})
    lines += [f"rule {rule}: {RULES[rule]}" for rule in fired]
    return "\n".join([*lines, f"page: {found['page']}"])
