"""Analysis of variance of a balanced crossed study: sums of squares, mean squares, components of random effects.

All effects are random. A component is a linear combination of mean squares by their expectations, so it may come out
below zero when the truth is near it; that is shown, since hiding it would push every small component upwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Array = NDArray[np.float64]
Effect = tuple[str, ...]
WITHIN: Effect = ("within",)


@dataclass(frozen=True)
class Anova:
    """The table of an analysis of variance; arrays float64 (effects,), the last effect is the error.

    effects: the names of the factors in each; squares: sums of squares; df: degrees of freedom. sizes: levels of each
    factor, and of WITHIN[0] (repeats in a cell).
    """

    effects: tuple[Effect, ...]
    squares: Array
    df: Array
    sizes: Mapping[str, int]

    @property
    def mean_squares(self) -> Array:
        """Sums of squares over degrees of freedom; 0 where there are none."""
        return np.divide(self.squares, self.df, out=np.zeros_like(self.squares), where=self.df > 0)

    def coefficients(self, effect: Effect) -> Array:
        """Weights c with component = c @ mean_squares, from the expected mean squares of crossed random effects.

        With the repeats as error: the sum over all crossed effects F that contain E of (-1)^(|F| - |E|) MS_F, over the
        number of values in each level of E; the highest interaction has the error as its only higher term (Searle,
        Casella, McCulloch: Variance Components, 1992, chapter 4). Raises BadInput for an effect that is not there.
        """
        if effect not in self.effects:
            raise BadInput(f"unknown effect {effect}; known: {list(self.effects)}")
        weights = np.zeros(len(self.effects))
        weights[self.effects.index(effect)] = 1
        if effect == self.effects[-1]:
            return weights
        above = [one for one in self.effects[:-1] if set(effect) < set(one)]
        for one in above:
            weights[self.effects.index(one)] = (-1) ** (len(one) - len(effect))
        weights[-1] = -weights[:-1].sum()
        return weights / np.prod([size for name, size in self.sizes.items() if name not in effect])


def crossed_anova(cube: Array, factors: Sequence[str], *, repeats: bool) -> Anova:
    """Analyse a balanced crossed study.

    cube: float64, one axis a factor, and with repeats a last axis of repeats within a cell, which make the error
    (WITHIN). Without repeats the highest interaction is the error. Raises BadInput for a factor with a single level,
    a shape that does not fit, or values that are not finite.
    """
    values = np.asarray(cube, dtype=np.float64)
    _check(values, factors, repeats)
    sizes = dict(zip((*factors, *(WITHIN if repeats else ())), values.shape, strict=True))
    means = values.mean(axis=-1) if repeats else values
    names = [one for count in range(1, len(factors) + 1) for one in combinations(factors, count)]
    estimates: dict[Effect, Array] = {(): means.mean(keepdims=True)}
    squares, df = [], []
    for name in names:
        others = tuple(axis for axis, factor in enumerate(factors) if factor not in name)
        lower = [estimates[one] for count in range(len(name)) for one in combinations(name, count)]
        estimates[name] = means.mean(axis=others, keepdims=True) - _added(lower)
        squares.append(float(np.square(estimates[name]).sum()) * values.size / estimates[name].size)
        df.append(float(np.prod([sizes[factor] - 1 for factor in name])))
    if repeats:
        squares.append(float(np.square(values - means[..., None]).sum()))
        df.append(float(values.size - means.size))
    effects = (*names, WITHIN) if repeats else tuple(names)
    return Anova(effects, np.array(squares), np.array(df), sizes)


def pooled(anova: Anova, effect: Effect) -> Anova:
    """Take an effect into the error: their sums of squares and degrees of freedom are added."""
    at = anova.effects.index(effect)
    keep = [place for place in range(len(anova.effects)) if place != at]
    squares, df = anova.squares.copy(), anova.df.copy()
    squares[-1] += squares[at]
    df[-1] += df[at]
    return Anova(tuple(anova.effects[place] for place in keep), squares[keep], df[keep], anova.sizes)


def _added(parts: Sequence[Array]) -> Array:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _check(values: Array, factors: Sequence[str], repeats: bool) -> None:
    if values.ndim != len(factors) + repeats or len(set(factors)) != len(factors) or not factors:
        raise BadInput(f"expected an axis for each of {list(factors)}{' and repeats' * repeats}, got {values.shape}")
    if min(values.shape) < 2 or not bool(np.isfinite(values).all()):
        raise BadInput(f"expected finite values and two levels or more of each factor and repeat, got {values.shape}")
