"""IoU, mIoU and pixel accuracy against scikit-learn and a hand example; their intervals against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from analysis.segmentation.masks import OTHER, UNSEEN
from analysis.segmentation.scores import class_ious, confusion, mean_iou, metric_interval, pixel_accuracy
from device_agents.errors import BadInput
from device_agents.tasks.answers import NO_CLASS


def test_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1], [0, 1, NO_CLASS, 1]], np.uint8)
    answer = np.array([[0, 1, 1, OTHER], [UNSEEN, 1, 0, 0]], np.uint8)
    counts = confusion(truth, answer, 3)
    assert counts.tolist() == [[1, 1, 0, 0], [1, 2, 0, 1], [0, 0, 0, 0]]
    # class 0: 1 of 1 + 1 + 1; class 1: 2 of 2 + 1 + 2; class 2 is not in the truth
    assert class_ious(counts)[:2].tolist() == [1 / 3, 2 / 5]
    assert np.isnan(class_ious(counts)[2])
    assert mean_iou(counts) == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert pixel_accuracy(counts) == 0.5
    nothing = np.zeros((3, 4), np.int64)
    assert np.isnan([mean_iou(nothing), pixel_accuracy(nothing)]).all()
    with pytest.raises(BadInput, match=r"a mask of the truth's shape \(2, 4\), got \(4, 2\)"):
        confusion(truth, answer.T, 3)


def plain_ious(truth, answer, classes: int) -> list[float]:
    """The definition, a class and a pixel at a time: TP / (TP + FP + FN)."""
    found = []
    for one in range(classes):
        hits = wrong = missed = 0
        for wanted, given_ in zip(truth.ravel().tolist(), answer.ravel().tolist(), strict=True):
            hits += wanted == one and given_ == one
            missed += wanted == one and given_ != one
            wrong += wanted != one and given_ == one
        found.append(hits / (hits + missed + wrong) if hits + missed else float("nan"))
    return found


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12))
def test_against_the_definition_and_its_properties(seed, height, width) -> None:
    rng = np.random.default_rng(seed)
    truth, answer = rng.integers(0, 4, (2, height, width)).astype(np.uint8)
    counts = confusion(truth, answer, 4)
    assert class_ious(counts) == pytest.approx(plain_ious(truth, answer, 4), nan_ok=True)
    assert pixel_accuracy(counts) == pytest.approx(float((truth == answer).mean()))
    assert mean_iou(confusion(truth, truth, 4)) == 1.0
    shuffled = rng.permutation(truth.size)
    again = confusion(truth.ravel()[shuffled].reshape(truth.shape), answer.ravel()[shuffled].reshape(truth.shape), 4)
    assert (again == counts).all()
    spoilt = answer.copy()
    spoilt[0, 0] = truth[0, 0]
    assert pixel_accuracy(confusion(truth, spoilt, 4)) >= pixel_accuracy(counts)


def test_against_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed (extra detection)")
    truth, answer = np.random.default_rng(3).integers(0, 5, (2, 40, 30)).astype(np.uint8)
    counts = confusion(truth, answer, 5)
    coded = [
        coco.encode(np.asfortranarray((one[..., None] == np.arange(5)).astype(np.uint8))) for one in (truth, answer)
    ]
    expected = np.diagonal(coco.iou(coded[1], coded[0], [0] * 5))
    assert class_ious(counts) == pytest.approx(expected, abs=1e-12)
    assert mean_iou(counts) == pytest.approx(float(expected.mean()), abs=1e-12)


def test_the_jackknife_is_that_of_a_mean_where_the_metric_is_one() -> None:
    # Pictures of one pixel count and one class: pixel accuracy is a plain mean, whose jackknife is s / sqrt(n).
    right = np.array([8, 6, 9, 4])
    counts = np.stack([[[one, 10 - one]] for one in right])
    found = metric_interval(pixel_accuracy, counts, list("abcd"))
    rates = right / 10
    reach = student.ppf(0.975, 3) * rates.std(ddof=1) / 2
    assert (found.low, found.high) == pytest.approx((rates.mean() - reach, min(1.0, rates.mean() + reach)))
    assert (found.clusters, found.method) == (4, "jackknife-clusters")
    two = metric_interval(pixel_accuracy, counts, ["a", "a", "b", "b"])
    assert two.clusters == 2


def test_equal_answers_differ_by_nothing_and_one_picture_has_no_interval() -> None:
    counts = np.random.default_rng(0).integers(1, 9, (5, 3, 4))
    same = metric_interval(mean_iou, counts, range(5), base=counts)
    assert (same.low, same.high) == (0.0, 0.0)
    one = metric_interval(mean_iou, counts[:1], ["a"])
    assert np.isnan([one.low, one.high]).all()
