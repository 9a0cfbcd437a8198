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

# Nearest and box pick one of two equally near; the others are made so.
UNSYMMETRICAL = {
    "android-bitmap", "asymmetric-bilinear", "opencv-nearest", "pillow-box", "pillow-nearest",
    "tensorflow-nearest",
}  # fmt: skip


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def index_picture(height: int, width: int) -> np.ndarray:
    """Each pixel holds its own row, column and zero."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([y, x, np.zeros_like(x)], axis=2).astype(np.uint8)


def test_the_family_holds_the_eleven_of_the_literature() -> None:
    assert {name for name in RESIZERS if name.startswith(("pillow", "opencv"))} == set(PILLOW) | set(OPENCV)


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


@pytest.mark.parametrize("name", RESIZERS)
def test_levels_do_not_wrap_around(name: str) -> None:
    board = np.zeros((24, 32, 3), np.uint8)
    board[::2, 1::2] = board[1::2, ::2] = 255
    board[:, 16:] = board[:, 16:] // 255 * 5 + 250
    for height, width in ((9, 13), (50, 67), (24, 32)):
        resized = RESIZERS[name](board, height, width)
        assert resized.dtype == np.uint8
        # The right side is nearly white everywhere: a filter's overshoot that wraps would be dark.
        assert resized[:, -width // 4 :].min() > 200


@pytest.mark.parametrize("name", sorted(set(RESIZERS) - UNSYMMETRICAL))
@pytest.mark.parametrize("size", [(20, 24), (60, 71), (24, 32), (90, 100)])
def test_mirrored_pictures_are_resized_to_mirrored_pictures(name: str, size: tuple[int, int]) -> None:
    picture = noise(48, 64)
    resized = RESIZERS[name](picture, *size)
    for axis in (0, 1):
        apart = np.abs(np.flip(RESIZERS[name](np.flip(picture, axis).copy(), *size), axis).astype(int) - resized)
        assert apart.max() <= 1  # rounding at exact halves


@pytest.mark.parametrize("name", ["android-bitmap", "asymmetric-bilinear"])
def test_unsymmetrical_ones_are_so_indeed(name: str) -> None:
    picture = noise(48, 64)
    assert (RESIZERS[name](picture[:, ::-1], 20, 25)[:, ::-1] != RESIZERS[name](picture, 20, 25)).any()


@pytest.mark.parametrize("name", sorted(set(RESIZERS) - {"tensorflow-mitchell", "tensorflow-mitchell-antialias"}))
def test_same_size_changes_nothing(name: str) -> None:
    picture = noise(24, 31)
    np.testing.assert_array_equal(RESIZERS[name](picture, 24, 31), picture)


def test_absent_opencv_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match="opencv-python-headless"):
        RESIZERS["opencv-linear"](noise(4, 4), 2, 2)


def test_absent_tensorflow_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtra, match=r"instability-kit\[tensorflow\]"):
        RESIZERS["tensorflow-area"](noise(4, 4), 2, 2)


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


def test_torchvision_232_crop() -> None:
    picture = noise(300, 400)
    resized = RESIZERS["pillow-bilinear"](picture, 232, 309)
    expected = resized[4:228, round((309 - 224) / 2) :][:, :224]
    np.testing.assert_array_equal(
        FITS["torchvision-232-crop"](picture, RESIZERS["pillow-bilinear"], 224, 224), expected
    )


@pytest.mark.parametrize(("name", "level"), [("letterbox-black", 0), ("letterbox-grey-114", 114)])
def test_letterbox_by_hand(name: str, level: int) -> None:
    # 200 x 100 into 60 x 60: 60 x 30 with 15 rows above and below.
    picture = np.full((100, 200, 3), 255, np.uint8)
    boxed = FITS[name](picture, RESIZERS["pillow-bilinear"], 60, 60)
    assert (boxed[15:45] == 255).all()
    assert (boxed[:15] == level).all()
    assert (boxed[45:] == level).all()
    # 31 x 30 into 30 x 32: 30 rows of 29 columns, 3 to spare: one left, two right.
    tall = FITS[name](np.full((31, 30, 3), 255, np.uint8), RESIZERS["pillow-bilinear"], 30, 32)
    assert (tall[0, :, 0] == 255).tolist() == [False] + [True] * 29 + [False] * 2


@given(st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_letterbox_keeps_the_whole_picture_and_its_ratio(height: int, width: int) -> None:
    asked: list[tuple[int, int]] = []

    def resizer(picture: np.ndarray, to_height: int, to_width: int) -> np.ndarray:
        asked.append((to_height, to_width))
        return np.full((to_height, to_width, 3), 255, np.uint8)

    boxed = FITS["letterbox-black"](np.zeros((height, width, 3), np.uint8), resizer, 90, 120)
    ((inner_height, inner_width),) = asked
    assert inner_height == 90 or inner_width == 120
    assert (boxed == 255).sum() == inner_height * inner_width * 3
    ratio = min(90 / height, 120 / width)
    assert abs(inner_height - max(1, height * ratio)) <= 0.5
    assert abs(inner_width - max(1, width * ratio)) <= 0.5
