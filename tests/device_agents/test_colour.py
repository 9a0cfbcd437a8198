from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.colour import COLOURS, to_yuv


def one(red: int, green: int, blue: int) -> np.ndarray:
    return np.array([[[red, green, blue]]], np.uint8)


def test_rgb_is_the_identity() -> None:
    picture = one(1, 2, 3)
    assert COLOURS["rgb"](picture) is picture


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        # By equation 5: black and white, and the primaries at the ends of the studio range (ITU-R BT.601).
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81, 90, 240)),
        ((0, 255, 0), (145, 54, 34)),
        ((0, 0, 255), (41, 240, 110)),
    ],
)
def test_forward_by_hand(rgb: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    assert to_yuv(one(*rgb))[0, 0].tolist() == list(yuv)


def test_backward_by_hand() -> None:
    # (200, 100, 50): Y = round(51.3576 + 50.4129 + 4.8953) + 16 = 123; U = round(-36.78) + 128; V = round(47.49) + 128.
    assert to_yuv(one(200, 100, 50))[0, 0].tolist() == [123, 91, 175]
    # Equation 6 with C 107, D -37, E 47: 199.60, 100.87, 49.95.
    assert COLOURS["bt601-float"](one(200, 100, 50))[0, 0].tolist() == [200, 101, 50]
    # Equation 7: (31886 + 19223 + 128) >> 8, (31886 + 3700 - 9776 + 128) >> 8, (31886 - 19092 + 128) >> 8.
    assert COLOURS["bt601-integer"](one(200, 100, 50))[0, 0].tolist() == [200, 101, 50]


def test_luma_agrees_with_opencv() -> None:
    # OpenCV's I420 uses the same studio-range BT.601 in fixed point; it may round the other way.
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)[:64].astype(int)
    assert np.abs(to_yuv(picture)[..., 0] - luma).max() <= 1


@pytest.mark.parametrize("name", ["bt601-float", "bt601-integer"])
@given(st.integers(1, 300), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_round_trip_keeps_shape_and_stays_close(name: str, height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = picture.copy()
    back = COLOURS[name](picture)
    assert back.shape == picture.shape
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(picture, before)
    # Half a step of rounding in Y, U and V, times the largest row of equation 6, plus the last rounding.
    assert np.abs(back.astype(int) - picture).max() <= 0.5 * (1.164383 + 2.017232) + 1


@pytest.mark.parametrize("name", ["bt601-float", "bt601-integer"])
def test_greys_stay_grey_and_within_one_level(name: str) -> None:
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    back = COLOURS[name](greys)
    assert (back[..., :1] == back).all()
    assert np.abs(back.astype(int) - greys).max() <= 1


def test_float_and_integer_differ_somewhere_by_one() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    difference = COLOURS["bt601-float"](picture).astype(int) - COLOURS["bt601-integer"](picture)
    assert 0 < np.abs(difference).max() <= 1
