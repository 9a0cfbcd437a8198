import math

import numpy as np
import pandas as pd
import pytest

from analysis.papers.noise_families import (
    base_accuracy,
    distinct,
    family_row,
    inference_minutes,
    measured_subjects,
    subjects,
    variant_rows,
)
from analysis.statistics import difference_interval
from device_agents.errors import BadInput
from tests.analysis.paper_sample import predictions

CHANGES = {
    "box": {"resizer": "pillow-box"},
    "cubic": {"resizer": "opencv-cubic"},
    "alias": {"resizer": "another-bilinear"},
    "cv": {"decoder": "opencv"},
    "both": {"decoder": "opencv", "resizer": "pillow-box"},
}


def sample(**letters):
    table = predictions({(name, "", ""): text for name, text in letters.items()}, changes=CHANGES)
    alias = table["environment"] == "alias"
    if alias.any():
        table.loc[alias, "tensor_fingerprint"] = table.loc[
            table["environment"] == "base", "tensor_fingerprint"
        ].to_numpy()
    return table


@pytest.fixture
def subject():
    return subjects(sample(base="RRRRW", box="WRRRW", cubic="WWRRW", alias="RRRRW", cv="RRRRR", both="WWWWW"))[0]


def test_the_base_is_that_from_which_most_others_differ_once(subject):
    assert subject.base == "base"
    later = sample(cv="RRRRR", box="WRRRW", cubic="WWRRW", base="RRRRW")
    assert subjects(later)[0].base == "base"
    assert subjects(later, bases=["box"])[0].base == "box"
    assert subjects(later, bases=["unknown"])[0].base == "base"


def test_of_equals_the_first_is_the_base():
    assert subjects(sample(box="R", base="R", cubic="R"))[0].base == "box"


def test_variants_differ_in_one_family_and_names_for_one_noise_count_once(subject):
    names = [subject.environments[column] for column in subject.variants("resizer")]
    assert names == ["box", "cubic", "alias"]
    assert [subject.environments[column] for column in distinct(subject, "resizer")] == ["box", "cubic"]
    assert subject.variants("colour") == []


def test_deltas_by_hand(subject):
    right, _ = base_accuracy(subject)
    assert right.tolist() == [1, 1, 1, 1, 0]
    rows = variant_rows(subject, "resizer").set_index("variant")
    assert rows["delta"].to_dict() == pytest.approx({"pillow-box": 0.2, "opencv-cubic": 0.4, "another-bilinear": 0.0})
    assert rows["distinct"].tolist() == [True, True, False]
    found = family_row(subject, "resizer")
    assert (found["variants"], found["distinct"], found["items"]) == (3, 2, 5)
    assert found["mean"] == pytest.approx(0.3)
    assert (found["max"], found["worst"]) == (pytest.approx(0.4), "opencv-cubic")
    assert found["std"] == pytest.approx(np.std([0.2, 0.4], ddof=1))
    # two pictures flip over the base and the two variants: one has one wrong of three, one has two
    assert found["instability"] == pytest.approx(2 / 5)
    assert found["two"] == pytest.approx((2 / 3 + 2 / 3) / 5)
    decoder = family_row(subject, "decoder")
    assert decoder["mean"] == pytest.approx(-0.2)
    assert math.isnan(decoder["std"])


def test_intervals_are_those_of_paired_clusters(subject):
    base, clusters = np.array([1, 1, 1, 1, 0.0]), [f"s{n}" for n in range(5)]
    box, cubic = np.array([0, 1, 1, 1, 0.0]), np.array([0, 0, 1, 1, 0.0])
    one = difference_interval(base, clusters, box, clusters)
    row = variant_rows(subject, "resizer").iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((one.low, one.high))
    pooled = difference_interval(np.tile(base, 2), clusters * 2, np.concatenate([box, cubic]), clusters * 2)
    found = family_row(subject, "resizer")
    assert (found["low"], found["high"]) == pytest.approx((pooled.low, pooled.high))


def test_pictures_that_one_of_the_two_did_not_answer_are_left_out():
    subject = subjects(sample(base="RR-AW", box="WRRR-", cubic="-----"))[0]
    rows = variant_rows(subject, "resizer").set_index("variant")
    assert rows.loc["pillow-box", "items"] == 2
    assert rows.loc["pillow-box", "delta"] == pytest.approx(0.5)
    assert math.isnan(rows.loc["opencv-cubic", "delta"])
    found = family_row(subject, "resizer")
    assert (found["variants"], found["distinct"], found["mean"]) == (2, 1, pytest.approx(0.5))


def test_nothing_is_made_up_where_nothing_was_measured(subject):
    found = family_row(subject, "colour")
    assert (found["variants"], found["distinct"], found["worst"]) == (0, 0, None)
    assert all(math.isnan(found[name]) for name in ("mean", "low", "max", "std", "instability", "two", "minutes"))


def test_minutes_count_each_distinct_tensor_once(subject):
    # the base's and two variants' five tensors of 60 ms; the alias has the base's
    assert inference_minutes(subject, "resizer") == pytest.approx(15 * 60 / 60_000)
    assert inference_minutes(subject, "decoder") == pytest.approx(10 * 60 / 60_000)


def test_runtimes_are_told_apart_by_their_answers():
    table = predictions(
        {("base", "", ""): "RRW", ("same", "", ""): "RRW", ("other", "", ""): "RWW"},
        changes={"same": {"runtime": "onnxruntime"}, "other": {"runtime": "litert-reference"}},
    )
    table["tensor_fingerprint"] = [1, 2, 3] * 3
    subject = subjects(table)[0]
    assert [subject.environments[column] for column in distinct(subject, "runtime")] == ["other"]
    assert inference_minutes(subject, "runtime") == pytest.approx(9 * 60 / 60_000)


def test_several_models_are_several_subjects():
    one = sample(base="RR", box="RW")
    two = one.assign(model="other", model_sha256="1" * 64, environment=one["environment"] + "2")
    three = one.assign(model_sha256="2" * 64, environment=one["environment"] + "3")
    found = subjects(pd.concat([one, two, three], ignore_index=True), bases=["base"])
    assert [subject.model for subject in found] == ["tiny 00000000", "other", "tiny 22222222"]
    assert [subject.base for subject in found] == ["base", "base2", "base3"]


def test_a_run_without_variants_is_told_what_to_run():
    with pytest.raises(BadInput, match=r"make them with `say --vary decoder=all"):
        measured_subjects(sample(base="RR", both="RW"), bases=[], command="say")
    with pytest.raises(BadInput, match="tensor_fingerprint"):
        subjects(sample(base="R").drop(columns="tensor_fingerprint"))


def test_two_predictions_of_one_item_are_refused():
    table = sample(base="RR", box="RW")
    with pytest.raises(BadInput, match="got two"):
        subjects(pd.concat([table, table.assign(picture="again")], ignore_index=True))
