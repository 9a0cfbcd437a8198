"""Control charts against a printed example, the rules by hand, and how often they fire without a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrology.control_charts import control_chart, false_alarm_rate, signals, trend
from device_agents.errors import BadInput

# NIST/SEMATECH e-Handbook 6.3.2.2.1: mean 50.81, mean moving range 1.8778, limits 55.8041 and 45.8159.
NIST_FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]


def test_the_handbooks_example():
    chart = control_chart(NIST_FLOW)
    assert chart.centre == pytest.approx(50.81)
    assert chart.sigma * 1.128 == pytest.approx(1.8778, abs=1e-4)
    assert chart.limits == pytest.approx((45.8159, 55.8041), abs=1e-3)
    assert chart.range_limit == pytest.approx(3.267 * 1.8778, abs=1e-3)
    assert 1 not in chart.signals


@pytest.mark.parametrize(
    ("deviations", "fired"),
    [
        ([0, 0, 3.1, 0], {1: (2,)}),
        ([0, 0, -3.1, 0], {1: (2,)}),
        ([0, 2.1, 0, 2.2, 0], {2: (3,)}),
        ([0, 2.1, 0, -2.2, 0], {}),
        ([1.1, 0.2, 1.2, 1.3, 1.4, -1], {3: (4,)}),
        ([1.1, -1.2, 1.2, 1.3, -1.4, 1.1], {}),
        ([0.1] * 7 + [-0.1], {}),
        ([-0.5] + [0.1] * 9, {4: (8, 9)}),
    ],
)
def test_each_rule_by_hand(deviations, fired):
    assert signals(np.array(deviations, float), 1.0) == fired


def test_the_rules_without_change_run_as_long_as_was_computed():
    """Champ and Woodall 1987, Technometrics 29, table 1: with all four rules a false alarm each 91.75 values."""
    rng = np.random.default_rng(4)
    runs = []
    for _ in range(1500):
        fired = signals(rng.normal(size=700), 1.0)
        runs.append(1 + min(places[0] for places in fired.values()) if fired else 700)
    assert np.mean(runs) == pytest.approx(91.75, abs=3 * np.std(runs) / np.sqrt(len(runs)))


def test_false_alarms_grow_with_the_length_and_with_a_short_baseline():
    rates = [false_alarm_rate(points, rng=np.random.default_rng(1), trials=600) for points in (10, 20, 40)]
    assert rates == sorted(rates)
    assert 0.06 < rates[1] < 0.17
    assert false_alarm_rate(20, baseline=8, rng=np.random.default_rng(1), trials=600) > rates[1]


def test_a_floor_keeps_changes_quiet_that_do_not_matter():
    values = 100 + 0.001 * np.arange(20)
    assert control_chart(values).signals
    quiet = control_chart(values, least_sigma=0.33)
    assert quiet.floor
    assert not quiet.signals
    assert control_chart(100 + 0.3 * np.arange(20), least_sigma=0.33).signals


def test_a_baseline_that_is_too_short_or_too_long_is_refused():
    for values, baseline in (([1, 2, 3], 0), ([1, 2, 3, 4], 5), ([1, 2, 3, 4, 5], 3), ([1, 2, float("nan"), 4], 0)):
        with pytest.raises(BadInput, match="expected 4 finite values"):
            control_chart(values, baseline=baseline)


def test_the_trend_of_kendall():
    assert trend([1, 2, 3, 4]) == pytest.approx(2 / 24)
    assert trend([1, 1, 1, 1]) == 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-100, 100), min_size=4, max_size=30), st.floats(0.5, 20), st.floats(-50, 50))
def test_signals_do_not_depend_on_the_unit(values, scale, shift):
    array = np.round(np.array(values), 3)
    if np.ptp(array) == 0:
        return
    one, other = control_chart(array), control_chart(-scale * array + shift)
    away = np.abs(array - one.centre) / one.sigma if one.sigma else np.ones(1)
    if np.abs(away[:, None] - np.array([0, 1, 2, 3])).min() > 1e-6:
        assert one.signals == other.signals
