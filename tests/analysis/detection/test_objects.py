"""Verdicts of labelled objects against hand examples, and instability on their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.detection.objects import detection_rows, judge_objects, object_names
from analysis.instability import disagreement, instability, pairs, within_device
from analysis.tables import study
from analysis.task_rows import TASK_ROWS
from analysis.verdicts import table_verdicts
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections, detections_text

LEFT, RIGHT = (0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 1.0, 1.0)
HALF = (0.0, 0.0, 0.2, 0.3)  # of LEFT: overlap 0.06 / 0.16 = 0.375
TRUTH = Detections((LEFT, RIGHT), ("cat", "dog"), (1.0, 1.0))


def found(*rows: tuple[tuple[float, ...], str, float]) -> Detections:
    ordered = sorted(rows, key=lambda row: -row[2])
    boxes, labels, scores = zip(*ordered, strict=True) if rows else ((), (), ())
    return Detections(boxes, labels, scores)


@pytest.mark.parametrize(
    ("answer", "verdict", "label", "score"),
    [
        (found((LEFT, "cat", 0.8)), "right", "cat", 0.8),
        (found((LEFT, "cat", 0.39)), "wrong", "nothing", 0.0),  # not shown
        (found((LEFT, "dog", 0.8)), "wrong", "dog", 0.8),
        (found((HALF, "cat", 0.8)), "ambiguous", "cat, misplaced", 0.8),
        (found((HALF, "dog", 0.8)), "wrong", "nothing", 0.0),
        (found((HALF, "cat", 0.6), (LEFT, "dog", 0.9)), "ambiguous", "cat, misplaced", 0.6),
        (found((LEFT, "dog", 0.9), (LEFT, "cat", 0.6)), "right", "cat", 0.6),
        (found(), "wrong", "nothing", 0.0),
    ],
)
def test_verdicts_by_hand(answer: Detections, verdict: str, label: str, score: float) -> None:
    assert judge_objects(TRUTH, answer)[0] == (verdict, label, score)


def test_one_box_finds_one_object() -> None:
    two = Detections((LEFT, (0.02, 0.0, 0.42, 0.4)), ("cat", "cat"), (1.0, 1.0))
    verdicts = [one.verdict for one in judge_objects(two, found((LEFT, "cat", 0.9)))]
    assert verdicts == ["right", "wrong"]
    assert object_names(two) == ["cat 1", "cat 2"]


def test_ignored_objects_are_ambiguous_and_take_no_box_from_others() -> None:
    truth = Detections((LEFT, LEFT), ("cat", "cat"), (1.0, 1.0), (True, False))
    assert [one.verdict for one in judge_objects(truth, found((LEFT, "cat", 0.9)))] == ["ambiguous", "right"]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_the_order_of_boxes_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = np.round(rng.uniform(0, 0.4, (12, 2)), 1)
    boxes = [tuple(map(float, box)) for box in np.hstack([corner, corner + 0.4])]
    labels, scores = rng.choice(["cat", "dog"], 12).tolist(), (rng.integers(5, 8, 12) / 10).tolist()
    order = rng.permutation(12)
    rows = [(boxes[at], labels[at], scores[at]) for at in range(12)]
    truth = Detections(tuple(boxes[:4]), tuple(labels[:4]), (1.0,) * 4)
    assert judge_objects(truth, found(*rows)) == judge_objects(truth, found(*(rows[at] for at in order)))
    turned = [3, 2, 1, 0]
    back = Detections(tuple(boxes[at] for at in turned), tuple(labels[at] for at in turned), (1.0,) * 4)
    assert sorted(judge_objects(back, found(*rows))) == sorted(judge_objects(truth, found(*rows)))


def predictions() -> pd.DataFrame:
    """Two scenes on two devices: the cat is lost on b, and one answer failed."""
    whole = found((LEFT, "cat", 0.8), (RIGHT, "dog", 0.9))
    answers = {("s1", "a"): whole, ("s1", "b"): found((RIGHT, "dog", 0.9)), ("s2", "a"): whole, ("s2", "b"): None}
    rows = [
        {
            **{"scene": scene, "angle": 0, "repeat": 0, "device": device, "picture": scene + device, "cluster": scene},
            **{"category": "cat", "label_1": "dog", "score_1": 0.9, "label_2": "cat", "score_2": 0.8},
            **{"labels": ("cat", "dog"), "ambiguous": (), "environment": "e", "truth": detections_text(TRUTH)},
            **{"detail": detections_text(one) if one else "", "error": "" if one else "no memory"},
        }
        for (scene, device), one in answers.items()
    ]
    return pd.DataFrame(rows)


def test_rows_are_objects_of_predictions() -> None:
    rows = TASK_ROWS["detection"](predictions())
    assert rows["object"].tolist() == ["cat 1", "dog 1"] * 4
    assert rows["verdict"].tolist() == ["right", "right", "wrong", "right", "right", "right", "missing", "missing"]
    assert rows["category"].tolist() == ["cat", "dog"] * 4
    assert not {"detail", "truth", "label_2", "score_2"} & set(rows.columns)
    assert table_verdicts(rows).tolist() == rows["verdict"].tolist()  # what is judged anew is judged alike


def test_the_analysis_runs_on_them_unchanged() -> None:
    rows = detection_rows(predictions())
    result = instability(rows)
    assert result.item == ("scene", "angle", "repeat", "object")
    assert (result.items, result.unstable, result.uncounted) == (2, 1, 2)
    assert pairs(rows)["unstable"].tolist() == [1]
    assert disagreement(rows).unstable == 1
    assert within_device(rows, over="repeat").items == 0
    told = study(rows)
    assert told.summary["instability"]["rate"] == 0.5
    assert told.frames["flips"]["object"].tolist() == ["cat 1"]
    assert told.frames["flips"]["wrong_label"].tolist() == ["nothing"]


def test_one_condition_against_itself_is_stable() -> None:
    table = predictions().query("device == 'a'")
    twice = pd.concat([table, table.assign(device="again")], ignore_index=True)
    assert instability(detection_rows(twice)).unstable == 0


def test_without_a_truth_the_table_stays_and_without_boxes_it_is_refused() -> None:
    table = predictions()
    assert detection_rows(table.drop(columns="truth")) is not None
    assert detection_rows(table.assign(truth="")).equals(table.assign(truth=""))
    with pytest.raises(BadInput, match="got 4 without any record of boxes"):
        detection_rows(table.assign(detail="", error=""))
    empty = detections_text(Detections((), (), ()))
    with pytest.raises(BadInput, match="got scenes that hold none"):
        detection_rows(table.assign(truth=empty))
    with pytest.raises(BadInput, match="expected a JSON object"):
        detection_rows(table.assign(detail="[]"))
