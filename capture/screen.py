"""The painted frame: its layout and its pixels, and the proof of which frame a photograph shows, read back from it.

A frame is a mid-grey ground with the scene in the middle, four ArUco markers in the corners and, between the markers,
the frame code twice: above the scene and below it. Screens paint from top to bottom, so a torn frame shows two codes.
All coordinates are x right, y down, pixel centres at integers; an outer edge of pixel 0 lies at -0.5.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capture.frame_code import CODE_BITS, CodeReading, decode_cells, encode_cells
from capture.ground import departure, ground_points, white_points
from capture.markers import Grey, Points, edge_widths, find_markers, homography, project, sample, saturated_share
from device_agents.errors import BadInput
from device_agents.records import Corners

RGB = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are the first pixel outside

GROUND = 128
SMALLEST_SIDE = 240
LARGEST_ENLARGEMENT = 4.0
SATURATED = 254
MARKER_IDS = (0, 1, 2, 3)  # top left, top right, bottom right, bottom left


@dataclass(frozen=True)
class Layout:
    """Where everything lies on a screen of height x width device pixels; raises BadInput if that is too small.

    The unit is the marker's cell, 1/80 of the shorter side: a margin of one cell, bands of eight cells at the top and
    the bottom (a marker of six cells and its white border; the code strip between the markers), one cell of ground.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        """Refuse a screen on which the code's cells would be too small to photograph."""
        if min(self.height, self.width) < SMALLEST_SIDE:
            raise BadInput(
                f"expected a screen of at least {SMALLEST_SIDE} pixels a side, got {self.width}x{self.height}: "
                "make the window larger, or full screen"
            )

    @property
    def cell(self) -> int:
        """Side of a marker's cell in pixels."""
        return min(self.height, self.width) // 80

    @property
    def column(self) -> int:
        """Width of one bit of the frame code in pixels."""
        return (self.width - 22 * self.cell) // CODE_BITS

    @property
    def strip_left(self) -> int:
        """First pixel column of the frame code."""
        return (self.width - CODE_BITS * self.column) // 2

    @property
    def band_tops(self) -> tuple[int, int]:
        """First pixel rows of the top and of the bottom band."""
        return self.cell, self.height - 9 * self.cell

    @property
    def area(self) -> Box:
        """The part of the screen that a scene may fill."""
        return self.cell, 10 * self.cell, self.width - self.cell, self.height - 10 * self.cell

    def marker_corners(self, marker: int) -> Points:
        """Outer corners of a marker's black border, (4, 2), clockwise from the top left."""
        top = self.band_tops[0 if marker in (0, 1) else 1] + self.cell
        left = 2 * self.cell if marker in (0, 3) else self.width - 8 * self.cell
        return outer_corners((left, top, left + 6 * self.cell, top + 6 * self.cell))


class Frame(NamedTuple):
    """A frame as it is painted: pixels (height, width, 3) uint8 sRGB, and where the scene lies in it."""

    rgb: RGB
    scene_box: Box


def layout_for(height: int, width: int) -> Layout:
    """Give the layout of a screen of height x width whole device pixels; raises BadInput if it is too small."""
    return Layout(height, width)


def outer_corners(box: Box) -> Points:
    """Give the outer corners of a box of pixels, (4, 2), clockwise from the top left."""
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64) - 0.5


def scene_box(scene_height: int, scene_width: int, layout: Layout) -> Box:
    """Give the box of whole pixels that a scene fills: centred, its ratio kept, enlarged four times at most."""
    left, top, right, bottom = layout.area
    scale = min((bottom - top) / scene_height, (right - left) / scene_width, LARGEST_ENLARGEMENT)
    height, width = max(1, round(scene_height * scale)), max(1, round(scene_width * scale))
    x, y = (left + right - width) // 2, (top + bottom - height) // 2
    return x, y, x + width, y + height


