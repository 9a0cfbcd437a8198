import numpy as np
import pandas as pd
import pytest

from analysis.differential.variants import axis_means, far_variants, within_models
from device_agents.errors import BadInput

VARIANTS = pd.DataFrame(
    [
        ("m a0", "m", "A", "0", "host"),
        ("m a1", "m", "A", "1", "host"),
        ("m b", "m", "B", "0", "host"),
        ("m b @ phone", "m", "B", "0", "phone"),
        ("n a0", "n", "A", "0", "host"),
    ],
    columns=["variant", "model", "framework", "level", "device"],
)


def pairs(rates):
    rows = [{"a": a, "b": b, "items": 100, "rate": rate} for (a, b), rate in rates.items()]
    return pd.DataFrame(rows)


RATES = {
    ("m a0", "m a1"): 0.02,
    ("m a0", "m b"): 0.10,
    ("m a1", "m b"): 0.20,
    ("m a0", "m b @ phone"): 0.90,
    ("m a1", "m b @ phone"): 0.92,
    ("m b", "m b @ phone"): 0.91,
    ("m a0", "n a0"): 1.0,
}


def test_the_one_that_is_far_from_all_others_is_named_and_nobody_else():
    found = far_variants(pairs(RATES), VARIANTS)
    assert found["variant"].tolist() == ["m b @ phone"]
    assert found["detail"].iloc[0] == "labels differ from every other variant of m on 90 % or more"


def test_of_two_variants_or_of_all_far_from_each_other_none_can_be_named():
    two = VARIANTS.iloc[:2]
    assert far_variants(pairs({("m a0", "m a1"): 1.0}), two).empty
    three = VARIANTS.iloc[:3]
    everywhere = {("m a0", "m a1"): 0.9, ("m a0", "m b"): 0.9, ("m a1", "m b"): 0.9}
    assert far_variants(pairs(everywhere), three).empty


def test_means_are_by_the_axis_in_which_a_pair_differs():
    ratios = pairs(RATES).assign(ratio=[1.5, 4.0, 2.0, 9.0, 9.0, 9.0, 9.0])
    found = axis_means(pairs(RATES), ratios, VARIANTS).set_index("axis")
    assert found["pairs"].to_dict() == {"framework": 2, "level": 1, "device": 1, "several": 2, "all": 6}
    assert found.loc["framework", "mean"] == pytest.approx(0.15)
    assert found.loc["level", "mean"] == pytest.approx(0.02)
    assert found.loc["device", "mean"] == pytest.approx(0.91)
    assert found.loc["framework", ["largest", "a", "b"]].tolist() == [0.20, "m a1", "m b"]
    assert found.loc["framework", ["slowest", "slowest_a", "slowest_b"]].tolist() == [4.0, "m b", "m a0"]


def test_degenerate_variants_are_left_out_of_means_and_a_faster_second_is_turned_round():
    ratios = pairs({("m a0", "m b"): 0.1}).assign(ratio=[0.25])
    found = axis_means(pairs(RATES), ratios, VARIANTS, without=["m b @ phone"]).set_index("axis")
    assert found["pairs"].to_dict() == {"framework": 2, "level": 1, "all": 3}
    assert found.loc["all", ["slowest", "slowest_a", "slowest_b"]].tolist() == [4.0, "m a0", "m b"]
    assert np.isnan(found.loc["level", "slowest"])


def test_pairs_of_two_models_are_not_compared():
    assert len(within_models(pairs(RATES), VARIANTS)) == 6
    with pytest.raises(BadInput, match="table of variants"):
        far_variants(pairs(RATES), VARIANTS.drop(columns="device"))
