import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import cochrans_q as reference_q
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from analysis.intervals.accuracy_tests import churn, cochran_q, holm, mcnemar, sign_flip
from device_agents.errors import BadInput

DRAW = np.random.default_rng(3)
RIGHT = DRAW.random((80, 4)) < DRAW.beta(4, 2, 80)[:, None] - np.array([0.0, 0.05, 0.2, 0.0])


def table_of(right, clusters=None):
    rows = [
        (f"s{s}", 0, 0, f"d{d}", "right" if right[s, d] else "wrong", clusters[s] if clusters is not None else s)
        for s, d in np.ndindex(right.shape)
    ]
    return pd.DataFrame(rows, columns=["scene", "angle", "repeat", "device", "verdict", "cluster"])


def rng():
    return np.random.default_rng(2)


def test_cochran_equals_statsmodels_and_permutation_agrees():
    found = cochran_q(table_of(RIGHT), rng=rng())
    expected = reference_q(RIGHT.astype(int))
    assert (found.q, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.degrees, found.items, found.clusters) == (3, 80, 80)
    assert found.p_clustered == pytest.approx(found.p, abs=0.01)


def test_items_that_are_copies_count_once_in_the_clustered_tests():
    copies, clusters = RIGHT.repeat(5, axis=0), np.arange(80).repeat(5)
    once, five = cochran_q(table_of(RIGHT), rng=rng()), cochran_q(table_of(copies, clusters), rng=rng())
    assert five.p < once.p / 10
    assert five.p_clustered == pytest.approx(once.p_clustered, abs=0.01)
    pairs_once, pairs_five = mcnemar(table_of(RIGHT)), mcnemar(table_of(copies, clusters))
    assert pairs_five["p_clustered"].to_numpy() == pytest.approx(pairs_once["p_clustered"].to_numpy())
    assert (pairs_five["p"] <= pairs_once["p"]).all()


def test_mcnemar_and_holm_equal_statsmodels():
    found = mcnemar(table_of(RIGHT))
    for row in found.itertuples():
        a, b = (RIGHT[:, int(name[1:])] for name in (row.a, row.b))
        square = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
        assert (row.only_a, row.only_b) == (square[0][1], square[1][0])
        expected = reference_mcnemar(square, exact=True).pvalue
        assert (row.p, row.p_clustered) == pytest.approx((expected, expected))
    assert found["holm"].to_numpy() == pytest.approx(multipletests(found["p"], method="holm")[1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_p_and_bonferroni(values):
    p = np.array(values)
    corrected = holm(p)
    assert (corrected >= p - 1e-12).all()
    assert (corrected <= np.minimum(1, p * len(p)) + 1e-12).all()


def test_sign_flips_by_hand():
    # 3, 1, 1: sums 5, 3, 3, 1, -1, -3, -3, -5; two of eight reach 5, six reach 3, all reach 1.
    assert sign_flip(np.array([3, 1, 1])) == pytest.approx(2 / 8)
    assert sign_flip(np.array([3, 1, -1])) == pytest.approx(6 / 8)
    assert sign_flip(np.array([3, -1, -1])) == pytest.approx(1)
    assert sign_flip(np.zeros(4)) == 1


def test_no_difference_has_no_small_p():
    same = np.repeat(RIGHT[:, :1], 3, axis=1)
    found = cochran_q(table_of(same), rng=rng())
    assert (found.q, found.p, found.p_clustered) == (0, 1, 1)
    assert (mcnemar(table_of(same))["holm"] == 1).all()


def test_churn_by_hand():
    before, after = ["a", "a", "b", "b", None], ["a", "b", "a", "b", "a"]
    rows = [
        (f"s{n}", 0, 0, device, label, "missing" if label is None else "right" if label == "a" else "wrong")
        for device, labels in (("old", before), ("new", after))
        for n, label in enumerate(labels)
    ]
    table = pd.DataFrame(rows, columns=["scene", "angle", "repeat", "device", "label_1", "verdict"])
    found = churn(table, "old", "new")
    assert {name: (one["rate"], one["items"]) for name, one in found.items()} == {
        "churn": (0.5, 4),
        "broke": (0.25, 4),
        "mended": (0.25, 4),
    }
    assert found["churn"]["low"] < 0.5 < found["churn"]["high"]
    with pytest.raises(BadInput, match="'old' and 'none', got 5 and 0"):
        churn(table, "old", "none")


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="two or more values of device"):
        mcnemar(table_of(RIGHT[:, :1]))
    with pytest.raises(BadInput, match="some twice"):
        mcnemar(pd.concat([table_of(RIGHT), table_of(RIGHT)]))
    gaps = table_of(np.ones((2, 2), dtype=bool))
    gaps.loc[[0, 3], "verdict"] = "missing"
    with pytest.raises(BadInput, match="every device answered"):
        cochran_q(gaps, rng=rng())
