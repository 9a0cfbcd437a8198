import numpy as np
import pandas as pd
import pytest

from analysis.flip_risk.calibration import brier, calibration_error, reliability, skill
from analysis.statistics import rate_interval
from device_agents.errors import BadInput


def test_brier_and_skill_by_hand():
    assert brier([0.9, 0.2], [True, False]) == pytest.approx((0.01 + 0.04) / 2)
    assert skill([0.9, 0.2], [True, False]) == pytest.approx(1 - 0.025 / 0.25)
    assert skill([0.5, 0.5], [True, False]) == 0
    assert np.isnan(skill([0.5], [True]))
    with pytest.raises(BadInput, match="risks of 0 to 1"):
        brier([1.2], [True])


def test_honest_risks_lie_on_the_line():
    rng = np.random.default_rng(1)
    risks = rng.random(8000)
    table = reliability(risks, rng.random(8000) < risks, np.arange(8000))
    assert table["rows"].tolist() == [1000] * 8
    assert (table["risk"] - table["rate"]).abs().max() < 0.05
    assert ((table["low"] < table["rate"]) & (table["rate"] < table["high"])).all()
    assert calibration_error(table) < 0.03


def test_equal_risks_are_one_bin():
    flips = np.array([True, False, False, False])
    table = reliability([0.3] * 4, flips, list("aabb"))
    assert table[["rows", "risk", "rate"]].values.tolist() == [[4, pytest.approx(0.3), 0.25]]
    assert table["high"][0] == rate_interval(flips.astype(float), list("aabb")).high


def test_the_error_weighs_bins_by_their_rows():
    table = pd.DataFrame({"rows": [1, 3], "risk": [0.5, 0.2], "rate": [0.1, 0.3]})
    assert calibration_error(table) == pytest.approx((0.4 + 3 * 0.1) / 4)
