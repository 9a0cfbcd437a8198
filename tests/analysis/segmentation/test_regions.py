"""Regions of a truth and verdicts on them, by hand and by property."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.instability import disagreement, instability
from analysis.segmentation.masks import answered
from analysis.segmentation.regions import judge_regions, regions
from analysis.segmentation.rows import segmentation_rows
from analysis.task_rows import TASK_ROWS
from analysis.verdicts import table_verdicts
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS
from tests.analysis.segmentation_sample import mask, table


def two_cars() -> np.ndarray:
    """Sky with two cars of 10 x 10 pixels, 4 apart, and a speck of tree."""
    classes = np.zeros((20, 40), np.uint8)
    classes[5:15, 5:15] = classes[5:15, 19:29] = 2
    classes[0, 0] = 1
    return classes


TRUTH = mask(two_cars())


def verdicts(classes) -> dict[str, tuple[str, str]]:
    found = regions(TRUTH)
    judged = judge_regions(found, answered(mask(classes), TRUTH))
    return {name: (one.verdict, one.label) for name, one in zip(found.names, judged, strict=True)}


def test_regions_are_connected_parts_of_a_class_and_specks_are_none() -> None:
    found = regions(TRUTH)
    assert found.names == ("sky 1", "car 1", "car 2")
    assert found.pixels.tolist() == [599, 100, 100]
    assert regions(TRUTH, whole_classes=True).names == ("sky 1", "car 1")
    assert regions(TRUTH, least=1).names == ("sky 1", "tree 1", "car 1", "car 2")
    diagonal = np.zeros((30, 30), np.uint8)
    diagonal[:10, :10] = diagonal[10:20, 10:20] = 2  # they touch at a corner: one region
    assert regions(mask(diagonal)).names == ("sky 1", "car 1")


def test_two_objects_painted_as_one_are_judged_apart() -> None:
    merged = two_cars()
    merged[5:15, 5:29] = 2  # the gap of 4 columns is shared: 10 / 12 of the columns of each are right
    assert verdicts(merged)["car 1"] == verdicts(merged)["car 2"] == ("right", "car")
    found = regions(TRUTH)
    judged = judge_regions(found, answered(mask(merged), TRUTH))
    assert [round(one.iou, 6) for one in judged[1:]] == [round(100 / 120, 6)] * 2


def test_right_ambiguous_and_clearly_wrong_by_overlap() -> None:
    for columns, verdict in ((5, "right"), (4, "ambiguous"), (3, "ambiguous"), (2, "wrong"), (0, "wrong")):
        answer = np.zeros((20, 40), np.uint8)
        answer[5:15, 5 : 5 + columns] = 2
        answer[5:15, 19:29] = 2
        assert verdicts(answer)["car 1"][0] == verdict, columns
        assert verdicts(answer)["car 2"] == ("right", "car")


def test_what_is_painted_far_away_does_not_count_against_a_region() -> None:
    answer = two_cars()
    answer[17:20, 33:40] = 2
    assert verdicts(answer)["car 2"] == ("right", "car")


def test_what_was_not_seen_is_missing_and_what_does_not_count_is_left_out() -> None:
    half = mask(two_cars()[:, 16:], extent=(16 / 40, 0.0, 1.0, 1.0))
    judged = judge_regions(regions(TRUTH), answered(half, TRUTH))
    assert [one.verdict for one in judged] == ["right", "missing", "right"]
    classes = two_cars()
    classes[5:15, 13:15] = NO_CLASS
    truth = mask(classes)
    answer = two_cars()
    answer[5:15, 13:15] = 1
    car = judge_regions(regions(truth, least=50), answered(mask(answer), truth))[1]
    assert (car.verdict, car.iou) == ("right", 1.0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_truth_is_right_everywhere_and_an_empty_answer_wrong(seed) -> None:
    rng = np.random.default_rng(seed)
    classes = np.kron(rng.integers(0, 3, (3, 4)), np.ones((10, 10), int)).astype(np.uint8)
    classes[rng.random(classes.shape) < 0.05] = NO_CLASS
    truth = mask(classes)
    found = regions(truth, least=30)
    own = judge_regions(found, answered(truth, truth))
    assert {one.verdict for one in own} <= {"right"}
    assert {one.iou for one in own} <= {1.0}
    none = judge_regions(found, answered(mask(np.full(classes.shape, NO_CLASS)), truth))
    assert {one.verdict for one in none} <= {"wrong"}
    assert int(found.pixels.sum()) == int((found.ids >= 0).sum())


def rows_of_two():
    lost = two_cars()
    lost[5:15, 5:15] = 1
    return table(
        {"a": TRUTH, "b": TRUTH},
        {"one": {"a": TRUTH, "b": TRUTH}, "two": {"a": mask(lost), "b": None}, "three": {"a": TRUTH, "b": TRUTH}},
    )


def test_rows_are_regions_in_the_columns_of_predictions() -> None:
    rows = TASK_ROWS["segmentation"](rows_of_two())
    assert len(rows) == 3 * 6
    first = rows[(rows["environment"] == "two") & (rows["scene"] == "a")].set_index("object")
    assert first["verdict"].to_dict() == {"sky 1": "right", "car 1": "wrong", "car 2": "right"}
    assert first.loc["car 1", "label_1"] == "tree"
    assert (first.loc["car 1", "labels"], first.loc["car 1", "category"]) == (("car",), "car")
    assert {"detail", "truth"}.isdisjoint(rows.columns)
    assert (rows["verdict"].to_numpy() == table_verdicts(rows)).all()
    result = instability(rows, across="environment")
    assert (result.unstable, result.items) == (1, 6)
    assert disagreement(rows, across="environment").unstable == 1
    assert result.by("category")["unstable"].tolist() == [1, 0]


def test_without_a_truth_rows_stay_pictures_and_without_masks_there_is_a_message() -> None:
    plain = rows_of_two().assign(truth="")
    assert segmentation_rows(plain) is plain
    with pytest.raises(BadInput, match="expected a mask in each of 6 predictions, got 5 without"):
        segmentation_rows(rows_of_two().assign(detail=""))
    specks = mask(np.kron(np.array([[0, 1], [1, 0]]), np.ones((3, 3), int)))
    with pytest.raises(BadInput, match="truths that hold none"):
        segmentation_rows(table({"a": specks}, {"one": {"a": specks}}))


def test_an_ambiguous_answer_and_one_far_too_wide_keep_their_verdict() -> None:
    badly, wide, classes = np.zeros((3, 40, 40), np.uint8)
    classes[5:15, 5:15] = badly[5:15, 5:9] = 2
    wide[:, :25] = 2
    truth = mask(classes)
    rows = segmentation_rows(table({"a": truth}, {"badly": {"a": mask(badly)}, "wide": {"a": mask(wide)}}))
    of = rows.set_index(["environment", "object"])
    assert of.loc[("badly", "car 1"), "verdict"] == "ambiguous"
    assert of.loc[("wide", "car 1"), ["verdict", "label_1"]].tolist() == ["wrong", "car, far too wide"]
    assert (rows["verdict"].to_numpy() == table_verdicts(rows)).all()
