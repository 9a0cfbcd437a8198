"""Markers in a photograph: found, turned into a homography, and measured along their edges."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 2): x right, y down, pixel centres at integers
Grey = NDArray[np.uint8]  # (height, width)

SEARCH_SIDE = 640  # quadrilaterals are looked for in a picture shrunk to between this and twice this many pixels
LEAST_PERIMETER = 0.06  # of a marker, as a share of the picture's longer side: the screen fills a quarter of its width
INLIER_CELLS = 0.75  # a corner further off than this many cells is no corner of ours
LEAST_MATCH = 0.8  # correlation of 16 bits
BORDER = np.pad(np.zeros((4, 4), bool), 1, constant_values=True)
PROFILE_CELLS = 0.95  # an edge is followed for this many cells to either side: white border and black border
_ACROSS, _ALONG = np.linspace(-PROFILE_CELLS, PROFILE_CELLS, 77), np.linspace(1 / 8, 7 / 8, 32)


def find_markers(grey: Grey, ids: tuple[int, ...]) -> dict[int, Points]:
    """Find ArUco markers (DICT_4X4_50) of the given ids: id -> corners (4, 2), to a tenth of a pixel.

    OpenCV finds the quadrilaterals; the bits are read here, by correlation with the patterns that are expected, since
    OpenCV 5.0 gives up at a blur of a fifth of a cell. Of several markers with one id the best match is taken. Corners
    are refined by cv2.cornerSubPix in a window as wide as the marker's white border allows.
    """
    import cv2

    shrink = max(1, max(grey.shape) // SEARCH_SIDE)
    size = (grey.shape[1] // shrink, grey.shape[0] // shrink)
    small = grey if shrink == 1 else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50), _parameters())
    quads, _, others = detector.detectMarkers(small)
    if not quads and not others:
        return {}
    candidates = np.concatenate([np.asarray(quad, np.float64).reshape(1, 4, 2) for quad in (*quads, *others)])
    candidates = (candidates + 0.5) * shrink - 0.5
    match = _matches(grey, candidates, ids)
    found = {}
    for at, marker in enumerate(ids):
        best, turns = np.unravel_index(int(np.argmax(match[:, at])), match[:, at].shape)
        if match[best, at, turns] >= LEAST_MATCH:
            found[marker] = _refine(grey, np.roll(candidates[best], -int(turns), axis=0))
    return found


def _parameters() -> Any:
    """Give the detector wide thresholding windows, for blurred borders, and let it keep quadrilaterals in one another.

    By itself it keeps the white border's outline, which lies around the marker's, and drops the marker.
    """
    import cv2

    parameters = cv2.aruco.DetectorParameters()
    parameters.adaptiveThreshWinSizeMin, parameters.adaptiveThreshWinSizeMax = 7, 55
    parameters.adaptiveThreshWinSizeStep = 24
    parameters.minMarkerPerimeterRate = LEAST_PERIMETER
    parameters.minGroupDistance = parameters.minMarkerDistanceRate = 0.01
    return parameters


def _matches(grey: Grey, quads: NDArray[np.float64], ids: tuple[int, ...]) -> NDArray[np.float64]:
    """Correlate the 4x4 bits in each quadrilateral (n, 4, 2) with each pattern, turned four ways: (n, ids, 4)."""
    import cv2

    unit = np.array([(0, 0), (6, 0), (6, 6), (0, 6)], np.float32)
    matrices = np.stack([cv2.getPerspectiveTransform(unit, quad.astype(np.float32)) for quad in quads])
    at = (np.arange(6)[:, None] + np.array([0.35, 0.5, 0.65])).ravel()
    points = np.stack([*np.meshgrid(at, at), np.ones((18, 18))], axis=-1)
    mapped = np.einsum("nij,yxj->nyxi", matrices, points)
    levels = sample(grey, mapped[..., :2] / mapped[..., 2:])
    cells = levels.reshape(len(quads), 6, 3, 6, 3).mean(axis=(2, 4))
    bits = cells[:, 1:5, 1:5]
    turned = np.stack([np.rot90(bits, turns, axes=(1, 2)) for turns in range(4)], axis=1).reshape(len(quads), 4, 16)
    match = np.einsum("ntk,mk->nmt", _standardise(turned), _standardise(_patterns(ids))) / 16
    plain = (bits.std(axis=(1, 2)) < 4.0) | (cells[:, BORDER].mean(axis=1) > bits.mean(axis=(1, 2)))
    match[plain] = 0.0
    return np.asarray(match, np.float64)


def _standardise(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each row (last axis) the mean 0 and the standard deviation 1."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    result: NDArray[np.float64] = centred / np.maximum(centred.std(axis=-1, keepdims=True), 1e-6)
    return result


@functools.lru_cache(maxsize=4)
def _patterns(ids: tuple[int, ...]) -> NDArray[np.float64]:
    """Give the 16 bits of each marker, (n, 16)."""
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    bits = [cv2.aruco.generateImageMarker(dictionary, marker, 6)[1:5, 1:5].ravel() for marker in ids]
    return np.stack(bits).astype(np.float64)


def _refine(grey: Grey, corners: Points) -> Points:
    import cv2

    half = int(np.clip(round(0.65 * _side(corners) / 6), 2, 20))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.01)
    rough = corners.astype(np.float32).reshape(4, 1, 2)
    return np.asarray(cv2.cornerSubPix(grey, rough, (half, half), (-1, -1), criteria), np.float64).reshape(4, 2)


def homography(found: Mapping[int, Points], expected: Mapping[int, Points]) -> NDArray[np.float64] | None:
    """Give the 3x3 homography from frame to photograph by the found markers' corners; None if they do not agree.

    At least two markers are needed. RANSAC leaves out corners that lie off by more than INLIER_CELLS cells: of four
    markers one may be false, of three a corner, of two none.
    """
    import cv2

    if len(found) < 2:
        return None
    source = np.concatenate([expected[marker] for marker in sorted(found)])
    target = np.concatenate([found[marker] for marker in sorted(found)])
    cell = float(np.mean([_side(corners) for corners in found.values()])) / 6
    matrix, inliers = cv2.findHomography(source, target, cv2.RANSAC, INLIER_CELLS * cell)
    if matrix is None or int(inliers.sum()) < max(8, min(12, len(source) - 1)):
        return None
    return np.asarray(matrix, np.float64)


def project(matrix: NDArray[np.float64], points: Points) -> Points:
    """Map points (..., 2) by a 3x3 homography."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    result: Points = mapped[..., :2] / mapped[..., 2:]
    return result


