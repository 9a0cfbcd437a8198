"""Which output is which: by shape, by name, in whatever order, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.errors import BadInput
from device_agents.tasks.detection_outputs import dense_outputs, ready_outputs


def dense(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_levels_are_found_by_their_places_in_any_order() -> None:
    outputs = (dense(1, 4, 4), dense(1, 16, 3), dense(1, 16, 4), dense(1, 4, 3))
    (large, large_boxes), (small, small_boxes) = dense_outputs(outputs, (), counts=[16, 4], wide=4)
    assert large.shape == (16, 3)
    assert large_boxes.shape == (16, 4)
    assert small.shape == (4, 3)
    assert small_boxes.shape == (4, 4)


def test_one_pair_holds_all_levels_and_one_output_both() -> None:
    scores, boxes = dense(1, 20, 3), dense(1, 20, 4)
    levels = dense_outputs((boxes, scores), (), counts=[16, 4], wide=4)
    assert [len(one) for one, _ in levels] == [16, 4]
    assert np.array_equal(np.concatenate([terms for _, terms in levels]), boxes[0])
    both = np.concatenate([scores, boxes], axis=2)
    again = dense_outputs((both,), (), counts=[16, 4], wide=4)
    assert all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(levels, again, strict=True))


def test_convolutions_are_laid_out_cell_by_cell_as_torchvision_does() -> None:
    # 2 anchors x 3 classes on a 2 x 2 grid: channel = anchor * 3 + class
    conv = dense(1, 6, 2, 2)
    boxes = dense(1, 8, 2, 2)
    ((scores, terms),) = dense_outputs((conv, boxes), (), counts=[8], wide=4, anchors=[2])
    assert scores.shape == (8, 3)
    assert terms.shape == (8, 4)
    assert scores[0].tolist() == [0, 4, 8]  # the first cell, its first anchor
    assert scores[1].tolist() == [12, 16, 20]  # its second
    assert scores[2].tolist() == [1, 5, 9]  # the next cell


def test_four_classes_need_names() -> None:
    scores, boxes = dense(1, 6, 4), dense(1, 6, 4) + 100
    with pytest.raises(BadInput, match="name the outputs in their order"):
        dense_outputs((scores, boxes), (), counts=[6], wide=4)
    ((found, terms),) = dense_outputs((boxes, scores), ("boxes", "scores"), counts=[6], wide=4)
    assert found[0, 0] == 0
    assert terms[0, 0] == 100


@pytest.mark.parametrize(
    ("shapes", "names", "message"),
    [
        (((1, 5, 3), (1, 6, 4)), (), "levels of n = 6, got float32"),
        (((1, 6, 3),), (), "box terms"),
        (((2, 6, 3), (2, 6, 4)), (), r"got one of \(2, 6, 3\)"),
        (((1, 6, 3), (1, 6, 4)), ("scores",), "outputs names 1, the model has 2"),
        (((1, 6, 3), (1, 6, 5)), ("scores", "boxes"), "box terms"),
    ],
)
def test_other_shapes_are_refused(shapes: tuple[tuple[int, ...], ...], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        dense_outputs(tuple(dense(*shape) for shape in shapes), names, counts=[6], wide=4)


BOXES = np.array([[0, 0, 5, 5], [1, 1, 6, 6]], np.float32)
LABELS = np.array([3, 1], np.int64)
SCORES = np.array([0.9, 0.4], np.float32)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_torchvisions_three_are_told_by_kind(order: tuple[int, ...]) -> None:
    three = (BOXES, LABELS, SCORES)
    boxes, labels, scores = ready_outputs(tuple(three[place] for place in order), ())
    assert np.array_equal(boxes, BOXES)
    assert np.array_equal(labels, LABELS)
    assert np.array_equal(scores, SCORES)


def test_a_single_box_and_no_box() -> None:
    boxes, labels, _ = ready_outputs((BOXES[:1], LABELS[:1], SCORES[:1]), ())
    assert boxes.shape == (1, 4)
    assert labels.tolist() == [3]
    assert ready_outputs((BOXES[:0], LABELS[:0], SCORES[:0]), ())[0].shape == (0, 4)


def test_tensorflows_four_are_cut_at_the_count() -> None:
    four = (BOXES[None], LABELS[None].astype(np.float32), SCORES[None], np.array([1.0], np.float32))
    boxes, labels, scores = ready_outputs(four, ())
    assert boxes.tolist() == [[0, 0, 5, 5]]
    assert labels.tolist() == [3]
    assert scores.tolist() == pytest.approx([0.9])
    # the newer converter's order: scores, boxes, count, classes
    boxes, labels, scores = ready_outputs((four[2], four[0], four[3], four[1]), ())
    assert labels.tolist() == [3]
    assert scores.tolist() == pytest.approx([0.9])


def test_ready_outputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match=r"boxes \(n, 4\), labels \(n,\) and scores"):
        ready_outputs((SCORES, SCORES), ())
    with pytest.raises(BadInput, match="as many boxes"):
        ready_outputs((BOXES, LABELS[:1], SCORES), ())
    with pytest.raises(BadInput, match="count of 0 to 2 boxes, got 3"):
        ready_outputs((BOXES, LABELS, SCORES, np.array(3.0)), ("boxes", "labels", "scores", "count"))
    with pytest.raises(BadInput, match="outputs names 2"):
        ready_outputs((BOXES, LABELS, SCORES), ("boxes", "labels"))
