"""Markers: found where they were drawn, and edges measured against the width of a known blur."""

import cv2
import numpy as np
import pytest

from capture.markers import edge_widths, find_markers, homography, project, sample, saturated_share

CELL = 16
CORNERS = {marker: np.array([(0, 0), (96, 0), (96, 96), (0, 96)]) + at for marker, at in
           {0: (60, 50), 1: (440, 50), 2: (440, 330), 3: (60, 330)}.items()}  # fmt: skip


def draw(blur_px=0.0, ids=(0, 1, 2, 3)):
    grey = np.full((480, 640), 128, np.uint8)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    for marker in ids:
        x, y = CORNERS[marker][0]
        grey[y - CELL : y + 7 * CELL, x - CELL : x + 7 * CELL] = 230
        bits = cv2.aruco.generateImageMarker(dictionary, marker, 6)
        grey[y : y + 96, x : x + 96] = np.kron(
            np.where(bits > 0, 230, 20).astype(np.uint8), np.ones((16, 16), np.uint8)
        )
    return cv2.GaussianBlur(grey, (0, 0), blur_px) if blur_px else grey


@pytest.mark.parametrize("blur_px", [0.0, 2.0, 5.0])
def test_markers_are_found_where_they_were_drawn(blur_px):
    found = find_markers(draw(blur_px), (0, 1, 2, 3))
    assert sorted(found) == [0, 1, 2, 3]
    for marker, corners in found.items():
        assert np.abs(corners - (CORNERS[marker] - 0.5)).max() < 0.2 + 0.4 * blur_px


def test_markers_are_named_by_their_pattern_however_the_camera_is_turned():
    found = find_markers(np.ascontiguousarray(np.rot90(draw())), (0, 1, 2, 3))
    assert sorted(found) == [0, 1, 2, 3]
    x, y = found[1][0]  # the top left of marker 1, turned anticlockwise: (x, y) -> (y, 639 - x)
    assert (x, y) == pytest.approx((49.5, 639 - 439.5), abs=0.2)


def test_only_the_markers_asked_for_count_and_grey_has_none():
    assert sorted(find_markers(draw(ids=(0, 2)), (0, 1))) == [0]
    assert find_markers(np.full((480, 640), 90, np.uint8), (0, 1, 2, 3)) == {}


def test_homography_needs_two_markers_that_agree():
    expected = {marker: corners - 0.5 for marker, corners in CORNERS.items()}
    shifted = {marker: corners * 2.0 + (7.0, -3.0) for marker, corners in expected.items()}
    matrix = homography(shifted, expected)
    assert matrix is not None
    assert project(matrix, np.array([[100.0, 200.0]])) == pytest.approx(np.array([[207.0, 397.0]]), abs=1e-6)
    assert homography({0: shifted[0]}, expected) is None
    shifted[1] = shifted[1] + 90.0
    assert homography({marker: shifted[marker] for marker in (0, 1)}, expected) is None
    survivor = homography(shifted, expected)  # of four markers one may be false
    assert survivor is not None
    assert project(survivor, np.array([[100.0, 200.0]])) == pytest.approx(np.array([[207.0, 397.0]]), abs=1e-6)


@pytest.mark.parametrize("sigma_px", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("side", [0, 1, 2, 3])
def test_edge_width_of_a_gaussian_blur(sigma_px, side):
    # An edge blurred by a Gaussian is its distribution function; 10 to 90 % is 2 x 1.2816 standard deviations.
    width = edge_widths(draw(sigma_px), np.eye(3), CORNERS[2] - 0.5)[side]
    assert width == pytest.approx(2.5631 * sigma_px, rel=0.06)


def test_no_edge_has_no_end():
    assert edge_widths(np.full((480, 640), 90, np.uint8), np.eye(3), CORNERS[0] - 0.5) == (float("inf"),) * 4


def test_sample_is_bilinear_at_pixel_centres():
    grey = np.array([[10, 20], [30, 40]], np.uint8)
    assert sample(grey, np.array([[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]])).tolist() == [[10.0, 25.0, 40.0]]


def test_saturated_share_counts_any_channel_inside_only():
    photo = np.full((2, 2, 3), 100, np.uint8)
    photo[0, 1, 2] = 255
    points = np.array([(0, 0), (1, 0), (0, 1), (1, 1), (9, 9)], float)
    assert saturated_share(photo, points, level=254) == 0.25
    assert saturated_share(photo, points[4:], level=254) == 0.0
