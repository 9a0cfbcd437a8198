"""Intervals of shares: against scipy and each other, where nothing happens, and their measured coverage."""

import numpy as np
import pytest
from scipy.stats import beta, bootstrap, chi2

from analysis.attribution import RIGHT, WRONG, Totals, plan_cells, reference_totals, shapley_weights
from analysis.causes.attribution_intervals import METHODS, estimates, linearised
from device_agents.errors import BadInput

THREE = plan_cells([{f"s{j}": i for j in range(3)} for i in range(3)])
SHARES = shapley_weights(3)
RATES = (0.04, 0.02, 0.005)


def study(rng, *, clusters, size, rates=RATES, plan=THREE):
    """Verdicts in which each condition's variant spoils a picture by chance; a third of the scenes is fragile."""
    fragile = np.repeat(np.where(rng.random(clusters) < 1 / 3, 3.0, 0.0), size)
    spoiled = rng.random((len(plan.cells), len(rates), clusters * size)) < fragile * np.array(rates)[None, :, None]
    verdicts = np.full((len(plan.ways), clusters * size), RIGHT, dtype=np.int8)
    for number, way in enumerate(plan.ways):
        for j, condition in enumerate(way):
            verdicts[number, spoiled[condition, j]] = WRONG
    return verdicts, np.repeat(np.arange(clusters), size)


def totals_of(unstable, counted):
    """One reference, one player: v(none) = 0, v(player) = the rate."""
    both = [np.stack([np.zeros(len(unstable)), unstable]), np.stack([counted, counted])]
    return Totals(*(np.array(one, dtype=float)[None] for one in both))


def test_linearised_parts_have_the_share_as_their_mean_and_agree_with_leaving_clusters_out():
    verdicts, clusters = study(np.random.default_rng(1), clusters=400, size=3)
    totals = reference_totals(THREE, verdicts, clusters)
    parts = linearised(totals, SHARES)
    assert parts.mean(axis=1) == pytest.approx(SHARES @ totals.values)
    found = {name: estimates(totals, SHARES, method=name, rng=np.random.default_rng(2)) for name in METHODS}
    for j in range(3):
        widths = {name: some[j][1].high - some[j][1].low for name, some in found.items()}
        assert len({some[j][0] for some in found.values()}) == 1
        assert widths["cluster-bootstrap"] == pytest.approx(widths["cluster-jackknife"], rel=0.12)
        assert widths["cluster-jackknife"] <= widths["weighted-events"] < 1.6 * widths["cluster-jackknife"]


def test_the_bootstrap_agrees_with_scipys():
    rng = np.random.default_rng(4)
    counted = rng.integers(1, 6, 150).astype(float)
    unstable = rng.binomial(counted.astype(int), 0.2).astype(float)
    value, mine = estimates(totals_of(unstable, counted), shapley_weights(1), method="cluster-bootstrap", rng=rng)[0]
    other = bootstrap(
        (unstable, counted),
        lambda u, n, axis: u.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert value == pytest.approx(unstable.sum() / counted.sum())
    assert (mine.low, mine.high) == pytest.approx((other.low, other.high), abs=0.006)
    with pytest.raises(BadInput, match="needs rng"):
        estimates(totals_of(unstable, counted), shapley_weights(1), method="cluster-bootstrap")


def test_the_gamma_interval_is_garwoods_where_events_are_few_and_alike():
    """4 of 10,000 single items: nearly Poisson, for which Garwood's exact limits are chi-squared quantiles."""
    unstable = np.zeros(10_000)
    unstable[:4] = 1
    _, found = estimates(totals_of(unstable, np.ones(10_000)), shapley_weights(1), method="weighted-events")[0]
    exact = np.array([chi2.ppf(0.025, 8) / 2, chi2.ppf(0.975, 10) / 2]) / 10_000
    assert (found.low, found.high) == pytest.approx(tuple(exact), rel=1e-3)


def test_no_event_among_some_clusters_is_no_certainty():
    _, found = estimates(totals_of(np.zeros(20), np.ones(20)), shapley_weights(1), method="weighted-events")[0]
    exact = beta.ppf(0.975, 1, 20)  # Clopper and Pearson's upper limit: 16.8 %
    assert found.low == 0
    assert exact < found.high < 1.15 * exact


def measured_coverage(rng, *, clusters, size, studies, rates=RATES):
    """How often each method's interval holds each share's truth, (methods, shares); the truth from a large study."""
    large, names = study(rng, clusters=60_000, size=2 if size > 1 else 1, rates=rates)
    truth = SHARES @ reference_totals(THREE, large, names).values
    methods = [name for name in METHODS if name != "cluster-bootstrap"]
    held = np.zeros((len(methods), 3))
    for _ in range(studies):
        totals = reference_totals(THREE, *study(rng, clusters=clusters, size=size, rates=rates))
        for row, name in enumerate(methods):
            ends = METHODS[name](totals, SHARES, 0.95, None)
            held[row] += (ends[:, 0] <= truth + 1e-9) & (truth - 1e-9 <= ends[:, 1])
    return dict(zip(methods, held / studies, strict=True))


@pytest.mark.parametrize(("clusters", "size"), [(20, 1), (50, 1), (50, 10), (200, 1)])
def test_coverage(clusters, size):
    """Printed with -s; the figures of docs/metrics.md come from more studies of the same kind."""
    found = measured_coverage(np.random.default_rng(clusters + size), clusters=clusters, size=size, studies=400)
    print(clusters, size, {name: np.round(100 * one).tolist() for name, one in found.items()})
    assert (found["weighted-events"] >= 0.92).all()  # 400 studies of a true 95 to 99 % are seldom below
