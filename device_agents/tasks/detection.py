"""Detection: a detector's raw outputs -> boxes in fractions of the viewed picture, with labels and scores."""

from __future__ import annotations

import functools
import json
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from device_agents.errors import BadInput
from device_agents.placed import Placed
from device_agents.tasks.answers import Box, Detections, detections_text
from device_agents.tasks.asked import Answer, Asked, post_names, settings_of
from device_agents.tasks.boxes import Array, Floats, clip_edges, round_edges
from device_agents.tasks.detection_defaults import DEFAULTS, READ
from device_agents.tasks.detection_heads import HEADS, Candidates
from device_agents.tasks.detection_settings import POSTS, SWITCHES, Settings
from device_agents.tasks.suppression import SUPPRESSIONS, Places

__all__ = ["HEADS", "NOTHING", "POSTS", "Settings", "answer", "detect", "head_settings"]

NOTHING = "nothing"  # the answer of a detector that found no object


def answer(outputs: Tuple[Array, ...], asked: Asked) -> Answer:
    """Give the distinct labels of the boxes found, by best score and at most top_k, and all boxes as the detail.

    Where nothing was found the label is "nothing" with score 0. Raises BadInput for outputs that do not fit the head,
    numbers that are none, and a class without a label.
    """
    card = asked.sidecar
    settings = head_settings(card.head, card.post, asked.post)
    found = detect(
        outputs,
        head=card.head,
        settings=settings,
        size=(card.input_height, card.input_width),
        labels=asked.labels,
        placed=asked.placed,
    )
    best: Dict[str, float] = {}
    for label, score in zip(found.labels, found.scores):  # in falling order of score
        best.setdefault(label, score)
    top = list(best.items())[: asked.top_k] or [(NOTHING, 0.0)]
    return Answer(tuple(label for label, _ in top), tuple(score for _, score in top), detections_text(found))


def detect(
    outputs: Tuple[Array, ...],
    *,
    head: str,
    settings: Settings,
    size: Tuple[int, int],
    labels: Optional[Sequence[str]],
    placed: Placed,
) -> Detections:
    """Give what a detector found: its outputs in the file's order, for an input of ``size`` (height, width) pixels.

    Decoded, cut at the edges, suppressed, put into the picture's pixels, rounded there, and divided by its sides.
    ``labels`` None calls a class by its index. Raises BadInput as ``answer`` does.
    """
    broken = sum(int((~np.isfinite(one)).sum()) for one in outputs)
    if broken:
        raise BadInput(f"expected finite outputs, got {broken} numbers that are infinite or none")
    candidates = _cut(HEADS[head](outputs, settings, size), settings, size, placed)
    places, scores = suppress(candidates, settings)
    boxes = _in_picture(candidates.boxes[places], placed, settings)
    solid = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
    return Detections(
        boxes=tuple(_box(box) for box in boxes[solid].tolist()),
        labels=tuple(_label(index, labels) for index in candidates.classes[places][solid].tolist()),
        scores=tuple(min(1.0, max(0.0, score)) for score in scores[solid].tolist()),
    )


def suppress(found: Candidates, settings: Settings) -> Tuple[Places, Floats]:
    """Give the places of the candidates that stay, in falling order of their scores, and these scores."""
    options: Dict[str, Any] = {"ties": settings.ties, "most": settings.most}
    if settings.nms != "none":
        options.update(iou=settings.nms_iou, plus=settings.area_plus)
    if settings.nms.startswith("soft"):
        options.update(sigma=settings.soft_sigma, threshold=settings.score_threshold)
    return SUPPRESSIONS[settings.nms](found.boxes, found.scores, found.classes, **options)


def head_settings(head: str, values: Mapping[str, Any], post: str) -> Settings:
    """Give a head's settings: its defaults, changed by a sidecar's values, then switched by the names in ``post``.

    Raises BadInput for wrong values, an unknown name, and one that switches what the head does not read.
    """
    return _settings(head, json.dumps(values, sort_keys=True, default=list), post)


@functools.lru_cache(maxsize=256)
def _settings(head: str, values: str, post: str) -> Settings:
    for name in post_names(post):
        idle = set(SWITCHES.get(name, ())) - READ[head]
        if idle:
            raise BadInput(f"post '{name}' changes {', '.join(sorted(idle))}, which the head '{head}' does not use")
    defaults = {name: getattr(DEFAULTS[head], name) for name in DEFAULTS[head].__dataclass_fields__}
    return settings_of(Settings, {**defaults, **json.loads(values)}, posts=POSTS, post=post)


def _cut(found: Candidates, settings: Settings, size: Tuple[int, int], placed: Placed) -> Candidates:
    """Cut boxes at the edges asked for, and drop those that have no area or are too small."""
    boxes = found.boxes
    if settings.clip == "input":
        boxes = clip_edges(boxes, left=0.0, top=0.0, right=size[1], bottom=size[0])
    elif settings.clip == "picture":
        left, top, right, bottom = placed.to_input((0.0, 0.0, 1.0, 1.0))
        boxes = clip_edges(boxes, left=left, top=top, right=right, bottom=bottom)
    sides = boxes[:, 2:] - boxes[:, :2]
    solid = (sides > 0.0).all(axis=1) & (sides >= settings.smallest).all(axis=1)
    return Candidates(boxes[solid], found.scores[solid], found.classes[solid])


def _in_picture(boxes: Floats, placed: Placed, settings: Settings) -> Floats:
    """Bring boxes from the input's pixels to the picture's, round them there, and give fractions of the picture."""
    sides = np.array([placed.picture_width, placed.picture_height] * 2, np.float64)
    edges = (boxes - np.array([placed.left, placed.top] * 2)) / np.array([placed.scale_x, placed.scale_y] * 2)
    return np.asarray(round_edges(edges, rounding=settings.rounding) / sides)


def _box(edges: Sequence[float]) -> Box:
    left, top, right, bottom = edges
    return left, top, right, bottom


def _label(index: int, labels: Optional[Sequence[str]]) -> str:
    if labels is None:
        return str(index)
    if index >= len(labels):
        raise BadInput(f"the model answered class {index}, but its label list has {len(labels)} labels")
    return labels[index]
