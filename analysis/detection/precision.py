"""Mean average precision over many conditions by pycocotools: what conditions share is prepared and matched once.

All matching and all precisions are pycocotools' own (its evaluateImg and accumulate run as they are), so the numbers
equal those of COCOeval from scratch to the last bit. What is saved is work that COCOeval repeats: the truth is read
once; boxes of one class in one picture that several conditions give alike are matched once; a class whose boxes are
alike everywhere is accumulated once; and only the area range "all" with 100 boxes a picture is worked out.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_agents.errors import BadInput, MissingExtra
from device_agents.tasks.answers import Detections

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
MOST_BOXES = 100  # a picture and class: COCO's
EVERYTHING = (0.0, 1e10)  # COCO's area range "all"


@dataclass(frozen=True)
class Precision:
    """What pycocotools makes of one condition.

    curves: float64 (10 overlaps 0.50..0.95, 101 recalls, classes), precision at each recall. labels: the classes, in
    alphabetical order. Classes that no truth holds have -1 throughout and are in no mean.
    """

    curves: Array
    labels: tuple[str, ...]

    @property
    def ap(self) -> float:
        """mAP@0.5:0.95, the mean over overlaps, recalls and classes; NaN where no class has an object."""
        return _mean(self.curves)

    @property
    def ap50(self) -> float:
        """mAP@0.5."""
        return _mean(self.curves[:1])

    def by_class(self) -> dict[str, tuple[float, float]]:
        """Each class's average precision at 0.5 and over 0.5:0.95."""
        columns = [self.curves[:, :, [place]] for place in range(len(self.labels))]
        return {label: (_mean(one[:1]), _mean(one)) for label, one in zip(self.labels, columns, strict=True)}


@dataclass(frozen=True)
class Matched:
    """One class in one condition, boxes in falling order of score.

    picture: int64 (boxes,), where each box is. found, ignored: bool (10, boxes). objects: int64 (pictures,), how many
    count in each picture.
    """

    picture: Whole
    found: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: Whole


Watcher = Callable[[str, str, Matched], None]


def mean_precisions(
    truths: Sequence[Detections],
    answers: Mapping[str, Sequence[Detections | None]],
    *,
    labels: Collection[str] | None = None,
    watch: Watcher | None = None,
) -> dict[str, Precision]:
    """Give each condition's precision over the pictures that it has an answer for.

    truths: the objects of each picture; those marked as ignored are COCO's crowds, which count neither as found nor as
    missed and may hold many boxes. answers: by condition one for each picture, None where it failed. labels: the
    classes that count; all of the truths by default. watch: is given each condition, class and what was matched, so
    that resampling need not match again. Raises BadInput where lengths differ or no object is left; MissingExtra
    without pycocotools.
    """
    known = {label for truth in truths for label in truth.labels}
    held = sorted(known if labels is None else known & set(labels))
    if not held:
        raise BadInput("expected objects of the classes that count, got pictures without any: there is no precision")
    for name, found in answers.items():
        if len(found) != len(truths):
            raise BadInput(f"expected {len(truths)} answers of '{name}', one a picture, got {len(found)}")
    shared = _Shared.of(truths, answers)
    curves: dict[str, list[Array]] = {name: [] for name in answers}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells its progress there; its errors still come
        reference = _reference()
        for label in held:
            for name, curve in _one_class(reference, shared, label, watch).items():
                curves[name].append(curve)
    return {name: Precision(np.stack(found, axis=2), tuple(held)) for name, found in curves.items()}


@dataclass(frozen=True)
class _Shared:
    """Truths and distinct answers, each once.

    numbers: by condition int64 (pictures,), which distinct answer, -1 for none. count: of the distinct ones.
    boxes: by class, the distinct answers that have boxes of it or should have: number, picture, and the boxes as bytes
    of float64 (boxes, 5): left, top, width, height, score. truths: by picture its objects by class, as pycocotools
    takes them.
    """

    numbers: dict[str, Whole]
    count: int
    boxes: dict[str, list[tuple[int, int, bytes]]]
    truths: list[dict[str, list[dict[str, Any]]]]

    @classmethod
    def of(cls, truths: Sequence[Detections], answers: Mapping[str, Sequence[Detections | None]]) -> _Shared:
        seen: dict[tuple[int, Detections], int] = {}
        numbers = {}
        for name, found in answers.items():
            given = [-1 if one is None else seen.setdefault((at, one), len(seen)) for at, one in enumerate(found)]
            numbers[name] = np.array(given, dtype=np.int64)
        objects = [_objects(truth) for truth in truths]
        boxes: dict[str, list[tuple[int, int, bytes]]] = {}
        for (picture, one), number in seen.items():
            mine = _by_class(one)
            for label in dict.fromkeys((*mine, *objects[picture])):
                boxes.setdefault(label, []).append((number, picture, mine.get(label, b"")))
        return cls(numbers, len(seen), boxes, objects)


