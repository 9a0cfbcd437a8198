import numpy as np
import pandas as pd
import pytest

from analysis.measures.margins import logit, margin
from analysis.verdicts import table_verdicts
from device_agents.errors import BadInput
from tests.analysis.sample import predictions


def rows(*cells, accepted=("a",), ambiguous=()):
    """A row for each list of (label, score)."""
    table = pd.DataFrame({"labels": [accepted] * len(cells), "ambiguous": [ambiguous] * len(cells), "error": ""})
    for rank in range(5):
        pairs = [cell[rank] if rank < len(cell) else (None, np.nan) for cell in cells]
        table[f"label_{rank + 1}"] = [pair[0] for pair in pairs]
        table[f"score_{rank + 1}"] = [pair[1] for pair in pairs]
    return table


FIVE = [("a", 0.5), ("b", 0.25), ("c", 0.1), ("d", 0.05), ("e", 0.02)]


def test_by_hand():
    found = margin(rows(FIVE, [("b", 0.6), ("a", 0.2), ("c", 0.1), ("d", 0.05), ("e", 0.02)]))
    assert found.values == pytest.approx([np.log(2), -np.log(3)])
    assert found.counts == {"measured": 2, "at_most": 0, "at_least": 0, "missing": 0}
    assert logit(rows(FIVE)).values == pytest.approx([0.0])


def test_several_accepted_labels_and_ambiguous_ones():
    table = rows(FIVE, accepted=("c", "b"), ambiguous=("a",))
    assert margin(table).values == pytest.approx([np.log(0.25 / 0.05)])  # b over d; a is on neither side
    assert logit(table).values == pytest.approx([np.log(0.35 / 0.65)])


def test_an_accepted_class_outside_the_list_is_bounded_by_the_fifth_score():
    table = rows(FIVE, accepted=("z",))
    found = margin(table)
    assert found.values == pytest.approx([np.log(0.02 / 0.5)])
    assert found.censored.tolist() == [-1]
    assert logit(table).values == pytest.approx([np.log(0.02 / 0.98)])
    assert logit(table).counts == {"measured": 0, "at_most": 1, "at_least": 0, "missing": 0}


def test_no_rival_in_the_list_is_a_lower_bound_and_neither_side_is_missing():
    assert margin(rows(FIVE, accepted=tuple("abcde"))).censored.tolist() == [1]
    assert margin(rows(FIVE, accepted=tuple("abcde"))).values == pytest.approx([np.log(0.5 / 0.02)])
    assert np.isnan(margin(rows(FIVE, accepted=("z",), ambiguous=tuple("abcde"))).values).all()


def test_scores_of_zero_are_bounded_by_the_smallest_step():
    table = rows([("a", 1.0), ("b", 0.0)], [("b", 0.5), ("a", 1 / 256)])
    found = margin(table)
    assert found.values == pytest.approx([np.log(256), -np.log(128)])
    assert found.censored.tolist() == [1, 0]
    assert logit(table).censored.tolist() == [1, 0]
    assert logit(table).values[0] == pytest.approx(np.log(255))


def test_failures_are_missing():
    table = rows(FIVE, [], FIVE)
    table.loc[2, "error"] = "no file"
    for measure in (margin, logit):
        assert np.isnan(measure(table).values).tolist() == [False, True, True]
        assert measure(table).counts["missing"] == 2


def test_its_sign_is_the_verdict():
    table = predictions(missing=0.1)
    verdict, found = table_verdicts(table), margin(table).values
    assert (found[verdict == "right"] > 0).all()
    assert (found[verdict == "wrong"] <= 0).all()
    assert np.isnan(found[verdict == "missing"]).all()


def test_bad_input_is_explained():
    with pytest.raises(BadInput, match="score_1"):
        margin(rows(FIVE).drop(columns=["score_1"]))
    with pytest.raises(BadInput, match="ambiguous"):
        logit(rows(FIVE).drop(columns=["ambiguous"]))


def test_an_unlabelled_scene_has_no_margin():
    table = rows(FIVE, accepted=("unlabelled",))
    assert np.isnan(margin(table).values).all()
    assert logit(table).counts == {"measured": 0, "at_most": 0, "at_least": 0, "missing": 1}
