"""Turned, zoomed and moved pictures: against whole pixels, other libraries and each other."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.perturbations.moved import off_centre, rotate, translate, zoom


def picture(size=(40, 52)):
    ys, xs = np.mgrid[: size[0], : size[1]]
    waves = [127 + 100 * np.sin(xs / 6 + c) * np.cos(ys / 5 - c) for c in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_translation_moves_whole_pixels_and_mirrors_the_rest():
    shown = picture()
    right, left = translate(shown, rng(), pixels=3), translate(shown, rng(), pixels=-3)
    assert (right[:, 3:] == shown[:, :-3]).all()
    assert (right[:, :3] == shown[:, 3:0:-1]).all()  # 3 2 1 | 0 1 2
    assert (left[:, :-3] == shown[:, 3:]).all()


def test_no_turn_and_no_zoom_change_nothing():
    shown = picture()
    assert (rotate(shown, rng(), degrees=0) == shown).all()
    assert (zoom(shown, rng(), percent=100) == shown).all()


def test_a_quarter_turn_is_anticlockwise():
    shown = picture((40, 40))
    assert np.abs(rotate(shown, rng(), degrees=90).astype(int) - np.rot90(shown)).max() <= 1


@pytest.mark.parametrize("degrees", [-30, -5, 4, 30])
def test_a_turn_agrees_with_opencv_inside(degrees):
    import cv2

    shown = picture((60, 60))
    matrix = cv2.getRotationMatrix2D((29.5, 29.5), degrees, 1)
    other = cv2.warpAffine(shown, matrix, (60, 60), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    inside = (slice(8, -8), slice(8, -8))
    assert np.abs(rotate(shown, rng(), degrees=degrees)[inside].astype(int) - other[inside]).mean() < 1


def test_a_zoom_agrees_with_a_resize_of_the_middle():
    from PIL import Image

    shown = picture((60, 60))
    box = (12, 12, 48, 48)  # 60 / 36 = 166.7 %
    other = np.asarray(Image.fromarray(shown).resize((60, 60), Image.Resampling.BICUBIC, box=box))
    assert np.abs(zoom(shown, rng(), percent=100 / 0.6).astype(int) - other)[4:-4, 4:-4].mean() < 1


def test_nothing_black_comes_in_at_the_edges():
    white = np.full((40, 52, 3), 255, np.uint8)
    for degrees in (5, 30, -30):
        assert rotate(white, rng(), degrees=degrees).min() == 255
    assert zoom(white, rng(), percent=80).min() == 255


def test_off_centre_keeps_one_direction_and_the_distance():
    shown = np.zeros((100, 140, 3), np.uint8)
    shown[50, 70] = 255
    for seed in range(5):
        places = [np.argwhere(off_centre(shown, rng(seed), percent=n)[..., 0])[0] - (50, 70) for n in (10, 20)]
        assert np.hypot(*places[0]) == pytest.approx(10, abs=0.8)
        assert np.abs(places[1] - 2 * places[0]).max() <= 1
