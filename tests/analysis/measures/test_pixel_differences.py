"""Differences of pixels: against hand calculation, scipy and numpy, and what must hold for any two pictures."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import sobel

from analysis.differences import share_visible
from analysis.measures.pixel_differences import (
    MARK,
    correlation,
    draw_map,
    edge_strength,
    measure,
    scaled_difference,
    visible_pixels,
)
from device_agents.errors import BadInput

PICTURES = arrays(np.uint8, (6, 5, 3))
QUICK = settings(deadline=None, max_examples=40)


def grey(rows):
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


def test_facts_by_hand():
    base = grey([[10, 10], [10, 10]])
    variant = base.copy()
    variant[0, 0] = (11, 8, 10)  # +1, -2, 0
    variant[1, 1] = (30, 10, 10)  # +20, 0, 0
    facts = measure(base, variant)
    assert facts.max_difference == 20
    assert facts.mean_difference == pytest.approx(23 / 12)
    assert (facts.share_different, facts.share_visible) == (0.5, 0.25)
    red, green = np.array([1, 0, 0, 20.0]), np.array([-2, 0, 0, 0.0])
    assert facts.red_green == pytest.approx(np.corrcoef(red, green)[0, 1])
    assert all(math.isnan(value) for value in (facts.red_blue, facts.green_blue, facts.edges))  # blue and base are flat


def test_five_per_cent_is_more_than_twelve_levels():
    base = grey([[100, 100, 100]])
    marked = visible_pixels(base, grey([[112, 113, 87]]))  # 12.75 is 5 % of 255
    assert marked.tolist() == [[False, True, True]]
    assert visible_pixels(base, grey([[112, 113, 87]]), threshold=0.01).all()


def test_the_largest_difference_is_drawn_as_255():
    base, variant = grey([[0, 100]]), grey([[0, 100]])
    variant[0, 0] = (2, 0, 0)
    variant[0, 1] = (100, 96, 103)
    assert scaled_difference(base, variant).tolist() == [[[128, 0, 0], [0, 255, 191]]]  # 127.5 goes to the even 128
    assert not scaled_difference(base, base).any()


def test_an_edge_by_hand():
    step = grey([[0, 0, 10, 10]] * 3)
    assert edge_strength(step) == pytest.approx(np.array([[0, 40, 40, 0]] * 3))
    assert edge_strength(step.swapaxes(0, 1)) == pytest.approx(np.array([[0, 40, 40, 0]] * 3).T)


@QUICK
@given(PICTURES)
def test_edges_as_in_scipy(picture):
    luma = picture @ np.array([0.299, 0.587, 0.114])
    expected = np.hypot(sobel(luma, axis=0, mode="nearest"), sobel(luma, axis=1, mode="nearest"))
    assert edge_strength(picture) == pytest.approx(expected, abs=1e-6)


def test_noise_on_edges_is_found_there_and_noise_elsewhere_is_not():
    rng = np.random.default_rng(3)
    base = grey(np.kron(rng.integers(0, 2, (12, 12)), np.full((8, 8), 200)))
    strength = edge_strength(base)
    on_edges = np.clip(base + np.rint(strength / 80)[..., None], 0, 255).astype(np.uint8)
    anywhere = np.clip(base.astype(int) + rng.integers(0, 9, strength.shape)[..., None], 0, 255).astype(np.uint8)
    assert measure(base, on_edges).edges > 0.95
    assert abs(measure(base, anywhere).edges) < 0.1
    assert measure(base, on_edges).red_blue == pytest.approx(1)


def test_a_map_by_hand():
    drawn = draw_map(grey([[0, 200]]), np.array([[False, True]]))
    assert drawn.tolist() == [[[140, 140, 140], MARK.tolist()]]


@QUICK
@given(PICTURES, PICTURES)
def test_what_holds_for_any_two_pictures(a, b):
    facts, other = measure(a, b), measure(b, a)
    assert 0 <= facts.share_visible <= facts.share_different <= 1
    assert 0 <= facts.mean_difference <= facts.max_difference <= 255
    assert (facts.mean_difference, facts.max_difference) == (other.mean_difference, other.max_difference)
    assert (facts.max_difference == 0) == (facts.share_different == 0) == np.array_equal(a, b)
    assert facts.share_visible == share_visible(a, b)  # the report's own measure of the same thing
    drawn = scaled_difference(a, b)
    assert drawn.max() == (255 if facts.max_difference else 0)
    for value in facts[4:]:
        assert math.isnan(value) or -1 <= value <= 1


@QUICK
@given(arrays(np.int16, 12, elements=st.integers(-255, 255)), arrays(np.int16, 12, elements=st.integers(-255, 255)))
def test_correlation_as_in_numpy(a, b):
    found = correlation(a, b)
    if np.ptp(a) and np.ptp(b):
        assert found == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-9)
    else:
        assert math.isnan(found)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (grey([[1]]), grey([[1, 2]]), "equally large"),
        (grey([[1]]), np.zeros((1, 1), np.uint8), "uint8 \\(1, 1\\)"),
        (np.zeros((1, 1, 3)), grey([[1]]), "float64"),
        (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8), "got uint8 \\(0, 4, 3\\)"),
    ],
)
def test_what_is_no_pair_of_pictures(a, b, words):
    with pytest.raises(BadInput, match=words):
        measure(a, b)
