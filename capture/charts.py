"""CHARTS: test pictures made here, for the qualification of a rack and as the golden scene; and where their parts lie.

All are uint8 (height, width, 3) sRGB of SIZE. A screen scales them to its scene area, so a part's place is given as
shares of the chart, and a line's width is that of the chart, not of the glass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
SIZE = (720, 1280)  # height, width
MID, LIGHT = 128, 200
EDGE_DARK, EDGE_LIGHT, EDGE_DEG = 60, 200, 5.0  # a slanted edge of low contrast, as ISO 12233:2017 asks for
RAMP = tuple(round(255 * step / 10) for step in range(11))
COLOURS = ((180, 60, 60), (60, 150, 60), (60, 60, 180), (60, 160, 160), (160, 60, 160), (170, 160, 60))
PERIODS_PX = (4, 6)  # of the fine grids; a screen that shrinks the chart to three quarters still draws the finer one


class Part(NamedTuple):
    """A rectangle of a chart as shares (0..1) of its width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def cut(self, picture: RGB, *, inset: float = 0.0) -> RGB:
        """Cut the part out of a picture of the whole chart; ``inset``: the share of its sides to leave out at each."""
        height, width = picture.shape[:2]
        across, down = inset * (self.right - self.left), inset * (self.bottom - self.top)
        rows = slice(round((self.top + down) * height), round((self.bottom - down) * height))
        columns = slice(round((self.left + across) * width), round((self.right - across) * width))
        return picture[rows, columns]


WHOLE = Part(0.0, 0.0, 1.0, 1.0)
RAMP_PARTS = tuple(Part(step / 11, 0.0, (step + 1) / 11, 0.3) for step in range(11))
COLOUR_PARTS = tuple(Part(step / 6, 0.3, (step + 1) / 6, 0.5) for step in range(6))
GREY_PART = Part(0.0, 0.5, 0.4, 1.0)
# Each edge's part is taller than wide, with the edge in the middle from top to bottom.
GOLDEN_EDGES = (Part(0.43, 0.52, 0.57, 0.98), Part(0.63, 0.52, 0.77, 0.98), Part(0.83, 0.52, 0.97, 0.98))
FOCUS_EDGES = tuple(
    Part(x - 0.07, y - 0.15, x + 0.07, y + 0.15)
    for x, y in ((0.5, 0.5), (0.1, 0.2), (0.9, 0.2), (0.1, 0.8), (0.9, 0.8))
)
GRID_PARTS = tuple(Part(x, y, x + 0.5, y + 0.5) for y in (0.0, 0.5) for x in (0.0, 0.5))


def flat(level: int) -> RGB:
    """A field of one grey level 0..255."""
    return np.full((*SIZE, 3), level, np.uint8)


def edges() -> RGB:
    """Five slanted edges on mid-grey, in the middle and near the corners (FOCUS_EDGES); dark on their left."""
    chart = flat(MID)
    for part in FOCUS_EDGES:
        _draw_edge(chart, part)
    return chart


def lines() -> RGB:
    """Four grids of fine lines: upright and lying, of each of PERIODS_PX; sinusoids around mid-grey.

    Whatever blurs or samples such a grid well leaves an even grey: waves wider than a few lines are moire.
    """
    chart = flat(MID)
    kinds = [(period, axis) for period in PERIODS_PX for axis in (0, 1)]
    for part, (period, axis) in zip(GRID_PARTS, kinds, strict=True):
        target = part.cut(chart)
        wave = np.sin(2 * np.pi * np.arange(target.shape[1 - axis]) / period + 0.5)
        level = np.rint(MID + 90 * wave).astype(np.uint8)
        target[:] = level[None, :, None] if axis == 0 else level[:, None, None]
    return chart


def golden() -> RGB:
    """A grey ramp of eleven steps, six patches of colour, a field of mid-grey and three slanted edges."""
    chart = flat(MID)
    for part, level in zip(RAMP_PARTS, RAMP, strict=True):
        part.cut(chart)[:] = level
    for part, colour in zip(COLOUR_PARTS, COLOURS, strict=True):
        part.cut(chart)[:] = colour
    for part in GOLDEN_EDGES:
        _draw_edge(chart, part)
    return chart


def _draw_edge(chart: RGB, part: Part) -> None:
    """Fill a part with an edge EDGE_DEG from upright, each pixel by the share of it that lies on the light side."""
    target = part.cut(chart)
    height, width = target.shape[:2]
    y, x = np.mgrid[:height, :width]
    angle = np.deg2rad(EDGE_DEG)
    distance = (x - (width - 1) / 2) * np.cos(angle) + (y - (height - 1) / 2) * np.sin(angle)
    share = np.clip(distance + 0.5, 0.0, 1.0)
    target[:] = np.rint(EDGE_DARK + (EDGE_LIGHT - EDGE_DARK) * share).astype(np.uint8)[..., None]


CHARTS: Mapping[str, Callable[[], RGB]] = {
    "flat-mid": partial(flat, MID),
    "flat-light": partial(flat, LIGHT),
    "edges": edges,
    "lines": lines,
    "golden": golden,
}
