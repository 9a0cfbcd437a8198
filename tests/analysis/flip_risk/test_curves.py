"""ROC and precision-recall against sums over all pairs, DeLong's own formula, scikit-learn and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from analysis.flip_risk.curves import area_difference, precision_area, roc, roc_area
from analysis.measures.confidence import average_precision, precision_recall
from device_agents.errors import BadInput


def by_pairs(risks, flips):
    yes, no = risks[flips], risks[~flips]
    return (np.greater.outer(yes, no) + 0.5 * np.equal.outer(yes, no)).mean()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=30))
def test_the_area_is_the_share_of_pairs(rows):
    risks, flips = np.array([one for one, _ in rows], float), np.array([one for _, one in rows])
    if not 0 < flips.sum() < len(flips):
        return
    found = roc_area(risks, flips, np.arange(len(rows)))
    assert found.value == pytest.approx(by_pairs(risks, flips))
    assert -1e-9 <= found.interval.low <= found.value + 1e-9 <= found.interval.high + 2e-9 <= 1 + 1e-8
    assert roc_area(-risks, flips, np.arange(len(rows))).value == pytest.approx(1 - found.value)
    curve = roc(risks, flips)
    assert np.trapezoid(curve["found"], curve["false_alarms"]) == pytest.approx(found.value)
    assert (curve.iloc[-1][["false_alarms", "found"]] == 1).all()


def test_single_rows_have_delongs_variance():
    rng = np.random.default_rng(2)
    flips = rng.random(60) < 0.4
    risks = rng.normal(flips * 1.0).round(1)
    yes, no = risks[flips], risks[~flips]
    psi = np.greater.outer(yes, no) + 0.5 * np.equal.outer(yes, no)
    variance = psi.mean(axis=1).var(ddof=1) / len(yes) + psi.mean(axis=0).var(ddof=1) / len(no)
    found = roc_area(risks, flips, np.arange(60))
    middle, reach = np.log(found.value / (1 - found.value)), np.sqrt(variance) / (found.value * (1 - found.value))
    quantile = student.ppf(0.975, min(len(yes), len(no)) - 1)
    assert found.interval.high == pytest.approx(1 / (1 + np.exp(-middle - quantile * reach)), abs=0.002)


def test_copies_of_a_cluster_are_no_evidence():
    rng = np.random.default_rng(3)
    flips, names = rng.random(40) < 0.5, np.arange(40)
    risks = rng.normal(flips * 1.0)
    once = roc_area(risks, flips, names)
    often = roc_area(np.tile(risks, 9), np.tile(flips, 9), np.tile(names, 9))
    assert often.value == pytest.approx(once.value)
    assert often.interval.low == pytest.approx(once.interval.low)
    assert often.interval.clusters == 40


def test_strata_compare_within_only():
    rng = np.random.default_rng(4)
    flips, strata = rng.random(300) < 0.3, rng.integers(0, 3, 300)
    risks = rng.normal(flips * 1.0)
    parts = [
        (by_pairs(risks[on], flips[on]), flips[on].sum() * (~flips[on]).sum()) for on in (strata == k for k in range(3))
    ]
    whole = sum(area * weight for area, weight in parts) / sum(weight for _, weight in parts)
    moved = roc_area(risks + 10 * strata, flips, np.arange(300), strata=strata)
    assert moved.value == pytest.approx(whole)
    assert moved.interval.low == pytest.approx(roc_area(risks, flips, np.arange(300)).interval.low, abs=0.02)
    with pytest.raises(BadInput, match="strata"):
        roc_area(risks, flips, np.arange(300), strata=flips)


def test_a_difference_is_paired():
    rng = np.random.default_rng(5)
    flips = rng.random(200) < 0.3
    risks = rng.normal(flips * 1.0)
    same = area_difference(risks, 3 * risks + 1, flips, np.arange(200))
    assert (same.value, same.interval.low, same.interval.high) == (0, 0, 0)
    worse = area_difference(risks, rng.normal(size=200), flips, np.arange(200))
    assert 0 < worse.interval.low < worse.value < worse.interval.high


def test_p_of_a_difference_agrees_with_its_interval_and_with_delongs():
    from scipy.stats import norm

    rng = np.random.default_rng(7)
    flips = np.arange(400) < 200
    first, second = rng.normal(flips * 1.0), rng.normal(flips * 0.75)
    found = area_difference(first, second, flips, np.arange(400))
    placed = [[(one[flips][:, None] > one[~flips][None]).astype(float)] for one in (first, second)]
    rows, columns = (np.array([one[0].mean(axis=axis) for one in placed]) for axis in (1, 0))
    variance = (np.cov(rows) / 200 + np.cov(columns) / 200) @ [1, -1] @ [1, -1]  # DeLong et al. (1988)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.value) / np.sqrt(variance)), rel=0.1)
    assert (found.p < 0.05) == (found.interval.low > 0 or found.interval.high < 0)


def test_a_difference_without_any_seen_error_is_not_sure_of_itself():
    flips = np.arange(24) < 12
    perfect, other, flat = flips + np.arange(24) / 100, flips - np.arange(24) / 100, np.zeros(24)
    both = area_difference(perfect, other, flips, np.arange(24))
    least = 0.025 ** (1 / 12)
    assert (both.value, both.p) == (0, 1)
    assert (both.interval.low, both.interval.high) == pytest.approx((least - 1, 1 - least))
    far = area_difference(perfect, flat, flips, np.arange(24))
    assert (far.value, far.p) == (0.5, 2 * 0.5**12)
    assert 0 < far.interval.low < 0.5 < far.interval.high
    assert roc_area(flat, flips, np.arange(24)).interval.low == pytest.approx(0.5 - (1 - least) / 2)


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(6)
    area, held = 0.7602, [0, 0]  # of two normals one deviation apart: Phi(1 / sqrt 2)
    for _ in range(200):
        clusters = np.repeat(np.arange(40), 4)
        flips = rng.random(160) < np.repeat(rng.choice([0.1, 0.6], 40), 4)
        first, second = (rng.normal(flips * 1.0) for _ in range(2))
        alone = roc_area(first, flips, clusters).interval
        pair = area_difference(first, second, flips, clusters).interval
        held[0] += alone.low <= area <= alone.high
        held[1] += pair.low <= 0 <= pair.high
    assert min(held) >= 180


def test_perfect_and_impossible():
    flips = np.array([True, True, False, False])
    perfect = roc_area([2, 3, 0, 1], flips, list("abcd"))
    assert (perfect.value, perfect.interval.high) == (1, 1)
    assert perfect.interval.low == pytest.approx(0.025 ** (1 / 2))
    assert roc_area([0, 1, 2, 3], flips, list("abcd")).interval.high == pytest.approx(1 - 0.025 ** (1 / 2))
    with pytest.raises(BadInput, match="nothing flipped"):
        roc_area([1, 2], [False, False], [0, 1])
    with pytest.raises(BadInput, match="everything flipped"):
        roc([1, 2], [True, True])
    with pytest.raises(BadInput, match="a cluster for each of 4"):
        roc_area([2, 3, 0, 1], flips, [1])
    with pytest.raises(BadInput, match="finite risks"):
        roc([np.nan, 1], [True, False])


def test_average_precision_with_and_without_a_rival():
    rng = np.random.default_rng(7)
    flips = rng.random(300) < 0.2
    risks, clusters = rng.normal(flips * 1.5).round(1), np.repeat(np.arange(100), 3)
    found = precision_area(risks, flips, clusters, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(average_precision(precision_recall(risks, flips)))
    assert found.interval.low < found.value < found.interval.high
    above = precision_area(risks, flips, clusters, rng=np.random.default_rng(0), others=rng.normal(size=300))
    assert above.interval.low > 0
    nothing = precision_area(risks, flips, clusters, rng=np.random.default_rng(0), others=2 * risks)
    assert (nothing.value, nothing.interval.low) == (0, 0)