def render_frame(scene: RGB, *, stimulus: int, layout: Layout) -> Frame:
    """Paint a scene, its markers and the number of the stimulus on the ground.

    ``scene`` is (height, width, 3) uint8 sRGB; it is resized by Pillow's LANCZOS. ``stimulus`` is 0..2**24-1.
    Raises BadInput for another number.
    """
    box = scene_box(scene.shape[0], scene.shape[1], layout)
    left, top, right, bottom = box
    rgb = _empty_frame(layout).copy()
    size = (right - left, bottom - top)
    fitted = Image.fromarray(scene).resize(size, Image.Resampling.LANCZOS)
    rgb[top:bottom, left:right] = np.asarray(fitted)
    for band in layout.band_tops:
        cells = np.repeat(encode_cells(stimulus, mirrored=band != layout.band_tops[0]), layout.column, axis=1)
        strip = np.repeat(cells, 3 * layout.cell, axis=0).astype(np.uint8)[..., None] * np.uint8(255)
        y, x = band + layout.cell, layout.strip_left
        rgb[y : y + strip.shape[0], x : x + strip.shape[1]] = strip
    return Frame(rgb, box)


def ground_frame(layout: Layout) -> RGB:
    """Give the screen before the first scene: mid-grey all over."""
    return np.full((layout.height, layout.width, 3), GROUND, np.uint8)


@functools.lru_cache(maxsize=4)
def _empty_frame(layout: Layout) -> RGB:
    import cv2

    rgb = ground_frame(layout)
    cell = layout.cell
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    for marker in MARKER_IDS:
        x, y = (round(value + 0.5) for value in layout.marker_corners(marker)[0])
        rgb[y - cell : y + 7 * cell, x - cell : x + 7 * cell] = 255
        bits = cv2.aruco.generateImageMarker(dictionary, marker, 6)
        rgb[y : y + 6 * cell, x : x + 6 * cell] = np.kron(bits, np.ones((cell, cell), np.uint8))[..., None]
    right = layout.strip_left + CODE_BITS * layout.column + cell
    for band in layout.band_tops:
        rgb[band : band + 8 * cell, layout.strip_left - cell : right] = 255
    rgb.setflags(write=False)
    return rgb


class Proof(NamedTuple):
    """What a photograph says about the frame in it.

    ``stimulus_top`` and ``stimulus_bottom`` are the two codes, None where one cannot be read. ``corners`` are the
    scene's corners in pixels of the whole photograph, () without markers; ``inside``: all of them lie in it.
    ``focus`` is how many 10-90 % edge widths fit into the screen's shorter side (the worse of the two directions).
    ``clipped`` and ``white_clipped`` are the shares of mid-grey and of white samples with a saturated channel (0..1).
    ``purity`` is the contrast of the weakest pair of code cells: below 1 by blur, or because two frames are mixed.
    ``ground`` and ``white`` are the median grey levels (0..255) of the ground and of the strips' white borders.
    ``departure`` is how far the grey ring around the scene departs from a smooth surface: something stands before it.
    ``haze`` is how light the markers' narrow black borders are, from black (0) to white (1): a blur in any direction.
    """

    stimulus_top: int | None
    stimulus_bottom: int | None
    corners: Corners
    focus: float
    clipped: float
    markers: tuple[int, ...]
    white_clipped: float = 0.0
    purity: float = 0.0
    inside: bool = False
    ground: float = 128.0
    white: float = 255.0
    departure: float = 0.0
    haze: float = 0.0


NO_PROOF = Proof(None, None, (), 0.0, 0.0, ())


@dataclass(frozen=True)
class Limits:
    """What a photograph must reach to be kept; docs/display.md gives the measurements behind the numbers.

    At a focus of 125 an edge is 2.4 pixels wide in a model's 224-pixel input. White may saturate: an exposure that
    puts the ground right does so on many phones, and it does not hide which frame it is.
    """

    least_markers: int = 3
    least_focus: float = 125.0
    most_clipped: float = 0.02
    most_white_clipped: float = 1.0
    least_purity: float = 0.90
    most_ground: float = 230.0
    least_white: float = 120.0
    most_departure: float = 0.40
    most_haze: float = 0.15


