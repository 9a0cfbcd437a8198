import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics import (
    METHODS,
    Totals,
    clopper_pearson,
    cluster_totals,
    difference_interval,
    effective_size,
    rate_interval,
)
from device_agents.errors import BadInput


@pytest.mark.parametrize(("events", "trials"), [(0, 20), (1, 20), (7, 50), (20, 20), (16, 2500), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_exact_interval_equals_statsmodels(events, trials, level):
    expected = proportion_confint(events, trials, alpha=1 - level, method="beta")
    marks = np.arange(trials) < events
    assert clopper_pearson(events, trials, level=level) == pytest.approx(expected, abs=1e-12)
    exact = rate_interval(marks, level=level, method="clopper-pearson")
    assert (exact.low, exact.high) == pytest.approx(expected, abs=1e-12)
    alone = rate_interval(marks, np.arange(trials), level=level, method="korn-graubard")
    assert (alone.low, alone.high) == pytest.approx(expected, abs=1e-9)
    assert alone.clusters == trials


def test_no_event_in_twenty_scenes_by_the_rule_of_three():
    interval = rate_interval(np.zeros(200), np.repeat(np.arange(20), 10))
    assert (interval.low, interval.clusters, interval.method) == (0, 20, "effective-beta")
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert interval.half_width == pytest.approx(interval.high / 2)


def test_design_effect_by_hand():
    # Four clusters of five: one all events, three none. p = 1/4, variance = 4/3 (3.75^2 + 3 x 1.25^2) / 400 = 0.0625,
    # simple variance = 0.25 x 0.75 / 20 = 0.009375, design effect 6.67; one informative cluster: (6.67 + 5) / 2 = 5.83,
    # over 5, so that the floor of one item a cluster holds: n* = 20 / 5.
    totals = cluster_totals([1] * 5 + [0] * 15, np.repeat(list("abcd"), 5))
    assert effective_size(totals) == pytest.approx(4)


def test_effective_size_lies_between_clusters_and_items():
    rng = np.random.default_rng(5)
    for correlation in (0.0, 1.0):
        shared = rng.random(100) < 0.3
        own = rng.random((100, 10)) < 0.3
        marks = np.where(rng.random((100, 10)) < correlation, shared[:, None], own)
        size = effective_size(cluster_totals(marks.ravel(), np.repeat(np.arange(100), 10)))
        assert size == pytest.approx(100 if correlation else 1000, rel=0.25)


def test_clusters_widen_the_interval():
    marks = np.repeat(np.arange(40) < 8, 10)
    alone = rate_interval(marks, np.arange(400))
    together = rate_interval(marks, np.repeat(np.arange(40), 10))
    assert together.half_width > 2 * alone.half_width
    assert together.low < alone.low < 0.2 < alone.high < together.high


def test_bootstrap_equals_drawing_clusters_one_by_one():
    rng = np.random.default_rng(3)
    marks, names = rng.random(1200) < 0.2, np.repeat(np.arange(300), 4)
    found = rate_interval(marks, names, method="cluster-bootstrap", rng=np.random.default_rng(1))
    sums = marks.reshape(300, 4).sum(axis=1)
    drawn = sums[rng.integers(0, 300, (10_000, 300))].sum(axis=1) / 1200
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.002)
    again = rate_interval(marks, names, method="cluster-bootstrap", rng=np.random.default_rng(1))
    assert again == found


def test_nothing_measured_has_no_interval():
    interval = rate_interval([])
    assert np.isnan(interval.low)
    assert interval.clusters == 0


def test_one_cluster_says_next_to_nothing():
    interval = rate_interval([0, 1, 0, 0], ["a"] * 4)
    assert interval.high - interval.low > 0.9


def test_difference_by_hand():
    # Two clusters, differences 0.5 and 0.1; with +-1/2 the four values have mean 0.15 and sample deviation 0.4435.
    a, b = [1.0, 0.4], [0.5, 0.3]
    found = difference_interval(a, ["x", "y"], b, ["x", "y"])
    reach = 3.182446 * np.std([0.5, 0.1, 0.5, -0.5], ddof=1) / 2
    assert (found.low, found.high) == pytest.approx((0.15 - reach, 0.15 + reach), abs=1e-6)


def test_difference_does_not_mind_the_order_of_rows():
    rng = np.random.default_rng(0)
    a, b, names = rng.random(60), rng.random(60), np.repeat(np.arange(12), 5)
    turn = rng.permutation(60)
    first, second = difference_interval(a, names, b, names), difference_interval(a[turn], names[turn], b, names)
    assert (first.low, first.high) == pytest.approx((second.low, second.high))
    turned = difference_interval(b, names, a, names)
    assert (turned.low, turned.high) == pytest.approx((-first.high, -first.low))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), min_size=1, max_size=30),
    st.sampled_from(["korn-graubard", "clopper-pearson"]),
)
def test_bounds_hold_the_rate(clusters, method):
    sizes = np.array([size for _, size in clusters], float)
    sums = np.minimum(np.array([events for events, _ in clusters], float), sizes)
    low, high = METHODS[method](Totals(sums, sizes), 0.95, None)
    assert 0 <= low <= sums.sum() / sizes.sum() <= high <= 1
    wider = METHODS[method](Totals(sums, sizes), 0.99, None)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="between 0 and 1"):
        rate_interval([0, 2])
    with pytest.raises(BadInput, match="between 0 and 1"):
        rate_interval([0, float("nan")])
    with pytest.raises(BadInput, match="cluster for each of 2"):
        rate_interval([0, 1], ["a"])
    with pytest.raises(BadInput, match="unknown interval method 'wald'"):
        rate_interval([0, 1], method="wald")
    with pytest.raises(BadInput, match="level"):
        rate_interval([0, 1], level=95)
    with pytest.raises(BadInput, match="rng"):
        rate_interval([0, 1], method="cluster-bootstrap")
    with pytest.raises(BadInput, match="at least one item"):
        difference_interval([], [], [1.0], ["a"])


