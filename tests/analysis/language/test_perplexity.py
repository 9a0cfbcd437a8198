from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.language.perplexity import perplexity, perplexity_ratio
from device_agents.errors import BadInput


def drawn(seed, groups=9):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 60, groups)
    documents = np.repeat(np.arange(groups), sizes)
    return -rng.gamma(2.0, 1.5, len(documents)) - rng.normal(0, 0.5, groups)[documents], documents


def test_the_interval_is_statsmodels_of_a_constant_with_clusters():
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    values, documents = drawn(0)
    fitted = sm.OLS(-values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": documents}, use_t=True)
    found = perplexity(values, documents)
    assert math.log(found.value) == pytest.approx(fitted.params[0])
    low, high = fitted.conf_int()[0]
    assert [math.log(found.interval.low), math.log(found.interval.high)] == pytest.approx([low, high])
    assert found.interval.clusters == 9


def test_by_hand():
    # Two documents of two tokens each, of which one halves the chance: mean -(ln 1/4 + ln 1/2) / 2.
    values = np.log([0.25, 0.25, 0.5, 0.5])
    found = perplexity(values, ["a", "a", "b", "b"])
    assert found.value == pytest.approx(math.sqrt(8))
    half = 12.706204736 * math.log(2) / 2  # t of 1 degree; the standard error is half the two means' difference
    assert found.interval.high == pytest.approx(math.sqrt(8) * math.exp(half), rel=1e-6)


def test_a_ratio_pairs_tokens():
    values, documents = drawn(1)
    same = perplexity_ratio(values, values, documents)
    assert (same.value, same.interval.low, same.interval.high) == (1.0, 1.0, 1.0)
    worse = perplexity_ratio(values - math.log(2), values, documents)
    assert worse.value == pytest.approx(2)
    assert worse.interval.low == pytest.approx(2)


def test_one_document_has_no_interval_and_nothing_is_refused():
    assert math.isnan(perplexity([-1.0, -2.0], ["a", "a"]).interval.low)
    for values in ([], [float("nan")]):
        with pytest.raises(BadInput, match="at least one token"):
            perplexity(values, ["a"] * len(values))
    with pytest.raises(BadInput, match="the same tokens twice"):
        perplexity_ratio([-1.0], [-1.0, -2.0], ["a"])


@pytest.mark.parametrize("groups", [8, 25])
def test_nineteen_of_twenty_intervals_hold_the_truth(groups):
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        documents = np.repeat(np.arange(groups), 40)
        values = -(3.0 + rng.normal(0, 0.4, groups)[documents] + rng.normal(0, 1.0, len(documents)))
        ends = perplexity(values, documents).interval
        held += ends.low <= math.exp(3.0) <= ends.high
    assert 0.91 <= held / 300 <= 0.985
