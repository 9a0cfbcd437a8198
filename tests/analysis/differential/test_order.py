from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.differential.order import imbalance, orders, williams
from device_agents.errors import BadInput


def test_the_square_for_four_is_the_printed_one():
    # Williams (1949), as printed in textbooks on cross-over trials: 0 1 3 2, each row one more.
    assert williams(4).tolist() == [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]]


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 12))
def test_every_variant_stands_everywhere_and_after_every_other_equally_often(count):
    design = williams(count)
    assert imbalance(design) == 0
    after = Counter((int(a), int(b)) for row in design for a, b in pairwise(row))
    assert len(after) == count * (count - 1)
    assert len(set(after.values())) <= 1


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 3))
def test_any_number_of_rounds_is_nearly_balanced_and_every_round_whole(count, rounds, seed):
    order = orders(count, rounds, rng=np.random.default_rng(seed))
    assert order.shape == (rounds, count)
    assert all(sorted(row) == list(range(count)) for row in order.tolist())
    assert imbalance(order) <= 2


def test_the_same_seed_gives_the_same_order_and_no_variants_none():
    first, again = (orders(5, 12, rng=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    with pytest.raises(BadInput, match="one variant or more"):
        williams(0)