def _one_class(reference: Any, shared: _Shared, label: str, watch: Watcher | None) -> dict[str, Array]:
    """Each condition's precision (overlaps, recalls) of one class."""
    known: dict[tuple[int, bytes], int] = {}
    which = np.full(shared.count + 1, -1, dtype=np.int64)  # the last one is for pictures without an answer
    matched: list[dict[str, Any]] = []
    for number, picture, boxes in shared.boxes.get(label, ()):
        which[number] = known.setdefault((picture, boxes), len(known))
        if which[number] == len(matched):
            matched.append(_match(reference, shared.truths[picture].get(label, []), boxes))
    curves: dict[bytes, Array] = {}
    given = {}
    for name, numbers in shared.numbers.items():
        places = which[numbers]
        pictures = np.flatnonzero(places >= 0)
        used = places[pictures]
        if used.tobytes() not in curves:
            curves[used.tobytes()] = _accumulate(reference, [matched[place] for place in used])
        given[name] = curves[used.tobytes()]
        if watch is not None:
            watch(name, label, _together([matched[place] for place in used], pictures, len(numbers)))
    return given


def _match(reference: Any, objects: list[dict[str, Any]], boxes: bytes) -> dict[str, Any]:
    """Match one class in one picture, as pycocotools does."""
    key = 1, 1
    reference._gts[key] = objects  # where evaluateImg looks for them
    reference._dts[key] = [
        {"id": number, "bbox": [*box], "area": box[2] * box[3], "score": score}
        for number, (*box, score) in enumerate(np.frombuffer(boxes).reshape(-1, 5).tolist(), 1)
    ]
    reference.ious[key] = reference.computeIoU(*key)
    found: dict[str, Any] = reference.evaluateImg(*key, EVERYTHING, MOST_BOXES)
    return {name: found[name] for name in ("dtScores", "dtMatches", "dtIgnore", "gtIgnore")}


def _accumulate(reference: Any, matched: list[dict[str, Any]]) -> Array:
    """Give pycocotools' precision (overlaps, recalls) of one class over its pictures; -1 where it has no object."""
    reference.params.imgIds = list(range(len(matched)))
    reference.params.catIds = [1]
    reference._paramsEval = reference.params  # evaluate() keeps a copy there
    reference.evalImgs = matched
    reference.accumulate()
    precision: Array = reference.eval["precision"][:, :, 0, 0, 0]
    return precision


def _together(matched: Sequence[dict[str, Any]], pictures: Whole, count: int) -> Matched:
    """Lay out the boxes of all pictures by score, equal ones in the order of pictures, as accumulate does."""
    if not matched:
        nothing = np.zeros((10, 0), dtype=bool)
        return Matched(np.zeros(0, np.int64), nothing, nothing, np.zeros(count, np.int64))
    scores = np.concatenate([one["dtScores"] for one in matched])
    order = np.argsort(-scores, kind="mergesort")
    found, ignored = (
        np.concatenate([one[name] for one in matched], axis=1)[:, order].astype(bool)
        for name in ("dtMatches", "dtIgnore")
    )
    objects = np.zeros(count, dtype=np.int64)
    objects[pictures] = [np.count_nonzero(one["gtIgnore"] == 0) for one in matched]
    of = np.repeat(pictures, [len(one["dtScores"]) for one in matched])[order]
    return Matched(of, found & ~ignored, ignored, objects)


def _objects(truth: Detections) -> dict[str, list[dict[str, Any]]]:
    """A truth's objects by class, as pycocotools takes them."""
    found: dict[str, list[dict[str, Any]]] = {}
    ignored = truth.ignored or (False,) * len(truth.boxes)
    for number, (box, label, out) in enumerate(zip(truth.boxes, truth.labels, ignored, strict=True), 1):
        left, top, right, bottom = box
        bbox = [left, top, right - left, bottom - top]
        one = {"id": number, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": int(out), "ignore": int(out)}
        found.setdefault(label, []).append(one)
    return found


def _by_class(found: Detections) -> dict[str, bytes]:
    """An answer's boxes by class, in their order."""
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for (left, top, right, bottom), label, score in zip(found.boxes, found.labels, found.scores, strict=True):
        boxes.setdefault(label, []).append((left, top, right - left, bottom - top, score))
    return {label: np.array(some).tobytes() for label, some in boxes.items()}


def _reference() -> Any:
    try:
        from pycocotools.cocoeval import COCOeval
    except ImportError as problem:
        raise MissingExtra(
            "mean average precision needs pycocotools; pip install 'instability-kit[detection]'"
        ) from problem
    evaluation = COCOeval(iouType="bbox")
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [EVERYTHING], ["all"]
    evaluation.params.maxDets = [MOST_BOXES]
    return evaluation


def _mean(curves: Array) -> float:
    """The mean over what is not -1, in pycocotools' own order, so that the last bit is the same."""
    known = curves[curves > -1]
    return float(np.mean(known)) if known.size else float("nan")
