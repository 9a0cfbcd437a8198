"""`qualify`: every device of a lab photographs built-in charts several times, and is scored against limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture import charts
from device_agents.errors import BadInput
from hostctl.quality.measures import look, measure
from hostctl.quality.scores import SCORES, VERDICTS

if TYPE_CHECKING:
    from analysis.store import Run
    from device_agents.records import Scene
    from hostctl.printing import Progress

FEWEST_SHOTS, MOST_SHOTS = 2, 100
MOST_REASONS = 5


def qualify(
    lab: Path, *, shots: int = 4, out: Path | None = None, wait_s: float = 0.0, progress: Progress
) -> dict[str, Any]:
    """Photograph the charts with a lab's devices into a run at ``out``, score each device, and write the page.

    ``out``: by default runs/qualify-LAB-TIME (UTC), so that each call photographs anew; one that is there goes on.
    Gives run, page, verdict (the worst of all), failed (names), devices: name, verdict, reasons of refused
    photographs, advice, and for each key of SCORES value (None: not measured) and verdict. Raises BadInput for a
    wrong lab or number of shots, DeviceError if no device can be reached.
    """
    from analysis.store import Run
    from hostctl.lab import read_lab
    from hostctl.quality.page import write_page
    from hostctl.sessions.sitting import sit

    if not FEWEST_SHOTS <= shots <= MOST_SHOTS:
        raise BadInput(f"expected {FEWEST_SHOTS} to {MOST_SHOTS} shots of each chart, got {shots}")
    read = read_lab(lab)
    folder = out or Path("runs") / f"qualify-{lab.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    session = replace(read.session, angles=read.session.angles[:1], repeats=shots, golden_every=0, rotate=False)
    scenes = draw_charts(folder / "charts")
    sit(replace(read, session=session), scenes=scenes, out=folder, model=None, progress=progress, wait_s=wait_s)
    with Run.open(folder, write=False) as run:
        return {
            **(found := score_run(run, [device.name for device in read.devices], progress=progress)),
            "lab": str(lab),
            "run": str(folder),
            "page": str(write_page(run, found, virtual=read.virtual)),
        }


def draw_charts(folder: Path) -> list[Scene]:
    """Write the charts as PNG files into a folder, and give them as scenes named after them."""
    import hashlib

    from analysis.run_folder.files import write_whole
    from capture.encode import encode_png
    from device_agents.records import Scene

    folder.mkdir(parents=True, exist_ok=True)
    scenes = []
    for name, draw in charts.CHARTS.items():
        data = encode_png(draw())
        write_whole(folder / f"{name}.png", data)
        scenes.append(Scene(name, str(folder / f"{name}.png"), hashlib.sha256(data).hexdigest(), ("chart",)))
    return scenes


def score_run(run: Run, names: Sequence[str], *, progress: Progress) -> dict[str, Any]:
    """Score every named device from the photographs of the charts in a run; see qualify."""
    attempts = run.attempts()
    rows = []
    for number, name in enumerate(names):
        progress("scores", number, len(names), "")
        own = attempts[attempts["device"] == name]
        refused = own[own["status"] != "ok"]["reason"]
        good = int((own["status"] == "ok").sum())
        measured = measure(look(run, name)) if good else {}
        measured["accepted"] = good / len(own) if len(own) else None
        reasons = [f"{count} x {reason}" for reason, count in Counter(refused).most_common(MOST_REASONS)]
        if not len(own):
            failures = run.failures()
            reasons = list(failures[failures["where"] == f"device {name}"]["reason"])[-1:]
        rows.append(_judged(name, measured, reasons))
    progress("scores", len(names), len(names), "")
    verdict = max((row["verdict"] for row in rows), key=VERDICTS.index)
    return {"verdict": verdict, "failed": [row["device"] for row in rows if row["verdict"] == "fail"], "devices": rows}


def _judged(name: str, measured: Mapping[str, float | None], reasons: Sequence[str]) -> dict[str, Any]:
    """Compare a device's numbers with the limits, and say what to do about those that do not pass."""
    scores: dict[str, dict[str, Any]] = {}
    for score in SCORES:
        value = measured.get(score.key)
        shown = None if value is None else value * score.factor
        scores[score.key] = {"value": shown, "verdict": score.verdict(shown)}
    if not any(key != "accepted" and one["value"] is not None for key, one in scores.items()):
        # Without a photograph there is one thing to mend, not ten.
        scores = {key: {**one, "verdict": "fail" if key == "accepted" else "-"} for key, one in scores.items()}
    told = [one for one in SCORES if scores[one.key]["verdict"] in ("warn", "fail")]
    advice = [f"{one.title} ({scores[one.key]['verdict']}): {one.advice}" for one in told]
    worst = max((one["verdict"] for one in scores.values() if one["verdict"] in VERDICTS), key=VERDICTS.index)
    return {"device": name, "verdict": worst, "scores": scores, "reasons": list(reasons), "advice": advice}
