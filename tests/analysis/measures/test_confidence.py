import numpy as np
import pandas as pd
import pytest

from analysis.measures.confidence import average_precision, confidence, curves, precision_recall
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def test_a_curve_by_hand():
    # Sorted: 0.9 right, 0.8 wrong, 0.8 right (one threshold), 0.4 wrong, 0.1 right; three right ones.
    found = precision_recall([0.1, 0.8, 0.9, 0.8, 0.4], [True, True, True, False, False])
    assert found["threshold"].tolist() == [0.9, 0.8, 0.4, 0.1]
    assert found["answers"].tolist() == [1, 3, 4, 5]
    assert found["precision"].tolist() == pytest.approx([1, 2 / 3, 1 / 2, 3 / 5])
    assert found["recall"].tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert average_precision(found) == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3 + 0 + 1 / 3 * 3 / 5)


def test_the_worked_example_of_scikit_learn():
    # average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) is 0.83 in its documentation.
    assert average_precision(precision_recall([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])) == pytest.approx(0.8333, abs=1e-4)


def test_what_keeping_surer_answers_costs():
    table = confidence({"a": precision_recall([0.9, 0.8, 0.7, 0.2], [True, True, False, False])}, wanted=0.9)
    (row,) = table.to_dict("records")
    assert (row["answers"], row["accuracy"], row["threshold"], row["kept"]) == (4, 0.5, 0.8, 0.5)
    (never,) = confidence({"a": precision_recall([0.9, 0.8], [False, True])}).to_dict("records")
    assert np.isnan(never["threshold"])
    assert np.isnan(never["kept"])


def test_missing_ambiguous_and_scoreless_answers_stay_out():
    table = predictions(scenes=6, missing=0.1)
    found = curves(table)
    counted = table[table["verdict"].isin(["right", "wrong"])]
    assert {name: int(curve["answers"].iloc[-1]) for name, curve in found.items()} == dict(
        counted["device"].value_counts(sort=False)
    )
    assert curves(predictions(scenes=2, missing=1.0)) == {}


def test_no_right_answer_and_bad_input():
    none = precision_recall([0.5, 0.4], [False, False])
    assert none["recall"].isna().all()
    assert np.isnan(average_precision(none))
    assert precision_recall([], []).empty
    with pytest.raises(BadInput, match="expected finite scores with a mark each"):
        precision_recall([0.5, np.nan], [True, False])
    assert isinstance(none, pd.DataFrame)
