from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from device_agents.errors import BadInput, MissingExtra
from device_agents.resize import FITS, RESIZERS, covering_size

PILLOW = {
    "pillow-nearest": 0, "pillow-lanczos": 1, "pillow-bilinear": 2, "pillow-bicubic": 3, "pillow-box": 4,
    "pillow-hamming": 5,
}  # fmt: skip
OPENCV = {
    "opencv-nearest": cv2.INTER_NEAREST, "opencv-linear": cv2.INTER_LINEAR, "opencv-cubic": cv2.INTER_CUBIC,
    "opencv-area": cv2.INTER_AREA, "opencv-lanczos4": cv2.INTER_LANCZOS4,
}  # fmt: skip


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def index_picture(height: int, width: int) -> np.ndarray:
    """Each pixel holds its own row, column and zero."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([y, x, np.zeros_like(x)], axis=2).astype(np.uint8)


def test_the_family_is_the_eleven_of_the_literature() -> None:
    assert set(RESIZERS) == set(PILLOW) | set(OPENCV)


@pytest.mark.parametrize("name", PILLOW)
def test_pillow_resizers_are_pillows(name: str) -> None:
    picture = noise(48, 64)
    expected = np.asarray(Image.fromarray(picture).resize((20, 30), PILLOW[name]))
    np.testing.assert_array_equal(RESIZERS[name](picture, 30, 20), expected)


@pytest.mark.parametrize("name", OPENCV)
def test_opencv_resizers_are_opencvs(name: str) -> None:
    picture = noise(48, 64)
    expected = cv2.resize(picture, (20, 30), interpolation=OPENCV[name])
    np.testing.assert_array_equal(RESIZERS[name](picture, 30, 20), expected)


@pytest.mark.parametrize("name", RESIZERS)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30), st.integers(0, 255))
@settings(max_examples=8, deadline=None)
def test_flat_pictures_stay_flat(name: str, height: int, width: int, to_height: int, to_width: int, level: int) -> None:
    resized = RESIZERS[name](np.full((height, width, 3), level, np.uint8), to_height, to_width)
    assert resized.shape == (to_height, to_width, 3)
    assert resized.dtype == np.uint8
    assert (resized == level).all()


def test_absent_opencv_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match="opencv-python-headless"):
        RESIZERS["opencv-linear"](noise(4, 4), 2, 2)


@pytest.mark.parametrize(
    ("size", "nearest", "torchvision"),
    [
        ((500, 375), (341, 256), (341, 256)),  # 341.33
        ((375, 500), (256, 341), (256, 341)),
        ((333, 500), (256, 384), (256, 384)),  # 384.38
        ((332, 500), (256, 386), (256, 385)),  # 385.54: the two rules part
        ((256, 256), (256, 256), (256, 256)),
        ((75, 56), (343, 256), (342, 256)),  # 342.86
    ],
)
def test_covering_size_by_hand(size: tuple[int, int], nearest: tuple[int, int], torchvision: tuple[int, int]) -> None:
    assert covering_size(size, 224, 224, margin=256 / 224, whole=round) == nearest
    assert covering_size(size, 224, 224, margin=256 / 224, whole=int) == torchvision


def test_offsets_by_hand() -> None:
    # 256 x 259: 35 columns too many, an offset of 17.5: floor takes 17, round (half to even) 18.
    picture = index_picture(256, 259).astype(np.uint8)

    def no_resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
        raise AssertionError("the picture has its size already")

    assert FITS["short-side-256-crop"](picture, no_resize, 224, 224)[0, 0].tolist() == [16, 17, 0]
    assert FITS["torchvision-256-crop"](picture, no_resize, 224, 224)[0, 0].tolist() == [16, 18, 0]


def test_squash_and_squash_crop() -> None:
    picture = noise(50, 90)
    resizer = RESIZERS["pillow-bilinear"]
    np.testing.assert_array_equal(FITS["squash"](picture, resizer, 24, 32), resizer(picture, 24, 32))
    np.testing.assert_array_equal(
        FITS["squash-256-crop"](picture, resizer, 224, 224), resizer(picture, 256, 256)[16:240, 16:240]
    )


def test_short_side_crop_leaves_no_margin() -> None:
    picture = noise(50, 90)
    expected = RESIZERS["pillow-bilinear"](picture, 25, 45)[:, 10:35]
    np.testing.assert_array_equal(FITS["short-side-crop"](picture, RESIZERS["pillow-bilinear"], 25, 25), expected)


@pytest.mark.parametrize("name", FITS)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=15, deadline=None)
def test_every_fit_gives_the_size_asked_for(name: str, height: int, width: int, to_height: int, to_width: int) -> None:
    fitted = FITS[name](noise(height, width), RESIZERS["pillow-nearest"], to_height, to_width)
    assert fitted.shape == (to_height, to_width, 3)


@pytest.mark.parametrize("name", ["short-side-256-crop", "torchvision-256-crop"])
def test_a_thread_of_a_picture_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="too narrow"):
        FITS[name](np.zeros((1, 4000, 3), np.uint8), RESIZERS["pillow-nearest"], 224, 224)