def cover(scenes, rate, size, correlation, *, studies, rng, method="korn-graubard"):
    """The share of simulated studies whose 95 % interval holds the true rate; scenes are beta-binomial clusters."""
    held, widths = 0, 0.0
    for _ in range(studies):
        share = rate
        if correlation:
            share = rng.beta(rate * (1 / correlation - 1), (1 - rate) * (1 / correlation - 1), scenes)
        sums = rng.binomial(size, share, scenes).astype(float)
        low, high = METHODS[method](Totals(sums, np.full(scenes, float(size))), 0.95, rng)
        held += low <= rate <= high
        widths += high - low
    return held / studies, widths / studies


@pytest.mark.parametrize(("scenes", "rate"), [(20, 0.02), (20, 0.05), (20, 0.15), (50, 0.02), (200, 0.05)])
def test_measured_coverage(scenes, rate):
    rng = np.random.default_rng(scenes)
    for size, correlation in ((1, 0), (10, 0.1), (10, 0.4), (10, 0.8)):
        held, width = cover(scenes, rate, size, correlation, studies=400, rng=rng)
        print(f"{scenes} scenes, {rate:.0%}, {size} items a scene, ICC {correlation}: {held:.1%}, width {width:.3f}")
        assert held >= 0.93


def pair_shares(right):
    """Of (scenes, moments, conditions) marks, the chance for each moment that two random conditions differ."""
    count, several = right.sum(axis=2), right.shape[2]
    return 1 - (count * (count - 1) + (several - count) * (several - count - 1)) / (several * (several - 1))


def lab(scenes, spread, device, shot, rng):
    """A study of 5 devices x 5 angles x 2 repeats: shares of devices and of repeats that contradict each other."""
    margin = rng.normal(0, spread, (scenes, 1, 1, 1)) + rng.normal(0, device, (scenes, 1, 1, 5))
    right = margin + rng.normal(0, 0.2, (scenes, 5, 1, 1)) + rng.normal(0, shot, (scenes, 5, 2, 5)) > 0
    cross = pair_shares(right.reshape(scenes, 10, 5))
    within = pair_shares(right.transpose(0, 1, 3, 2).reshape(scenes, 25, 2))
    return cross, within


@pytest.mark.parametrize("scenes", [20, 50, 200])
def test_measured_coverage_of_a_difference(scenes):
    rng = np.random.default_rng(scenes)
    for spread, device, shot in ((3, 0.3, 0.1), (3, 1.0, 0.3), (10, 0.3, 0.1), (3, 0.0, 0.3)):
        cross, within = lab(20_000, spread, device, shot, rng)
        truth, held, width = cross.mean() - within.mean(), 0, 0.0
        for _ in range(200):
            cross, within = lab(scenes, spread, device, shot, rng)
            names = np.arange(scenes)
            found = difference_interval(cross.ravel(), names.repeat(10), within.ravel(), names.repeat(25))
            held += found.low <= truth <= found.high
            width += (found.high - found.low) / 200
        print(f"{scenes} scenes, excess {100 * truth:.1f} points: {held / 200:.1%}, width {width:.3f}")
        assert held / 200 >= 0.9
