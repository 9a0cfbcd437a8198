import warnings

import numpy as np
import pandas as pd
import pytest

from analysis.metrology.anova import crossed_anova, pooled
from analysis.metrology.reml import cells, reml
from device_agents.errors import BadInput


def study(seed, parts, operators, repeats, gaps=0.0, deviations=(1.0, 0.8, 0.6, 0.5)):
    rng = np.random.default_rng(seed)
    a, b, c, e = deviations
    cube = rng.normal(0, a, (parts, 1, 1)) + rng.normal(0, b, (1, operators, 1))
    cube = cube + rng.normal(0, c, (parts, operators, 1)) + rng.normal(0, e, (parts, operators, repeats))
    part, operator = (axis.ravel() for axis in np.indices(cube.shape)[:2])
    keep = rng.random(cube.size) >= gaps
    return cube, cube.ravel()[keep], part[keep], operator[keep]


def components(fit):
    return [fit.part, fit.operator, fit.interaction, fit.repeatability]


def dense(values, part, operator, variances):
    """-2 restricted log-likelihood from the whole covariance matrix (Searle, Casella, McCulloch 1992, chapter 6)."""

    def same(x):
        return (x[:, None] == x[None, :]).astype(float)

    a, b, c, e = variances
    covariance = a * same(part) + b * same(operator) + c * same(part) * same(operator) + e * np.eye(len(values))
    inverse, ones = np.linalg.inv(covariance), np.ones(len(values))
    mean = ones @ inverse @ values / (ones @ inverse @ ones)
    left = values - mean
    return np.linalg.slogdet(covariance)[1] + np.log(ones @ inverse @ ones) + left @ inverse @ left


@pytest.mark.parametrize("seed", range(4))
def test_balanced_is_anova_also_below_zero(seed):
    cube, values, part, operator = study(seed, 8, 3, 2, deviations=(1.0, 0.2, 0.0, 0.6))
    table = crossed_anova(cube, ("part", "operator"), repeats=True)
    expected = [table.coefficients(effect) @ table.mean_squares for effect in table.effects]
    assert components(reml(cells(values, part, operator))) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_some_seed_is_below_zero():
    found = [components(reml(cells(*study(seed, 8, 3, 2, 0.0, (1.0, 0.2, 0.0, 0.6))[1:])))[2] for seed in range(4)]
    assert min(found) < 0 < max(found)


@pytest.mark.parametrize(("seed", "gaps"), [(0, 0.2), (1, 0.4), (2, 0.1)])
def test_with_gaps_no_neighbour_is_likelier(seed, gaps):
    _, values, part, operator = study(seed, 9, 4, 3, gaps)
    best = np.array(components(reml(cells(values, part, operator))))
    least = dense(values, part, operator, best)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        other = best + rng.normal(0, 0.03, 4) * np.maximum(np.abs(best), 0.05)
        assert dense(values, part, operator, other) >= least - 1e-9


def test_statsmodels_gives_the_same():
    from statsmodels.formula.api import mixedlm

    _, values, part, operator = study(1, 12, 4, 3, 0.25)
    table = pd.DataFrame({"y": values, "p": part, "o": operator, "c": part * 10 + operator, "g": 1})
    formula = {"a": "0 + C(p)", "b": "0 + C(o)", "c": "0 + C(c)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mixedlm("y ~ 1", table, groups="g", vc_formula=formula).fit(reml=True, method=["lbfgs"])
    ours = components(reml(cells(values, part, operator)))
    assert min(ours) > 0
    assert [*fit.vcomp, fit.scale] == pytest.approx(ours, rel=2e-3)


def test_three_factors_by_hand():
    # 2 x 2 x 2 without repeats: each mean square is its contrast squared, over 8.
    cube = np.array([[[1.0, 2.0], [4.0, 3.0]], [[7.0, 5.0], [6.0, 9.0]]])
    found = crossed_anova(cube, ("a", "b", "c"), repeats=False)
    signs = np.array([-1, 1])
    contrast = (cube * signs[:, None, None]).sum(), (cube * signs[None, :, None]).sum()
    both = (cube * np.multiply.outer(np.multiply.outer(signs, signs), signs)).sum()
    assert found.squares[[0, 1, 6]] == pytest.approx([contrast[0] ** 2 / 8, contrast[1] ** 2 / 8, both**2 / 8])
    assert found.squares.sum() == pytest.approx(np.square(cube - cube.mean()).sum())
    assert found.df.tolist() == [1] * 7
    ms = dict(zip(found.effects, found.mean_squares, strict=True))
    expected = (ms["a",] - ms["a", "b"] - ms["a", "c"] + ms["a", "b", "c"]) / 4
    assert found.coefficients(("a",)) @ found.mean_squares == pytest.approx(expected)


def test_pooling_adds_up():
    cube = study(0, 5, 3, 2)[0]
    full = crossed_anova(cube, ("part", "operator"), repeats=True)
    less = pooled(full, ("part", "operator"))
    assert less.squares.sum() == pytest.approx(full.squares.sum())
    assert less.df.tolist() == [4, 2, 8 + 15]


def test_bad_input_is_explained():
    _, values, part, operator = study(0, 4, 3, 1)
    with pytest.raises(BadInput, match="repeats"):
        reml(cells(values, part, operator))
    with pytest.raises(BadInput, match="differ"):
        reml(cells(np.ones(24), np.repeat(np.arange(4), 6), np.tile(np.repeat(np.arange(3), 2), 4)))
    with pytest.raises(BadInput, match="two operators"):
        reml(cells(np.arange(6.0), np.repeat(np.arange(3), 2), np.zeros(6, dtype=np.int64)))
    with pytest.raises(BadInput, match="two levels"):
        crossed_anova(np.ones((1, 3, 2)), ("a", "b"), repeats=True)
    with pytest.raises(BadInput, match="unknown effect"):
        crossed_anova(np.ones((2, 3, 2)), ("a", "b"), repeats=True).coefficients(("z",))
