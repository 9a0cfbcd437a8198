"""Something that stands before the screen shows in the grey ring around the scene; shading and a slant do not."""

import cv2
import numpy as np
import pytest

from capture.ground import departure, ground_points, white_points
from capture.screen import layout_for, render_frame

LAYOUT = layout_for(720, 960)
SCENE = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
FRAME = cv2.cvtColor(render_frame(SCENE, stimulus=9, layout=LAYOUT).rgb, cv2.COLOR_RGB2GRAY)


def test_ground_is_grey_and_the_borders_are_white_whatever_is_shown():
    for points, level in ((ground_points(LAYOUT), 128), (white_points(LAYOUT), 255)):
        x, y = np.rint(points).astype(int).T
        assert set(FRAME[y, x]) == {level}


def test_an_even_frame_and_a_shaded_one_do_not_depart():
    assert departure(FRAME, np.eye(3), LAYOUT) < 0.01
    y, x = np.mgrid[-1:1:720j, -1:1:960j]
    shaded = np.rint(FRAME * (1 - 0.25 * (x * x + y * y) + 0.1 * x)).clip(0, 255).astype(np.uint8)
    assert departure(shaded, np.eye(3), LAYOUT) < 0.05


@pytest.mark.parametrize(
    ("start", "end"), [((480, 300), (480, -200)), ((300, 400), (-200, 420)), ((700, 500), (1200, 900))]
)
@pytest.mark.parametrize("level", [20, 90, 200])
def test_a_bar_that_reaches_in_departs(start, end, level):
    covered = FRAME.copy()
    cv2.line(covered, start, end, level, 24)
    found = departure(covered, np.eye(3), LAYOUT)
    assert found == pytest.approx(abs(level / 128 - 1), abs=0.05)


def test_too_little_of_the_ring_says_nothing():
    away = np.array([[1, 0, 900.0], [0, 1, 0], [0, 0, 1]])
    assert departure(FRAME, away, LAYOUT) == 0.0
