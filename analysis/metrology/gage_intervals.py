"""Intervals for variance components and their ratios when the devices are few.

Components: modified large samples (MLS), which is exact for one mean square and keeps its coverage with two or three
operators, where intervals from standard errors do not. Ratios such as %GRR: generalised inference, by the distribution
of the mean squares. Both are the methods that Burdick, Borror and Montgomery recommend for gauge studies.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from device_agents.errors import BadInput

Array = NDArray[np.float64]
POWER_OF_DRAWS = 13


def mls(weights: ArrayLike, mean_squares: ArrayLike, df: ArrayLike, *, level: float = 0.95) -> tuple[Array, Array]:
    """Give the MLS interval of sum(weights x expected mean squares): low and high, float64 (studies,) or scalars.

    weights, df: (squares,); mean_squares: (squares,) or (squares, studies), 0 or more, independent, each times df over
    its expectation chi-squared. Weights of one sign: Graybill and Wang (1980). Of both signs: Ting, Burdick, Graybill,
    Jeyaratnam and Lu (1990), as in Burdick, Borror, Montgomery: Design and Analysis of Gauge R&R Studies, 2005,
    appendix B. The limits of a difference may be below 0. Raises BadInput where nothing is weighed.
    """
    weight, freedom = np.asarray(weights, dtype=np.float64), np.asarray(df, dtype=np.float64)
    used = weight != 0
    if not used.any():
        raise BadInput("expected at least one mean square with a weight, got none")
    squares = np.asarray(mean_squares, dtype=np.float64)[used]
    terms = np.abs(weight[used]).reshape(-1, *[1] * (squares.ndim - 1)) * squares
    plus, freedom = weight[used] > 0, freedom[used]
    if not plus.all() and plus.any():
        low = _reach(terms[plus], terms[~plus], freedom[plus], freedom[~plus], (1 - level) / 2)
        high = _reach(terms[~plus], terms[plus], freedom[~plus], freedom[plus], (1 - level) / 2)
    else:
        down, up = (_same_sign(terms, freedom, level, upper=upper) for upper in (False, True))
        low, high = (down, up) if plus.all() else (up, down)
    middle = terms[plus].sum(axis=0) - terms[~plus].sum(axis=0)
    return np.asarray(middle - np.sqrt(low)), np.asarray(middle + np.sqrt(high))


def generalised_draws(mean_squares: ArrayLike, df: ArrayLike) -> Array:
    """Draw expected mean squares that the observed ones speak for: df MS / chi-squared(df), (squares, draws).

    Weerahandi's (1993) generalised pivots, used for gauge studies by Hamada and Weaver (2000). The draws are the points
    of a Sobol sequence, so that nothing is random: the same study gives the same interval.
    """
    squares, freedom = np.asarray(mean_squares, dtype=np.float64), np.asarray(df, dtype=np.float64)
    drawn = np.stack([_chi_squared_draws(place, one) for place, one in enumerate(freedom.tolist())])
    return np.asarray(squares[:, None] * freedom[:, None] / drawn)


@functools.lru_cache(maxsize=32)
def _chi_squared_draws(place: int, df: float) -> Array:
    """Chi-squared values, float64 (draws,), at one coordinate of the Sobol points: studies of one design share them."""
    from scipy.stats import chi2, qmc

    points = qmc.Sobol(place + 1, scramble=False).random_base2(POWER_OF_DRAWS)[:, place]
    draws = np.asarray(chi2.ppf((points + 0.5 ** (POWER_OF_DRAWS + 1)) % 1, df))
    draws.setflags(write=False)
    return draws


def _same_sign(terms: Array, df: Array, level: float, *, upper: bool) -> Array:
    """Graybill and Wang's squared distance from the sum to its limit."""
    tail = (1 - level) / 2
    reach = _above(df, tail) if upper else _below(df, tail)
    return np.asarray((np.square(terms) * np.square(reach).reshape(-1, *[1] * (terms.ndim - 1))).sum(axis=0))


def _below(df: Array, tail: float) -> Array:
    """G: how far a mean square may fall short of what it was found to be, as a share; 1 - 1/F(1-tail; df, infinity)."""
    from scipy.stats import chi2

    return np.asarray(1 - df / chi2.isf(tail, df))


def _above(df: Array, tail: float) -> Array:
    """H: how far it may exceed it; 1/F(tail; df, infinity) - 1."""
    from scipy.stats import chi2

    return np.asarray(df / chi2.ppf(tail, df) - 1)


def _reach(plus: Array, minus: Array, df_plus: Array, df_minus: Array, tail: float) -> Array:
    """Ting et al.'s squared distance from a difference down to its lower limit.

    plus, minus: weights times mean squares. The upper limit of a - b is minus the lower one of b - a.
    """
    from scipy.stats import f

    short, over = _below(df_plus, tail), _above(df_minus, tail)
    shape = [1] * (plus.ndim - 1)
    total = (np.square(plus) * np.square(short).reshape(-1, *shape)).sum(axis=0)
    total = total + (np.square(minus) * np.square(over).reshape(-1, *shape)).sum(axis=0)
    for one in range(len(plus)):
        for other in range(len(minus)):
            ratio = f.isf(tail, df_plus[one], df_minus[other])
            cross = ((ratio - 1) ** 2 - short[one] ** 2 * ratio**2 - over[other] ** 2) / ratio
            total = total + cross * plus[one] * minus[other]
        for two in range(one + 1, len(plus)):
            both = df_plus[one] + df_plus[two]
            joint = _below(both, tail) ** 2 * both**2 / (df_plus[one] * df_plus[two])
            share = short[one] ** 2 * df_plus[one] / df_plus[two] + short[two] ** 2 * df_plus[two] / df_plus[one]
            total = total + (joint - share) / (len(plus) - 1) * plus[one] * plus[two]
    return np.asarray(np.maximum(total, 0))
