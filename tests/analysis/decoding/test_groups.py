"""Groups, partitions and rates on hand-made tables, against counts by hand and SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from analysis.decoding.groups import (
    compare_formats,
    complete,
    groups_overall,
    groups_within,
    mcnemar,
    partitions,
    score_differences,
    written,
)
from device_agents.errors import BadInput
from tests.analysis.decoding_sample import RIGHT, UNCLEAR, WRONG, scene, table


def two_groups(scenes=4):
    """a and b share a decoder, c has its own; on the first scene c agrees with them."""
    rows = []
    for number in range(scenes):
        other = {"pixels": 1 if number == 0 else 2, "label": WRONG if number == 3 else RIGHT}
        rows += scene(f"s{number}", [{}, {"score": 0.9000001}, other])
    return table(*rows)


def test_executors_are_grouped_by_what_they_got_on_every_picture():
    found, reasons = complete(two_groups())
    assert reasons == {}
    assert groups_overall(found, format="jpeg", stage="pixels") == [("a", "b"), ("c",)]
    assert groups_overall(found, format="png", stage="pixels") == [("a", "b", "c")]
    assert groups_overall(found, format="jpeg", stage="scores") == [("a",), ("b",), ("c",)]
    assert groups_within(found, format="jpeg", tolerance=1e-6) == [("a", "b"), ("c",)]
    assert groups_within(found, format="jpeg", tolerance=1e-8) == [("a",), ("b",), ("c",)]
    assert groups_within(found, format="png") == [("a", "b", "c")]


def test_scores_alike_must_be_alike_among_all_of_a_group():
    found, _ = complete(table(*scene("s", [{"score": 0.1}, {"score": 0.15}, {"score": 0.2}])))
    assert groups_within(found, format="jpeg", tolerance=0.06) == [("a", "b"), ("c",)]


def test_partitions_are_counted_by_picture():
    found, _ = complete(two_groups())
    rows = partitions(found, format="jpeg", stage="pixels").to_dict("records")
    assert rows == [
        {"groups": 2, "partition": "a b | c", "pictures": 3, "example": "s1"},
        {"groups": 1, "partition": "a b c", "pictures": 1, "example": "s0"},
    ]
    assert written([("a", "b"), ("c",)]) == "a b | c"


def test_rates_are_exact_and_paired():
    found, _ = complete(two_groups(40))
    comparison, items = compare_formats(found)
    assert (comparison.jpeg.unstable, comparison.jpeg.items, comparison.png.unstable) == (1, 40, 0)
    for rate, events in ((comparison.jpeg, 1), (comparison.png, 0)):
        ends = binomtest(events, 40).proportion_ci(0.95, method="exact")
        assert (rate.low, rate.high) == pytest.approx((ends.low, ends.high))
    assert comparison.difference == 1 / 40
    assert comparison.low < 1 / 40 < comparison.high
    assert (comparison.jpeg_only, comparison.png_only, comparison.p) == (1, 0, 1.0)
    assert items.loc[items["jpeg"], "scene"].tolist() == ["s3"]


def test_scenes_of_one_object_are_less_evidence():
    alone, _ = complete(two_groups(40))
    shared = alone.assign(cluster=[f"object {int(name[1:]) % 8}" for name in alone["scene"]])
    assert compare_formats(shared)[0].png.high > compare_formats(alone)[0].png.high


def test_only_items_that_count_in_both_formats_are_compared():
    rows = scene("s0", [{}, {"label": WRONG}]) + scene("s1", [{}, {}], [{}, {"label": UNCLEAR}])
    comparison, items = compare_formats(complete(table(*rows))[0])
    assert items["scene"].tolist() == ["s0"]
    assert (comparison.jpeg.unstable, comparison.jpeg.items) == (1, 1)


def test_what_cannot_be_compared_is_left_out_with_its_reason():
    rows = scene("s0", [{}, {}, {"label": ""}]) + scene("s1", [{}, {"label": ""}, {"label": ""}])
    found, reasons = complete(table(*rows))
    assert reasons == {"c": "it answered no picture as jpeg", "s1": "1 of 4 answers are missing"}
    assert set(found["executor"]) == {"a", "b"}
    assert set(found["scene"]) == {"s0"}


def test_bad_tables_are_refused():
    rows = scene("s0", [{}, {}])
    with pytest.raises(BadInput, match="expected a table with the columns"):
        complete(table(*rows).drop(columns="pixels"))
    with pytest.raises(BadInput, match="one answer of an executor to a picture, got two"):
        complete(pd.concat([table(*rows), table(rows[0])]))


def test_score_differences_are_between_every_two():
    found, _ = complete(table(*scene("s0", [{"score": 0.5}, {"score": 0.25}, {"label": WRONG, "score": 0.5}])))
    rows = score_differences(found, format="jpeg")
    assert rows[["a", "b"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert np.allclose(rows["score"], [0.25, 0, 0.25])
    assert rows["other_label"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(("first", "second", "p"), [(0, 0, 1.0), (5, 0, 2 / 32), (9, 0, 2 / 512), (3, 3, 1.0)])
def test_mcnemar_is_a_coin(first, second, p):
    assert mcnemar(first, second) == pytest.approx(p)
