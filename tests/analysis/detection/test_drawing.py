"""What is drawn of an answer: each box by what it is to the truth, in its colour and place."""

from __future__ import annotations

import numpy as np
from PIL import ImageColor

from analysis.detection.drawing import (
    FALSE,
    FOUND,
    MISPLACED,
    MISSED,
    STYLES,
    Drawn,
    draw_answer,
    draw_boxes,
    draw_truth,
    marked,
)
from device_agents.tasks.answers import Detections, detections_text
from tests.analysis.detection_sample import LEFT, MIDDLE, RIGHT, TRUTH, found


def has(picture: np.ndarray, kind: str) -> bool:
    return bool((picture == ImageColor.getrgb(STYLES[kind][0])).all(axis=2).any())


def test_boxes_are_marked_by_what_they_are() -> None:
    answer = found((LEFT, "cat", 0.8), (MIDDLE, "dog", 0.7))
    kinds = {(one.kind, one.words) for one in marked(answer, TRUTH)}
    assert kinds == {(FOUND, "cat .80"), (FALSE, "+ dog .70"), (MISSED, "- dog")}
    half = found(((0.0, 0.0, 0.2, 0.3), "cat", 1.0), (RIGHT, "dog", 0.9))
    assert [(one.kind, one.words) for one in marked(half, TRUTH)] == [(FOUND, "dog .90"), (MISPLACED, "~ cat 1.00")]


def test_lines_are_where_the_box_is_and_nothing_else_changes() -> None:
    ground = np.full((100, 100, 3), 50, dtype=np.uint8)
    drawn = draw_boxes(ground, [Drawn((0.3, 0.4, 0.7, 0.8), FOUND, "")])
    assert tuple(drawn[79, 50]) == ImageColor.getrgb(STYLES[FOUND][0])
    assert (drawn[50:70, 40:60] == 50).all()
    assert (drawn[90:] == 50).all()
    assert (ground == 50).all()


def test_answers_with_and_without_a_truth() -> None:
    ground = np.full((120, 160, 3), 50, dtype=np.uint8)
    detail = detections_text(found((LEFT, "cat", 0.8), (MIDDLE, "dog", 0.7), (RIGHT, "elk", 0.1)))
    told = draw_answer(ground, detail, detections_text(TRUTH))
    assert has(told, FOUND)
    assert has(told, FALSE)
    alone = draw_answer(ground, detail)
    assert not has(alone, FOUND)
    assert has(alone, "plain")
    ignored = detections_text(Detections((LEFT,), ("cat",), (1.0,), (True,)))
    assert has(draw_truth(ground, ignored), "truth")
    outside = detections_text(found(((-0.5, -0.5, 1.5, 1.5), "a very long name of a class that does not fit", 0.9)))
    assert draw_answer(ground, outside).shape == ground.shape
