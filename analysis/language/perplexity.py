"""Perplexity of texts with its interval, and its change between two conditions, documents counting as evidence."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics import Interval
from device_agents.errors import BadInput


class Perplexity(NamedTuple):
    """exp of the mean negative log-likelihood of tokens, with its interval; NaN ends with fewer than two documents."""

    value: float
    interval: Interval


def perplexity(log_likelihoods: ArrayLike, documents: ArrayLike, *, level: float = 0.95) -> Perplexity:
    """Give the perplexity of tokens (tokens,), natural logarithms, that documents (tokens,) share.

    The mean is a ratio over clusters of unequal size: its variance is that of each document's linearised share,
    G / (G - 1) sum(s_g - m n_g)^2 / n^2, with Student's t of G - 1; the ends go through exp. Raises BadInput without
    any token.
    """
    mean, interval = _mean(-np.asarray(log_likelihoods, dtype=np.float64), documents, level)
    return Perplexity(math.exp(mean), _through_exp(interval))


def perplexity_ratio(
    log_likelihoods: ArrayLike, base: ArrayLike, documents: ArrayLike, *, level: float = 0.95
) -> Perplexity:
    """Give how many times larger the perplexity is than the base's on the same tokens, paired token by token.

    1 is no change. Raises BadInput for tokens of other number.
    """
    values, others = np.asarray(log_likelihoods, dtype=np.float64), np.asarray(base, dtype=np.float64)
    if values.shape != others.shape:
        raise BadInput(f"expected the same tokens twice, got {values.shape} and {others.shape}")
    mean, interval = _mean(others - values, documents, level)
    return Perplexity(math.exp(mean), _through_exp(interval))


def _mean(values: NDArray[np.float64], documents: ArrayLike, level: float) -> tuple[float, Interval]:
    from scipy.stats import t as student

    names, codes = np.unique(np.asarray(documents), return_inverse=True)
    if not len(values) or values.shape != codes.shape or not np.isfinite(values).all():
        raise BadInput(f"expected finite log-likelihoods of at least one token with its document, got {values.shape}")
    sums, sizes = np.bincount(codes, weights=values), np.bincount(codes)
    mean, groups = float(values.mean()), len(names)
    if groups < 2:
        return mean, Interval(float("nan"), float("nan"), level, "cluster-t", groups)
    variance = groups / (groups - 1) * float(np.square(sums - mean * sizes).sum()) / len(values) ** 2
    half = float(student.ppf((1 + level) / 2, groups - 1)) * math.sqrt(variance)
    return mean, Interval(mean - half, mean + half, level, "cluster-t", groups)


def _through_exp(found: Interval) -> Interval:
    return Interval(math.exp(found.low), math.exp(found.high), found.level, found.method, found.clusters)
