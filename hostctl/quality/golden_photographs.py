"""What a device's photographs of the golden scene measured, in the order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from analysis.metrology.control_charts import FEWEST
from analysis.run_folder.golden import GOLDEN
from capture import charts, optical_scores
from device_agents.records import step_key
from hostctl.quality.measures import edge_cycles

if TYPE_CHECKING:
    from analysis.store import Run
    from capture.charts import RGB
    from device_agents.records import Picture
    from hostctl.printing import Progress

VIEW = "rectified-pillow"


@dataclass(frozen=True)
class Measure:
    """One number of a golden photograph: title, unit, and the smallest change that matters, a share of its value."""

    title: str
    unit: str
    matters: float


MEASURES = {
    "brightness": Measure("brightness", "code of the grey field", 0.01),
    "contrast": Measure("contrast", "slope of the grey ramp", 0.01),
    "red-green": Measure("white balance, red/green", "ratio", 0.01),
    "blue-green": Measure("white balance, blue/green", "ratio", 0.01),
    "focus": Measure("focus", "MTF50, cycles over the scene's height", 0.05),
    "noise": Measure("noise", "codes, between neighbours", 0.15),
}


@dataclass(frozen=True)
class Line:
    """What one device's golden photographs measured: minutes since the run's first, and each measure's values.

    ``where``: the angle and the place, where the run has several: another view is no drift.
    """

    device: str
    minutes: Sequence[float]
    values: Mapping[str, Sequence[float]]
    where: str = ""

    @property
    def name(self) -> str:
        """The device, and where it stood."""
        return f"{self.device} ({self.where})" if self.where else self.device


def golden_lines(run: Run, *, progress: Progress) -> list[Line]:
    """Measure the golden photographs of each device, angle and place that has FEWEST or more, in order of time."""
    from capture.raw import RAW_SUFFIXES

    records = [one for one in run.picture_records({"scene": GOLDEN}) if one.suffix not in RAW_SUFFIXES and one.corners]
    views = _views(run, sorted(records, key=lambda one: (one.taken_utc, one.repeat)))
    total, done = sum(map(len, views.values())), 0
    start = min((_time(own[0].taken_utc) for own in views.values()), default=0.0)
    lines = []
    for (name, where), own in views.items():
        measured = []
        for one in own:
            measured.append(_look(run, one))
            done += 1
            progress("golden photographs", done, total, "")
        minutes = [(_time(one.taken_utc) - start) / 60 for one in own]
        lines.append(Line(name, minutes, {key: [one[key] for one in measured] for key in MEASURES}, where))
    return lines


def _views(run: Run, records: Sequence[Picture]) -> dict[tuple[str, str], list[Picture]]:
    """Photographs by device and, where there are several, by angle and place."""
    place = {step.key: step.place for step in run.steps() if step.scene == GOLDEN}
    moved = len({(one.device, place[_key(one)]) for one in records}) > len({one.device for one in records})
    angles = len({one.angle for one in records}) > 1
    views: dict[tuple[str, str], list[Picture]] = {}
    for one in records:
        where = [f"{one.angle} degrees"] * angles + [f"place {place[_key(one)]}"] * moved
        views.setdefault((one.device, ", ".join(where)), []).append(one)
    return {view: own for view, own in views.items() if len(own) >= FEWEST}


def _key(picture: Picture) -> str:
    return step_key(picture.scene, picture.angle, picture.repeat, picture.device)


def _time(utc: str) -> float:
    return datetime.fromisoformat(utc).timestamp() if utc else 0.0


def _look(run: Run, picture: Picture) -> dict[str, float]:
    from device_agents.decode import DECODERS
    from device_agents.view import VIEWS

    photo = DECODERS["pillow"](run.file(picture.sha256).read_bytes())
    return measured(VIEWS[VIEW](photo, picture.corners))


def measured(scene: RGB) -> dict[str, float]:
    """Every measure of MEASURES of a straightened photograph of the golden scene, uint8 (height, width, 3)."""
    grey = charts.GREY_PART.cut(scene, inset=0.1)
    red, blue = optical_scores.balance(grey)
    steps = [float(optical_scores.luminance(part.cut(scene, inset=0.2)).mean()) for part in charts.RAMP_PARTS]
    return {
        "brightness": float(optical_scores.luminance(grey).mean()),
        "contrast": optical_scores.ramp_slope(steps, charts.RAMP),
        "red-green": red,
        "blue-green": blue,
        "focus": float(np.median([edge_cycles(scene, part) for part in charts.GOLDEN_EDGES])),
        "noise": optical_scores.spatial_noise(grey),
    }
