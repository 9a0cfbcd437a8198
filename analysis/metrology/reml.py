"""Variance components of a crossed study with gaps, by restricted maximum likelihood (REML).

Model: value = mean + part + operator + interaction + error, all random (Patterson and Thompson 1971). A cell enters by
its number, mean and sum of squares; parts are taken out by Sherman and Morrison's formula, operators (few) by
Woodbury's, and parts with the same numbers of values are summed up once, so that one likelihood costs patterns of gaps
x operators^2. Components are free to be negative as far as the covariance stays positive; on balanced data they are
the ANOVA's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput

Array = NDArray[np.float64]
STEPS = 200
TINY = 1e-12


@dataclass(frozen=True)
class Cells:
    """A study by cells, (parts, operators): count (0 for a gap), mean (0 in a gap); within: their sum of squares."""

    count: Array
    mean: Array
    within: float

    @property
    def rows(self) -> int:
        """The number of values."""
        return int(self.count.sum())

    @property
    def filled(self) -> int:
        """The number of cells with a value."""
        return int((self.count > 0).sum())


@dataclass(frozen=True)
class Patterns:
    """Parts with equal numbers of values, summed up: their covariances are the same.

    count (patterns, operators): values in each cell; parts (patterns,): how many parts; sums (patterns, operators) and
    products (patterns, operators, operators) of their cell means. rows, filled, within: as in Cells.
    """

    count: Array
    parts: Array
    sums: Array
    products: Array
    rows: int
    filled: int
    within: float


@dataclass(frozen=True)
class Components:
    """Estimated variances, in the square of the values' unit; minus_two_log: -2 times the restricted log-likelihood."""

    part: float
    operator: float
    interaction: float
    repeatability: float
    minus_two_log: float
    steps: int


def cells(values: Array, parts: NDArray[np.int64], operators: NDArray[np.int64]) -> Cells:
    """Sum up values (rows,) by cell; parts and operators are numbered from 0."""
    shape = int(parts.max()) + 1, int(operators.max()) + 1
    at = parts * shape[1] + operators
    size = shape[0] * shape[1]
    count = np.bincount(at, minlength=size).astype(np.float64)
    mean = np.bincount(at, weights=values, minlength=size) / np.maximum(count, 1)
    within = float(np.square(values - mean[at]).sum())
    return Cells(count.reshape(shape), mean.reshape(shape), within)


def reml(study: Cells, *, interaction: bool = True) -> Components:
    """Fit the components. Without interaction it is held at 0.

    Where no cell has two values, error and interaction cannot be told apart: interaction must be False. Repeats that
    never differ have no error component: it is 0. Raises BadInput for fewer than two parts or operators, values that
    are all the same, or a fit that does not settle.
    """
    _check(study, interaction)
    filled = study.count > 0
    centre = float(study.mean[filled].mean())
    scale = float(np.square(study.mean[filled] - centre).mean()) + study.within / study.rows
    if scale <= TINY * max(centre**2, 1e-300):
        raise BadInput(f"expected values that differ, got {study.rows} times {centre:.6g}")
    unit = _patterns(
        Cells(study.count, np.where(filled, study.mean - centre, 0) / np.sqrt(scale), study.within / scale)
    )
    spread = unit.within / max(unit.rows - unit.filled, 1)
    noisy = unit.rows == unit.filled or spread > TINY
    free = np.array([True, True, interaction, noisy])
    error = (spread if unit.rows > unit.filled else 0.4) if noisy else 0.0
    start = np.array([0.5, 0.1, 0.1 if interaction else 0.0, error])
    found, value, steps = _minimise(unit, start, free)
    part, operator, both, error = (float(one) for one in found * scale)
    return Components(part, operator, both, error, value, steps)


def _check(study: Cells, interaction: bool) -> None:
    parts, operators = ((study.count > 0).any(axis=axis).sum() for axis in (1, 0))
    if min(parts, operators) < 2:
        raise BadInput(f"expected two parts and two operators or more, got {parts} and {operators}")
    if interaction and study.rows == study.filled:
        raise BadInput("expected repeats: without any, the interaction cannot be told from the error")


