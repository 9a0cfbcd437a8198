"""A detection run's verdicts: each labelled object in each condition is right, clearly wrong, ambiguous or missing.

right      a box of the object's class, shown (score of SHOWN or more), overlaps it by FOUND or more; one box an object
ambiguous  only such a box that lies badly, at an overlap from TOUCHED to FOUND; or the truth says to ignore the object
wrong      else: another class stands in its place, or nothing does
missing    the prediction failed

FOUND is PASCAL VOC's and COCO's overlap; TOUCHED is where TIDE (Bolya et al. 2020, section 2.2) parts a badly placed
box from background. SHOWN is near the best F1 of three small detectors (docs/metrics.md). The paper counts answers that
are *clearly* incorrect; a dog found half a dog beside itself is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.detection.matching import overlaps, pair_up, same_labels, shown
from analysis.run_folder.parts import LABELS, SCORES
from device_agents.errors import BadInput
from device_agents.tasks.answers import Detections, read_detections

SHOWN, FOUND, TOUCHED = 0.4, 0.5, 0.1
NOTHING, IGNORED, MISPLACED = "nothing", "ignored", ", misplaced"
DROPPED = ("detail", "truth", *LABELS[1:], *SCORES[1:])


class Seen(NamedTuple):
    """What a condition answers about one object: its verdict, the label standing there and that label's score."""

    verdict: str
    label: str
    score: float


def judge_objects(
    truth: Detections, found: Detections, *, score: float = SHOWN, overlap: float = FOUND, touched: float = TOUCHED
) -> list[Seen]:
    """Judge each object of a truth by the boxes found, in the order of the truth.

    Boxes of the object's class are assigned one to one, as many as possible. An object without one is ambiguous where
    a free box of its class lies badly, and else wrong: by the surest free box of another class in its place, or by
    nothing.
    """
    return [seen for seen, _ in places(truth, shown(found, score=score), overlap=overlap, touched=touched)]


def places(
    truth: Detections, boxes: Detections, *, overlap: float = FOUND, touched: float = TOUCHED
) -> list[tuple[Seen, int]]:
    """Judge as judge_objects does, by boxes all shown; beside each object the place of its box, -1 for none."""
    ious, alike = overlaps(truth.boxes, boxes.boxes), same_labels(truth.labels, boxes.labels)
    counts = [not ignored for ignored in truth.ignored or (False,) * len(truth.boxes)]
    own = pair_up(np.where(alike & np.array(counts, bool)[:, None], ious, 0.0), at_least=overlap)
    right, taken = dict(own), {column for _, column in own}
    free = np.array([column not in taken for column in range(len(boxes.boxes))], dtype=bool)
    found = list[tuple[Seen, int]]()
    for row, label in enumerate(truth.labels):
        near = free & (ious[row] >= touched) & alike[row]
        instead = free & (ious[row] >= overlap) & ~alike[row]
        place = int(near.argmax()) if near.any() else int(instead.argmax()) if instead.any() else -1
        if not counts[row]:
            found.append((Seen("ambiguous", IGNORED, 0.0), place))
        elif row in right:
            found.append((Seen("right", label, boxes.scores[right[row]]), right[row]))
        elif near.any():  # boxes stand in falling order of score: the first is the surest
            found.append((Seen("ambiguous", label + MISPLACED, boxes.scores[place]), place))
        elif place >= 0:
            found.append((Seen("wrong", boxes.labels[place], boxes.scores[place]), place))
        else:
            found.append((Seen("wrong", NOTHING, 0.0), -1))
    return found


def object_names(truth: Detections) -> list[str]:
    """Name the objects of a truth, each by its class and its number among those of the class: "chair 2"."""
    so_far: Counter[str] = Counter()
    names = []
    for label in truth.labels:
        so_far[label] += 1
        names.append(f"{label} {so_far[label]}")
    return names


def detection_rows(table: pd.DataFrame, *, score: float = SHOWN) -> pd.DataFrame:
    """Turn predictions into rows of prediction x labelled object, with a verdict each.

    table: the long table with detail and truth. The rows keep its columns but detail, truth and the lower ranks;
    ``object`` is the object's name within its scene, ``category`` its class, ``labels`` accepts that class; label_1 and
    score_1 say what stands in its place ("nothing" with score 0 where nothing does). Where no scene has a truth the
    table comes back as it is: then only the picture's classes can be judged. Raises BadInput where an answer that did
    not fail has no boxes to read.
    """
    truths = table["truth"].fillna("") if "truth" in table.columns else pd.Series("", index=table.index)
    if not (truths != "").any():
        return table
    known = {text: read_detections(text) for text in truths.unique() if text}
    if not any(truth.boxes for truth in known.values()):
        raise BadInput("expected labelled objects, got scenes that hold none; give a truth with boxes")
    judged: dict[tuple[str, str], list[Seen]] = {}
    rows, cells = list[int](), list[tuple[str, str, str, str, float]]()
    for place, (text, detail) in enumerate(zip(truths, details(table), strict=True)):
        truth = known.get(text)
        if truth is None:
            continue
        if (text, detail) not in judged:  # most conditions say the same of most pictures
            judged[text, detail] = _judged(truth, detail, score)
        rows += [place] * len(truth.boxes)
        names = zip(object_names(truth), truth.labels, judged[text, detail], strict=True)
        cells += [(name, label, *one) for name, label, one in names]
    objects = pd.DataFrame(cells, columns=["object", "category", "verdict", "label_1", "score_1"])
    objects["labels"] = _tuples((label,) for label in objects["category"])
    ignored = (objects["label_1"] == IGNORED) & (objects["verdict"] == "ambiguous")
    objects["ambiguous"] = _tuples(
        (IGNORED,) if out else (label + MISPLACED,) for label, out in zip(objects["category"], ignored, strict=True)
    )
    kept = table.iloc[rows].drop(columns=[name for name in DROPPED if name in table.columns]).reset_index(drop=True)
    return kept.assign(**{str(name): objects[name] for name in objects.columns})


def _judged(truth: Detections, detail: str, score: float) -> list[Seen]:
    if not detail:
        return [Seen("missing", "", float("nan"))] * len(truth.boxes)
    return judge_objects(truth, read_detections(detail), score=score)


def details(table: pd.DataFrame) -> list[str]:
    """The answers' texts, "" for those that failed; raises BadInput where another one is absent."""
    details = table["detail"].fillna("").astype(str) if "detail" in table.columns else pd.Series("", index=table.index)
    failed = table["error"].fillna("") != "" if "error" in table.columns else pd.Series(False, index=table.index)
    lacking = int(((details == "") & ~failed).sum())
    if lacking:
        raise BadInput(
            f"expected boxes in each of {len(table)} predictions of scenes with a truth, got {lacking} without any "
            "record of boxes; predict again with a detection model"
        )
    return list(details.where(~failed, ""))


def _tuples(values: Iterable[tuple[str, ...]]) -> pd.Series[Any]:
    cells = list(values)
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return pd.Series(column)
