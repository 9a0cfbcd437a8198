"""What an agent says of boxes and masks is bounded and read before it is believed."""

import dataclasses
import json

import numpy as np
import pytest

from device_agents.errors import CommandFailed
from device_agents.records import Prediction, to_values
from device_agents.tasks.answers import Detections, Mask, detections_text, mask_text
from hostctl.agents.checks import checked_answer
from hostctl.browsers.checks import MOST_DETAIL, Asked

CELLS, LABELS = frozenset({("p", "e")}), frozenset({"cup", "dog"})
DETECTION = Asked(CELLS, LABELS, 2, "detection")
SEGMENTATION = Asked(CELLS, LABELS, 2, "segmentation")
CLASSIFICATION = Asked(CELLS, LABELS, 2)
BOXES = detections_text(Detections(((0.1, 0.2, 0.3, 0.4), (-0.1, 0.0, 1.2, 1.0)), ("dog", "cup"), (0.75, 0.25)))
MASK = mask_text(Mask(2, 3, np.array([[0, 1, 255], [1, 1, 0]], np.uint8), ("cup", "dog")))
FOUND = Prediction("p", "e", ("dog", "cup"), (0.75, 0.25), 12.5, "0" * 64, detail=BOXES)


def line(one, **changes):
    return {**json.loads(json.dumps(to_values(one))), **changes}


def test_good_details_come_back_as_they_were():
    assert checked_answer(line(FOUND), DETECTION, name="board") == FOUND
    masked = dataclasses.replace(FOUND, detail=MASK)
    assert checked_answer(line(masked), SEGMENTATION, name="board") == masked
    plain = dataclasses.replace(FOUND, detail="")
    assert checked_answer(line(plain), CLASSIFICATION, name="board") == plain


def test_a_detector_may_find_nothing_and_a_failure_has_no_detail():
    nothing = Prediction("p", "e", ("nothing",), (0.0,), detail=detections_text(Detections((), (), ())))
    assert checked_answer(line(nothing), DETECTION, name="board") == nothing
    with pytest.raises(CommandFailed, match="the unknown label 'nothing'"):
        checked_answer(line(nothing, detail=""), CLASSIFICATION, name="board")
    failed = Prediction("p", "e", error="finish: BadInput: no")
    assert checked_answer(line(failed), DETECTION, name="board") == failed
    with pytest.raises(CommandFailed, match="an error and labels or a detail"):
        checked_answer(line(failed, detail=BOXES), DETECTION, name="board")


def test_a_mask_packed_otherwise_is_written_as_this_host_writes_it():
    import base64
    import zlib

    values = json.loads(MASK)
    raw = zlib.decompress(base64.b64decode(values["classes"]))
    values["classes"] = base64.b64encode(zlib.compress(raw, 0)).decode()
    packed = json.dumps(values)
    assert packed != MASK
    assert checked_answer(line(FOUND, detail=packed), SEGMENTATION, name="board").detail == MASK


@pytest.mark.parametrize(
    ("asked", "detail", "words"),
    [
        (CLASSIFICATION, BOXES, "expected no detail for the task classification"),
        (DETECTION, MASK, "a detail that cannot be read"),
        (SEGMENTATION, BOXES, "a detail that cannot be read"),
        (DETECTION, "{", "a detail that cannot be read"),
        (DETECTION, "", "a detail that cannot be read"),
        (DETECTION, 7, "a detail that is no text"),
        (DETECTION, ["x"], "a detail that is no text"),
        (DETECTION, "x" * (MOST_DETAIL + 1), "a detail that is no text of at most 1048576 characters"),
        (DETECTION, BOXES.replace("cup", "cow"), "the label 'cow', which its model has not"),
        (DETECTION, detections_text(Detections((), (), ())), "the label 'dog', which its detail has not"),
        (DETECTION, BOXES.replace("0.75", "NaN"), "a detail that cannot be read"),
        (DETECTION, BOXES.replace("0.3", "1e300"), "a detail that cannot be read"),
    ],
)
def test_what_is_no_detail_of_the_task_is_the_agents_failure(asked, detail, words):
    with pytest.raises(CommandFailed, match=words):
        checked_answer(line(FOUND, detail=detail), asked, name="board")
