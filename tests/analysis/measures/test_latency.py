import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from analysis.measures.latency import TESTS, holm, latency_differences, shift, walsh
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def test_shift_by_hand():
    # Walsh averages of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6: their median is 2.75.
    assert shift([2.0, 6.0, 1.0])[0] == pytest.approx(2.75)
    # Ten items: Wilcoxon's table rejects up to a rank sum of 8, so the ninth average from either end is the limit.
    values = np.arange(10.0)
    averages = np.sort([(a + b) / 2 for n, a in enumerate(values) for b in values[n:]])
    assert shift(values)[1:] == (averages[8], averages[-9])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-100, 100, allow_subnormal=False).map(lambda one: round(one, 3)), min_size=1, max_size=30))
def test_walsh_averages_are_counted_right(values):
    ordered = np.sort(np.array(values))
    averages = np.sort([(a + b) / 2 for n, a in enumerate(ordered) for b in ordered[n:]])
    for rank in {0, len(averages) // 2, len(averages) - 1}:
        assert walsh(ordered, rank) == pytest.approx(averages[rank], abs=1e-9)
    found, low, high = shift(values)
    assert found == pytest.approx(np.median(averages), abs=1e-9)
    assert low <= found + 1e-9
    assert found <= high + 1e-9


def test_interval_holds_what_wilcoxon_does_not_reject():
    rng = np.random.default_rng(1)
    for size in (15, 60):
        values = rng.normal(0.3, 1, size)
        _, low, high = shift(values)
        for edge, inside in ((low, 1), (high, -1)):
            assert wilcoxon(values - edge - inside * 1e-9, method="exact").pvalue > 0.045
            assert wilcoxon(values - edge + inside * 1e-3 * np.ptp(values), method="exact").pvalue < 0.06


def test_holm_against_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.array([0.04, 0.001, 0.03, 0.5, 0.011])
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([0.01, np.nan, 0.02]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)


def timed(seed=2):
    table = predictions(scenes=30, devices=3, angles=(0,), repeats=1)
    rng = np.random.default_rng(seed)
    scene = pd.factorize(table["scene"])[0]
    own = rng.lognormal(0, 0.3, 30)[scene]
    device = pd.factorize(table["device"])[0]
    noise = rng.normal(0, np.array([0.1, 0.1, 2.0])[device])
    return table.assign(latency_ms=20 + own + np.array([0.0, 3.0, 0.0])[device] + noise)


def test_location_and_spread_are_told_apart():
    found = latency_differences(timed()).set_index(["a", "b"])
    slower = found.iloc[0]
    assert slower["shift_ms"] == pytest.approx(3, abs=0.15)
    assert slower["low"] < 3 < slower["high"]
    assert slower["p_wilcoxon_holm"] < 1e-6
    assert slower["p_sign_holm"] < 1e-6
    assert slower["p_spread_holm"] > 0.05
    wider = found.iloc[1]
    assert wider["p_spread_holm"] < 0.001
    assert wider["spread_ratio"] > 2
    assert wider["p_wilcoxon_holm"] > 0.05
    for test in TESTS:
        assert (found[f"{test}_holm"] >= found[test]).all()


def test_equal_and_copied_times():
    table = timed()
    same = table.assign(latency_ms=table.groupby("scene")["latency_ms"].transform("first"))
    found = latency_differences(same).iloc[0]
    assert found[["shift_ms", "p_wilcoxon", "p_sign"]].tolist() == [0, 1, 1]
    assert np.isnan(found["p_spread"])
    copied = table.assign(
        latency_ms=table["device"].map({name: n + 1.0 for n, name in enumerate(table["device"].unique())})
    )
    assert latency_differences(copied)["items"].tolist() == [1, 1, 1]
    none = table.assign(latency_ms=np.nan)
    assert latency_differences(none)["items"].tolist() == [0, 0, 0]
    with pytest.raises(BadInput, match="latency_ms"):
        latency_differences(table.drop(columns="latency_ms"))


def test_a_hundred_thousand_items():
    found, low, high = shift(np.random.default_rng(2).normal(5, 1, 100_000))
    assert low < found < high
    assert found == pytest.approx(5, abs=0.02)
    assert all(np.isnan(shift([])))
