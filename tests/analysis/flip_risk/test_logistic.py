"""The fit against scipy's minimiser, and folds that keep clusters apart."""

import numpy as np
import pytest
from scipy.optimize import minimize

from analysis.flip_risk.logistic import RIDGES, cluster_folds, cross_risks, fit, fit_chosen
from device_agents.errors import BadInput


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    features = rng.normal([3, -1, 0], [2, 0.5, 1], (600, 3))
    truth = 1 / (1 + np.exp(-(-1 + 0.8 * (features[:, 0] - 3) - features[:, 1] - 1)))
    return features, rng.random(600) < truth, np.repeat(np.arange(200), 3)


@pytest.mark.parametrize("ridge", [0.1, 30.0])
def test_newton_finds_what_a_minimiser_finds(rows, ridge):
    features, events, _ = rows
    found = fit(features, events, ridge=ridge)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)

    def loss(beta):
        z = beta[0] + scaled @ beta[1:]
        return np.logaddexp(0, z).sum() - (z * events).sum() + ridge / 2 * (beta[1:] ** 2).sum()

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-6})
    assert [found.intercept, *found.weights] == pytest.approx(best.x, abs=1e-4)
    assert found.risks(features).mean() == pytest.approx(events.mean())


def test_separable_rows_and_constant_features_do_not_break_it():
    features = np.column_stack([np.arange(20.0), np.ones(20)])
    found = fit(features, np.arange(20) >= 10, ridge=0.1)
    assert found.weights[0] > 1
    assert found.weights[1] == 0
    with pytest.raises(BadInput, match="to fit on, got 0 flips"):
        fit(features, np.zeros(20, bool), ridge=1)


def test_the_ridge_is_one_of_those(rows):
    assert fit_chosen(*rows).ridge in RIDGES
    noise = np.random.default_rng(2).normal(size=(600, 3))
    assert fit_chosen(noise, rows[1], rows[2]).ridge == max(RIDGES)


def test_folds_keep_clusters_together_and_are_the_same_again():
    names = np.repeat([f"c{n}" for n in range(30)], 4)
    folds = cluster_folds(names, 5)
    assert all(len(set(folds[names == name])) == 1 for name in set(names))
    assert np.bincount(folds).tolist() == [24] * 5
    order = np.random.default_rng(0).permutation(len(names))
    assert (cluster_folds(names[order], 5) == folds[order]).all()


def test_nobody_is_told_of_itself(rows):
    features, events, clusters = rows
    test = np.arange(600) % 3 == 0
    risks = cross_risks(features, events, clusters, fit_on=~test, test=test)
    assert np.isnan(risks).tolist() == (~test).tolist()
    flipped = events.copy()
    flipped[clusters == 0] = ~events[clusters == 0]
    again = cross_risks(features, flipped, clusters, fit_on=~test, test=test)
    assert again[0] == risks[0]  # neither its own outcome nor its cluster's others reach it
    assert (again[test] != risks[test]).any()


def test_rare_flips_among_sure_answers_settle_where_scipys_minimiser_does():
    """Whole steps of Newton's method, cut at two, go to and fro here."""
    rng = np.random.default_rng(4)
    unsure = np.minimum(1, rng.exponential(0.12, 312))
    like = np.column_stack([1 - unsure, 1 - unsure, 2 * unsure, 6 - 8 * unsure])
    features = like + rng.normal(0, [0.02, 0.08, 0.1, 1.0], (312, 4))
    events = unsure > np.sort(unsure)[-14]
    found = fit(features, events, ridge=1.0)
    scaled = (features - found.centre) / found.spread

    def loss(beta):
        line = beta[0] + scaled @ beta[1:]
        return np.sum(np.logaddexp(0, line) - events * line) + 0.5 * np.sum(beta[1:] ** 2)

    best = minimize(loss, np.zeros(5), method="BFGS")
    assert abs(loss(np.array([found.intercept, *found.weights])) - best.fun) < 1e-6
