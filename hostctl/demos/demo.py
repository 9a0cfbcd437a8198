"""The demo: five virtual devices photograph real pictures, a real model answers, and a report says where it wavers."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput
from hostctl.printing import Progress, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_agents.records import Scene
    from hostctl.lab import Lab

QUICK_SCENES = 6
STUDY_SCENES = 300

# Chosen for what the devices are, before any prediction was made: five cameras, old and new ADB, one board with its
# own agent. Each camera profile's numbers and their sources stand in capture/profiles.py.
DEVICES: list[dict[str, Any]] = [
    {"name": "budget", "kind": "virtual-phone", "camera": "budget-jpeg", "phone": "modern"},
    {"name": "flagship", "kind": "virtual-phone", "camera": "flagship-heif", "phone": "heic"},
    {"name": "midrange", "kind": "virtual-phone", "camera": "midrange-sharp", "phone": "modern-raw"},
    {"name": "old", "kind": "virtual-phone", "camera": "old-noisy", "phone": "ancient"},
    {"name": "board", "kind": "virtual-board", "camera": "board-plain", "predicts": "agent"},
]
DISPLAY = {"screen": "virtual", "width": 1280, "height": 960, "settle_ms": 60, "paint_delay_ms": 20}


def demo(
    *,
    out: Path | None = None,
    scenes: Path | None = None,
    quick: bool = False,
    study: bool = False,
    train: bool = False,
    model: str = "mobilenet-v2",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Photograph scenes with the five virtual devices, predict, write the report; gives the summary with its path.

    Without ``scenes`` the twenty packaged photographs are shown, twice each; ``quick`` shows six of them once;
    ``study`` shows all of ``scenes``, or of the data pack that INSTABILITY_DATA names, once each; ``train`` draws its
    own objects, and trains on what two of the devices saw (see demo_train.py). Raises BadInput.
    """
    from hostctl.demos.demo_train import demo_train
    from hostctl.runs.reporting import report_run
    from hostctl.sessions.sitting import sit

    if quick + study + train > 1:
        raise BadInput("expected one of --quick, --study and --train, got more")
    if train:
        if scenes is not None:
            raise BadInput("--train draws its own objects, got --scenes; `instability train RUN` takes yours")
        return demo_train(out=out or Path("runs") / "train", model=model, progress=progress)
    chosen = _scenes(scenes, quick=quick, study=study, progress=progress)
    name = "quick" if quick else "study" if study else "demo"
    out = out or Path("runs") / name
    result = sit(demo_lab(repeats=1 if quick or study else 2), scenes=chosen, out=out, model=model, progress=progress)
    return {**result, "report": report_run(out)["report"]}


def demo_lab(*, repeats: int) -> Lab:
    """The demo's lab: five virtual devices in front of a virtual screen, at one angle."""
    from hostctl.lab import parse_lab

    session = {"angles": [0], "repeats": repeats, "seed": 1, "reserve_mb": 300}
    values = {"name": "virtual rack", "display": DISPLAY, "session": session, "device": DEVICES}
    return parse_lab(values, folder=Path(), name="the demo's lab")


def _scenes(path: Path | None, *, quick: bool, study: bool, progress: Progress) -> Sequence[Scene]:
    from capture.scenes import read_scenes
    from stability_train.zoo import photographs

    if path is None and study:
        data = os.environ.get("INSTABILITY_DATA", "")
        if not data:
            raise BadInput(
                f"a study needs {STUDY_SCENES} labelled photographs or more: give --scenes FOLDER-OR-CSV, or set "
                "INSTABILITY_DATA to a data pack; got neither"
            )
        path = Path(data) / "imagenet" / "labels.csv"
    if path is None:
        packaged = photographs(progress=partial(progress, "photographs", 0, 0)).scenes
        return packaged[:QUICK_SCENES] if quick else packaged
    found = read_scenes(path)
    if study and len(found) < STUDY_SCENES:
        progress("study", 0, 0, f"{len(found)} scenes; {STUDY_SCENES} or more give an interval worth having")
    return found[:QUICK_SCENES] if quick else found
