import numpy as np
import pytest

from analysis.measures.equivalence import equivalence
from analysis.statistics import difference_interval
from device_agents.errors import BadInput


def marks(right, total):
    return np.repeat([1.0, 0.0], [right, total - right])


def test_it_says_yes_no_and_not_yet():
    names = np.arange(2000)
    same = equivalence(marks(1400, 2000), names, marks(1402, 2000), names, margin=0.02)
    assert same.verdict == "equivalent"
    assert same.difference == pytest.approx(0.001)
    worse = equivalence(marks(1400, 2000), names, marks(1200, 2000), names, margin=0.02)
    assert worse.verdict == "different"
    assert worse.difference == pytest.approx(-0.1)
    few = equivalence(marks(7, 10), names[:10], marks(7, 10), names[:10], margin=0.02)
    assert few.verdict == "cannot say yet"
    assert few.interval.low < -0.02 < 0.02 < few.interval.high


def test_it_is_two_one_sided_tests_by_one_interval():
    names = np.arange(300)
    one, two = marks(200, 300), np.roll(marks(200, 300), 7)
    found = equivalence(one, names, two, names, margin=0.05, alpha=0.05)
    assert found.interval == difference_interval(two, names, one, names, level=0.9)
    narrow, wide = found.interval.high - 1e-9, found.interval.high + 1e-9
    assert equivalence(one, names, two, names, margin=narrow).verdict == "cannot say yet"
    assert equivalence(one, names, two, names, margin=wide).verdict == "equivalent"


def test_at_the_margin_it_says_yes_in_at_most_five_of_a_hundred():
    rng = np.random.default_rng(4)
    said = 0
    for _ in range(400):
        one = rng.random(400) < 0.7
        lost = one & (rng.random(400) < 0.05 / 0.7)  # b is right 5 points less often: exactly at the margin
        said += equivalence(one, np.arange(400), one & ~lost, np.arange(400), margin=0.05).verdict == "equivalent"
    assert said / 400 < 0.08


@pytest.mark.parametrize(("margin", "alpha"), [(0, 0.05), (1.5, 0.05), (0.1, 0.7)])
def test_bad_input(margin, alpha):
    with pytest.raises(BadInput, match="expected a margin"):
        equivalence([1.0], ["a"], [1.0], ["a"], margin=margin, alpha=alpha)
