"""`instability check RUN`: gates for a build pipeline, on the ends of intervals; "cannot say yet" is an answer too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.store import Run
from device_agents.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    from analysis.measures.gates import Gate

EXIT_CODES = {"pass": 0, "fail": 1, "cannot say yet": 4}


@dataclass(frozen=True)
class Limits:
    """What is allowed: shares 0..1, None where nothing was asked.

    base: the device whose accuracy a drop is measured from, "" for the first. suite, families: whose flips max_flip
    limits, as hostctl.suites.gate says; all of the suite's where no family is named.
    """

    max_instability: float | None = None
    max_pair_instability: float | None = None
    max_accuracy_drop: float | None = None
    base: str = ""
    level: float = 0.95
    suite: str = ""
    families: tuple[str, ...] = ()
    max_flip: float | None = None


def check_run(folder: Path, limits: Limits, *, junit: Path | None = None) -> dict[str, Any]:
    """Hold a run against limits and give the verdict, its "exit_code" and "gates", one dict each.

    A gate passes where the upper end of its interval is at or below the limit, fails where the lower end is above, and
    else "cannot say yet": more_scenes is then how many more scenes would settle it if the rate stayed as it is (None:
    no number would). The run fails if a gate fails, and passes only if all do. Passing needs no correction for many
    gates; among many failing pairs one may be chance. junit: a file to write the gates to as JUnit XML. Raises
    BadInput without a limit or predictions, and for an unknown base.
    """
    from analysis.pages.repeatability_section import as_shown
    from analysis.tables import study
    from hostctl.runs.reporting import in_order, is_virtual

    asked = [limits.max_instability, limits.max_pair_instability, limits.max_accuracy_drop]
    if all(one is None for one in (*asked, limits.max_flip)) and not limits.suite:
        raise BadInput("expected a limit such as --max-instability 0.05, got none")
    if (limits.max_flip is None) != (not limits.suite) or (limits.families and not limits.suite):
        raise BadInput("expected --suite NAME together with --max-flip SHARE, got one of them")
    with Run.open(folder, write=False) as run:
        predictions, virtual = in_order(run), is_virtual(run)
        if predictions.empty:
            raise BadInput(f"{folder}: expected predictions, got none; run `instability predict {folder} --model NAME`")
        gates = list(_flips(run, limits)) if limits.suite else []
    found = study(as_shown(predictions), level=limits.level)
    gates += _gates(found.table, limits, found.summary["scenes"])
    verdicts = {gate["verdict"] for gate in gates}
    verdict = next((one for one in ("fail", "cannot say yet") if one in verdicts), "pass")
    result = {"run": str(folder), "verdict": verdict, "exit_code": EXIT_CODES[verdict], "gates": gates}
    result |= {"compared": found.summary["compared"], "level": limits.level, "virtual": virtual}
    if junit is not None:
        _write_junit(junit, result)
    return result


def check_text(result: Mapping[str, Any]) -> str:
    """Lay out a check for the terminal: a line a gate, then the verdict."""
    from analysis.pages.answer import VIRTUAL

    lines = [VIRTUAL, ""] if result["virtual"] else []
    lines += [f"{gate['verdict']:<15} {gate['sentence']}" for gate in result["gates"]]
    return "\n".join([*lines, "", f"{result['verdict']} (exit code {result['exit_code']})"])


def _gates(table: pd.DataFrame, limits: Limits, scenes: int) -> Iterator[dict[str, Any]]:
    devices = [str(name) for name in dict.fromkeys(table["device"])]
    if limits.max_instability is not None:
        yield _instability("instability", table, limits.max_instability, limits.level, scenes)
    if limits.max_pair_instability is not None:
        if len(devices) < 2:
            yield _nothing("instability of two", limits.max_pair_instability, "there is one device only")
        for a, b in combinations(devices, 2):
            two = table[table["device"].isin([a, b])]
            yield _instability(f"instability of {a} and {b}", two, limits.max_pair_instability, limits.level, scenes)
    if limits.max_accuracy_drop is not None:
        yield from _drops(table, devices, limits, limits.max_accuracy_drop, scenes)


def _flips(run: Run, limits: Limits) -> Iterator[dict[str, Any]]:
    from hostctl.suites.asked import pick_suite
    from hostctl.suites.gate import flip_gates

    assert limits.max_flip is not None
    scenes = len(run.scenes())
    suite = pick_suite(limits.suite, limits.families)
    lacking = f"no picture has all its answers; run `instability suite {suite.name}`, or name others with --families"
    for name, gate in flip_gates(run, suite, limit=limits.max_flip, level=limits.level):
        yield _nothing(name, limits.max_flip, lacking) if gate is None else _told(gate, scenes)


def _instability(name: str, table: pd.DataFrame, limit: float, level: float, scenes: int) -> dict[str, Any]:
    from analysis.instability import instability
    from analysis.measures.gates import rate_gate

    counted = instability(table).counted
    if counted.empty:
        return _nothing(name, limit, "no photograph has two answers that count")
    return _told(rate_gate(name, counted["unstable"], counted["cluster"], limit=limit, level=level), scenes)


def _drops(
    table: pd.DataFrame, devices: list[str], limits: Limits, limit: float, scenes: int
) -> Iterator[dict[str, Any]]:
    from analysis.measures.gates import drop_gate

    base = limits.base or devices[0]
    if base not in devices:
        raise BadInput(f"unknown base '{base}'; known: {', '.join(devices)}")
    if len(devices) < 2:
        yield _nothing("accuracy drop", limit, "there is one device only")
    judged = table[table["verdict"].isin(["right", "wrong"])]
    marks = {name: judged[judged["device"] == name] for name in devices}
    for name in (one for one in devices if one != base):
        what = f"accuracy drop from {base} to {name}"
        if marks[base].empty or marks[name].empty:
            yield _nothing(what, limit, "one of them has no answer that counts")
            continue
        sides = [((part["verdict"] == "right").to_numpy(float), part["cluster"]) for part in (marks[base], marks[name])]
        yield _told(drop_gate(what, *sides[0], *sides[1], limit=limit, level=limits.level), scenes)


def _told(gate: Gate, scenes: int) -> dict[str, Any]:
    more = None if gate.more_clusters is None else math.ceil(gate.more_clusters * scenes / gate.interval.clusters)
    numbers = f"{_percent(gate.value)} [{_percent(gate.interval.low)}, {_percent(gate.interval.high)}]"
    sentence = f"{gate.name}: {numbers} %, limit {_percent(gate.limit)} %"
    if gate.verdict not in ("pass", "fail"):
        sentence += (
            f"; about {_round(more)} more scene{'s' * (more > 1)} would settle it if the rate stays so"
            if more is not None
            else "; it is as good as at the limit, and more scenes would not settle it"
        )
    return {
        **{"name": gate.name, "value": gate.value, "low": gate.interval.low, "high": gate.interval.high},
        **{"limit": gate.limit, "verdict": gate.verdict, "more_scenes": more, "sentence": sentence},
    }


def _nothing(name: str, limit: float, reason: str) -> dict[str, Any]:
    """A gate without data: it can neither pass nor fail."""
    empty = dict.fromkeys(("value", "low", "high", "more_scenes"))
    verdict = "cannot say yet"
    return {"name": name, **empty, "limit": limit, "verdict": verdict, "sentence": f"{name}: {reason}"}


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _round(number: int) -> str:
    """Two digits are all that such a forecast is worth."""
    scale = 10 ** max(0, len(str(number)) - 2)
    return f"{math.ceil(number / scale) * scale:,}"


def _write_junit(path: Path, result: Mapping[str, Any]) -> None:
    from analysis.pages.formats import FAILED, PASSED, SKIPPED, Case, junit_xml
    from analysis.run_folder.files import write_whole

    outcomes = {"pass": PASSED, "fail": FAILED, "cannot say yet": SKIPPED}
    cases = [
        Case("instability check", gate["name"], outcomes[gate["verdict"]], gate["sentence"]) for gate in result["gates"]
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, junit_xml(f"instability check {Path(result['run']).name}", cases).encode())
    except OSError as problem:
        raise BadInput(f"cannot write {path}: {problem.strerror}; name another file") from problem
