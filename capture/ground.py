"""The grey ground around a scene, as a photograph shows it: where it lies, and whether something stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from capture.frame_code import CODE_BITS
from capture.markers import Grey, Points, project, sample

if TYPE_CHECKING:
    from capture.screen import Layout

NEIGHBOURS = 3  # points of the ring, half a cell apart, that must depart together
ROUNDS = 6  # of the robust fit; it settles after two or three
OUTLIER = 0.02  # of the level; a residual up to it never counts as one


def ground_points(layout: Layout) -> Points:
    """Give points of the frame that are mid-grey whatever it shows: its margins, and the lines around the area."""
    half, across = layout.cell / 2 - 0.5, np.linspace(0.05, 0.95, 100)
    x, y = across * layout.width, across * layout.height
    rows = [np.stack([x, np.full_like(x, 9 * layout.cell + half)], -1), np.stack([x, np.full_like(x, half)], -1)]
    columns = [np.stack([np.full_like(y, half), y], -1)]
    points = np.concatenate(rows + columns)
    return np.concatenate([points, [layout.width - 1, layout.height - 1] - points])


def white_points(layout: Layout) -> Points:
    """Give points of the white borders above and below the two strips."""
    x = layout.strip_left + np.linspace(0, CODE_BITS * layout.column, 128)
    rows = [band + at * layout.cell - 0.5 for band in layout.band_tops for at in (0.5, 7.5)]
    return np.concatenate([np.stack([x, np.full_like(x, row)], -1) for row in rows])


def departure(grey: Grey, to_photo: NDArray[np.float64], layout: Layout) -> float:
    """Give how far the grey ring around the scene departs from a smooth surface, as a share of its level (0 = not).

    Whatever reaches into the scene from beyond the frame, a finger or a cable, crosses that ring. The surface is a
    quadratic in x and y (shading, a slanted view), fitted without outliers; of three neighbours the smallest departure
    counts, and of all threes the largest. 0 where too little of the ring is in the photograph.
    """
    ring = _ring(layout)
    where = project(to_photo, ring)
    height, width = grey.shape
    inside = (where >= 0).all(axis=1) & (where[:, 0] <= width - 1) & (where[:, 1] <= height - 1)
    if inside.sum() < len(ring) // 2:
        return 0.0
    level = sample(grey, where[:, None])[:, 0]
    x, y = (ring / [layout.width / 2, layout.height / 2] - 1).T
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)
    fitted = np.flatnonzero(inside)
    for _ in range(ROUNDS):
        smooth = terms @ np.linalg.lstsq(terms[fitted], level[fitted], rcond=None)[0]
        off = np.abs(level - smooth)
        allowed = max(4 * float(np.median(off[fitted])), OUTLIER * float(np.median(level[fitted])))
        fitted = np.flatnonzero(inside & (off <= allowed))
    share = np.where(inside, off / np.maximum(smooth, 1.0), 0.0)
    return float(np.minimum.reduce([np.roll(share, turn) for turn in range(NEIGHBOURS)]).max())


def _ring(layout: Layout) -> Points:
    """Points half a cell apart on the closed line around the area that a scene may fill, (n, 2)."""
    half = layout.cell / 2 - 0.5
    left, right, top = half, layout.width - 1 - half, 9 * layout.cell + half
    bottom = layout.height - 1 - top
    x = np.arange(left, right, layout.cell / 2)
    y = np.arange(top, bottom, layout.cell / 2)
    sides = [(x, np.full_like(x, top)), (np.full_like(y, right), y)]
    sides += [(x[::-1], np.full_like(x, bottom)), (np.full_like(y, left), y[::-1])]
    return np.concatenate([np.stack(side, axis=-1) for side in sides])