def read_proof(photo: RGB, *, layout: Layout, box: Box, scale: float = 1.0) -> Proof:
    """Find the markers of a frame in a photograph and read everything that proves which frame it is.

    Parameters: ``photo`` (height, width, 3) uint8 sRGB; ``box`` the scene's box in the frame; ``scale`` what this
    decode is of the whole photograph (0.5: half its size); corners are given in pixels of the whole photograph.
    """
    import cv2

    grey: Grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.uint8)
    found = find_markers(grey, MARKER_IDS)
    markers = tuple(sorted(found))
    to_photo = homography(found, {marker: layout.marker_corners(marker) for marker in MARKER_IDS})
    if to_photo is None:
        return NO_PROOF._replace(markers=markers)
    codes = [_read_strip(grey, to_photo, layout, band) for band in layout.band_tops]
    corners = project(to_photo, outer_corners(box))
    ground, white = project(to_photo, ground_points(layout)), project(to_photo, white_points(layout))
    edge = np.array([photo.shape[1], photo.shape[0]]) - 0.5
    return Proof(
        stimulus_top=codes[0].stimulus,
        stimulus_bottom=codes[1].stimulus,
        corners=tuple((float(x), float(y)) for x, y in (corners + 0.5) / scale - 0.5),
        focus=_focus(grey, to_photo, layout, markers),
        clipped=saturated_share(photo, ground, level=SATURATED),
        markers=markers,
        white_clipped=saturated_share(photo, white, level=SATURATED),
        purity=min(code.purity for code in codes),
        inside=bool(np.all(corners >= -0.5) and np.all(corners <= edge)),
        ground=float(np.median(sample(grey, ground[:, None]))),
        white=float(np.median(sample(grey, white[:, None]))),
        departure=departure(grey, to_photo, layout),
        haze=max(code.haze for code in codes),
    )


def _read_strip(grey: Grey, to_photo: NDArray[np.float64], layout: Layout, band: int) -> CodeReading:
    """Read one strip: each cell is the mean of its middle half, white is the strip's border, black the markers'."""
    cell, column = layout.cell, layout.column
    part = np.linspace(0.3, 0.7, 5)
    x = layout.strip_left - 0.5 + (np.arange(CODE_BITS)[:, None] + part) * column
    y = band + cell - 0.5 + (np.arange(2)[:, None] + part) * 3 * cell
    cells = np.stack(np.broadcast_arrays(x[None, :, None, :], y[:, None, :, None]), axis=-1)
    levels = sample(grey, project(to_photo, cells)).mean(axis=(2, 3))
    border_y = np.array([band + 0.5 * cell, band + 7.5 * cell]) - 0.5
    border = np.stack(np.broadcast_arrays(x[None, :, :], border_y[:, None, None]), axis=-1)
    white = sample(grey, project(to_photo, border)).mean(axis=(0, 2))
    black = _black_level(grey, to_photo, layout, band)
    return decode_cells(levels, white=white, black=black, mirrored=band != layout.band_tops[0])


def _black_level(grey: Grey, to_photo: NDArray[np.float64], layout: Layout, band: int) -> float:
    """Give the level of black beside a strip: along the borders of the band's two markers, which never change."""
    markers = MARKER_IDS[:2] if band == layout.band_tops[0] else MARKER_IDS[2:]
    rings = [layout.marker_corners(marker) for marker in markers]
    inset = [ring + (ring.mean(axis=0) - ring) / 6.0 for ring in rings]  # half a cell of the marker's three
    lines = [np.linspace(ring[side], ring[(side + 1) % 4], 13) for ring in inset for side in range(4)]
    return float(np.median(sample(grey, project(to_photo, np.stack(lines)))))


