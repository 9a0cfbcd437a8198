"""Boxes and masks as text and back, and what is refused at the door."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.errors import BadInput
from device_agents.tasks.answers import (
    Detections,
    Mask,
    detections_text,
    mask_text,
    read_detections,
    read_mask,
)

TWO = Detections(
    boxes=((0.0, 0.0, 1.0, 1.0), (-0.25, 0.5, 0.125, 1.5)), labels=("cat", "chaise longue, é"), scores=(0.5, 0.25)
)


def test_boxes_come_back_as_they_were() -> None:
    assert read_detections(detections_text(TWO)) == TWO


def test_numbers_are_kept_to_seven_decimals() -> None:
    found = Detections(((1 / 3, 0.0, 2 / 3, 1.0),), ("a",), (2 / 3,))
    back = read_detections(detections_text(found))
    assert back.boxes[0] == (0.3333333, 0.0, 0.6666667, 1.0)
    assert back.scores == (0.6666667,)


def test_no_boxes_and_ignored_ones() -> None:
    nothing = Detections((), (), ())
    assert detections_text(nothing) == '{"boxes":[],"labels":[],"scores":[]}'
    assert read_detections(detections_text(nothing)) == nothing
    truth = Detections(TWO.boxes, TWO.labels, (1.0, 1.0), (False, True))
    assert read_detections(detections_text(truth)) == truth


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(*[st.integers(-20, 20)] * 4, st.sampled_from("abc"), st.integers(0, 100)),
        max_size=20,
    )
)
def test_any_boxes_come_back(rows: list[tuple[int, int, int, int, str, int]]) -> None:
    rows = sorted(rows, key=lambda row: -row[5])
    found = Detections(
        boxes=tuple(
            (min(a, b) / 16, min(c, d) / 16, max(a, b) / 16, max(c, d) / 16) for a, b, c, d, _label, _score in rows
        ),
        labels=tuple(row[4] for row in rows),
        scores=tuple(row[5] / 100 for row in rows),
    )
    assert read_detections(detections_text(found)) == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scores": (0.5,)}, "as many labels and scores"),
        ({"scores": (0.25, 0.5)}, "falling order"),
        ({"scores": (1.5, 0.5)}, "scores of 0 to 1"),
        ({"scores": (float("nan"), 0.5)}, "scores of 0 to 1"),
        ({"boxes": ((0.0, 0.0, 1.0, float("inf")), TWO.boxes[1])}, "finite edges"),
        ({"boxes": ((0.0, 0.0, 1.0, 65.0), TWO.boxes[1])}, "within 64 pictures"),
        ({"boxes": ((0.5, 0.0, 0.25, 1.0), TWO.boxes[1])}, "left, top, right, bottom"),
        ({"ignored": (True,)}, "as many labels and scores"),
    ],
)
def test_boxes_that_no_matching_could_take_are_refused(values: dict[str, object], message: str) -> None:
    whole = {"boxes": TWO.boxes, "labels": TWO.labels, "scores": TWO.scores, **values}
    with pytest.raises(BadInput, match=message):
        Detections(**whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"boxes":[],"labels":[]}',
        '{"boxes":[],"labels":[],"scores":[],"more":1}',
        '{"boxes":[[0,0,1]],"labels":["a"],"scores":[1]}',
        '{"boxes":[[0,0,1,true]],"labels":["a"],"scores":[1]}',
        '{"boxes":[[0,0,1,NaN]],"labels":["a"],"scores":[1]}',
        '{"boxes":[[0,0,1,1]],"labels":[7],"scores":[1]}',
        '{"boxes":[[0,0,1,1]],"labels":["a"],"scores":["1"]}',
        '{"boxes":[[0,0,1,1]],"labels":["a"],"scores":[1],"ignored":[2]}',
        '{"boxes":3,"labels":["a"],"scores":[1]}',
    ],
)
def test_other_text_is_no_boxes(text: str) -> None:
    with pytest.raises(BadInput, match="expected"):
        read_detections(text)


def a_mask() -> Mask:
    classes = np.array([[0, 1, 255], [1, 1, 0]], np.uint8)
    return Mask(2, 3, classes, ("sky", "road"), (-0.125, 0.0, 1.125, 1.0))


def test_a_mask_comes_back_as_it_was() -> None:
    mask, back = a_mask(), read_mask(mask_text(a_mask()))
    assert np.array_equal(back.classes, mask.classes)
    assert (back.height, back.width, back.labels, back.extent) == (2, 3, mask.labels, mask.extent)


def test_masks_that_fit_no_picture_are_refused() -> None:
    classes = a_mask().classes
    with pytest.raises(BadInput, match=r"uint8 \(3, 2\)"):
        Mask(3, 2, classes, ("sky", "road"))
    with pytest.raises(BadInput, match="classes below 1 or 255, got 1"):
        Mask(2, 3, classes, ("sky",))
    with pytest.raises(BadInput, match="cover a part"):
        Mask(2, 3, classes, ("sky", "road"), (0.0, 0.0, 0.0, 1.0))
    with pytest.raises(BadInput, match="pixels"):
        Mask(0, 3, np.zeros((0, 3), np.uint8), ())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": base64.b64encode(zlib.compress(bytes(7))).decode()}, "6 pixels, got more"),
        ({"classes": base64.b64encode(zlib.compress(bytes(5))).decode()}, "6 pixels, got 5"),
        ({"classes": base64.b64encode(zlib.compress(bytes(1 << 24))).decode()}, "6 pixels, got more"),
        ({"classes": "no base64!"}, "base64 of zlib"),
        ({"classes": "YWJj"}, "base64 of zlib"),
        ({"classes": 3}, "classes as text"),
        ({"height": 1 << 20, "width": 1 << 20}, "expected a mask of"),
        ({"height": True}, "expected a mask of"),
        ({"extent": [0, 0, 1]}, "extent of four numbers"),
        ({"labels": "sky"}, "list of labels"),
    ],
)
def test_other_text_is_no_mask(values: dict[str, object], message: str) -> None:
    whole = {**json.loads(mask_text(a_mask())), **values}
    with pytest.raises(BadInput, match=message):
        read_mask(json.dumps(whole))
