"""Cutting and pasting by hand examples; what is not covered stays to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from capture.pasting import Cut, Place, cut_box, grey_patch, paste, place_box, read_cut, resize_cut, slide_places
from device_agents.errors import BadInput


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_box_is_cut_and_pasted_back_where_it_was() -> None:
    picture = noise(20, 40)
    cut = cut_box(picture, (0.25, 0.5, 0.75, 1.0))
    assert cut.size == (10, 20)
    assert np.array_equal(cut.rgb, picture[10:20, 10:30])
    assert np.array_equal(paste(picture, cut, left=10, top=10), picture)
    with pytest.raises(BadInput, match="a pixel or more"):
        cut_box(picture, (0.5, 0.5, 0.5, 1.0))


def test_alpha_blends_and_what_it_does_not_cover_stays() -> None:
    picture = np.full((2, 3, 3), 100, dtype=np.uint8)
    cut = Cut(np.full((1, 3, 3), 200, dtype=np.uint8), np.array([[0.0, 0.25, 1.0]], dtype=np.float32))
    assert paste(picture, cut, left=0, top=1)[..., 0].tolist() == [[100, 100, 100], [100, 125, 200]]
    assert paste(picture, grey_patch(cut), left=0, top=1)[1, :, 0].tolist() == [100, 107, 128]


@settings(deadline=None, max_examples=30)
@given(st.integers(-12, 30), st.integers(-12, 30))
def test_only_the_covered_pixels_change(left: int, top: int) -> None:
    picture, cut = noise(20, 24), Cut(noise(8, 9, 1), np.ones((8, 9), dtype=np.float32))
    changed = paste(picture, cut, left=left, top=top)
    covered = np.zeros((20, 24), dtype=bool)
    covered[max(0, top) : max(0, top + 8), max(0, left) : max(0, left + 9)] = True
    assert np.array_equal(changed[~covered], picture[~covered])
    assert changed.shape == picture.shape


def test_an_rgba_file_is_cut_to_what_is_seen(tmp_path: Path) -> None:
    pixels = np.zeros((10, 12, 4), dtype=np.uint8)
    pixels[2:5, 3:9] = (10, 20, 30, 255)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "a.png")
    cut = read_cut(tmp_path / "a.png")
    assert cut.size == (3, 6)
    assert (cut.rgb == (10, 20, 30)).all()
    assert (cut.alpha == 1).all()
    Image.fromarray(pixels[..., :3]).save(tmp_path / "b.png")
    with pytest.raises(BadInput, match=r"expected transparency around the object \(RGBA\), got RGB"):
        read_cut(tmp_path / "b.png")
    Image.fromarray(np.zeros_like(pixels), "RGBA").save(tmp_path / "c.png")
    with pytest.raises(BadInput, match="wholly transparent"):
        read_cut(tmp_path / "c.png")


def test_resizing_keeps_the_ratio() -> None:
    cut = Cut(noise(10, 20), np.ones((10, 20), dtype=np.float32))
    assert resize_cut(cut, height=5).size == (5, 10)
    assert resize_cut(cut, height=10) is cut
    with pytest.raises(BadInput, match="1 pixel or more"):
        resize_cut(cut, height=0)


def test_places_lie_on_lines_within_the_picture() -> None:
    places = slide_places((30, 40), (10, 20), step_px=8, lines=3)
    assert [place.top for place in places[::3]] == [0, 10, 20]
    assert [place.left for place in places[:3]] == [0, 8, 16]
    assert slide_places((30, 40), (10, 20), step_px=100, lines=1) == [Place(0, 0, 10)]
    with pytest.raises(BadInput, match="expected an object that fits"):
        slide_places((30, 40), (31, 20), step_px=8)


def test_the_box_is_that_of_the_covering_pixels() -> None:
    alpha = np.zeros((4, 10), dtype=np.float32)
    alpha[1:3, 2:8] = 1
    cut = Cut(noise(4, 10), alpha)
    assert place_box(Place(0, 10, 5), cut, noise(10, 100)) == pytest.approx((0.12, 0.6, 0.18, 0.8))
    with pytest.raises(BadInput, match="alpha that is not 0 everywhere"):
        Cut(noise(4, 10), np.zeros((4, 10), dtype=np.float32))
