"""Suppression by hand and against OpenCV's; the order of equal scores; speed is benchmarks' matter."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.tasks.suppression import SUPPRESSIONS, falling

BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30]], np.float64)
SCORES = np.array([0.8, 0.9, 0.8, 0.3])
HARD = {"iou": 0.5, "plus": 0.0, "ties": "first", "most": 100}


def drawn(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 60, (count, 2))], axis=1)
    # OpenCV holds scores as float32: these stay apart there too.
    return boxes, (rng.permutation(count) + 1.0) / (count + 1), rng.integers(0, 4, count)


def test_class_wise_spares_other_classes_and_class_agnostic_does_not() -> None:
    classes = np.array([0, 0, 1, 0])
    places, scores = SUPPRESSIONS["class-wise"](BOXES, SCORES, classes, **HARD)
    assert places.tolist() == [1, 2, 3]
    assert scores.tolist() == [0.9, 0.8, 0.3]
    assert SUPPRESSIONS["class-agnostic"](BOXES, SCORES, classes, **HARD)[0].tolist() == [1, 3]
    assert SUPPRESSIONS["none"](BOXES, SCORES, classes, ties="first", most=3)[0].tolist() == [1, 0, 2]


def test_only_the_best_few_are_kept() -> None:
    assert SUPPRESSIONS["class-agnostic"](BOXES, SCORES, np.zeros(4, int), **{**HARD, "most": 1})[0].tolist() == [1]


def test_equal_scores_go_in_the_order_said() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.5])
    assert falling(scores, ties="first").tolist() == [1, 0, 2, 3]
    assert falling(scores, ties="last").tolist() == [1, 3, 2, 0]
    twins, equal, classes = BOXES[[0, 2]], np.array([0.5, 0.5]), np.zeros(2, int)
    assert SUPPRESSIONS["class-wise"](twins, equal, classes, **HARD)[0].tolist() == [0]
    assert SUPPRESSIONS["class-wise"](twins, equal, classes, **{**HARD, "ties": "last"})[0].tolist() == [1]


def test_the_last_pixel_may_decide() -> None:
    # Without it 6 / 14 of the union is shared, with it 7 x 11 / 15 x 11.
    boxes, classes = np.array([[0, 0, 10, 10], [4, 0, 14, 10]], np.float64), np.zeros(2, int)
    options = {**HARD, "iou": 0.45}
    assert len(SUPPRESSIONS["class-wise"](boxes, SCORES[:2], classes, **options)[0]) == 2
    assert len(SUPPRESSIONS["class-wise"](boxes, SCORES[:2], classes, **{**options, "plus": 1.0})[0]) == 1


@pytest.mark.parametrize("count", [1, 40, 400])
@pytest.mark.parametrize("iou", [0.3, 0.6])
def test_hard_suppression_is_opencvs(count: int, iou: float) -> None:
    import cv2

    boxes, scores, classes = drawn(count)
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    options = {**HARD, "iou": iou, "most": 1000}
    theirs = np.asarray(cv2.dnn.NMSBoxes(rectangles.tolist(), scores.tolist(), 0.0, iou)).ravel()
    assert SUPPRESSIONS["class-agnostic"](boxes, scores, classes, **options)[0].tolist() == theirs.tolist()
    batched = cv2.dnn.NMSBoxesBatched(rectangles.tolist(), scores.tolist(), classes.tolist(), 0.0, iou)
    ours = SUPPRESSIONS["class-wise"](boxes, scores, classes, **options)[0]
    assert sorted(ours.tolist()) == sorted(np.asarray(batched).ravel().tolist())


@pytest.mark.parametrize(("name", "method"), [("soft-linear", 1), ("soft-gaussian", 2)])
def test_soft_suppression_is_opencvs(name: str, method: int) -> None:
    import cv2

    boxes = np.rint(drawn(60)[0])  # OpenCV's takes whole pixels alone
    scores = drawn(60)[1]
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(int)
    theirs, places = cv2.dnn.softNMSBoxes(
        rectangles.tolist(), scores.tolist(), 0.05, 0.3, top_k=0, sigma=0.5, method=method
    )
    options = {**HARD, "iou": 0.3, "sigma": 0.5, "threshold": 0.05}
    ours, final = SUPPRESSIONS[name](boxes, scores, np.zeros(60, int), **options)
    assert ours.tolist() == np.asarray(places).ravel().tolist()
    assert final == pytest.approx(np.asarray(theirs).ravel(), abs=1e-5)


def test_soft_suppression_lowers_scores_of_its_own_class_alone() -> None:
    boxes, scores = np.array([[0, 0, 10, 10]] * 2, np.float64), np.array([0.9, 0.8])
    options = {**HARD, "sigma": 0.5, "threshold": 0.1}
    assert SUPPRESSIONS["soft-linear"](boxes, scores, np.array([0, 1]), **options)[1].tolist() == [0.9, 0.8]
    assert SUPPRESSIONS["soft-linear"](boxes, scores, np.array([1, 1]), **options)[1].tolist() == [0.9]
    lowered = SUPPRESSIONS["soft-gaussian"](boxes, scores, np.array([1, 1]), **options)[1]
    assert lowered == pytest.approx([0.9, 0.8 * np.exp(-2)])


def test_no_boxes_stay_none() -> None:
    none = np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)
    for name, suppress in SUPPRESSIONS.items():
        options = {"ties": "first", "most": 9, **({} if name == "none" else {"iou": 0.5, "plus": 0.0})}
        options |= {"sigma": 0.5, "threshold": 0.1} if name.startswith("soft") else {}
        assert suppress(*none, **options)[0].size == 0
