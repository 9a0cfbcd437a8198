"""Settings of detection: every switch of the post-processing, and POSTS, the switches by name.

The switches are those in which deployments differ (SysNoise, appendix A, "Post-processing"): the offset of decoded
boxes, the "+1" of widths and areas, how anchors are made, the clamp, the means and deviations, the precision of the
exponential, the rounding of coordinates, non-maximum suppression and the order of equal scores.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Tuple

from device_agents.errors import BadInput

CLAMP = math.log(1000.0 / 16)  # of dw and dh: no box grows past 1000 / 16 of its anchor

_CHOICES: Dict[str, Tuple[str, ...]] = {
    "activation": ("none", "sigmoid", "softmax"),
    "anchor_rounding": ("none", "nearest"),
    "clip": ("input", "none", "picture"),
    "delta_order": ("xywh", "yxhw"),
    "each": ("all", "best"),
    "edges": ("xyxy", "yxyx"),
    "exp": ("float16", "float32", "float64"),
    "nms": ("class-agnostic", "class-wise", "none", "soft-gaussian", "soft-linear"),
    "prior_boxes": ("generated", "given"),
    "rounding": ("down", "nearest", "none", "up"),
    "ties": ("first", "last"),
    "units": ("fractions", "pixels"),
}
_FOURS = ("means", "stds", "weights")
_MOST_ANCHORS = 100_000


@dataclass(frozen=True)
class Settings:
    """Every switch of the post-processing; a head has its own defaults (detection_heads.DEFAULTS).

    Pixels are those of the model's input, but ``rounding``'s, which are the viewed picture's.

    outputs          names of the model's outputs in their order, of "scores", "boxes", "labels", "count", "priors" and
                     "" for one that is not read; empty: told by their shapes
    activation       what turns the outputs into scores
    first_class      index in the model's outputs of the label list's first class; those before it are background
    score_threshold  a candidate below it is dropped
    each             how many classes a place may answer: "best" only the likeliest, "all" each past the threshold
    candidates       of one level, the most that are decoded; 0 for no limit
    most             the most boxes of one picture
    nms, nms_iou     which suppression, and the overlap past which the lesser box goes; soft_sigma of soft-gaussian
    ties             of equal scores, the candidate that comes "first" or "last" in the outputs goes before
    area_plus        1 counts the last pixel: width = right - left + 1, in the overlaps of the suppression
    offset           taken off the right and the bottom edge of each decoded box (ALIGNED_FLAG.offset), pixels
    width_plus       1 counts the last pixel in the widths and heights of the anchors that deltas refer to
    centre           centre of a cell or anchor in strides from the cell's corner; centre_shift is added in pixels
    clamp            the largest dw and dh; 0 for none
    means, stds, weights  of the deltas: (delta * std + mean) / weight, in the order x, y, width, height
    delta_order      the order in which the model gives its deltas
    exp              in which precision the exponential is taken
    strides          of the levels, pixels; anchor_sizes of each level, pixels; anchor_ratios height / width
    anchor_rounding  "nearest" rounds the edges of the base anchors, halves to even
    bins             of the distribution that stands for a distance (NanoDet)
    priors           of an SSD: the smallest and largest scale, the aspect ratios, 1 where the lowest level has three
    prior_boxes      whether an SSD's are those that the model gives, if it does, or "generated" by ``priors`` always
    edges, units     the order and unit of boxes that a model gives ready-made
    rounding         of the final edges to whole pixels of the picture
    clip             cuts boxes, before the suppression, at the edges of the viewed "picture" or of the "input"
    smallest         boxes with a narrower or lower side are dropped before the suppression
    """

    outputs: Tuple[str, ...] = ()
    activation: str = "none"
    first_class: int = 0
    score_threshold: float = 0.05
    each: str = "all"
    candidates: int = 1000
    most: int = 100
    nms: str = "class-wise"
    nms_iou: float = 0.5
    soft_sigma: float = 0.5
    ties: str = "first"
    area_plus: float = 0.0
    offset: float = 0.0
    width_plus: float = 0.0
    centre: float = 0.5
    centre_shift: float = 0.0
    clamp: float = CLAMP
    means: Tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    stds: Tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    weights: Tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    delta_order: str = "xywh"
    exp: str = "float32"
    strides: Tuple[int, ...] = (8, 16, 32)
    anchor_sizes: Tuple[Tuple[float, ...], ...] = ()
    anchor_ratios: Tuple[float, ...] = (0.5, 1.0, 2.0)
    anchor_rounding: str = "none"
    bins: int = 8
    priors: Tuple[Any, ...] = (0.2, 0.95, (1.0, 2.0, 0.5, 3.0, 1 / 3), 1)
    prior_boxes: str = "given"
    edges: str = "xyxy"
    units: str = "pixels"
    rounding: str = "none"
    clip: str = "picture"
    smallest: float = 0.0

    def __post_init__(self) -> None:
        """Raise BadInput that names every setting out of its range."""
        problems = [
            f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}"
            for name, known in _CHOICES.items()
            if getattr(self, name) not in known
        ]
        problems += [
            f"{name}: expected four numbers, got {getattr(self, name)!r}"
            for name in _FOURS
            if len(getattr(self, name)) != 4 or not _numbers(getattr(self, name))
        ]
        problems += self._out_of_range()
        if problems:
            raise BadInput("; ".join(problems))

    def _out_of_range(self) -> Tuple[str, ...]:
        checks = {
            "outputs": set(self.outputs) <= {"scores", "boxes", "labels", "count", "priors", ""},
            "score_threshold": 0.0 <= self.score_threshold <= 1.0,
            "nms_iou": 0.0 <= self.nms_iou <= 1.0,
            "soft_sigma": self.soft_sigma > 0.0,
            "first_class": 0 <= self.first_class <= 1000,
            "candidates": 0 <= self.candidates <= _MOST_ANCHORS,
            "most": 1 <= self.most <= 10_000,
            "area_plus": self.area_plus in (0.0, 1.0),
            "width_plus": self.width_plus in (0.0, 1.0),
            "offset": abs(self.offset) <= 16.0,
            "clamp": self.clamp >= 0.0,
            "bins": 2 <= self.bins <= 256,
            "smallest": self.smallest >= 0.0,
            "weights": _numbers(self.weights) and 0 not in self.weights,
            "strides": 1 <= len(self.strides) <= 16 and all(type(one) is int and one >= 1 for one in self.strides),
            "anchor_sizes": all(isinstance(one, tuple) and _positive(one) for one in self.anchor_sizes),
            "anchor_ratios": _positive(self.anchor_ratios),
            "priors": _good_priors(self.priors),
        }
        return tuple(f"{name}: out of range: {getattr(self, name)!r}" for name, good in checks.items() if not good)


def _numbers(values: Tuple[Any, ...]) -> bool:
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _positive(values: Tuple[Any, ...]) -> bool:
    return 1 <= len(values) <= 100 and _numbers(values) and all(value > 0 for value in values)


def _good_priors(priors: Tuple[Any, ...]) -> bool:
    return (
        len(priors) == 4
        and _positive(priors[:2])
        and isinstance(priors[2], tuple)
        and _positive(priors[2])
        and priors[3] in (0, 1)
    )


def _switch(settings: Settings, **changes: Any) -> Settings:
    """Change what a detector's post-processing does."""
    return dataclasses.replace(settings, **changes)


