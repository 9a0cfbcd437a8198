"""What a device saw of the charts, read from a run and measured: every score of a qualification but "accepted"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from capture import charts, optical_scores
from device_agents.errors import BadInput
from device_agents.records import step_key

if TYPE_CHECKING:
    from analysis.store import Run
    from capture.charts import RGB

FLATS = ("flat-mid", "flat-light")
VIEW = "rectified-pillow"
ALL = 10**6  # shots of a chart: more than there are


@dataclass(frozen=True)
class Seen:
    """What a device saw: each chart's straightened scenes in the order of the shots, and the markers found in each."""

    shots: Mapping[str, Sequence[RGB]]
    markers: Sequence[int]


def look(run: Run, device: str, *, most: int = ALL) -> Seen:
    """Read a device's photographs, ``most`` of each chart, and straighten each by the device's median corners.

    The camera does not move between shots, so one frame for all: what then differs is the camera, and not where the
    markers were measured. Raises BadInput if a file is gone.
    """
    from capture.markers import find_markers
    from capture.raw import RAW_SUFFIXES
    from capture.screen import MARKER_IDS
    from device_agents.decode import DECODERS
    from device_agents.view import VIEWS

    records = [one for one in run.picture_records({"device": device}) if one.suffix not in RAW_SUFFIXES]
    records = [one for one in records if one.corners]
    order = {step.key: step.order for step in run.steps()}
    records.sort(key=lambda one: order[step_key(one.scene, one.angle, one.repeat, one.device)])
    sizes = {(one.height, one.width) for one in records}
    steady = len(sizes) == 1
    corners = np.median(np.array([one.corners for one in records]), axis=0)
    shots: dict[str, list[RGB]] = {}
    markers = []
    for one in records:
        if len(shots.get(one.scene, ())) >= most:
            continue
        photo = DECODERS["pillow"](run.file(one.sha256).read_bytes())
        markers.append(len(find_markers(optical_scores.luminance(photo).round().astype(np.uint8), MARKER_IDS)))
        where = tuple((float(x), float(y)) for x, y in corners) if steady else one.corners
        shots.setdefault(one.scene, []).append(VIEWS[VIEW](photo, where))
    return Seen(shots, markers)


def measure(seen: Seen) -> dict[str, float | None]:
    """Every score but "accepted" from what a device saw; None where its chart has too few photographs."""
    flats = [seen.shots[name] for name in FLATS if seen.shots.get(name)]
    found: dict[str, float | None] = {"markers": float(np.mean(seen.markers)) if seen.markers else None}
    several = [one for one in seen.shots.values() if len(one) > 1]
    found["sameness"] = float(np.mean([_difference(one) for one in several])) if several else None
    repeated = [one for one in flats if len(one) > 1]
    found["noise"] = _worst(repeated, lambda shots: optical_scores.temporal_noise([_even(one) for one in shots]))
    found["exposure"] = _worst(repeated, lambda shots: _spread([_brightness(one) for one in shots]))
    found["white-balance"] = _worst(repeated, _balance_spread)
    found["banding"] = _worst(flats, lambda shots: float(np.median([_band(one) for one in shots])))
    mid = seen.shots.get("flat-mid", ())
    found["clipping"] = max((optical_scores.clipped_share(_even(one)) for one in mid), default=None)
    found["focus"] = _sharpness(seen.shots.get("edges", ()))
    found["moire"] = _moire(seen.shots.get("lines", ()), mid)
    return found


def _even(picture: RGB) -> RGB:
    """A flat field without its borders, where the markers' white may shine in."""
    return charts.WHOLE.cut(picture, inset=0.02)


def _brightness(field: RGB) -> float:
    return float(optical_scores.luminance(_even(field)).mean())


def _band(field: RGB) -> float:
    return optical_scores.banding(_even(field)).amplitude


def _worst(fields: Sequence[Sequence[RGB]], deed: Callable[[Sequence[RGB]], float]) -> float | None:
    return max((deed(shots) for shots in fields), default=None)


def _spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / max(float(np.mean(values)), 1e-6)


def _balance_spread(shots: Sequence[RGB]) -> float:
    pairs = [optical_scores.balance(_even(one)) for one in shots]
    return max(_spread([pair[at] for pair in pairs]) for at in (0, 1))


def _difference(shots: Sequence[RGB]) -> float:
    """Mean share of pixels that differ visibly between shots in a row."""
    from analysis.differences import VISIBLE, to_one_size
    from analysis.measures.pixel_differences import visible_pixels

    shares = [visible_pixels(*to_one_size(one, two), threshold=VISIBLE).mean() for one, two in pairwise(shots)]
    return float(np.mean(shares))


def _sharpness(shots: Sequence[RGB]) -> float | None:
    """MTF50 in cycles over the scene's height: the median over the shots of each edge, the worst edge."""
    if not shots:
        return None
    return min(float(np.median([edge_cycles(one, part) for one in shots])) for part in charts.FOCUS_EDGES)


def edge_cycles(picture: RGB, part: charts.Part) -> float:
    """MTF50 of the edge in a part of a chart, in cycles over the chart's height; 0 where there is no edge."""
    try:
        return optical_scores.mtf50(part.cut(picture, inset=0.1)) * len(picture)
    except BadInput:  # so far out of focus that the edge is gone
        return 0.0


def _moire(grids: Sequence[RGB], flats: Sequence[RGB]) -> float | None:
    """The worst grid's moire: the median over the shots, against the device's first flat field."""
    if not grids or not flats:
        return None
    worst = 0.0
    for part, period in zip(charts.GRID_PARTS, np.repeat(charts.PERIODS_PX, 2), strict=True):
        found = []
        for grid in grids:
            scale = grid.shape[0] / charts.SIZE[0]
            cut, flat = part.cut(grid, inset=0.05), part.cut(flats[0], inset=0.05)
            found.append(optical_scores.moire(cut, flat, period_px=float(period) * scale))
        worst = max(worst, float(np.median(found)))
    return worst
