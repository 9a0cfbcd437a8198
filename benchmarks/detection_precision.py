"""Mean average precision of 40 environments of 5,000 pictures, against COCOeval from scratch for each environment.

Truths and boxes are drawn: as many objects a picture as COCO has, 80 classes of which few are frequent, some 17 boxes
a picture. On the data pack's photographs another decoder, resizer or colour changes the boxes of every picture in some
bit, unless it gives equal pixels, and then it changes none: so in the first case all environments differ in every
picture, and in the second a quarter of them are another's again, as opencv's decoder is pillow's.
"""

import contextlib
import gc
import io
import time
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.detection.precision import mean_precisions
from device_agents.tasks.answers import Detections

PICTURES, ENVIRONMENTS, REFERENCES = 5_000, 40, 2
CLASSES = tuple(f"class {number:02d}" for number in range(80))
FREQUENCY = 1 / np.arange(1, len(CLASSES) + 1) / np.sum(1 / np.arange(1, len(CLASSES) + 1))
OBJECTS, MOST_OBJECTS, FOUND, OTHERS = 7.3, 30, 0.75, 12  # COCO val2017: 7.3 objects a picture


def bench(pictures: int = PICTURES, environments: int = ENVIRONMENTS) -> Iterator[str]:
    """Give the processor time of both ways, their ratio, and whether the numbers are the same to the last bit."""
    rng = np.random.default_rng(0)
    truths = [_truth(rng) for _ in range(pictures)]
    answers = {f"e{number}": [_answer(rng, truth) for truth in truths] for number in range(environments)}
    boxes = sum(len(one.boxes) for found in answers.values() for one in found) / (pictures * environments)
    yield f"{pictures} pictures x {environments} environments, {boxes:.0f} boxes a picture, {len(CLASSES)} classes"
    names = list(answers)[:: max(1, environments // REFERENCES)][:REFERENCES]
    start_s = time.process_time()
    reference = {name: _from_scratch(truths, answers[name]) for name in names}
    each_s = (time.process_time() - start_s) / len(names)
    yield f"COCOeval from scratch: {each_s:.1f} s an environment (mean of {len(names)})"
    again = dict(answers)
    for number in range(0, environments, 4):
        again[f"e{number + 1}"] = answers[f"e{number}"]
    for told, given in (("all differ", answers), ("a quarter is another's again", again)):
        start_s = time.process_time()
        found = mean_precisions(truths, given)
        took_s = time.process_time() - start_s
        same = all((found[name].ap, found[name].ap50) == reference[name] for name in names)
        yield (
            f"{told}: {took_s:.1f} s; {environments * each_s / took_s:.1f} x faster (limit: at least 3); "
            f"the same numbers: {'yes' if same else 'NO'}"
        )
        gc.collect()


def _truth(rng: np.random.Generator) -> Detections:
    count = min(MOST_OBJECTS, int(rng.geometric(1 / OBJECTS)))
    corner = rng.uniform(0, 0.8, (count, 2))
    boxes = np.hstack([corner, np.minimum(corner + rng.uniform(0.03, 0.5, (count, 2)), 1)])
    labels = tuple(CLASSES[place] for place in rng.choice(len(CLASSES), count, p=FREQUENCY))
    return Detections(tuple(map(tuple, boxes.tolist())), labels, (1.0,) * count)


def _answer(rng: np.random.Generator, truth: Detections) -> Detections:
    """Most objects, each shaken a little, and false boxes."""
    kept = np.flatnonzero(rng.random(len(truth.boxes)) < FOUND)
    shaken = np.array(truth.boxes)[kept] + rng.normal(0, 0.015, (len(kept), 4))
    corner = rng.uniform(0, 0.8, (OTHERS, 2))
    boxes = np.vstack([shaken, np.hstack([corner, corner + rng.uniform(0.03, 0.5, (OTHERS, 2))])])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 0.01)
    others = [CLASSES[place] for place in rng.choice(len(CLASSES), OTHERS, p=FREQUENCY)]
    labels = [truth.labels[place] for place in kept] + others
    scores = rng.beta(1, 3, len(boxes))
    order = np.argsort(-scores)
    rows = boxes[order].tolist()
    return Detections(tuple(map(tuple, rows)), tuple(labels[at] for at in order), tuple(scores[order].tolist()))


def _from_scratch(truths: Sequence[Detections], answers: Sequence[Detections]) -> tuple[float, float]:
    """COCOeval as its documentation calls it; gives mAP@0.5:0.95 and mAP@0.5."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = {label: number for number, label in enumerate(CLASSES, 1)}
    objects = [
        {"image_id": picture, "category_id": ids[label], "bbox": _bbox(box), "area": _area(box), "iscrowd": 0}
        for picture, truth in enumerate(truths, 1)
        for box, label in zip(truth.boxes, truth.labels, strict=True)
    ]
    results = [
        {"image_id": picture, "category_id": ids[label], "bbox": _bbox(box), "score": score}
        for picture, found in enumerate(answers, 1)
        for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(1, len(truths) + 1)],
            "annotations": [{"id": number, **one} for number, one in enumerate(objects, 1)],
            "categories": [{"id": number, "name": label} for label, number in ids.items()],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def _bbox(box: Sequence[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
