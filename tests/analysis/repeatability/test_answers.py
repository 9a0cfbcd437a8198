import pandas as pd
import pytest

from analysis.repeatability.answers import answers
from analysis.repeatability.suites import PAIRS, Family
from device_agents.errors import BadInput
from tests.analysis.perturbed_sample import rows, sample

PAIR = Family("shift", PAIRS, ("shift-crop-0", "shift-crop-1"))


def test_rows_are_found_by_picture_and_perturbation_and_failures_are_none():
    table = rows({"a": {"": "xy", "fog-1": "yx"}, "b": {"": (), "fog-1": "yx"}})
    (found,) = answers(table.sample(frac=1, random_state=2))
    places = found.of(Family("f", PAIRS, ("", "fog-1", "snow-1")))
    names = dict(zip(found.pictures, places.tolist(), strict=True))
    at = found.table.set_index(["picture", "perturbation"]).index
    assert [at[place] for place in names["a"][:2]] == [("a", ""), ("a", "fog-1")]
    assert names["a"][2] == names["b"][2] == names["b"][0] == -1
    assert at[names["b"][1]] == ("b", "fog-1")


def test_models_are_told_apart_and_their_other_environments_named():
    table = sample(("", "fog-1"), pictures=3, models=("m1", "m2")).assign(resizer="pillow-bilinear")
    assert [one.model for one in answers(table)] == ["m1", "m2"]
    other = sample(("", "fog-1"), pictures=3, models=("m1",)).assign(resizer="opencv-area")
    both = pd.concat([table, other])
    assert [one.model for one in answers(both)] == ["m1", "m2", "m1 resizer=opencv-area"]


def test_a_table_without_models_and_clusters_is_one_model_and_pictures_are_clusters():
    table = sample(("", "fog-1"), pictures=3).drop(columns=["model", "cluster"])
    (found,) = answers(table)
    assert found.model == "model"
    assert list(found.clusters) == list(found.pictures)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows({"a": {"": "x", "fog-1": "x"}, "b": {"": "x", "fog-1": "x"}}), "two classes or more, got 'm'"),
        (rows({"a": {"": "xy"}}).drop(columns="perturbation"), r"columns \['perturbation'\]"),
        (rows({"a": {"": "xy"}}).head(0), "expected predictions of perturbed pictures, got none"),
        (pd.concat([rows({"a": {"fog-1": "xy"}})] * 2), "one prediction of picture 'a' with perturbation 'fog-1'"),
        (rows({"a": {"": "xy"}}, scores=(7.1, 3.0, 0, 0, 0)), "expected probabilities between 0 and 1 as scores"),
    ],
)
def test_bad_tables_are_refused_in_a_line(table, message):
    with pytest.raises(BadInput, match=message):
        answers(table)


def test_an_unlabelled_picture_accepts_nothing():
    table = sample(("", "fog-1"), pictures=2)
    table["labels"] = [("unlabelled",)] * len(table)
    (found,) = answers(table)
    assert (found.accepted == -1).all()
