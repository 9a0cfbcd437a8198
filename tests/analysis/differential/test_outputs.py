import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.differential.outputs import (
    as_laid_out,
    distances,
    fingerprint_outputs,
    identical_groups,
    is_finite,
    output_difference,
)
from device_agents.errors import BadInput
from device_agents.preprocess import fingerprint

VALUES = hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e6, 1e6))


def test_the_numbers_are_those_worked_out_by_hand():
    found = output_difference([np.array([3.0, 4.0])], [np.array([3.0, 1.0])])
    assert (found.comparable, found.same_bits, found.max_abs, found.mean_abs) == (True, False, 3.0, 1.5)
    assert found.relative == pytest.approx(3 / 5)  # over the larger norm, that of (3, 4)


def test_several_outputs_count_together_and_in_their_places():
    a = [np.array([1.0, 2.0]), np.array([[3.0]])]
    b = [np.array([1.0, 2.0]), np.array([[5.0]])]
    assert output_difference(a, b).max_abs == 2.0
    assert output_difference(a, b).mean_abs == pytest.approx(2 / 3)
    assert not output_difference(a, a[::-1]).comparable
    assert not output_difference(a, a[:1]).comparable
    assert not output_difference([], []).comparable


def test_same_bits_are_stricter_than_same_numbers():
    zero, minus = np.array([0.0, 1.0]), np.array([-0.0, 1.0])
    assert output_difference([zero], [minus]).max_abs == 0.0
    assert not output_difference([zero], [minus]).same_bits
    assert output_difference([zero], [zero.copy()]).same_bits
    assert not output_difference([zero], [zero.astype(np.float32)]).same_bits
    broken = np.array([np.nan, np.inf])
    assert output_difference([broken], [broken.copy()]).same_bits
    assert output_difference([broken], [broken.copy()]).max_abs == 0.0


def test_what_is_no_number_on_one_side_alone_is_infinitely_far():
    found = output_difference([np.array([1.0, np.nan])], [np.array([1.0, 2.0])])
    assert (found.max_abs, found.mean_abs, found.relative) == (np.inf, np.inf, np.inf)
    assert output_difference([np.array([1.0, np.nan])], [np.array([4.0, np.nan])]).max_abs == 3.0


def test_layouts_of_two_frameworks_are_brought_together():
    nchw = np.arange(24.0).reshape(1, 2, 3, 4)
    nhwc = nchw.transpose(0, 2, 3, 1)
    assert output_difference([nchw], [nhwc]).same_bits
    assert output_difference([nhwc], [nchw]).same_bits
    assert output_difference([np.ones((1, 10))], [np.ones((1, 10, 1, 1))]).same_bits
    assert as_laid_out(nchw, (1, 4, 3, 2)) is None
    assert not output_difference([np.ones(1000)], [np.ones(1001)]).comparable


def test_a_fingerprint_is_that_of_all_outputs_with_their_shapes():
    outputs = [np.array([1.0], np.float32), np.array([[2]], np.int64)]
    marks = "".join(fingerprint(one) for one in outputs)
    assert fingerprint_outputs(outputs) == hashlib.sha256(marks.encode()).hexdigest()
    assert fingerprint_outputs(outputs) != fingerprint_outputs([outputs[0].reshape(1, 1), outputs[1]])
    assert is_finite(outputs)
    assert not is_finite([np.array([1.0]), np.array([np.inf])])


def test_variants_with_equal_bits_everywhere_are_one_group():
    rows = [
        *[(item, "a", mark) for item, mark in enumerate("xyz")],
        *[(item, "b", mark) for item, mark in enumerate("xyw")],
        *[(item, "c", mark) for item, mark in enumerate("xyz")],
        *[(item, "d", "") for item in range(3)],
        *[(item, "e", "") for item in range(3)],
    ]
    marks = pd.DataFrame(rows, columns=["item", "variant", "output"])
    assert identical_groups(marks) == [("a", "c"), ("b",), ("d",), ("e",)]


def test_distances_want_two_flat_arrays():
    with pytest.raises(BadInput, match="two flat arrays of one size"):
        distances(np.zeros(2), np.zeros(3))


@settings(deadline=None, max_examples=40)
@given(VALUES, st.randoms())
def test_distances_are_symmetric_bounded_and_zero_only_for_equals(a, random):
    b = a.copy()
    b[random.randrange(len(b))] += random.choice([0.0, 1.0, -3.5])
    one, other = distances(a, b), distances(b, a)
    assert one == other
    assert 0 <= one[2] <= 2
    assert (one[0] == 0) == bool((a == b).all())
    assert one[1] <= one[0] * (1 + 1e-12)


@settings(deadline=None, max_examples=20)
@given(VALUES, st.floats(1e-3, 1e3))
def test_the_relative_distance_does_not_depend_on_the_unit(a, unit):
    b = a + 1
    assert distances(a * unit, b * unit)[2] == pytest.approx(distances(a, b)[2], rel=1e-6)
