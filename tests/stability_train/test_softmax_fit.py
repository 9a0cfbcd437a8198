"""The linear softmax against its gradient, another logistic regression, and folds that must not look ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stability_train import softmax_fit
from stability_train.softmax_fit import Axes, fit_chosen, log_loss, log_softmax


def drawn(rows: int, size: int, *, classes: int = 3, apart: float = 1.5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    features = rng.normal(0, 1, (rows, size)) * np.linspace(0.1, 3, size) + 5
    features[:, :classes] += apart * np.eye(classes)[targets]
    return features.astype(np.float32), targets


@pytest.mark.parametrize(("rows", "size"), [(60, 6), (20, 50)])
def test_the_fit_is_where_the_gradient_vanishes(rows: int, size: int) -> None:
    """X^T (p - y) + ridge s^2 W = 0: of features divided by s the weights are s W."""
    features, targets = drawn(rows, size)
    axes = Axes(features)
    found = axes.of_features(axes.fit(np.ones(rows, bool), targets, classes=3, ridge=2.0))
    moved = features - features.mean(axis=0, dtype=np.float64)
    error = np.exp(log_softmax(found.logits(features))) - np.eye(3)[targets]
    variance = float(np.mean(moved**2))
    assert np.abs(moved.T @ error + 2.0 * variance * found.weights).max() < 1e-3
    assert np.abs(error.sum(axis=0)).max() < 1e-3  # the bias is free


def test_fits_of_some_rows_are_told_in_either_axes() -> None:
    features, targets = drawn(40, 8)
    axes, chosen = Axes(features), np.arange(40) < 25
    fitted = axes.fit(chosen, targets, classes=3, ridge=1.0)
    np.testing.assert_allclose(fitted.logits(axes.rows), axes.of_features(fitted).logits(features), atol=1e-9)
    spoilt = targets.copy()
    spoilt[25:] = 0
    again = axes.fit(chosen, spoilt, classes=3, ridge=1.0)
    np.testing.assert_array_equal(fitted.weights, again.weights)


def test_two_classes_are_the_logistic_fit_of_flip_risk() -> None:
    """With two classes the softmax's difference is a logistic regression with half the ridge on its weights."""
    from analysis.flip_risk.logistic import fit

    features, targets = drawn(50, 2, classes=2)
    features = ((features - features.mean(axis=0)) / features.std(axis=0)).astype(np.float64)
    axes = Axes(features)
    found = axes.of_features(axes.fit(np.ones(50, bool), targets, classes=2, ridge=4.0))
    expected = fit(features, targets == 1, ridge=2.0)
    np.testing.assert_allclose(found.weights[:, 1] - found.weights[:, 0], expected.weights, atol=1e-4)
    assert found.bias[1] - found.bias[0] == pytest.approx(expected.intercept, abs=1e-4)


def test_features_that_never_differ_leave_the_shares() -> None:
    axes, targets = Axes(np.full((8, 3), 7.0)), np.array([0, 0, 0, 0, 0, 0, 1, 1])
    found = axes.of_features(axes.fit(np.ones(8, bool), targets, classes=2, ridge=1.0))
    np.testing.assert_allclose(np.exp(log_softmax(found.logits(np.full((1, 3), 7.0)))), [[0.75, 0.25]], atol=1e-5)


def test_the_ridge_is_chosen_on_folds_and_rows_are_told_unseen() -> None:
    said = []
    features, targets = drawn(90, 6, apart=4.0)
    folds = np.arange(90) // 3 % 5
    chosen = fit_chosen(features, targets, folds, classes=3, said=lambda *pair: said.append(pair))
    assert said == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert (chosen.logits.argmax(axis=1) == targets).mean() > 0.9
    noise, _ = drawn(90, 6, apart=0.0)
    without = fit_chosen(noise, targets, folds, classes=3, said=lambda *pair: None)
    assert without.ridge > chosen.ridge
    assert log_loss(without.logits, targets) / 90 == pytest.approx(np.log(3), abs=0.1)


def test_a_folds_own_truth_does_not_reach_its_answers() -> None:
    features, targets = drawn(60, 6)
    folds = np.arange(60) // 3 % 4
    spoilt = np.where(folds == 2, (targets + 1) % 3, targets)
    one, other = (fit_chosen(features, truth, folds, classes=3, said=lambda *pair: None) for truth in (targets, spoilt))
    np.testing.assert_array_equal(one.logits[folds == 2], other.logits[folds == 2])
    assert (one.logits[folds == 3] != other.logits[folds == 3]).any()


def test_log_loss_by_hand() -> None:
    """Even chances of two and of a half and two quarters: ln 2 and ln 4."""
    logits = np.log(np.array([[0.5, 0.5, 1e-300], [0.5, 0.25, 0.25]]))
    assert log_loss(logits, np.array([0, 2])) == pytest.approx(np.log(2) + np.log(4))


def test_a_fit_that_does_not_settle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from device_agents.errors import KitError

    monkeypatch.setattr(softmax_fit, "MOST_STEPS", 1)
    features, targets = drawn(60, 6)
    with pytest.raises(KitError, match=r"the fit of 60 rows did not settle \(ridge 1\)"):
        Axes(features).fit(np.ones(60, bool), targets, classes=3, ridge=1.0)