def sample(grey: Grey, points: Points) -> NDArray[np.float64]:
    """Read grey levels (0..255) at points (..., 2) by bilinear interpolation; outside it repeats the border."""
    import cv2

    shape = points.shape[:-1]
    where = points.reshape(shape[0], -1, 2).astype(np.float32)
    levels = cv2.remap(grey, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(levels, np.float64).reshape(shape)


def edge_widths(grey: Grey, matrix: NDArray[np.float64], corners: Points) -> tuple[float, ...]:
    """Measure the 10-90 % widths of the edges of a marker's black border, in pixels of the frame: clockwise from above.

    ``corners`` (4, 2) are the marker's corners in the frame. The profile across an edge is the mean of 32 lines (the
    edge spread function of ISO 12233), from its brightest to its darkest. Infinity where there is no edge.
    """
    along = np.roll(corners, -1, axis=0) - corners
    cell = np.hypot(*along.T) / 6
    inward = np.stack([-along[:, 1], along[:, 0]], axis=-1) / (6 * cell[:, None])
    offsets = _ACROSS * cell[:, None]
    starts = corners[:, None] + _ALONG[:, None] * along[:, None]
    points = starts[:, :, None] + (offsets[..., None] * inward[:, None])[:, None]
    profiles = sample(grey, project(matrix, points)).mean(axis=1)
    return tuple(_width(profile) * float(steps[1] - steps[0]) for profile, steps in zip(profiles, offsets, strict=True))


def _width(profile: NDArray[np.float64]) -> float:
    """Give the 10-90 % width of a profile from white to black, in samples."""
    middle = len(profile) // 2  # beyond a cell lie the ground and the bits, which a blur lets shine in
    white, black = float(profile[:middle].max()), float(profile[middle:].min())
    if white - black < 8.0:
        return float("inf")
    fall = (profile - black) / (white - black)
    return _crossing(fall, 0.1) - _crossing(fall, 0.9)


def _crossing(fall: NDArray[np.float64], level: float) -> float:
    """Give where a falling profile crosses a level, in samples, searched outwards from its middle."""
    middle = int(np.argmin(np.abs(fall - 0.5)))
    if level > 0.5:
        above = np.flatnonzero(fall[: middle + 1] >= level)
        left = int(above[-1]) if above.size else 0
    else:
        below = np.flatnonzero(fall[middle:] <= level)
        left = middle + int(below[0]) - 1 if below.size else len(fall) - 2
    left = min(max(left, 0), len(fall) - 2)
    drop = float(fall[left] - fall[left + 1])
    return left + min(max((float(fall[left]) - level) / drop, 0.0), 1.0) if drop > 1e-9 else float(left)


def saturated_share(photo: NDArray[np.uint8], points: Points, *, level: int) -> float:
    """Give the share (0..1) of the points inside a photograph that have a channel at or above a level."""
    x, y = np.rint(points[..., 0]).astype(int), np.rint(points[..., 1]).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < photo.shape[1]) & (y < photo.shape[0])
    if not inside.any():
        return 0.0
    return float((photo[y[inside], x[inside]].max(axis=-1) >= level).mean())


def _side(corners: NDArray[np.floating]) -> float:
    return float(np.hypot(*(corners - np.roll(corners, 1, axis=0)).T).mean())
