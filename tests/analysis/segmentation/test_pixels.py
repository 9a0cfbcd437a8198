"""Instability by pixel and the bands along borders, against plain loops and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from analysis.segmentation.pixels import boundary_band, pixel_counts, pixel_rates, pixel_table
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS
from tests.analysis.segmentation_sample import mask, table


def test_by_hand_inside_and_along_the_border() -> None:
    truth = mask([[0] * 5 + [2] * 5])
    one = mask([[0] * 5 + [2] * 5])
    two = mask([[1] + [0] * 5 + [2] * 4])  # wrong at the far left and right of the border
    counts = pixel_counts([one, two], truth, band=1)
    assert counts == {"inside": (8, 1, 1), "boundary": (2, 1, 1)}
    assert pixel_counts([one, one], truth)["inside"][1:] == (0, 0)
    # without a truth: the first mask's borders, and nothing is unstable
    assert pixel_counts([one, two], band=1) == {"inside": (8, 0, 1), "boundary": (2, 0, 1)}


def test_both_wrong_in_other_ways_disagree_and_are_not_unstable() -> None:
    truth = mask([[0, 0, NO_CLASS]])
    counts = pixel_counts([mask([[1, 0, 1]]), mask([[2, 0, 2]])], truth, band=0)
    assert counts["inside"] == (2, 0, 1)
    with pytest.raises(BadInput, match="name the same classes"):
        pixel_counts([mask([[0]]), mask([[0]], labels=("sky", "sea"))], mask([[0]]))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 14), st.integers(1, 14), st.integers(0, 4))
def test_the_band_is_the_distance_to_another_class(seed, height, width, band) -> None:
    rng = np.random.default_rng(seed)
    classes = np.kron(rng.integers(0, 3, (height, width)), np.ones((2, 2), int)).astype(np.uint8)
    classes[rng.random(classes.shape) < 0.1] = NO_CLASS
    expected = np.zeros(classes.shape, bool)
    for one in np.unique(classes[classes != NO_CLASS]):
        other = (classes != one) & (classes != NO_CLASS)
        if other.any():
            expected |= (classes == one) & (distance_transform_edt(~other) <= band)
    assert (boundary_band(classes, band=band) == expected).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_against_a_loop_over_pixels_and_its_properties(seed, conditions) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (6, 7)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = NO_CLASS
    answers = rng.integers(0, 3, (conditions, 6, 7)).astype(np.uint8)
    counts = pixel_counts([mask(one) for one in answers], mask(truth))
    counted, unstable, disagreeing = (sum(part[place] for part in counts.values()) for place in range(3))
    loop = [(int(truth[at]), [int(one[at]) for one in answers]) for at in np.ndindex(6, 7) if truth[at] != NO_CLASS]
    assert counted == len(loop)
    assert unstable == sum(wanted in got and any(one != wanted for one in got) for wanted, got in loop)
    assert disagreeing == sum(len(set(got)) > 1 for _, got in loop)
    assert unstable <= disagreeing <= counted
    more = pixel_counts([mask(one) for one in (*answers, answers[0])], mask(truth))
    assert more == counts


def test_rates_by_picture_with_intervals_by_cluster() -> None:
    truth = mask(np.zeros((10, 10)))
    off = np.zeros((10, 10), np.uint8)
    off[0] = 1
    found = table(
        {"a": truth, "b": truth, "c": truth},
        {"one": dict.fromkeys("abc", truth), "two": {"a": mask(off), "b": truth, "c": None}},
    )
    counts = pixel_table(found)
    assert counts["scene"].unique().tolist() == ["a", "b"]  # c has one answer
    assert counts[["pixels", "unstable"]].sum().tolist() == [200, 10]
    rates = pixel_rates(counts)
    assert rates["all"].rate == 0.05
    assert (rates["all"].pixels, rates["all"].clusters) == (200, 2)
    assert rates["all"].low < 0.05 < rates["all"].high
    assert rates["all"].high > 0.3  # two pictures are two pictures, whatever their pixels
    assert np.isnan(rates["boundary"].rate)
    assert pixel_rates(counts, "disagreeing")["inside"].rate == 0.05
