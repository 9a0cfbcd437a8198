"""Logistic regression with a ridge, by Newton's method; the ridge chosen, and risks given, by folds over clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from device_agents.errors import BadInput

Array = NDArray[np.float64]
RIDGES = (0.1, 1.0, 10.0, 100.0)
FOLDS, INNER_FOLDS = 5, 5
MOST_STEPS, CLOSE = 50, 1e-9
SHORTEST, ROUNDING = 2.0**-20, 1e-12  # of a step, of a loss


@dataclass(frozen=True)
class Logistic:
    """Weights (features,) of features standardised by centre and spread (features,), and an intercept."""

    centre: Array
    spread: Array
    weights: Array
    intercept: float
    ridge: float

    def risks(self, features: Array) -> Array:
        """The probability of an event of each row of features (rows, features), 0..1."""
        return _sigmoid(self.intercept + (features - self.centre) / self.spread @ self.weights)


def fit(features: Array, events: NDArray[np.bool_], *, ridge: float) -> Logistic:
    """Minimise the log loss, summed, plus ridge / 2 times the squared weights of the standardised features.

    features: float64 (rows, features); events: bool (rows,). The intercept is free, so that the mean risk is the
    events' share. A feature that never varies has the weight 0. Raises BadInput where all rows are alike.
    """
    if not events.any() or events.all():
        raise BadInput(f"expected rows that flipped and rows that did not to fit on, got {int(events.sum())} flips")
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    design = np.column_stack([np.ones(len(features)), (features - centre) / spread])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0
    share = events.mean()
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(share / (1 - share))
    for _ in range(MOST_STEPS):
        step = _newton_step(design, events, beta, penalty)
        beta = beta - _bearable(step, design, events, beta, penalty) * step
        if float(np.abs(step).max()) < CLOSE:
            return Logistic(centre, spread, beta[1:], float(beta[0]), ridge)
    raise BadInput(
        f"the fit of {len(features)} rows with {int(events.sum())} flips did not settle in {MOST_STEPS} steps, "
        f"ridge {ridge:g}; expected more pictures"
    )


def fit_chosen(features: Array, events: NDArray[np.bool_], clusters: ArrayLike) -> Logistic:
    """Fit with the ridge of RIDGES that has the least log loss by cross-validation over clusters."""
    folds = cluster_folds(clusters, INNER_FOLDS)
    losses = {ridge: _cross_loss(features, events, folds, ridge) for ridge in RIDGES}
    return fit(features, events, ridge=min(losses, key=lambda ridge: losses[ridge]))


def cluster_folds(clusters: ArrayLike, folds: int) -> NDArray[np.int64]:
    """Give each row's fold, 0 to folds - 1, all rows of a cluster in one; the same clusters, the same folds."""
    names = np.asarray(clusters, dtype=object)
    order = sorted(set(names), key=str)
    shuffled = np.random.default_rng(0).permutation(len(order))
    place = {name: int(shuffled[number]) % folds for number, name in enumerate(order)}
    return np.array([place[name] for name in names], dtype=np.int64)


def cross_risks(
    features: Array, events: NDArray[np.bool_], clusters: ArrayLike, *, fit_on: NDArray[np.bool_], test: ArrayLike
) -> Array:
    """Give the risk of each test row, by a fit on the rows of fit_on that share no cluster with it: (rows,), else NaN.

    fit_on, test: bool (rows,), who may be learnt from and who is asked about, such as other devices and the one held
    out. Ridges are chosen within each fit.
    """
    wanted = np.asarray(test, dtype=bool)
    folds = cluster_folds(clusters, FOLDS)
    names = pd.Series(np.asarray(clusters, dtype=object))
    risks = np.full(len(features), np.nan)
    for fold in range(FOLDS):
        asked = wanted & (folds == fold)
        learnt = fit_on & (folds != fold)
        if asked.any():
            found = fit_chosen(features[learnt], events[learnt], names[learnt].to_numpy())
            risks[asked] = found.risks(features[asked])
    return risks


def _newton_step(design: Array, events: NDArray[np.bool_], beta: Array, penalty: Array) -> Array:
    risk = _sigmoid(design @ beta)
    gradient = design.T @ (risk - events) + penalty * beta
    hessian = (design * (risk * (1 - risk))[:, None]).T @ design + np.diag(penalty)
    return np.asarray(np.linalg.solve(hessian + 1e-9 * np.eye(len(beta)), gradient))


def _bearable(step: Array, design: Array, events: NDArray[np.bool_], beta: Array, penalty: Array) -> float:
    """The largest of 1, 1/2, 1/4, ... of a step that does not make the loss greater: a whole one may overshoot."""
    size, loss = 1.0, _loss(design, events, beta, penalty)
    while size > SHORTEST and _loss(design, events, beta - size * step, penalty) > loss * (1 + ROUNDING):
        size /= 2
    return size


def _loss(design: Array, events: NDArray[np.bool_], beta: Array, penalty: Array) -> float:
    predictor = design @ beta
    return float((np.logaddexp(0, predictor) - events * predictor).sum() + (penalty * beta**2).sum() / 2)


def _cross_loss(features: Array, events: NDArray[np.bool_], folds: NDArray[np.int64], ridge: float) -> float:
    losses: list[Sequence[float]] = []
    for fold in np.unique(folds):
        kept = folds != fold
        if events[kept].any() and not events[kept].all():
            risks = fit(features[kept], events[kept], ridge=ridge).risks(features[~kept])
            right = np.where(events[~kept], risks, 1 - risks)
            losses.append(list(-np.log(np.maximum(right, 1e-12))))
    return float(np.concatenate(losses).mean()) if losses else float("nan")


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(values / 2)))
