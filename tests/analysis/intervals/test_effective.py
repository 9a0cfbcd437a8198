import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.intervals import simulate
from analysis.intervals.effective import MANY, beta_bounds, effective_beta, effective_sizes
from analysis.statistics import clopper_pearson
from benchmarks.coverage import LEVEL, Cell, measure


def one(sums, sizes, level=0.95):
    low, high = effective_beta(np.asarray(sums, float), np.asarray(sizes, float), level=level)
    return float(low), float(high)


def test_few_events_give_the_exact_interval_and_many_that_of_jeffreys():
    from scipy.stats import beta

    exact = clopper_pearson(3, 50)
    found = beta_bounds(np.array(3 / 50), np.array(50.0), np.array(0.0), level=0.95)
    assert (float(found[0]), float(found[1])) == pytest.approx(exact)
    jeffreys = beta.ppf([0.025, 0.975], 300.5, 700.5)
    found = beta_bounds(np.array(0.3), np.array(1000.0), np.array(300.0), level=0.95)
    assert (float(found[0]), float(found[1])) == pytest.approx(jeffreys, rel=1e-3)


def test_no_event_gives_the_rule_of_three_of_the_clusters():
    assert one(np.zeros(20), 10.0) == (0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert one(np.full(20, 10.0), 10.0) == (pytest.approx(0.025 ** (1 / 20)), 1)


def test_effective_size_by_hand():
    # 30 clusters of 4, 10 all events and 20 without: p = 1/3; e = min(40^2 / 160, 80^2 / 320) = 10; deviations
    # 10 (8/3)^2 + 20 (4/3)^2 = 320/3, x 30/29 / 120 / (2/9) = 4.138, over (t119 / t29)^2.
    from scipy.stats import t

    sums = np.array([4.0] * 10 + [0.0] * 20)
    size, informative = effective_sizes(sums, np.array(4.0), level=0.95)
    few = (t.ppf(0.975, 119) / t.ppf(0.975, 29)) ** 2
    measured = 320 / 3 * 30 / 29 / 120 / (2 / 9) / few
    weight = 10 * (1 + 2.5**6)
    effect = (weight * measured + 4) / (weight + 1)
    assert float(informative) == pytest.approx(10)
    assert float(size) == pytest.approx(max(120 / effect, 30))


def test_many_studies_at_once_equal_one_by_one():
    rng = np.random.default_rng(1)
    sums, sizes = rng.integers(0, 4, (20, 12)).astype(float), rng.integers(3, 9, (20, 12)).astype(float)
    low, high = effective_beta(sums, sizes, level=0.9)
    for n in range(20):
        assert one(sums[n], sizes[n], 0.9) == pytest.approx((low[n], high[n]))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), min_size=1, max_size=40))
def test_bounds_hold_the_rate_and_grow_with_the_level(clusters):
    sizes = np.array([size for _, size in clusters], float)
    sums = np.minimum(np.array([events for events, _ in clusters], float), sizes)
    low, high = one(sums, sizes)
    assert 0 <= low <= sums.sum() / sizes.sum() <= high <= 1
    wide = one(sums, sizes, 0.99)
    assert wide[0] <= low + 1e-12
    assert wide[1] >= high - 1e-12


def test_shares_that_vary_less_than_marks_are_known_better():
    rng = np.random.default_rng(2)
    shares = np.where(rng.random((200, 5)) < 0.2, 0.5, 0.0)
    sums, squares = shares.sum(axis=1), np.square(shares).sum(axis=1)
    as_marks = effective_beta(sums, np.array(5.0), level=0.95)
    as_shares = effective_beta(sums, np.array(5.0), squares, level=0.95)
    assert as_shares[1] - as_shares[0] < 0.8 * (as_marks[1] - as_marks[0])
    ones = effective_beta(sums * 2, np.array(5.0), sums * 2, level=0.95)
    marks = effective_beta(sums * 2, np.array(5.0), level=0.95)
    assert np.allclose(ones, marks)


FAIR = [
    (20, 0.05, 1, 0.0),
    (20, 0.15, 10, 0.5),
    (50, 0.01, 10, 0.1),
    (50, 0.30, 10, 0.3),
    (100, 0.05, 10, 0.3),
    (300, 0.002, 10, 0.5),
    (300, 0.15, 10, 0.1),
    (1000, 0.01, 1, 0.0),
]


@pytest.mark.parametrize(("scenes", "rate", "items", "icc"), FAIR)
def test_measured_coverage(scenes, rate, items, icc):
    rng = np.random.default_rng(scenes)

    def draw(rng, count):
        sums = simulate.beta_binomial(rng, studies=count, scenes=scenes, items=items, rate=rate, icc=icc)
        return sums, np.array(float(items)), None

    cell = measure(f"{scenes}, {rate}", draw, rate, studies=2000, each=500, rng=rng)
    print(cell)
    error = 0.01  # two standard errors of 2,000 studies
    assert cell.coverage >= 0.93 - error
    assert cell.coverage <= 0.97 + error or cell.unstable < 10


def test_measured_coverage_of_pair_shares():
    rng, k = np.random.default_rng(3), 5

    def draw(rng, count):
        right = simulate.verdict_counts(rng, studies=count, scenes=100, items=5, rate=0.15, icc=0.1, conditions=k)
        shares = 2 * right * (k - right) / (k * (k - 1))
        return shares.sum(axis=-1), np.array(5.0), np.square(shares).sum(axis=-1)

    cell = measure("pairs", draw, 0.15 * simulate.mean_pair_share(k), studies=2000, each=500, rng=rng)
    print(cell)
    assert 0.92 <= cell.coverage <= 0.98


def test_a_cell_is_fair_by_its_promise():
    assert Cell("", 0.99, 5, 0, 1).fair
    assert not Cell("", 0.99, 15, 0, 1).fair
    assert not Cell("", 0.92, 5, 0, 1).fair
    assert (LEVEL, MANY) == (0.95, 7.0)
