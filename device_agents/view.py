"""VIEWS: the part of a photograph that the model sees: all of it, or the scene's own area cut or straightened out.

A view is a function of the upright photograph, uint8 (height, width, 3), and of the scene's four corners in it: (x, y)
in pixels, top left, top right, bottom right, bottom left of the scene. Pixel centres are at integers, and the corners
lie on the outer edges of the scene's corner pixels, so a scene of w pixels spans -0.5 to w - 0.5.
"""

from __future__ import annotations

from typing import Callable, Dict, Tuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from device_agents.decode import MAX_PIXELS, RGB
from device_agents.errors import BadInput, MissingExtra
from device_agents.records import Corners

View = Callable[[RGB, Corners], RGB]


def view_whole(photo: RGB, corners: Corners) -> RGB:
    """Give the photograph as it is; the corners do not matter."""
    return photo


def view_crop(photo: RGB, corners: Corners) -> RGB:
    """Cut the corners' bounding box, its edges rounded to whole pixels and kept within the photograph.

    No pixel value changes. Raises BadInput when nothing of the box lies in the photograph.
    """
    edges = _checked(corners) + 0.5
    height, width = photo.shape[:2]
    left, top = (int(value) for value in np.clip(np.rint(edges.min(axis=0)), 0, (width, height)))
    right, bottom = (int(value) for value in np.clip(np.rint(edges.max(axis=0)), 0, (width, height)))
    if right <= left or bottom <= top:
        raise BadInput(f"expected the scene within the {width} x {height} photograph, got corners {corners}")
    return np.ascontiguousarray(photo[top:bottom, left:right])


def view_rectified_pillow(photo: RGB, corners: Corners) -> RGB:
    """Straighten the scene with Pillow's PERSPECTIVE transform, bicubic; black where the photograph ends.

    Gives uint8 of rectified_size(corners). Raises BadInput for corners that are not a convex quadrilateral.
    """
    height, width = rectified_size(corners)
    coefficients = pillow_coefficients(corners)
    warped = Image.fromarray(photo).transform(
        (width, height), Image.Transform.PERSPECTIVE, coefficients, resample=Image.Resampling.BICUBIC
    )
    return np.asarray(warped)


def view_rectified_opencv(photo: RGB, corners: Corners) -> RGB:
    """Straighten the scene with OpenCV's warpPerspective, bilinear; black where the photograph ends.

    Gives uint8 of rectified_size(corners). Raises BadInput for corners that are not a convex quadrilateral, and
    MissingExtra where OpenCV is absent.
    """
    try:
        import cv2
    except ImportError as problem:
        raise MissingExtra(
            "view 'rectified-opencv' needs opencv-python-headless; pip install 'instability-kit[host]'"
        ) from problem
    height, width = rectified_size(corners)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(photo, scene_to_photo(corners), (width, height), flags=flags)
    return np.asarray(warped, np.uint8)


def rectified_size(corners: Corners) -> Tuple[int, int]:
    """Give (height, width) in pixels of the straightened scene: the rounded mean lengths of opposite edges, at least 1.

    Raises BadInput for corners that are not a convex quadrilateral, or span more than MAX_PIXELS pixels.
    """
    points = _checked(corners)
    top, right, bottom, left = (np.hypot(*(points[(n + 1) % 4] - points[n])) for n in range(4))
    height, width = max(1, round(float(left + right) / 2)), max(1, round(float(top + bottom) / 2))
    if height * width > MAX_PIXELS:
        raise BadInput(f"expected a scene of at most {MAX_PIXELS} pixels, got {width} x {height} from {corners}")
    return height, width


def scene_to_photo(corners: Corners) -> npt.NDArray[np.float64]:
    """Give the homography (3, 3) from the straightened scene's pixel coordinates to the photograph's, last entry 1.

    Solves the eight linear equations of four point pairs (Hartley and Zisserman, Multiple View Geometry, 2nd edition,
    section 4.1, with h33 = 1).
    """
    height, width = rectified_size(corners)
    ends = ((-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5))
    rows, values = [], []
    for (x, y), (u, v) in zip(ends, corners):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved = np.linalg.solve(np.array(rows, np.float64), np.array(values, np.float64))
    # The solver's last digits go, so that a scene on whole pixels comes out exactly: Pillow 13's bicubic transform cuts
    # the fraction off, and 14.999999 would become 14. At 10,000 pixels 1e-12 moves a point by 1e-4 at the most.
    return np.append(np.round(solved, 12), 1.0).reshape(3, 3)


def pillow_coefficients(corners: Corners) -> Tuple[float, ...]:
    """Give the eight coefficients of Pillow's PERSPECTIVE transform that straighten the scene; raises BadInput."""
    # Pillow counts from the pixels' outer edges: its coordinates are ours plus a half.
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = shift @ scene_to_photo(corners) @ np.linalg.inv(shift)
    return tuple(float(value) for value in (matrix / matrix[2, 2]).ravel()[:8])


def _checked(corners: Corners) -> npt.NDArray[np.float64]:
    if len(corners) != 4 or any(len(corner) != 2 for corner in corners):
        raise BadInput(f"this view needs the scene's four corners (x, y) in the photograph, got {len(corners)}")
    points = np.array(corners, np.float64)
    if not (np.isfinite(points).all() and _convex(points)):
        raise BadInput(f"expected four corners of a convex area, in order around it, got {corners}")
    return points


def _convex(points: npt.NDArray[np.float64]) -> bool:
    """Whether a walk around the points turns the same way at each of them."""
    sides = np.roll(points, -1, axis=0) - points
    after = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    return bool((turns > 0).all() or (turns < 0).all())


VIEWS: Dict[str, View] = {
    "crop": view_crop,
    "rectified-opencv": view_rectified_opencv,
    "rectified-pillow": view_rectified_pillow,
    "whole": view_whole,
}
