"""Masks brought onto the truth's pixels and classes, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.segmentation.masks import OTHER, UNSEEN, answered, class_codes, own_name, placed_on
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS
from tests.analysis.segmentation_sample import mask


def test_several_classes_of_the_model_are_one_of_the_truth() -> None:
    truth = ("tree|vegetation|terrain", "car", "sky")
    codes = class_codes(("vegetation", "terrain", "car", "boat", "tree"), truth)
    assert codes[:6].tolist() == [0, 0, 1, OTHER, 0, OTHER]
    assert codes[NO_CLASS] == OTHER
    assert own_name(truth[0]) == "tree"


def test_classes_that_do_not_map_are_one_message() -> None:
    with pytest.raises(BadInput, match=r"none of the model's classes \(cat, dog\) is one of the truth's \(tree, car\)"):
        class_codes(("cat", "dog"), ("tree|vegetation", "car"))
    with pytest.raises(BadInput, match="'bus' is accepted for both 'car' and 'train'"):
        class_codes(("car",), ("car|bus", "train|bus"))


def test_a_mask_of_another_size_is_read_at_the_truths_centres() -> None:
    truth = mask(np.zeros((2, 6)))
    small = mask([[1, 2]])
    assert placed_on(small, truth).tolist() == [[1, 1, 1, 2, 2, 2]] * 2
    large = mask(np.arange(36).reshape(4, 9) % 3)
    assert placed_on(large, truth).tolist() == [[0, 2, 0, 2, 0, 2]] * 2  # columns 0 2 3 5 6 8 of rows 1 and 3


def test_what_the_model_did_not_see_is_no_mistake() -> None:
    truth = mask([[0, 1, 2, 2]])
    cropped = mask([[1, NO_CLASS]], extent=(0.25, 0.0, 0.75, 1.0))
    assert placed_on(cropped, truth).tolist() == [[NO_CLASS, 1, NO_CLASS, NO_CLASS]]
    assert answered(cropped, truth).tolist() == [[UNSEEN, 1, OTHER, UNSEEN]]
    boxed = mask([[0], [1], [2], [0]], extent=(0.0, -0.5, 1.0, 1.5))  # padding above and below
    assert answered(boxed, mask(np.zeros((2, 1)))).tolist() == [[1], [2]]
    with pytest.raises(BadInput, match="covers nothing of the truth"):
        answered(mask([[0]], extent=(2.0, 0.0, 3.0, 1.0)), truth)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(0, 9))
def test_a_truth_answers_itself_at_any_multiple_of_its_size(height, width, times, seed) -> None:
    classes = np.random.default_rng(seed).integers(0, 3, (height, width))
    truth = mask(classes)
    enlarged = mask(np.kron(classes, np.ones((times, times), int)))
    assert (answered(enlarged, truth) == truth.classes).all()
    assert (answered(truth, enlarged) == enlarged.classes).all()
