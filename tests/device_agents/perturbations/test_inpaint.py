"""Filling a background from a picture: by hand, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.perturbations.inpaint import inpaint


def test_one_known_pixel_fills_everything_with_itself():
    picture, known = np.zeros((9, 30, 3), np.uint8), np.zeros((9, 30), bool)
    picture[2, 3], known[2, 3] = (200, 10, 77), True
    assert (inpaint(picture, known) == (200, 10, 77)).all()


def test_between_two_pixels_the_weights_are_binomial():
    """Of 11 taps (1 10 45 120 210 252 210 ...) a neighbour weighs 210, a pixel three away 45."""
    picture, known = np.zeros((1, 5, 3), np.uint8), np.zeros((1, 5), bool)
    known[0, [0, 4]] = True
    picture[0, 4] = 100
    filled = inpaint(picture, known)[0, :, 0]
    assert filled.tolist() == [0, round(100 * 45 / 255), 50, round(100 * 210 / 255), 100]


def test_what_is_known_stays_and_the_rest_lies_within_its_range():
    rng = np.random.default_rng(3)
    picture, known = np.zeros((40, 50, 3), np.uint8), np.zeros((40, 50), bool)
    picture[10:20, 5:30], known[10:20, 5:30] = rng.integers(60, 90, (10, 25, 3)), True
    filled = inpaint(picture, known)
    assert (filled[10:20, 5:30] == picture[10:20, 5:30]).all()
    assert filled.min() >= 60
    assert filled.max() < 90


def test_black_that_is_known_stays_black():
    picture, known = np.full((8, 8, 3), 90, np.uint8), np.ones((8, 8), bool)
    picture[4, 4] = 0
    assert (inpaint(picture, known) == picture).all()


def test_nothing_known_is_refused():
    with pytest.raises(BadInput, match="a known pixel"):
        inpaint(np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3), bool))
