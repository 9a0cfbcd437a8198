"""DEFAULTS of each head of detection, and READ, which settings it uses at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, FrozenSet

from device_agents.tasks.detection_settings import Settings

_OCTAVES = tuple(tuple(32.0 * 2**level * 2 ** (third / 3) for third in range(3)) for level in range(5))
_READY = Settings(nms="none", score_threshold=0.0)

# What each head's models were trained with; a sidecar's ``post`` says otherwise for one model.
DEFAULTS: Dict[str, Settings] = {
    # torchvision's RetinaNet, which answers 91 classes of which none has the number 0
    "anchors": Settings(
        activation="sigmoid",
        strides=(8, 16, 32, 64, 128),
        anchor_sizes=_OCTAVES,
        anchor_rounding="nearest",
        centre=0.0,
        first_class=1,
    ),
    "boxes": replace(_READY, first_class=1),
    "fastestdet": Settings(each="best", centre=0.0, nms_iou=0.45),
    "nanodet": Settings(nms_iou=0.6),
    # TFLite_Detection_PostProcess with its defaults; TensorFlow's MobileNet SSD of 300 pixels
    "ssd": Settings(
        first_class=1,
        each="best",
        nms="class-agnostic",
        nms_iou=0.6,
        clamp=0.0,
        weights=(10.0, 10.0, 5.0, 5.0),
        delta_order="yxhw",
        strides=(16, 32, 64, 128, 256, 512),
        score_threshold=0.0,
        most=10,
        candidates=0,
    ),
    "tflite-post": replace(_READY, edges="yxyx", units="fractions"),
}

_ALWAYS = frozenset(
    ("area_plus", "clip", "most", "nms", "nms_iou", "offset", "rounding", "score_threshold", "smallest", "ties")
)
_DENSE = _ALWAYS | {"candidates", "each", "exp"}
_DELTAS = _DENSE | {"activation", "clamp", "delta_order", "means", "stds", "weights", "width_plus"}
_CELLS = frozenset(("centre", "centre_shift"))
# Which settings a head reads: a switch of another would do nothing, and is refused.
READ: Dict[str, FrozenSet[str]] = {
    "anchors": _DELTAS | _CELLS | {"anchor_rounding"},
    "boxes": _ALWAYS,
    "fastestdet": _DENSE | _CELLS,
    "nanodet": _DENSE | _CELLS,
    "ssd": _DELTAS | {"prior_boxes"},
    "tflite-post": _ALWAYS,
}
