"""From raw outputs to an answer: the picture's fractions, switches by name, and every broken output as one message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.placed import Placed
from device_agents.sidecar import Sidecar
from device_agents.tasks.answers import read_detections
from device_agents.tasks.asked import Answer, Asked
from device_agents.tasks.detection import NOTHING, answer, detect, head_settings

WHOLE = Placed(50, 100, 1.0, 1.0, 0.0, 0.0)  # a picture 100 wide and 50 high, as it is
BOXES = np.array([[10, 5, 30, 25], [50.25, 10.5, 80.75, 49.5]], np.float32)
LABELS, SCORES = np.array([1, 2]), np.array([0.75, 0.5], np.float32)


def asked(post: str = "", *, placed: Placed = WHOLE, top_k: int = 5, **values: Any) -> Asked:
    card = Sidecar(
        name="drawn",
        input_height=50,
        input_width=100,
        layout="nhwc",
        colour_order="rgb",
        fit="squash",
        resizer="pillow-bilinear",
        scaling="zero-one",
        outputs="raw",
        task="detection",
        head="boxes",
        post=values,
    )
    return Asked(card, ("cat", "dog"), post, top_k, placed)


def found(post: str = "", boxes: np.ndarray = BOXES, **values: Any) -> list[list[float]]:
    given = answer((boxes, LABELS[: len(boxes)], SCORES[: len(boxes)]), asked(post, **values))
    return [list(box) for box in read_detections(given.detail).boxes]


def test_boxes_are_fractions_of_the_viewed_picture() -> None:
    assert answer((BOXES, LABELS, SCORES), asked()) == Answer(
        ("cat", "dog"),
        (0.75, 0.5),
        '{"boxes":[[0.1,0.1,0.3,0.5],[0.5025,0.21,0.8075,0.99]],"labels":["cat","dog"],"scores":[0.75,0.5]}',
    )


def test_a_letterbox_is_taken_off_again() -> None:
    # The picture, 200 wide and 50 high, at half its size in the middle of the input: 12.5 pixels above and below.
    letterbox = Placed(50, 200, 0.5, 0.5, 0.0, 12.0)
    boxes = np.array([[10, 22, 60, 32]], np.float32)
    given = answer((boxes, LABELS[:1], SCORES[:1]), asked(placed=letterbox))
    assert read_detections(given.detail).boxes == ((0.1, 0.4, 0.6, 0.8),)


def test_labels_are_distinct_and_at_most_top_k() -> None:
    boxes = np.concatenate([BOXES, BOXES + 1])
    many = answer((boxes, np.array([1, 1, 2, 2]), np.array([0.9, 0.8, 0.7, 0.6])), asked())
    assert (many.labels, many.scores) == (("cat", "dog"), (0.9, 0.7))
    assert len(read_detections(many.detail).boxes) == 4
    assert answer((BOXES, LABELS, SCORES), asked(top_k=1)).labels == ("cat",)


def test_nothing_found_is_an_answer() -> None:
    given = answer((BOXES[:0], LABELS[:0], SCORES[:0]), asked())
    assert given == Answer((NOTHING,), (0.0,), '{"boxes":[],"labels":[],"scores":[]}')
    assert answer((BOXES, LABELS, SCORES), asked(score_threshold=0.9)).labels == (NOTHING,)


def test_switches_by_name_move_edges_as_they_say() -> None:
    plain = np.array(found()) * [100, 50, 100, 50]
    assert plain == pytest.approx(BOXES)
    assert np.array(found("offset-1")) * [100, 50, 100, 50] == pytest.approx(BOXES - [0, 0, 1, 1])
    assert np.array(found("round-down"))[1] * [100, 50, 100, 50] == pytest.approx([50, 10, 80, 49])
    assert np.array(found("round-up"))[1] * [100, 50, 100, 50] == pytest.approx([51, 11, 81, 50])
    both = np.array(found("offset-1+round-nearest"))[1] * [100, 50, 100, 50]
    assert both == pytest.approx([50, 10, 80, 48])  # 48.5 goes to the even one
    assert len(found("threshold-0.5")) == 2


def test_edges_past_the_picture_are_cut_unless_told_otherwise() -> None:
    wide = np.array([[-20, -10, 30, 60]], np.float32)
    assert found(boxes=wide) == [[0.0, 0.0, 0.3, 1.0]]
    assert found("no-clip", boxes=wide) == [[-0.2, -0.2, 0.3, 1.2]]
    assert found(boxes=wide - 200) == []  # nothing of it is left
    with pytest.raises(BadInput, match="within 64 pictures"):
        found("no-clip", boxes=wide * 1e6)


def test_boxes_without_area_are_dropped_and_small_ones_where_asked() -> None:
    assert found(boxes=np.array([[10, 10, 10, 20], [5, 5, 4, 9]], np.float32)) == []
    assert len(found(boxes=BOXES, smallest=25.0)) == 1


def test_suppression_is_of_the_head_or_the_sidecar() -> None:
    twice = np.concatenate([BOXES[:1], BOXES[:1] + 0.5])
    same = (twice, np.array([1, 1]), SCORES)
    assert len(read_detections(answer(same, asked()).detail).boxes) == 2  # such a model has its own
    assert len(read_detections(answer(same, asked(nms="class-wise")).detail).boxes) == 1
    soft = read_detections(answer(same, asked("nms-soft-gaussian")).detail)
    assert soft.scores[0] == 0.75
    assert soft.scores[1] < 0.15


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ((BOXES, LABELS, np.array([np.nan, 0.5])), "finite outputs, got 1 numbers"),
        ((BOXES * np.inf, LABELS, SCORES), "finite outputs, got 8 numbers"),
        ((BOXES, LABELS + 2, SCORES), "answered class 2, but its label list has 2"),
        ((BOXES, LABELS), r"expected boxes \(n, 4\)"),
        ((), r"expected boxes \(n, 4\)"),
    ],
)
def test_broken_outputs_are_one_message(outputs: tuple[np.ndarray, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        answer(outputs, asked())


def test_a_switch_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="'exp-float16' changes exp, which the head 'boxes' does not use"):
        head_settings("boxes", {}, "exp-float16")
    with pytest.raises(BadInput, match="unknown post 'ofset-1'; did you mean 'offset-1'"):
        head_settings("boxes", {}, "ofset-1")
    with pytest.raises(BadInput, match="unknown setting 'ofset'"):
        head_settings("boxes", {"ofset": 1}, "")


def test_without_labels_a_class_is_called_by_its_index() -> None:
    settings = head_settings("boxes", {}, "")
    given = detect((BOXES, LABELS, SCORES), head="boxes", settings=settings, size=(50, 100), labels=None, placed=WHOLE)
    assert given.labels == ("0", "1")
