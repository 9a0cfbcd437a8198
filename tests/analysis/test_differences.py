import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.differences import (
    difference_picture,
    gain_for,
    grid,
    label_differences,
    matrix,
    score_differences,
    share_visible,
    to_one_size,
)
from analysis.instability import disagreement
from analysis.measures.alignment import class_offsets, shifted, without_background
from analysis.measures.degenerate import degenerate, without
from analysis.statistics import rate_interval
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def usual(events, items):
    """The default interval of items that are clusters of their own (intervals/test_effective.py checks it)."""
    interval = rate_interval(np.arange(items) < events)
    return interval.low, interval.high


def flat(value, height=4, width=6):
    return np.full((height, width, 3), value, np.uint8)


def test_by_hand():
    a, b = flat(100), flat(100)
    b[0, 0] = [90, 100, 130]
    found = difference_picture(a, b, gain=4)
    assert found.dtype == np.uint8
    assert found[0, 0].tolist() == [40, 0, 120]
    assert found[1:].max() == 0
    assert difference_picture(a, b, gain=16)[0, 0].tolist() == [160, 0, 255]
    assert share_visible(a, b) == 1 / 24  # 30 of 255 is more than 5 %
    assert share_visible(a, b, threshold=0.2) == 0


def test_gain_leaves_the_difference_unclipped():
    assert gain_for(flat(100), flat(107)) == 32
    assert gain_for(flat(100), flat(130)) == 8
    assert gain_for(flat(0), flat(255)) == 1
    assert gain_for(flat(9), flat(9)) == 32


