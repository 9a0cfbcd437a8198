from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import KitError
from stability_train.agreement_check import check_agreement

SCORES = np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]])


def test_the_largest_difference_of_each_format_is_given():
    other = SCORES + np.array([[0.0, 0.0, -0.25], [0.125, 0.0, 0.0]])
    assert check_agreement({"keras": SCORES, "onnx": SCORES, "tflite": other}, reference="keras", limit=0.25) == {
        "onnx": 0.0,
        "tflite": 0.25,
    }


def test_a_difference_past_the_limit_is_refused():
    with pytest.raises(KitError, match=r"\.onnx file disagrees with the \.keras file.*0 other classes and 0\.25"):
        check_agreement({"keras": SCORES, "onnx": SCORES + np.array([0.0, 0.25, 0.0])}, reference="keras", limit=0.2)


def test_another_first_class_is_refused_however_near():
    close = np.array([[1.0, 1.0 + 1e-6]])
    with pytest.raises(KitError, match="got 1 other classes"):
        check_agreement({"keras": close, "onnx": close[:, ::-1]}, reference="keras", limit=1e-3)


@pytest.mark.parametrize("got", [np.full((2, 3), np.nan), np.where(SCORES > 4, np.inf, SCORES), SCORES[:1]])
def test_scores_that_are_no_numbers_or_too_few_are_refused(got):
    with pytest.raises(KitError, match=r"expected finite scores of shape \(2, 3\)"):
        check_agreement({"keras": SCORES, "onnx": got}, reference="keras", limit=1e9)
