from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput, MissingExtra
from device_agents.view import VIEWS, rectified_size, scene_to_photo

RECTIFIED = ["rectified-pillow", "rectified-opencv"]


def box(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    """The corners of a scene that covers whole pixels left..right-1 and top..bottom-1."""
    x0, y0, x1, y1 = left - 0.5, top - 0.5, right - 0.5, bottom - 0.5
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 29)]
    return np.rint(np.stack(waves, axis=2) * 100 + 128).astype(np.uint8)


def test_whole_is_the_photograph_and_needs_no_corners() -> None:
    photo = noise(5, 7)
    assert VIEWS["whole"](photo, ()) is photo


@given(st.integers(0, 20), st.integers(0, 15), st.integers(1, 20), st.integers(1, 15), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_upright_scene_on_whole_pixels_is_cut_out_exactly(
    left: int, top: int, width: int, height: int, seed: int
) -> None:
    photo = noise(30, 40, seed)
    expected = photo[top : top + height, left : left + width]
    corners = box(left, top, left + width, top + height)
    assert rectified_size(corners) == (height, width)
    for name in ("crop", *RECTIFIED):
        np.testing.assert_array_equal(VIEWS[name](photo, corners), expected)


@pytest.mark.parametrize("name", RECTIFIED)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_comes_back_exactly(name: str, turns: int) -> None:
    scene = noise(6, 9)
    photo = np.rot90(scene, -turns)  # the scene turned clockwise in the photograph
    height, width = photo.shape[:2]
    around = box(0, 0, width, height)
    corners = around[turns:] + around[:turns]
    np.testing.assert_array_equal(VIEWS[name](np.ascontiguousarray(photo), corners), scene)


def test_homography_by_hand() -> None:
    # A scene of 10 x 10 seen as a trapezium: its lower edge is drawn in to half. Edges: top 10, bottom 5, two
    # sides of hypot(2.5, 10) = 10.3078 -> height 10, width round(7.5) = 8 (half to even).
    corners = ((-0.5, -0.5), (9.5, -0.5), (7.0, 9.5), (2.0, 9.5))
    assert rectified_size(corners) == (10, 8)
    matrix = scene_to_photo(corners)
    # Middle of the scene = crossing of the diagonals: x = 4.5, and y where (-0.5,-0.5)-(7,9.5) has x = 4.5: 6.1667.
    x, y, w = matrix @ (3.5, 4.5, 1)
    assert (x / w, y / w) == pytest.approx((4.5, -0.5 + 10 * 5 / 7.5), abs=1e-9)
    for scene_point, photo_point in zip([(-0.5, -0.5), (7.5, -0.5), (7.5, 9.5), (-0.5, 9.5)], corners, strict=True):
        x, y, w = matrix @ (*scene_point, 1)
        assert (x / w, y / w) == pytest.approx(photo_point, abs=1e-9)


def test_homography_agrees_with_opencv() -> None:
    corners = ((13.2, 20.4), (180.9, 31.0), (171.5, 140.7), (22.1, 129.3))
    height, width = rectified_size(corners)
    ends = np.array([(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)], np.float32)
    expected = cv2.getPerspectiveTransform(ends, np.array(corners, np.float32))
    np.testing.assert_allclose(scene_to_photo(corners), expected, rtol=1e-4, atol=1e-5)


def test_a_scene_warped_by_another_program_is_straightened() -> None:
    scene = smooth(120, 160)
    corners = ((40.0, 30.0), (205.0, 38.0), (198.0, 160.0), (44.0, 150.0))
    height, width = rectified_size(corners)
    ends = np.array([(-0.5, -0.5), (159.5, -0.5), (159.5, 119.5), (-0.5, 119.5)], np.float32)
    forward = cv2.getPerspectiveTransform(ends, np.array(corners, np.float32))
    photo = cv2.warpPerspective(scene, forward, (240, 190), flags=cv2.INTER_CUBIC)
    expected = cv2.resize(scene, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    for name in RECTIFIED:
        straight = VIEWS[name](photo, corners).astype(int)
        assert straight.shape == (height, width, 3)
        # Half a pixel of misplacement would move this pattern by up to 3 levels in the mean.
        assert np.abs(straight - expected)[3:-3, 3:-3].mean() < 0.6
        assert np.abs(straight - expected)[3:-3, 3:-3].max() <= 4


@given(st.lists(st.floats(-12, 12), min_size=8, max_size=8))
@settings(max_examples=20, deadline=None)
def test_the_two_warps_agree_on_smooth_pictures(shifts: list[float]) -> None:
    corners = tuple(
        (x + dx, y + dy) for (x, y), dx, dy in zip(box(30, 30, 150, 110), shifts[::2], shifts[1::2], strict=True)
    )
    photo = smooth(140, 180)
    one, other = (VIEWS[name](photo, corners).astype(int) for name in RECTIFIED)
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 1
    assert np.abs(one - other).max() <= 5


@pytest.mark.parametrize("name", RECTIFIED)
def test_what_lies_outside_the_photograph_is_black(name: str) -> None:
    photo = np.full((20, 20, 3), 200, np.uint8)
    straight = VIEWS[name](photo, box(-10, 0, 20, 20))
    assert straight.shape == (20, 30, 3)
    assert (straight[:, :9] == 0).all()
    assert (straight[:, 11:] == 200).all()


def test_crop_is_the_bounding_box_within_the_photograph() -> None:
    photo = noise(20, 30)
    slanted = ((4.2, 3.0), (18.7, -2.0), (35.0, 12.0), (9.0, 14.4))
    np.testing.assert_array_equal(VIEWS["crop"](photo, slanted), photo[0:15, 5:30])


@pytest.mark.parametrize("name", ["crop", *RECTIFIED])
@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((), "four corners"),
        (((0, 0), (1, 0), (1, 1)), "got 3"),
        (((0, 0), (9, 9), (9, 0), (0, 9)), "convex"),
        (((0, 0), (5, 0), (9, 0), (0, 9)), "convex"),
        (((3, 3), (3, 3), (3, 3), (3, 3)), "convex"),
        (((0, 0), (9, 0), (float("nan"), 9), (0, 9)), "convex"),
    ],
)
def test_wrong_corners_are_refused(name: str, corners: tuple[tuple[float, float], ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        VIEWS[name](noise(12, 12), corners)


def test_crop_outside_and_endless_scenes_are_refused() -> None:
    with pytest.raises(BadInput, match="within the 12 x 12 photograph"):
        VIEWS["crop"](noise(12, 12), box(20, 20, 30, 30))
    with pytest.raises(BadInput, match="at most"):
        VIEWS["rectified-pillow"](noise(12, 12), box(0, 0, 100_000, 100_000))


def test_a_tiny_scene_is_at_least_one_pixel() -> None:
    assert rectified_size(box(3, 3, 3.2, 3.2)) == (1, 1)


def test_absent_opencv_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match="opencv-python-headless"):
        VIEWS["rectified-opencv"](noise(12, 12), box(0, 0, 5, 5))
