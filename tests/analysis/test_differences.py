import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.differences import difference_picture, gain_for, share_visible, to_one_size
from device_agents.errors import BadInput


def flat(value, height=4, width=6):
    return np.full((height, width, 3), value, np.uint8)


def test_by_hand():
    a, b = flat(100), flat(100)
    b[0, 0] = [90, 100, 130]
    found = difference_picture(a, b, gain=4)
    assert found.dtype == np.uint8
    assert found[0, 0].tolist() == [40, 0, 120]
    assert found[1:].max() == 0
    assert difference_picture(a, b, gain=16)[0, 0].tolist() == [160, 0, 255]
    assert share_visible(a, b) == 1 / 24  # 30 of 255 is more than 5 %
    assert share_visible(a, b, threshold=0.2) == 0


def test_gain_leaves_the_difference_unclipped():
    assert gain_for(flat(100), flat(107)) == 32
    assert gain_for(flat(100), flat(130)) == 8
    assert gain_for(flat(0), flat(255)) == 1
    assert gain_for(flat(9), flat(9)) == 32


def test_pictures_of_different_size_are_compared_at_the_smaller_one():
    a, b = to_one_size(flat(50, 8, 12), flat(60, 10, 6))
    assert a.shape == b.shape == (8, 6, 3)
    assert difference_picture(flat(50, 8, 12), flat(60, 10, 6), gain=1).tolist() == flat(10, 8, 6).tolist()


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="float64"):
        share_visible(np.zeros((2, 2, 3)), flat(0))
    with pytest.raises(BadInput, match=r"\(4, 6\)"):
        difference_picture(flat(0)[:, :, 0], flat(0), gain=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_symmetric_and_black_for_equals(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(difference_picture(a, b, gain=2), difference_picture(b, a, gain=2))
    assert difference_picture(a, a, gain=32).max() == 0