def _focus(grey: Grey, to_photo: NDArray[np.float64], layout: Layout, markers: tuple[int, ...]) -> float:
    """Give how many edge widths fit into the screen's shorter side, in the worse of the two directions."""
    widths = [edge_widths(grey, to_photo, layout.marker_corners(marker)) for marker in markers]
    worse = max(float(np.median([one[side::2] for one in widths])) for side in (0, 1))
    return min(layout.height, layout.width) / max(worse, 1e-6)


def judge(proof: Proof, *, stimulus: int, limits: Limits) -> tuple[str, ...]:
    """Give the reasons to reject a photograph that should show ``stimulus``; () means it is good."""
    if len(proof.markers) < limits.least_markers or not proof.corners:
        seen = ", ".join(map(str, proof.markers)) or "none"
        found = f"{seen}, which do not agree" if len(proof.markers) >= limits.least_markers else seen
        return (f"no markers: expected at least {limits.least_markers} of 0, 1, 2, 3, got {found}",)
    reasons = list(_frame_reasons(proof, stimulus, limits))
    if not proof.inside:
        reasons.append("scene not whole: a corner of it lies outside the photograph")
    if proof.clipped > limits.most_clipped:
        reasons.append(f"clipped: {proof.clipped:.0%} of the grey ground, at most {limits.most_clipped:.0%}")
    if proof.white_clipped > limits.most_white_clipped:
        reasons.append(f"clipped: {proof.white_clipped:.0%} of the white, at most {limits.most_white_clipped:.0%}")
    if proof.ground > limits.most_ground:
        reasons.append(f"overexposed: the grey ground at {proof.ground:.0f} of 255, at most {limits.most_ground:.0f}")
    if proof.white < limits.least_white:
        reasons.append(f"underexposed: white at {proof.white:.0f} of 255, at least {limits.least_white:.0f}")
    if proof.departure > limits.most_departure:
        reasons.append(f"covered: the grey around the scene departs by {proof.departure:.0%}, something is before it")
    if proof.focus < limits.least_focus:
        reasons.append(f"out of focus: {proof.focus:.0f} edge widths, at least {limits.least_focus:.0f}")
    elif proof.haze > limits.most_haze:
        reasons.append(f"out of focus: narrow black lines at {proof.haze:.0%} of white, at most {limits.most_haze:.0%}")
    return tuple(reasons)


def _frame_reasons(proof: Proof, stimulus: int, limits: Limits) -> list[str]:
    """Say what is wrong with the codes: another frame, two frames, a mixture, or nothing readable."""
    top, bottom = proof.stimulus_top, proof.stimulus_bottom
    if top is not None and bottom is not None and top != bottom:
        return [f"torn: expected {stimulus}, got {top} above and {bottom} below"]
    got = bottom if top is None else top
    if got is not None and got != stimulus:
        return [f"wrong frame: expected {stimulus}, got {got}"]
    if top is None or bottom is None:
        where = "" if got is None else " above" if top is None else " below"
        return [f"torn: expected {stimulus}, got no readable frame code{where}"]
    if proof.purity < limits.least_purity:
        return [f"torn: two frames are mixed, contrast {proof.purity:.2f}, at least {limits.least_purity:.2f}"]
    return []


def rectify(photo: RGB, corners: Corners, *, view: str = "rectified-opencv") -> RGB:
    """Give the scene cut out of a photograph and straightened, by the named view of device_agents/view.py."""
    from device_agents.errors import pick
    from device_agents.view import VIEWS

    return pick(VIEWS, view, what="view")(photo, corners)


def thumbnail(photo: RGB, max_side: int) -> RGB:
    """Give a copy whose longer side is at most max_side pixels, its ratio kept; smaller pictures stay as they are."""
    small = Image.fromarray(photo)
    small.thumbnail((max_side, max_side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(small)
