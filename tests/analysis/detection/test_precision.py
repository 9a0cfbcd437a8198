"""Mean average precision against COCOeval from scratch, to the last bit."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from analysis.detection.precision import mean_precisions
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections

pytest.importorskip("pycocotools", reason="the extra 'detection' is not installed")
LABELS = ("bird", "cat", "dog", "elk", "fox")


def from_scratch(truths: Sequence[Detections], answers: Sequence[Detections]) -> tuple[Any, Any]:
    """COCOeval as its documentation calls it: (evaluation, stats)."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = {label: number for number, label in enumerate(LABELS, 1)}
    annotations = [
        {"image_id": picture, "category_id": ids[label], "bbox": xywh(box), "area": area(box), "iscrowd": int(ignored)}
        for picture, truth in enumerate(truths, 1)
        for box, label, ignored in zip(
            truth.boxes, truth.labels, truth.ignored or (False,) * len(truth.boxes), strict=True
        )
    ]
    results = [
        {"image_id": picture, "category_id": ids[label], "bbox": xywh(box), "score": score}
        for picture, found in enumerate(answers, 1)
        for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(1, len(truths) + 1)],
            "annotations": [{"id": number, **one} for number, one in enumerate(annotations, 1)],
            "categories": [{"id": number, "name": label} for label, number in ids.items()],
            "info": {},
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation, evaluation.stats


def xywh(box: tuple[float, ...]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def draw(rng: np.random.Generator, count: int, *, truth: bool, levels: int = 40) -> Detections:
    """Random boxes; scores of few levels, so that many are equal."""
    corner, size = rng.uniform(0, 0.7, (count, 2)), rng.uniform(0.05, 0.3, (count, 2))
    boxes = np.hstack([corner, corner + size])
    scores = np.ones(count) if truth else np.sort(rng.integers(1, levels, count) / levels)[::-1]
    labels = tuple(rng.choice(LABELS[:4] if truth else LABELS, count))
    ignored = tuple(bool(one) for one in rng.random(count) < 0.15) if truth else ()
    return Detections(tuple(map(tuple, boxes.tolist())), tuple(map(str, labels)), tuple(scores.tolist()), ignored)


def near(rng: np.random.Generator, truth: Detections) -> Detections:
    """A truth's boxes shaken a little, and some others."""
    other = draw(rng, 6, truth=False)
    shaken = np.array(truth.boxes).reshape(-1, 4) + rng.normal(0, 0.02, (len(truth.boxes), 4))
    shaken[:, 2:] = np.maximum(shaken[:, 2:], shaken[:, :2] + 0.01)
    boxes = [*map(tuple, shaken.tolist()), *other.boxes]
    scores = [*(rng.integers(1, 40, len(truth.boxes)) / 40).tolist(), *other.scores]
    labels = [*truth.labels, *other.labels]
    order = np.argsort(-np.array(scores), kind="stable")
    return Detections(
        tuple(boxes[one] for one in order), tuple(labels[one] for one in order), tuple(scores[one] for one in order)
    )


@pytest.mark.parametrize("seed", range(6))
def test_equals_cocoeval_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truths = [draw(rng, int(rng.integers(0, 8)), truth=True) for _ in range(25)]
    first = [near(rng, truth) for truth in truths]
    second = [one if rng.random() < 0.7 else near(rng, truth) for one, truth in zip(first, truths, strict=True)]
    found = mean_precisions(truths, {"a": first, "b": second, "a again": list(first)})
    for name, answers in (("a", first), ("b", second), ("a again", first)):
        evaluation, stats = from_scratch(truths, answers)
        assert found[name].ap == stats[0]
        assert found[name].ap50 == stats[1]
        here = [LABELS.index(label) for label in found[name].labels]
        assert np.array_equal(found[name].curves, evaluation.eval["precision"][:, :, here, 0, 2])


def test_a_hand_example() -> None:
    """Two cats; the surest box finds one, the next finds nothing, the last the other: precisions 1 and 2/3."""
    truth = Detections(((0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7)), ("cat", "cat"), (1.0, 1.0))
    found = Detections(
        ((0.0, 0.0, 0.2, 0.2), (0.8, 0.0, 0.9, 0.1), (0.5, 0.5, 0.7, 0.7)), ("cat",) * 3, (0.9, 0.8, 0.7)
    )
    one = mean_precisions([truth], {"only": [found]})["only"]
    # 51 of 101 recalls are up to 0.5 and get 1, the others 2/3
    assert one.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)
    assert one.by_class() == {"cat": (pytest.approx(one.ap50), pytest.approx(one.ap))}


def test_a_failed_picture_is_left_out_of_its_condition_only() -> None:
    rng = np.random.default_rng(3)
    truths = [draw(rng, 4, truth=True) for _ in range(6)]
    answers = [near(rng, truth) for truth in truths]
    found = mean_precisions(truths, {"whole": answers, "failed": [None, *answers[1:]]})
    assert found["whole"].ap == from_scratch(truths, answers)[1][0]
    assert found["failed"].ap == from_scratch(truths[1:], answers[1:])[1][0]


def test_classes_that_do_not_count_are_left_out() -> None:
    box = (0.0, 0.0, 0.5, 0.5)
    truth = Detections((box, box), ("cat", "lamp"), (1.0, 1.0))
    found = Detections((box,), ("cat",), (0.9,))
    assert mean_precisions([truth], {"a": [found]})["a"].ap == pytest.approx(0.5)
    assert mean_precisions([truth], {"a": [found]}, labels=("cat", "dog"))["a"].ap == pytest.approx(1.0)


def test_no_object_and_lengths_that_differ_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    empty = Detections((), (), ())
    with pytest.raises(BadInput, match="pictures without any"):
        mean_precisions([empty], {"a": [empty]})
    with pytest.raises(BadInput, match="expected 1 answers of 'a'"):
        mean_precisions([Detections(((0, 0, 1, 1),), ("cat",), (1.0,))], {"a": []})
    assert mean_precisions([Detections(((0, 0, 1, 1),), ("cat",), (1.0,))], {"a": [empty]})["a"].ap == 0.0
    assert capsys.readouterr().out == ""
