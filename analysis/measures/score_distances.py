"""How far two predictions' scores are apart, from the stored labels and a bucket for the rest.

Only the first five scores of a thousand are stored. Two predictions are compared over the labels that either stores
and one bucket that holds all others. A label that one side does not store has there an unknown score, at most its last
stored one: it is taken as near to the other side's score as the stored numbers allow. So L1 is the least that the full
scores can be apart (halved: the total variation), and equal predictions are at 0; the others are those of the same two
distributions. Scores that sum to more than 1 (quantised models) are scaled to 1. A score or rest below RESOLUTION is
taken as that, since a sum of probabilities in 32-bit floats resolves no less: so no entropy is infinite by rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Codes = NDArray[np.int64]
Array = NDArray[np.float64]
RESOLUTION = 1e-7


def distributions(labels_a: Codes, scores_a: Array, labels_b: Codes, scores_b: Array) -> tuple[Array, Array]:
    """Make the two distributions: each (items, 2 ranks + 1), rows summing to 1, the last column the rest.

    labels: int64 (items, ranks), -1 for none; scores: float64 (items, ranks), 0..1, falling. Column r is the first
    side's label of rank r, column ranks + r the second side's where the first has not stored it. Rows where either
    side has no label, or a score that is no number, are NaN. Raises BadInput for shapes that differ.
    """
    if len({labels_a.shape, scores_a.shape, labels_b.shape, scores_b.shape}) != 1 or labels_a.ndim != 2:
        raise BadInput(f"expected labels and scores as (items, ranks), got {labels_a.shape} and {labels_b.shape}")
    a, last_a = _clean(labels_a, scores_a)
    b, last_b = _clean(labels_b, scores_b)
    same = (labels_a[:, :, None] == labels_b[:, None, :]) & (labels_a[:, :, None] >= 0)
    of_b_at_a = np.where(same, b[:, None, :], 0).sum(axis=2)
    only_a, only_b = ~same.any(axis=2) & (labels_a >= 0), ~same.any(axis=1) & (labels_b >= 0)
    guessed_a = _guess(np.where(only_b, b, 0), last_a, 1 - a.sum(axis=1))
    guessed_b = _guess(np.where(only_a, a, 0), last_b, 1 - b.sum(axis=1))
    one = _with_rest(np.concatenate([a, guessed_a], axis=1))
    two = _with_rest(np.concatenate([of_b_at_a + guessed_b, np.where(only_b, b, 0)], axis=1))
    named = np.concatenate([labels_a >= 0, only_b, np.ones((len(a), 1), dtype=bool)], axis=1)
    one, two = (_resolved(side, named) for side in (one, two))
    empty = np.isnan(last_a) | np.isnan(last_b)
    one[empty], two[empty] = np.nan, np.nan
    return one, two


def l1(p: Array, q: Array) -> Array:
    """Sum of |p - q|, 0..2, (items,) of rows that sum to 1."""
    return np.asarray(np.abs(p - q).sum(axis=1))


def l2(p: Array, q: Array) -> Array:
    """Root of the sum of squared differences, 0..sqrt(2)."""
    return np.asarray(np.sqrt(np.square(p - q).sum(axis=1)))


def largest(p: Array, q: Array) -> Array:
    """The largest |p - q| of a label or the rest, 0..1."""
    return np.asarray(np.abs(p - q).max(axis=1))


def kl(p: Array, q: Array) -> Array:
    """Relative entropy of p to q in nats, 0 or more: not symmetric; infinite where q is 0 and p is not."""
    from scipy.special import rel_entr

    return np.asarray(np.maximum(rel_entr(p, q).sum(axis=1), 0))


def js(p: Array, q: Array) -> Array:
    """Jensen-Shannon divergence in nats, 0..log 2: the mean relative entropy to the mixture (Lin 1991)."""
    middle = (p + q) / 2
    return np.asarray((kl(p, middle) + kl(q, middle)) / 2)


def _clean(labels: Codes, scores: Array) -> tuple[Array, Array]:
    """Scores with 0 for absent labels, scaled to sum to 1 at most; and the last stored one, NaN without any."""
    there = labels >= 0
    broken = (there & ~np.isfinite(scores)).any(axis=1) | ~there.any(axis=1)
    clean = np.where(there & np.isfinite(scores), scores, 0).clip(min=0)
    clean = clean / np.maximum(clean.sum(axis=1, keepdims=True), 1)
    last = np.where(there, clean, np.inf).min(axis=1)
    return clean, np.where(broken, np.nan, last)


def _guess(wanted: Array, last: Array, rest: Array) -> Array:
    """Scores of labels not stored: what the other side has, at most the last stored, at most the rest in all."""
    found = np.minimum(wanted, np.nan_to_num(last)[:, None])
    total = found.sum(axis=1)
    room = np.clip(rest, 0, 1)
    return np.asarray(found * np.where(total > room, room / np.where(total > 0, total, 1), 1)[:, None])


def _with_rest(parts: Array) -> Array:
    rest = np.clip(1 - parts.sum(axis=1, keepdims=True), 0, 1)
    return np.concatenate([parts, rest], axis=1)


def _resolved(side: Array, named: NDArray[np.bool_]) -> Array:
    found = np.where(named, np.maximum(side, RESOLUTION), 0)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {"l1": l1, "l2": l2, "max": largest, "kl": kl, "js": js}
