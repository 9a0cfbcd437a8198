from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.interpolate import android_bitmap
from device_agents.resize import RESIZERS


def edges(height: int = 120, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 1.2, y * 1.4, (x + y) * 0.7], axis=2)
    picture += np.random.default_rng(0).normal(0, 15, picture.shape)
    picture[(x // 16 + y // 16) % 2 == 0] += 60
    return picture.clip(0, 255).astype(np.uint8)


SIZES = [(60, 80), (56, 56), (51, 133), (200, 311), (1, 1)]


def apart(one: np.ndarray, other: np.ndarray) -> tuple[int, float]:
    """Largest difference, and share of pixels with any."""
    difference = np.abs(one.astype(int) - other)
    return int(difference.max()), float((difference.max(axis=2) > 0).mean())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("own", "reference", "share"),
    [
        ("half-pixel-bilinear", "tensorflow-bilinear", 0.1),
        ("half-pixel-bilinear-antialias", "tensorflow-bilinear-antialias", 0.02),
        ("half-pixel-bicubic-antialias", "tensorflow-bicubic-antialias", 0.02),
        ("half-pixel-bicubic", "opencv-cubic", 0.02),
        # Fixed-point weights on the other side.
        ("half-pixel-bilinear", "opencv-linear", 0.6),
        ("half-pixel-bilinear-antialias", "pillow-bilinear", 0.6),
    ],
)
def test_own_resizers_agree_with_libraries(own: str, reference: str, share: float, size: tuple[int, int]) -> None:
    picture = edges()
    largest, pixels = apart(RESIZERS[own](picture, *size), RESIZERS[reference](picture, *size))
    assert largest <= 1
    assert pixels <= share or size == (1, 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("own", "options"), [("asymmetric-bilinear", {}), ("align-corners-bilinear", {"align_corners": True})]
)
def test_tensorflow_1_resizers(own: str, options: dict[str, bool], size: tuple[int, int]) -> None:
    import tensorflow as tf

    picture = edges()
    floats = tf.raw_ops.ResizeBilinear(images=picture[None], size=size, half_pixel_centers=False, **options).numpy()[0]
    largest, pixels = apart(RESIZERS[own](picture, *size), np.rint(floats).astype(np.uint8))
    assert largest <= 1
    assert pixels <= 0.02


@pytest.mark.parametrize(
    ("one", "other", "most"),
    [
        ("opencv-area", "tensorflow-area", 1),
        ("pillow-bicubic", "half-pixel-bicubic-antialias", 16),  # Pillow clips between its two passes
        ("pillow-lanczos", "tensorflow-lanczos3-antialias", 40),
    ],
)
def test_nearly_equal_pairs(one: str, other: str, most: int) -> None:
    picture = edges()
    assert apart(RESIZERS[one](picture, 51, 70), RESIZERS[other](picture, 51, 70))[0] <= most


def test_distinct_methods_are_distinct() -> None:
    picture = edges()
    families = [
        "half-pixel-bilinear", "half-pixel-bilinear-antialias", "half-pixel-bicubic", "half-pixel-bicubic-antialias",
        "asymmetric-bilinear", "align-corners-bilinear", "android-bitmap", "tensorflow-bicubic", "tensorflow-area",
        "tensorflow-lanczos3", "tensorflow-lanczos3-antialias", "tensorflow-lanczos5", "tensorflow-mitchell",
        "tensorflow-mitchell-antialias", "tensorflow-nearest",
    ]  # fmt: skip
    resized = {name: RESIZERS[name](picture, 51, 70) for name in families}
    for place, name in enumerate(families):
        for other in families[:place]:
            assert apart(resized[name], resized[other])[1] > 0.3, (name, other)


def test_rows_by_hand() -> None:
    row = np.array([0, 80, 160, 240], np.uint8)[None, :, None].repeat(3, axis=2)
    by_hand = {
        "half-pixel-bilinear": [40, 200],  # read at 0.5 and 2.5
        "asymmetric-bilinear": [0, 160],  # read at 0 and 2
        "align-corners-bilinear": [0, 240],  # read at 0 and 3
        # At 0.5 and 2.5: weights 8 of 16 each.
        "android-bitmap": [40, 200],
        # A triangle of half-width 2 at 1.0: centres 0.5, 1.5, 2.5 weigh 3, 3, 1 of 7: (80 * 3 + 160) / 7.
        "half-pixel-bilinear-antialias": [57, 183],
    }
    for name, expected in by_hand.items():
        assert RESIZERS[name](row, 1, 2)[0, :, 0].tolist() == expected, name


def android_by_loop(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The same model a pixel at a time, in Python's integers, with Skia's four products written as it writes them."""
    old_height, old_width = picture.shape[:2]
    result = np.zeros((height, width, 3), np.uint8)
    for row in range(height):
        fy = int(np.floor(((row + 0.5) * (old_height / height) - 0.5) * 65536))
        y0, y1 = (min(max(at >> 16, 0), old_height - 1) for at in (fy, fy + 65536))
        for column in range(width):
            fx = int(np.floor(((column + 0.5) * (old_width / width) - 0.5) * 65536))
            x0, x1 = (min(max(at >> 16, 0), old_width - 1) for at in (fx, fx + 65536))
            x, y = (fx >> 12) & 15, (fy >> 12) & 15
            for channel in range(3):
                a00, a01 = int(picture[y0, x0, channel]), int(picture[y0, x1, channel])
                a10, a11 = int(picture[y1, x0, channel]), int(picture[y1, x1, channel])
                total = a00 * (256 - 16 * y - 16 * x + x * y) + a01 * (16 * x - x * y)
                result[row, column, channel] = (total + a10 * (16 * y - x * y) + a11 * x * y) >> 8
    return result


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_android_model_equals_the_plain_loop(old_h: int, old_w: int, height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (old_h, old_w, 3), dtype=np.uint8)
    np.testing.assert_array_equal(android_bitmap(picture, height, width), android_by_loop(picture, height, width))


def test_android_model_is_a_coarse_bilinear() -> None:
    picture = edges()
    largest, pixels = apart(
        RESIZERS["android-bitmap"](picture, 51, 70), RESIZERS["half-pixel-bilinear"](picture, 51, 70)
    )
    # A weight is off by less than 1/16 an axis: at most 255 / 16 an axis, and one for the cut.
    assert 1 <= largest <= 33
    assert pixels > 0.5
