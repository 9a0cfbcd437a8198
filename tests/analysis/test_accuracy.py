import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from analysis.accuracy import accuracy, confident_flips, score_groups, top_n_curve, with_stability
from analysis.instability import instability
from analysis.verdicts import table_verdicts
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def small():
    """Three scenes by two devices: right on both; right and wrong; ambiguous and missing."""
    table = pd.DataFrame(
        {
            "scene": ["a", "a", "b", "b", "c", "c"],
            "device": ["x", "y"] * 3,
            "angle": 0,
            "repeat": 0,
            "category": "k",
            "label_1": ["k", "k", "k", "z", "u", None],
            "label_2": ["z", "z", "z", "k", "z", None],
            "score_1": [0.9, 0.8, 0.4, 0.7, 0.5, np.nan],
            "labels": [("k",)] * 6,
            "ambiguous": [("u",)] * 6,
            "error": [""] * 5 + ["TimedOut"],
        }
    )
    return table.assign(verdict=table_verdicts(table))


def test_accuracy_by_hand():
    found = accuracy(small()).set_index("device")
    assert found.loc["x", ["right", "wrong", "ambiguous", "missing", "predictions"]].tolist() == [2, 0, 1, 0, 3]
    assert found.loc["y", ["right", "wrong", "ambiguous", "missing", "predictions"]].tolist() == [1, 1, 0, 1, 3]
    assert found["accuracy"].tolist() == [1, 0.5]
    # One of two: one informative cluster e, no design effect, so x = 1, n* = 2, s = e^2 / (e^2 + 7^2) / 2 = 1 / 100.
    expected = [beta.ppf(0.025, 1.01, 1.99), beta.ppf(0.975, 1.99, 1.01)]
    assert found.loc["y", ["low", "high"]].tolist() == pytest.approx(expected)


def test_a_device_without_answers_has_no_accuracy():
    found = accuracy(small().query("scene == 'c' and device == 'y'"))
    assert np.isnan(found["accuracy"].iloc[0])
    assert found["missing"].iloc[0] == 1


def test_more_labels_by_hand():
    found = top_n_curve(small()).set_index("top_n")
    assert found["rate"].tolist() == [0.5, 0]
    assert found["accuracy"].tolist() == [0.75, 1]
    assert found["items"].tolist() == [2, 2]


def test_more_labels_are_never_less_often_right():
    found = top_n_curve(predictions(scenes=40))
    assert found["top_n"].tolist() == [1, 2, 3, 4, 5]
    assert found["accuracy"].is_monotonic_increasing
    assert found["rate"].iloc[0] == instability(predictions(scenes=40)).rate


def test_scores_by_hand():
    groups = score_groups(small())
    assert {name: sorted(values) for name, values in groups.items()} == {
        "stable right": [0.8, 0.9],
        "stable wrong": [],
        "unstable right": [0.4],
        "unstable wrong": [0.7],
    }
    assert with_stability(small())["stability"].tolist() == ["stable"] * 2 + ["unstable"] * 2 + ["uncounted"] * 2
    with pytest.raises(BadInput, match="score_1"):
        score_groups(small().drop(columns="score_1"))


def test_confident_flips_by_hand():
    (flip,) = confident_flips(small()).to_dict("records")
    assert flip == {
        "scene": "b",
        "angle": 0,
        "repeat": 0,
        "category": "k",
        "right_device": "x",
        "right_label": "k",
        "right_score": 0.4,
        "wrong_device": "y",
        "wrong_label": "z",
        "wrong_score": 0.7,
        "sure": 0.4,
    }


def test_flips_are_sorted_and_as_many_as_unstable_items():
    table = predictions(scenes=40)
    found = confident_flips(table, limit=10_000)
    assert len(found) == instability(table).unstable
    assert found["sure"].is_monotonic_decreasing
    assert len(confident_flips(table, limit=3)) == 3
    assert confident_flips(table[table["verdict"] == "right"]).empty
