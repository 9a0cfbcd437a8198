from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput, WrongJob
from device_agents.tasks.classification import class_labels, classify, softmax

ABC = ("a", "b", "c", "d")


def test_softmax_by_hand() -> None:
    # exp(0), exp(ln 3), exp(ln 4) over their sum of 8.
    assert softmax(np.log(np.array([1.0, 3.0, 4.0]))).tolist() == pytest.approx([0.125, 0.375, 0.5], abs=1e-15)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_softmax_agrees_with_scipy(logits: list[float]) -> None:
    values = np.array(logits, np.float32)
    np.testing.assert_allclose(softmax(values), scipy.special.softmax(values.astype(np.float64)), rtol=1e-12)
    assert softmax(values).sum() == pytest.approx(1)


def test_top_classes_in_falling_order() -> None:
    labels, scores = classify(np.array([0.1, 0.6, 0.05, 0.25]), outputs="probabilities", labels=ABC, top_k=3)
    assert labels == ("b", "d", "a")
    assert scores == (0.6, 0.25, 0.1)
    assert all(type(score) is float for score in scores)


def test_ties_go_to_the_lower_class_index() -> None:
    labels, _ = classify(np.array([0.2, 0.4, 0.0, 0.4]), outputs="quantised", labels=ABC, top_k=4)
    assert labels == ("b", "d", "a", "c")


def test_order_is_of_the_logits_even_where_probabilities_vanish() -> None:
    labels, scores = classify(np.array([-1000, 0, -900, -950], np.float32), outputs="logits", labels=ABC, top_k=9)
    assert labels == ("b", "c", "d", "a")
    assert scores == (1.0, 0.0, 0.0, 0.0)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=30), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_top_classes_are_those_of_a_plain_sort(values: list[int], top_k: int) -> None:
    names = tuple(map(str, range(len(values))))
    labels, scores = classify(np.array(values) / 256, outputs="quantised", labels=names, top_k=top_k)
    expected = sorted(range(len(values)), key=lambda index: (-values[index], index))[:top_k]
    assert labels == tuple(map(str, expected))
    assert list(scores) == [values[index] / 256 for index in expected]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(BadInput, match="got 1 of 4"):
        classify(np.array([0.1, bad, 0.2, 0.3]), outputs="logits", labels=ABC, top_k=1)


def test_a_wrong_number_of_scores_is_refused() -> None:
    with pytest.raises(BadInput, match="expected 4 scores"):
        classify(np.zeros(3), outputs="logits", labels=ABC, top_k=1)


def test_class_labels() -> None:
    assert class_labels(3, labels=None, background=False) == ("0", "1", "2")
    assert class_labels(3, labels=None, background=True) == ("background", "0", "1")
    assert class_labels(3, labels=["x", "y", "z"], background=True) == ("x", "y", "z")
    assert class_labels(3, labels=["y", "z"], background=True) == ("background", "y", "z")
    with pytest.raises(WrongJob, match="expected 3 labels as the model has classes, got 2"):
        class_labels(3, labels=["y", "z"], background=False)