# Which setting each name switches: a head that does not read it refuses the name (detection.answer).
SWITCHES: Dict[str, Dict[str, Any]] = {
    "anchors-rounded": {"anchor_rounding": "nearest"},
    "cells-at-centre": {"centre": 0.5, "centre_shift": 0.0},
    "cells-at-corner": {"centre": 0.0, "centre_shift": 0.0},
    "cells-at-pixel": {"centre": 0.5, "centre_shift": -0.5},
    "clamped": {"clamp": CLAMP},
    "exp-float16": {"exp": "float16"},
    "nms-class-agnostic": {"nms": "class-agnostic"},
    "nms-class-wise": {"nms": "class-wise"},
    "nms-none": {"nms": "none"},
    "nms-soft-gaussian": {"nms": "soft-gaussian"},
    "nms-soft-linear": {"nms": "soft-linear"},
    "no-clamp": {"clamp": 0.0},
    "no-clip": {"clip": "none"},
    "offset-0": {"offset": 0.0},
    "offset-1": {"offset": 1.0},
    "one-class-a-place": {"each": "best"},
    "plus-one-areas": {"area_plus": 1.0},
    "plus-one-widths": {"width_plus": 1.0},
    "priors-generated": {"prior_boxes": "generated"},
    "round-down": {"rounding": "down"},
    "round-nearest": {"rounding": "nearest"},
    "round-up": {"rounding": "up"},
    "threshold-0.25": {"score_threshold": 0.25},
    "threshold-0.5": {"score_threshold": 0.5},
    "ties-last": {"ties": "last"},
}

POSTS: Dict[str, Callable[[Settings], Settings]] = {
    name: partial(_switch, **changes) for name, changes in SWITCHES.items()
}