def _patterns(study: Cells) -> Patterns:
    count, which, parts = np.unique(study.count, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    starts = np.concatenate([[0], np.cumsum(parts)[:-1]])
    sums = np.add.reduceat(study.mean[order], starts, axis=0)
    products = np.add.reduceat(study.mean[order, :, None] * study.mean[order, None, :], starts, axis=0)
    return Patterns(count, parts.astype(np.float64), sums, products, study.rows, study.filled, study.within)


def _minus_two_log(study: Patterns, theta: NDArray[np.complex128]) -> complex:
    """-2 times the restricted log-likelihood at (part, operator, interaction, error), up to a constant.

    Complex numbers run through, so that a step of 1e-30 i gives the derivative to the last digit.
    """
    part, operator, both, error = theta
    there, parts = study.count > 0, study.parts
    variance = both + error / np.where(there, study.count, 1)
    weight = np.where(there, 1 / variance, 0)
    row = weight.sum(axis=1)
    taken = part / (1 + part * row)
    inner = np.diag(parts @ weight) - weight.T @ ((parts * taken)[:, None] * weight)
    own = (weight * study.sums).sum(axis=1)
    seen = (weight * study.sums).sum(axis=0) - weight.T @ (taken * own)
    across = np.einsum("pj,pjk,pk->p", weight, study.products, weight)
    square = np.einsum("pj,pjj->", weight, study.products) - (taken * across).sum()
    core = np.eye(len(inner)) + operator * inner
    solved = np.linalg.solve(core, np.column_stack([inner, seen]))
    ones, mean = solved[:, :-1].sum(), solved[:, -1].sum()
    sign, size = np.linalg.slogdet(core)
    logs = np.log(np.where(there, variance, 1)).sum(axis=1) + np.log(1 + part * row)
    total = (parts * logs).sum() + np.log(sign) + size
    total = total + np.log(ones) + square - operator * (seen * solved[:, -1]).sum() - mean**2 / ones
    if study.rows > study.filled and error != 0:
        total = total + (study.rows - study.filled) * np.log(error) + study.within / error
    return complex(total)


def _possible(study: Patterns, theta: Array) -> bool:
    """Whether the covariance is positive at theta."""
    part, operator, both, error = theta
    there = study.count > 0
    variance = both + error / np.where(there, study.count, 1)
    if error < 0 or bool((variance[there] <= 0).any()):
        return False
    weight = np.where(there, 1 / np.where(there, variance, 1), 0)
    row = weight.sum(axis=1)
    if bool((1 + part * row <= 0).any()):
        return False
    taken = study.parts * part / (1 + part * row)
    inner = np.diag(study.parts @ weight) - weight.T @ (taken[:, None] * weight)
    return bool(1 + operator * np.linalg.eigvalsh(inner).max() > 0)


def _gradient(study: Patterns, theta: Array, free: NDArray[np.bool_]) -> Array:
    step = 1e-30
    slopes = []
    for place in np.flatnonzero(free):
        moved = theta.astype(np.complex128)
        moved[place] += 1j * step
        slopes.append(_minus_two_log(study, moved).imag / step)
    return np.array(slopes)


def _minimise(study: Patterns, start: Array, free: NDArray[np.bool_]) -> tuple[Array, float, int]:
    """Newton's method with the absolute curvature, halving a step until it leads down and stays possible."""
    theta = start.copy()
    value = _minus_two_log(study, theta.astype(np.complex128)).real
    for step in range(1, STEPS + 1):
        slope = _gradient(study, theta, free)
        bends, axes = np.linalg.eigh(_curvature(study, theta, free))
        size = np.maximum(np.abs(bends), 1e-8 * np.abs(bends).max())
        move = -axes @ ((axes.T @ slope) / size)
        gain = float(-slope @ move)
        if gain < 1e-10:
            last = theta.copy()
            last[free] += move
            return (last if _possible(study, last) else theta), value, step
        theta, value, moved = _down(study, theta, value, move, free)
        if not moved:
            return _settled(theta, value, step, gain)
    raise BadInput(f"expected variance components that settle in {STEPS} steps: too few values for so many parts")


def _settled(theta: Array, value: float, step: int, gain: float) -> tuple[Array, float, int]:
    if gain < 1e-9 * max(1.0, abs(value)):
        return theta, value, step
    raise BadInput("expected variance components that settle; they run to the edge of what is possible: too few values")


def _down(
    study: Patterns, theta: Array, value: float, move: Array, free: NDArray[np.bool_]
) -> tuple[Array, float, bool]:
    for _ in range(60):
        there = theta.copy()
        there[free] += move
        if _possible(study, there):
            found = _minus_two_log(study, there.astype(np.complex128)).real
            if found < value:
                return there, found, True
        move = move / 2
    return theta, value, False


def _curvature(study: Patterns, theta: Array, free: NDArray[np.bool_]) -> Array:
    columns = []
    for place in np.flatnonzero(free):
        width = 1e-5 * max(abs(float(theta[place])), 1e-4)
        ends = []
        for side in (1, -1):
            moved = theta.copy()
            moved[place] += side * width
            ends.append(_gradient(study, moved, free))
        columns.append((ends[0] - ends[1]) / (2 * width))
    matrix = np.array(columns)
    return (matrix + matrix.T) / 2
