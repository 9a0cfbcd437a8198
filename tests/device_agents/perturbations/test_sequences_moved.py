"""Moved frames: whole pixels, directions, what is black, and the reference's matrices by another library."""

import cv2
import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.fit import FITS
from device_agents.perturbations.families import generator
from device_agents.perturbations.sequences_moved import (
    affine,
    rotate_frame,
    scale_frame,
    shear_frame,
    tilt_frame,
    translate_frame,
)
from device_agents.resize import RESIZERS

RESIZER = RESIZERS["pillow-bilinear"]
RNG = generator("ab", "moved")


@pytest.fixture(scope="module")
def viewed():
    coarse = np.random.default_rng(4).integers(30, 256, (7, 9, 3)).astype(np.uint8)
    return RESIZERS["pillow-bicubic"](coarse, 90, 120).clip(30, 255).astype(np.uint8)


def _frame(apply, viewed, number, *, height=56, width=56):
    return apply(viewed, RESIZER, height, width, RNG, frame=number)


@pytest.mark.parametrize(
    ("apply", "still"),
    [(translate_frame, 20), (rotate_frame, 15), (scale_frame, 24), (shear_frame, 15)],
)
@pytest.mark.parametrize("size", [(56, 56), (40, 64)])
def test_the_still_frame_is_torchvisions_resize_and_crop(apply, still, size, viewed):
    expected = FITS["torchvision-256-crop"](viewed, RESIZER, *size)
    assert np.abs(_frame(apply, viewed, still, height=size[0], width=size[1]).astype(int) - expected).max() <= 1


def test_translate_moves_right_by_whole_pixels(viewed):
    first, fifth = _frame(translate_frame, viewed, 20), _frame(translate_frame, viewed, 25)
    assert np.array_equal(fifth[:, 5:], first[:, :-5])
    # an input of 56 has 4 pixels to spare above and below; along the longer side (64 / 90 x 120 = 85) 14 and 15
    assert (_frame(translate_frame, viewed, 34)[:, 0] > 0).any()
    ends = _frame(translate_frame, viewed, 40)  # 20 to the right
    assert (ends[:, :5] == 0).all()
    assert (ends[:, 6] > 0).all()


@pytest.mark.parametrize("number", [0, 9, 30])
def test_rotation_about_the_centre_as_opencv_has_it(number, viewed):
    height, width = viewed.shape[:2]
    # about half a pixel right of and below the centre in edge coordinates, which is w / 2 where centres are integers
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -(number - 15), 1.0)
    expected = cv2.warpAffine(viewed, matrix, (width, height), flags=cv2.INTER_LINEAR)
    got = affine(viewed, degrees=number - 15)
    difference = np.abs(got.astype(int) - expected)[4:-4, 4:-4]
    both = (got[4:-4, 4:-4] > 0) & (expected[4:-4, 4:-4] > 0)
    assert difference[both].mean() < 1.0


def test_scale_begins_at_two_fifths_with_black_around(viewed):
    small = _frame(scale_frame, viewed, 0)
    inside = (small > 0).all(axis=2)
    assert inside.any(axis=1).sum() == pytest.approx(0.4 * 64, abs=1.5)
    assert inside.any(axis=0).sum() == pytest.approx(0.4 * 85, abs=1.5)
    assert (_frame(scale_frame, viewed, 30) > 0).all()


def test_shear_leans_by_the_tangent():
    lines = np.zeros((101, 101, 3), np.uint8)
    lines[:, 49:52] = 255
    top, bottom = (affine(lines, shear=10)[row, :, 0].astype(float) @ np.arange(101) for row in (20, 80))
    mass = 3 * 255
    assert abs(bottom - top) / mass == pytest.approx(60 * np.tan(np.radians(10)), abs=1.0)


def test_tilt_is_a_pinhole_cameras_view(viewed):
    square = np.zeros((101, 101, 3), np.uint8)
    square[18:23, 78:83] = 255  # 30 up and 30 right of the centre
    angle, far = np.radians(15), np.hypot(101, 101)
    wide = tilt_frame(square, lambda picture, height, width: picture, 88, 88, RNG, frame=30)
    y, x = np.argwhere(wide[..., 0] > 100).mean(axis=0)
    about_y = np.array([30 * np.cos(angle), -30, 30 * np.sin(angle)])  # z is 1, and small: left out within the bound
    up = about_y[1] * np.cos(angle) - about_y[2] * np.sin(angle)
    depth = far + about_y[1] * np.sin(angle) + about_y[2] * np.cos(angle)
    # resized pictures of 101 are cut from 6 on: 101 / 2 - 6
    assert (x, y) == pytest.approx((44.5 + far * about_y[0] / depth, 44.5 + far * up / depth), abs=1.5)


def test_the_untilted_frame_is_a_pixel_of_the_distance_further_away():
    # the reference lifts the picture to a height of 1 before it is moved away by its diagonal
    picture = np.random.default_rng(5).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    matrix = cv2.getRotationMatrix2D((40, 30), 0, 100 / 101)
    expected = cv2.warpAffine(picture, matrix, (80, 60), flags=cv2.INTER_LINEAR)
    sides = {"height": 52, "width": 70}
    got = tilt_frame(picture, lambda picture, height, width: picture, rng=RNG, frame=15, **sides)
    top, left = (60 - 52) // 2, (80 - 70) // 2
    assert got.shape == (52, 70, 3)
    assert np.abs(got.astype(int) - expected[top : top + 52, left : left + 70]).mean() < 2


def test_a_picture_too_narrow_says_so():
    with pytest.raises(BadInput, match="too narrow"):
        _frame(rotate_frame, np.zeros((1, 100_000, 3), np.uint8), 0, height=2000, width=2000)


@pytest.mark.parametrize("nearest", [False, True])
def test_a_part_of_a_moved_picture_is_what_the_whole_has_there(nearest):
    picture = np.random.default_rng(4).integers(0, 256, (53, 71, 3)).astype(np.uint8)
    way = {"degrees": 7.0, "shear": -3.0, "scale": 0.93, "right": 5, "nearest": nearest}
    assert np.array_equal(affine(picture, (31, 44), **way), affine(picture, **way)[:31, :44])
