"""Roundings of weights, against another library and by hand."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stability_train.mutants.weights import next_up, to_bfloat16, to_float16, to_int8

WEIGHTS = arrays(np.float32, st.integers(1, 20), elements=st.floats(-1e4, 1e4, width=32))


@settings(deadline=None, max_examples=50)
@given(WEIGHTS)
def test_bfloat16_is_that_of_ml_dtypes(values):
    np.testing.assert_array_equal(to_bfloat16(values), values.astype(ml_dtypes.bfloat16).astype(np.float32))


@settings(deadline=None, max_examples=50)
@given(WEIGHTS)
def test_rounding_twice_is_rounding_once_and_no_weight_moves_by_more_than_half_a_step(values):
    for to in (to_float16, to_bfloat16, to_int8):
        once = to(values)
        assert once.dtype == np.float32
        np.testing.assert_allclose(to(once), once, rtol=1e-6, atol=0)
    step = float(np.abs(values).max()) / 127
    assert np.abs(to_int8(values) - values).max() <= step / 2 * 1.001


def test_int8_by_hand():
    """The largest, 2.54, is 127 steps of 0.02: 0.031 is 1.55 steps, so 2; -1.005 is -50.25, so -50."""
    found = to_int8(np.array([2.54, 0.031, -1.005, 0.0], np.float32))
    np.testing.assert_allclose(found, [2.54, 0.04, -1.0, 0.0], rtol=1e-6)
    np.testing.assert_array_equal(to_int8(np.zeros(3, np.float32)), 0)


def test_half_precision_by_hand():
    """Eleven bits: 2049 is between 2048 and 2050 and goes to the even one; what is too large stays finite."""
    np.testing.assert_array_equal(to_float16(np.array([2049, 1e5, -1e5], np.float32)), [2048, 65504, -65504])


def test_one_unit_in_the_last_place():
    assert next_up(np.array([1.0], np.float32))[0] == np.float32(1 + 2**-23)
    assert next_up(np.array([0.0], np.float32))[0] == pytest.approx(1.4e-45, rel=0.01)