def test_pictures_of_different_size_are_compared_at_the_smaller_one():
    a, b = to_one_size(flat(50, 8, 12), flat(60, 10, 6))
    assert a.shape == b.shape == (8, 6, 3)
    assert difference_picture(flat(50, 8, 12), flat(60, 10, 6), gain=1).tolist() == flat(10, 8, 6).tolist()


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="float64"):
        share_visible(np.zeros((2, 2, 3)), flat(0))
    with pytest.raises(BadInput, match=r"\(4, 6\)"):
        difference_picture(flat(0)[:, :, 0], flat(0), gain=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_symmetric_and_black_for_equals(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(difference_picture(a, b, gain=2), difference_picture(b, a, gain=2))
    assert difference_picture(a, a, gain=32).max() == 0


def answers(*rows):
    """Rows of (scene, device, labels, scores)."""
    table = pd.DataFrame(
        {"scene": s, "angle": 0, "repeat": 0, "device": d, "picture": f"{s}|{d}", "error": ""} for s, d, _, _ in rows
    )
    for rank in range(5):
        table[f"label_{rank + 1}"] = [labels[rank] if rank < len(labels) else None for *_, labels, _ in rows]
        table[f"score_{rank + 1}"] = [scores[rank] if rank < len(scores) else np.nan for *_, scores in rows]
    return table


WORKED = answers(
    ("s0", "a", ["x", "y", "z"], [0.5, 0.25, 0.1]),
    ("s0", "b", ["y", "x", "z"], [0.4, 0.4, 0.1]),
    ("s1", "a", ["x", "y", "z"], [0.5, 0.25, 0.1]),
    ("s1", "b", ["x", "y", "z"], [0.5, 0.25, 0.1]),
    ("s2", "a", ["x", "y", "z"], [0.5, 0.25, 0.1]),
    ("s2", "b", [], []),
    ("s2", "c", ["u", "v", "w"], [0.5, 0.25, 0.1]),
)


def test_label_differences_by_hand():
    found = label_differences(grid(WORKED)).set_index(["a", "b"])
    assert found.loc[("a", "b"), ["items", "differ", "rate", "tied"]].tolist() == [2, 1, 0.5, 1]
    assert found.loc[("a", "b"), ["low", "high"]].tolist() == pytest.approx(usual(1, 2))
    assert found.loc[("a", "c"), ["items", "differ"]].tolist() == [1, 1]
    assert found.loc[("b", "c"), "items"] == 0
    assert np.isnan(found.loc[("b", "c"), "rate"])
    square = matrix(found.reset_index(), "rate", diagonal=0.0)
    assert list(square.index) == list(square.columns) == ["a", "b", "c"]
    assert square.loc["b", "a"] == square.loc["a", "b"] == 0.5
    assert np.diag(square).tolist() == [0, 0, 0]


def test_score_differences_by_hand():
    found = score_differences(grid(WORKED)).set_index(["a", "b"]).loc[("a", "b")]
    assert found["items"] == 2
    assert found["jaccard"] == 1
    assert found["kendall"] == pytest.approx((1 / 3 + 1) / 2)
    # s0: x 0.5 / 0.4, y 0.25 / 0.4, z 0.1 / 0.1, rest 0.15 / 0.1
    assert found["l1"] == pytest.approx(0.3 / 2)
    assert found["l2"] == pytest.approx(np.sqrt(0.01 + 0.0225 + 0.0025) / 2)
    assert found["max"] == pytest.approx(0.075)
    assert found["max_worst"] == pytest.approx(0.15)
    entropy = 0.5 * np.log(0.5 / 0.4) + 0.25 * np.log(0.25 / 0.4) + 0.15 * np.log(0.15 / 0.1)
    assert found["kl"] == pytest.approx(entropy / 2, abs=1e-6)


def test_pairs_agree_with_disagreement():
    table = predictions(missing=0.1)
    found = label_differences(grid(table)).set_index(["a", "b"])
    for pair in found.index:
        two = disagreement(table[table["device"].isin(pair)])
        assert found.loc[pair, ["differ", "items"]].tolist() == [two.unstable, two.items]
        assert found.loc[pair, "low"] == pytest.approx(two.interval().low)


def test_a_condition_twice_is_refused():
    with pytest.raises(BadInput, match="got 7 more"):
        grid(pd.concat([WORKED, WORKED]))
    with pytest.raises(BadInput, match="environment"):
        grid(WORKED, across="environment")


def many(label, score=0.5, *, rows=8, environment="odd", error="", vary=False):
    labels = [f"n{n % 3}" if vary else label for n in range(rows)]
    scores = np.linspace(0.5, 0.9, rows) if vary else np.full(rows, score)
    table = pd.DataFrame({"label_1": labels, "score_1": scores, "label_2": "other", "score_2": 0.25})
    return table.assign(environment=environment, error=error, picture=[f"p{n}" for n in range(rows)])


def test_degenerate_variants_are_named():
    fine = many("", environment="fine", vary=True)
    alone = many("same").assign(score_1=np.linspace(0.5, 0.9, 8))
    for table, reason in [
        (many("same"), "constant output"),
        (alone, "one label"),
        (many("same", 0.25, environment="odd"), "equal scores"),
        (many("same", np.nan), "not a number"),
        (many(None, error="expected finite scores, got 3 of 10"), "not a number"),
        (many(None, error="no such file"), "no answer"),
    ]:
        both = pd.concat([fine, table])
        found = degenerate(both)
        assert found["environment"].unique().tolist() == ["odd"], reason
        assert reason in found["reason"].tolist()
        assert without(both, found)["environment"].unique().tolist() == ["fine"]
    assert degenerate(fine).empty
    assert degenerate(alone).empty  # one class of scene, and nothing to compare with
    assert degenerate(pd.concat([fine, many("same", rows=4)])).empty  # too few to say


def test_background_goes_and_the_rest_moves_up():
    table = answers(
        ("s0", "a", ["x", "background", "y", "z", "u"], [0.5, 0.2, 0.1, 0.08, 0.04]),
        ("s1", "a", ["x", "y", "z", "u", "v"], [0.5, 0.2, 0.1, 0.08, 0.04]),
        ("s2", "a", ["background"], [1.0]),
    )
    found = without_background(table)
    ranks = [f"label_{n}" for n in range(1, 6)]
    assert found.loc[0, ranks].tolist()[:4] == ["x", "y", "z", "u"]
    assert pd.isna(found.loc[0, "label_5"])
    scores = found.loc[0, [f"score_{n}" for n in range(1, 6)]].to_numpy(dtype=float)
    assert scores == pytest.approx([0.625, 0.125, 0.1, 0.05, np.nan], nan_ok=True)
    assert found.loc[1, ranks].tolist() == table.loc[1, ranks].tolist()
    assert found.loc[2, ranks].isna().all()


def test_a_shifted_list_of_classes_is_found():
    rng = np.random.default_rng(0)
    numbers = rng.integers(1, 1000, 40)
    rows = [(f"s{n}", "plain", [str(one), str(one - 1)], [0.6, 0.2]) for n, one in enumerate(numbers)]
    rows += [(f"s{n}", "late", [str(one + 1 + (n == 0)), "0"], [0.6, 0.2]) for n, one in enumerate(numbers)]
    table = answers(*rows)
    found = class_offsets(table, across="device").iloc[0]
    assert found[["items", "offset", "alike", "unshifted"]].tolist() == [40, 1, 39 / 40, 0]
    late = table["device"] == "late"
    aligned = pd.concat([table[~late], shifted(table[late], -int(found["offset"]))])
    assert class_offsets(aligned, across="device").iloc[0]["offset"] == 0
    assert set(aligned[aligned["device"] == "late"]["label_2"]) == {"background"}
    assert class_offsets(WORKED, across="device").empty
    assert shifted(WORKED, 1)["label_1"].dropna().tolist() == WORKED["label_1"].dropna().tolist()
