"""Where the viewed picture lies in the input, against what the fits really draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput
from device_agents.fit import FITS
from device_agents.placed import PLACEMENTS, Placed, placed

SIZES = st.integers(3, 60)
PADDING = {"letterbox-grey-114": 114}


def overlaps(edges: np.ndarray, low: float, high: float) -> np.ndarray:
    """How much of each unit from edges[i] to edges[i + 1] lies between low and high."""
    return np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)


def exact_area(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize by exact areas, to whole levels; pixels are squares and nothing is approximated."""
    down, across = (
        np.stack(
            [overlaps(np.arange(size + 1.0), i * size / new, (i + 1) * size / new) * new / size for i in range(new)]
        )
        for size, new in ((picture.shape[0], height), (picture.shape[1], width))
    )
    return np.rint(np.einsum("ih,hwc,jw->ijc", down, picture.astype(float), across, optimize=True)).astype(np.uint8)


@pytest.mark.parametrize("name", FITS)
@given(data=st.data(), size=st.tuples(SIZES, SIZES), shape=st.tuples(SIZES, SIZES))
@settings(max_examples=25, deadline=None)
def test_a_mark_is_found_where_the_placement_says(
    name: str, data: st.DataObject, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    height, width = shape
    rows, columns = (sorted(data.draw(st.tuples(*[st.integers(0, side)] * 2))) for side in size)
    picture = np.zeros((*size, 3), np.uint8)
    picture[rows[0] : rows[1], columns[0] : columns[1]] = 255
    drawn = FITS[name](picture, exact_area, height, width)[..., 0]
    where = placed(picture.shape, height, width, placement=PLACEMENTS[name])
    mark = (columns[0] / size[1], rows[0] / size[0], columns[1] / size[1], rows[1] / size[0])
    left, top, right, bottom = where.to_input(mark)
    across, down = np.arange(width + 1.0), np.arange(height + 1.0)
    expected = 255 * np.outer(overlaps(down, top, bottom), overlaps(across, left, right))
    left, top, right, bottom = where.to_input((0, 0, 1, 1))
    inside = np.outer(overlaps(down, top, bottom), overlaps(across, left, right))
    expected += (1 - inside) * PADDING.get(name, 0)
    assert abs(drawn - expected).max() <= 0.5 + 1e-6  # a level is whole


@pytest.mark.parametrize("name", PLACEMENTS)
@given(size=st.tuples(SIZES, SIZES), shape=st.tuples(SIZES, SIZES), box=st.tuples(*[st.floats(-1, 2)] * 4))
@settings(max_examples=25, deadline=None)
def test_a_box_goes_there_and_back(
    name: str, size: tuple[int, int], shape: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    where = placed(size, *shape, placement=PLACEMENTS[name])
    np.testing.assert_allclose(where.to_picture(where.to_input(box)), box, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "size", "shape", "expected"),
    [
        # 480 x 640 into 416 x 416: 312 rows, (416 - 312) / 2 above
        ("letterbox-black", (480, 640), (416, 416), Placed(480, 640, 0.65, 0.65, 0.0, 52.0)),
        # 101 x 300 into 100 x 100: 33.67 rows become 34, of the 66 left 33 above; the scales differ by the rounding
        ("letterbox-black", (101, 300), (100, 100), Placed(101, 300, 100 / 300, 34 / 101, 0.0, 33.0)),
        # an odd row goes below: 99 - 34 = 65, 32 above
        ("letterbox-black", (103, 300), (99, 99), Placed(103, 300, 99 / 300, 34 / 103, 0.0, 32.0)),
        ("squash", (480, 640), (300, 300), Placed(480, 640, 300 / 640, 300 / 480, 0.0, 0.0)),
        # 500 x 375 (width 500): short side to 256, 341.33 to 341; (341 - 224) / 2 = 58.5
        ("short-side-256-crop", (375, 500), (224, 224), Placed(375, 500, 341 / 500, 256 / 375, -58.0, -16.0)),
        ("torchvision-256-crop", (375, 504), (224, 224), Placed(375, 504, 344 / 504, 256 / 375, -60.0, -16.0)),
        ("short-side-crop", (20, 30), (10, 10), Placed(20, 30, 0.5, 0.5, -2.0, 0.0)),
        ("squash-256-crop", (100, 100), (224, 224), Placed(100, 100, 2.56, 2.56, -16.0, -16.0)),
    ],
)
def test_places_by_hand(name: str, size: tuple[int, int], shape: tuple[int, int], expected: Placed) -> None:
    assert placed(size, *shape, placement=PLACEMENTS[name]) == expected


def test_every_fit_has_its_placement() -> None:
    assert set(PLACEMENTS) == set(FITS)


def test_a_crop_from_too_little_is_refused() -> None:
    with pytest.raises(BadInput, match="too narrow"):
        FITS["short-side-crop"](np.zeros((1, 60000, 3), np.uint8), exact_area, 224, 224)
