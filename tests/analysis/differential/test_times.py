import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, wilcoxon

from analysis.differential.times import median_interval, time_ratios, variant_times
from device_agents.errors import BadInput


def frame(rounds):
    """rounds: variant -> list of (round's calls)."""
    rows = [
        {"variant": name, "round": at, "place": 0, "ms": ms}
        for name, lists in rounds.items()
        for at, calls in enumerate(lists)
        for ms in calls
    ]
    return pd.DataFrame(rows)


def test_the_median_is_that_of_the_rounds_and_its_interval_that_of_the_printed_table():
    rounds = [[float(value)] for value in range(1, 13)]
    row = variant_times(frame({"a": rounds})).iloc[0]
    assert (row["rounds"], row["calls"], row["median_ms"]) == (12, 12, 6.5)
    # n = 12: the 3rd smallest and the 3rd largest, 96.1 % (Conover, table of the sign test's order statistics).
    assert (row["low_ms"], row["high_ms"]) == (3.0, 10.0)


@pytest.mark.parametrize(
    ("count", "ends"), [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (20, (6, 15)), (25, (8, 18))]
)
def test_exact_intervals_of_medians_for_printed_sizes(count, ends):
    low, high = median_interval(np.arange(1, count + 1))
    assert (np.isnan(low) and np.isnan(high)) if ends is None else (low, high) == ends


def test_the_interval_of_a_median_holds_it_in_at_least_its_level_of_studies():
    rng = np.random.default_rng(0)
    held = [low <= 0 <= high for low, high in (median_interval(rng.normal(size=15)) for _ in range(2000))]
    assert np.mean(held) >= 0.945


def test_a_round_counts_once_however_many_calls_it_has():
    row = variant_times(frame({"a": [[1.0, 1.0, 100.0], [2.0], [3.0]]})).iloc[0]
    assert (row["rounds"], row["calls"], row["median_ms"]) == (3, 5, 2.0)
    assert np.isnan(row["low_ms"])
    assert np.isnan(row["drift_p"])


def test_a_variant_that_grows_slower_from_first_to_last_drifts():
    rng = np.random.default_rng(1)
    steady = [[float(value)] for value in 10 + rng.normal(scale=0.1, size=30)]
    slowing = [[float(value)] for value in 10 + rng.normal(scale=0.1, size=30) + np.linspace(0, 4, 30)]
    found = variant_times(frame({"steady": steady, "slowing": slowing})).set_index("variant")
    assert found["drifts"].to_dict() == {"steady": False, "slowing": True}
    values = np.log(np.array(slowing)[:, 0])
    assert found.loc["slowing", "drift_p"] == pytest.approx(mannwhitneyu(values[:10], values[20:]).pvalue)
    assert found.loc["slowing", "drift"] == pytest.approx(1.3, abs=0.05)


def test_constant_times_do_not_drift():
    row = variant_times(frame({"a": [[2.0]] * 12})).iloc[0]
    assert (row["drift"], row["drift_p"], row["drifts"]) == (1.0, 1.0, False)


def test_ratios_are_paired_by_round_so_that_a_slow_machine_does_not_hide_them():
    rng = np.random.default_rng(2)
    machine = np.exp(rng.normal(scale=0.8, size=24))
    found = time_ratios(frame({"a": [[one] for one in machine], "b": [[1.25 * one] for one in machine]})).iloc[0]
    assert (found["a"], found["b"], found["rounds"]) == ("a", "b", 24)
    assert found["ratio"] == pytest.approx(1.25)
    assert found["low"] == pytest.approx(1.25)
    assert found["high"] == pytest.approx(1.25)
    assert found["p"] == pytest.approx(wilcoxon(np.full(24, np.log(1.25))).pvalue, abs=1e-4)


def test_all_pairs_stand_in_the_order_of_the_variants_and_few_rounds_promise_nothing():
    found = time_ratios(frame({"c": [[1.0]] * 3, "a": [[2.0]] * 3, "b": [[4.0]] * 3}))
    assert list(zip(found["a"], found["b"], strict=True)) == [("c", "a"), ("c", "b"), ("a", "b")]
    np.testing.assert_allclose(found["ratio"], [2, 4, 2])
    assert (found["low"] == 0).all()
    assert np.isinf(found["high"]).all()


def test_a_table_of_something_else_is_refused():
    with pytest.raises(BadInput, match="table of times"):
        variant_times(pd.DataFrame({"variant": ["a"]}))
