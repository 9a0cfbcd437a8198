"""Areas, what is accepted, differences and Holm's steps, by hand and against another way."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.flip_risk.curves import roc_area
from analysis.ood.study import ALL, accepted_unknown, study
from device_agents.errors import BadInput

SCORES = ("instability", "wobble", "max-probability")


def pictures(known=40, one=30, other=20, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for name, count, shift in (("known", known, 0.0), ("street", one, 1.0), ("noise", other, 2.0)):
        values = rng.normal(shift, 1, count)
        part = {"set": name, "unknown": name != "known", "cluster": [f"{name}/{place}" for place in range(count)]}
        part |= {"instability": np.round(np.clip(values, 0, 3)) / 6, "wobble": values}
        parts.append(pd.DataFrame(part | {"max-probability": values + rng.normal(0, 2, count)}))
    return pd.concat(parts, ignore_index=True)


def accepted(known, unknown, seed=0):
    names = ([f"{kind}{place}" for place in range(len(some))] for kind, some in (("k", known), ("u", unknown)))
    return accepted_unknown(known, unknown, *names, rng=np.random.default_rng(seed))


def test_each_set_and_all_together():
    rows = pictures()
    found = study(rows, SCORES)
    assert list(dict.fromkeys(found.areas["set"])) == ["street", "noise", ALL]
    for name, part in (("noise", rows[rows["set"] != "street"]), (ALL, rows)):
        row = found.areas[(found.areas["set"] == name) & (found.areas["score"] == "wobble")].iloc[0]
        inside, outside = (part.loc[part["unknown"] == on, "wobble"].to_numpy() for on in (False, True))
        pairs = (outside[:, None] > inside).mean() + 0.5 * (outside[:, None] == inside).mean()
        assert row["area"] == pytest.approx(pairs)
        assert row["low"] < row["area"] < row["high"]
        assert row["unknown"] == len(outside)
    median = found.medians.set_index("set").loc["street", "wobble"]
    assert median == np.median(rows.loc[rows["set"] == "street", "wobble"])


def test_differences_over_all_sets_are_corrected_by_holm():
    from statsmodels.stats.multitest import multipletests

    differences = study(pictures(), SCORES).differences
    pooled = differences[differences["set"] == ALL]
    assert list(zip(pooled["score"], pooled["baseline"], strict=True)) == [
        ("instability", "max-probability"),
        ("wobble", "max-probability"),
    ]
    np.testing.assert_allclose(pooled["p_holm"], multipletests(pooled["p"], method="holm")[1])
    assert differences.loc[differences["set"] != ALL, "p_holm"].isna().all()
    sure = (pooled["low"] > 0) | (pooled["high"] < 0)
    assert (sure == (pooled["p"] < 0.05)).all()


def test_one_unknown_set_is_the_headline_itself():
    rows = pictures()
    found = study(rows[rows["set"] != "street"], SCORES)
    assert set(found.areas["set"]) == {"noise"}
    assert found.differences["p_holm"].notna().all()
    with pytest.raises(BadInput, match="one kind only"):
        study(rows[rows["unknown"]], SCORES)


def test_what_is_accepted_by_hand():
    share, interval, of_known = accepted(np.arange(20), [18, 18.5, 19, 30])
    assert (share, of_known) == (0.25, 0.95)  # the 19th of 20, 18, is the threshold; 18.5 is past it
    assert interval.low <= 0.25 <= interval.high


def test_ties_at_the_threshold_are_accepted_both_ways():
    share, interval, of_known = accepted([0.0] * 18 + [0.5, 0.5], [0.0, 0.5, 0.5, 1.0])
    assert (share, of_known) == (0.75, 1.0)
    assert accepted([0.0] * 20, [0.0] * 5)[0] == 1
    assert interval.high > 0.9


def test_none_of_few_is_not_surely_none():
    share, interval, _ = accepted(np.arange(20), np.arange(100, 110))
    assert share == 0 == interval.low
    assert 0.2 < interval.high < 0.35  # the exact limit of 0 of 10 is 0.308


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 6), min_size=10, max_size=30), st.lists(st.integers(0, 6), min_size=10, max_size=30))
def test_the_share_is_that_of_the_lowest_threshold_that_passes_95_percent(known, unknown):
    share, interval, of_known = accepted(known, unknown)
    passing = [limit for limit in sorted(set(known)) if np.mean(np.array(known) <= limit) >= 0.95]
    assert share == pytest.approx(np.mean(np.array(unknown) <= passing[0]))
    assert of_known >= 0.95
    assert 0 <= interval.low <= share <= interval.high <= 1


def test_the_bootstrap_draws_whole_clusters():
    known, unknown = np.arange(40.0), np.repeat(np.linspace(20, 60, 8), 5)
    single = accepted(known, unknown)[1]
    rng = np.random.default_rng(0)
    wide = accepted_unknown(known, unknown, np.arange(40), np.repeat(np.arange(8), 5), rng=rng)[1]
    assert wide.half_width > 1.3 * single.half_width
    assert wide.clusters == 8


def test_a_score_that_never_moves_has_half_of_the_area_and_says_how_sure_that_is():
    unknown = np.arange(40) < 20
    area = roc_area(np.zeros(40), unknown, np.arange(40))
    assert area.value == 0.5
    assert area.interval.high - 0.5 == pytest.approx((1 - 0.025 ** (1 / 20)) / 2)
    assert area.interval.low + area.interval.high == pytest.approx(1)
