import numpy as np
import pytest

from analysis.measures.gates import drop_gate, rate_gate
from analysis.statistics import clopper_pearson, rate_interval
from device_agents.errors import BadInput


def gate(events, items, limit):
    return rate_gate("instability", np.repeat([1.0, 0.0], [events, items - events]), np.arange(items), limit=limit)


def test_the_upper_bound_decides():
    assert gate(0, 200, 0.05).verdict == "pass"
    assert gate(40, 200, 0.05).verdict == "fail"
    assert gate(4, 100, 0.05).verdict == "cannot say yet"
    found = gate(4, 100, 0.05).interval
    expected = rate_interval(np.repeat([1.0, 0.0], [4, 96]), np.arange(100))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_how_many_more_scenes_by_hand():
    # Without an event the upper end is 1 - 0.025^(1/n); at or below 5 % from n = 72 on.
    more = gate(0, 20, 0.05).more_clusters
    assert clopper_pearson(0, 72)[1] <= 0.05 < clopper_pearson(0, 71)[1]
    assert 72 - 20 <= more <= 1.05 * 72 - 20 + 1
    assert gate(0, 72, 0.05).more_clusters == 0


def test_more_scenes_do_settle_it():
    more = gate(3, 100, 0.05).more_clusters
    items = 100 + more
    assert gate(round(0.03 * items), items, 0.05).verdict == "pass"


def test_a_rate_at_the_limit_is_never_settled():
    assert gate(5, 100, 0.05).more_clusters is None


def test_a_drop_is_paired():
    names = np.arange(1000)
    base, other = np.repeat([1.0, 0.0], [800, 200]), np.repeat([1.0, 0.0], [795, 205])
    found = drop_gate("drop", base, names, other, names, limit=0.02)
    assert found.verdict == "pass"
    assert found.value == pytest.approx(0.005)
    assert drop_gate("drop", base, names, np.repeat([1.0, 0.0], [600, 400]), names, limit=0.02).verdict == "fail"
    few = drop_gate("drop", base[::50], names[::50], other[::50], names[::50], limit=0.02)
    assert few.verdict == "cannot say yet"
    assert few.more_clusters > 0


def test_bad_input():
    with pytest.raises(BadInput, match="between 0 and 1 such as 0.05, got 5"):
        gate(1, 10, 5)
    with pytest.raises(BadInput, match="got none"):
        gate(0, 0, 0.05)
