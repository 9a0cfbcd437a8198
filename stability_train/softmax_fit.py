"""A linear softmax classifier of given features: fitted with a ridge, which folds over groups of rows choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from device_agents.errors import KitError

Array = npt.NDArray[Any]
Said = Callable[[int, int], None]
RIDGES = (1.0, 10.0, 100.0, 1000.0, 10000.0)  # from weak to strong; of features whose mean variance is 1
MOST_STEPS, CLOSE = 2000, 1e-7  # of a gradient of the mean loss


@dataclass(frozen=True)
class Linear:
    """Logits of features (n, features): features @ weights (features, classes) + bias (classes,), float64."""

    weights: Array
    bias: Array

    def logits(self, features: Array) -> Array:
        """Give float64 (n, classes)."""
        return np.asarray(features @ self.weights + self.bias)


@dataclass(frozen=True)
class Chosen:
    """A fit on all rows with the ridge that its folds chose, and what was told of rows that a fit had not seen.

    logits: float64 (rows, classes), each by a fit on the other folds whose ridge was chosen without the row's fold.
    """

    linear: Linear
    ridge: float
    logits: Array


class Axes:
    """Features in the axes of their own spread: fewer of them where rows are few, and quick to fit in.

    A ridge does not mind a rotation, nor, where the bias is free, a centre: fits are those of the features, which are
    all divided by one number, the root of their mean variance. (Divided each by its own, a feature that is hardly ever
    there would get a weight that overrules all others on pictures of another kind.)
    """

    def __init__(self, features: Array) -> None:
        """Find the axes of float (rows, features)."""
        self._centre = features.mean(axis=0, dtype=np.float64)
        moved = features - self._centre
        self._scale = float(np.sqrt(np.mean(moved**2))) or 1.0
        _, spread, axes = np.linalg.svd(moved / self._scale, full_matrices=False)
        there = spread > spread[0] * 1e-10
        self._basis, self._variance = axes[there].T, spread[there] ** 2 / len(features)
        self.rows = moved / self._scale @ self._basis

    def fit(self, chosen: Array, targets: Array, *, classes: int, ridge: float) -> Linear:
        """Fit, in these axes, the rows of bool (rows,) ``chosen``; targets: int, 0 to classes - 1, of all rows.

        Minimises the cross-entropy, summed, plus ridge / 2 times the squared weights; the bias is free. Raises KitError
        where it does not settle.
        """
        from scipy.optimize import minimize

        rows, wanted = self.rows[chosen], np.eye(classes)[targets[chosen]]
        share = ridge / len(rows)
        curve = np.sqrt(self._variance / 4 + share)  # how steep the loss gets along each axis: all alike when divided
        design = np.column_stack([rows / curve, np.ones(len(rows))])
        penalty = np.append(share / curve**2, 0.0)[:, None]

        def loss(flat: Array) -> tuple[float, Array]:
            beta = flat.reshape(-1, classes)
            told = log_softmax(design @ beta)
            value = -(told * wanted).sum() / len(rows) + (penalty * beta**2).sum() / 2
            return float(value), (design.T @ ((np.exp(told) - wanted) / len(rows)) + penalty * beta).ravel()

        options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "gtol": CLOSE, "ftol": 0.0}
        start = np.zeros(design.shape[1] * classes)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
        if float(np.abs(found.jac).max()) > 100 * CLOSE:
            raise KitError(f"the fit of {len(rows)} rows did not settle (ridge {ridge:g}): {found.message}")
        beta = found.x.reshape(-1, classes)
        return Linear(beta[:-1] / curve[:, None], beta[-1])

    def of_features(self, linear: Linear) -> Linear:
        """Give what a fit in these axes is for the features themselves."""
        weights = self._basis @ linear.weights / self._scale
        return Linear(weights, linear.bias - self._centre @ weights)


def fit_chosen(features: Array, targets: Array, folds: Array, *, classes: int, said: Said) -> Chosen:
    """Fit float (rows, features) with the ridge of RIDGES that has the least log loss on folds held out.

    folds: int (rows,), 0 to n - 1, n at least 3; ``said`` is told which fold of how many. Of rows in fold k the answers
    are by a fit on the others, with the ridge that was best on fold k + 1 after a fit on the rest, not by fold k.
    """
    axes, count = Axes(features), int(folds.max()) + 1
    losses, logits = np.zeros(len(RIDGES)), np.zeros((len(targets), classes))

    def told(asked: int, ridge: float, without: Sequence[int]) -> Array:
        fitted = axes.fit(~np.isin(folds, without), targets, classes=classes, ridge=ridge)
        return fitted.logits(axes.rows[folds == asked])

    for fold in range(count):
        said(fold + 1, count)
        after = (fold + 1) % count
        own = [told(fold, ridge, [fold]) for ridge in RIDGES]
        losses += [log_loss(one, targets[folds == fold]) for one in own]
        tried = [log_loss(told(after, ridge, [fold, after]), targets[folds == after]) for ridge in RIDGES]
        logits[folds == fold] = own[int(np.argmin(tried))]
    ridge = RIDGES[int(np.argmin(losses))]
    fitted = axes.fit(np.ones(len(targets), bool), targets, classes=classes, ridge=ridge)
    return Chosen(axes.of_features(fitted), ridge, logits)


def log_loss(logits: Array, targets: Array) -> float:
    """The cross-entropy of the true classes, summed over rows, in nats; logits (rows, classes), targets int (rows,)."""
    return float(-np.take_along_axis(log_softmax(logits), targets[:, None], axis=1).sum())


def log_softmax(logits: Array) -> Array:
    """Give the logarithms of probabilities, float64 (n, classes)."""
    moved = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(moved - np.log(np.exp(moved).sum(axis=1, keepdims=True)))
