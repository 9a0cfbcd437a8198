"""What a task answers beyond labels and scores: boxes and masks, each with its text form for records.

The same type holds a model's answer and the truth about a scene. Coordinates are fractions of the viewed picture: x
right, y down, continuous edges, so that a box over the whole picture is (0, 0, 1, 1). They may reach outside it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from dataclasses import dataclass
from typing import Any, Dict, Tuple

import numpy as np
import numpy.typing as npt

from device_agents.errors import BadInput

Box = Tuple[float, float, float, float]

NO_CLASS = 255  # in a mask: no class, or one that does not count
MOST_BOXES = 10_000  # a picture; COCO's own evaluation reads 100
MOST_MASK_PIXELS = 1 << 26
_MOST_TEXT = 1 << 24  # characters of one answer
_FARTHEST = 64.0  # pictures that an edge may lie from the viewed one: beyond it something has overflowed
_DIGITS = 7  # decimals kept in text: a ten-thousandth of a pixel in a picture 1,000 pixels wide


@dataclass(frozen=True)
class Detections:
    """Boxes with a label and a score each, in falling order of score.

    A box is (left, top, right, bottom) with left <= right and top <= bottom; scores are 0..1, 1.0 in a truth;
    ``ignored``, of a truth, marks objects that count neither as found nor as missed, empty where there are none.
    Raises BadInput for counts that differ, a number that is not finite, and boxes that are inside out.
    """

    boxes: Tuple[Box, ...]
    labels: Tuple[str, ...]
    scores: Tuple[float, ...]
    ignored: Tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no matching could take."""
        counts = (len(self.boxes), len(self.labels), len(self.scores), len(self.ignored) or len(self.boxes))
        if len(set(counts)) != 1 or counts[0] > MOST_BOXES:
            raise BadInput(f"expected at most {MOST_BOXES} boxes and as many labels and scores, got {counts}")
        for box in self.boxes:
            _check_box(box)
        if not all(0.0 <= score <= 1.0 for score in self.scores):
            raise BadInput(f"expected scores of 0 to 1, got {self.scores[:5]}")
        if any(later > earlier for earlier, later in zip(self.scores, self.scores[1:])):
            raise BadInput(f"expected boxes in falling order of score, got {self.scores[:5]}")


@dataclass(frozen=True, eq=False)
class Mask:
    """A class for each pixel: ``classes`` uint8 (height, width) index ``labels``; 255 is no class, or one ignored.

    ``extent`` is the part of the viewed picture that the mask covers, as a box; under a letterbox it reaches outside.
    Raises BadInput for another shape or dtype, a class without a label, and an extent that covers nothing.
    """

    height: int
    width: int
    classes: npt.NDArray[np.uint8]
    labels: Tuple[str, ...]
    extent: Box = (0.0, 0.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse a mask that no picture could have."""
        if self.classes.shape != (self.height, self.width) or self.classes.dtype != np.uint8:
            raise BadInput(
                f"expected a mask uint8 ({self.height}, {self.width}), got {self.classes.dtype} {self.classes.shape}"
            )
        if not 1 <= self.classes.size <= MOST_MASK_PIXELS or len(self.labels) > NO_CLASS:
            raise BadInput(f"expected 1..{MOST_MASK_PIXELS} pixels and at most {NO_CLASS} labels")
        strange = np.flatnonzero(np.bincount(self.classes.ravel(), minlength=256)[len(self.labels) : NO_CLASS])
        if strange.size:
            raise BadInput(
                f"expected classes below {len(self.labels)} or {NO_CLASS}, got {strange[0] + len(self.labels)}"
            )
        _check_box(self.extent)
        if not (self.extent[0] < self.extent[2] and self.extent[1] < self.extent[3]):
            raise BadInput(f"expected a mask to cover a part of the picture, got the extent {self.extent}")


def detections_text(found: Detections) -> str:
    """Write boxes as one line of JSON, numbers to seven decimals."""
    values: Dict[str, Any] = {
        "boxes": [[round(float(edge), _DIGITS) for edge in box] for box in found.boxes],
        "labels": list(found.labels),
        "scores": [round(float(score), _DIGITS) for score in found.scores],
    }
    if any(found.ignored):
        values["ignored"] = [int(one) for one in found.ignored]
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def read_detections(text: str) -> Detections:
    """Read boxes from the text that ``detections_text`` wrote; raises BadInput for anything else."""
    values = _json_object(text, wanted=("boxes", "labels", "scores"), extra=("ignored",))
    ignored = values.get("ignored", [])
    if not isinstance(ignored, list) or not all(one in (0, 1) for one in ignored):
        raise BadInput(f"expected 'ignored' as a list of 0 and 1, got {str(ignored)[:80]}")
    boxes = values["boxes"]
    if not isinstance(boxes, list) or not all(_is_numbers(box, 4) for box in boxes):
        raise BadInput(f"expected boxes of four numbers each, got {str(boxes)[:80]}")
    if not _is_numbers(values["scores"], None):
        raise BadInput(f"expected a list of scores, got {str(values['scores'])[:80]}")
    return Detections(
        boxes=tuple(map(tuple, boxes)),
        labels=_labels(values["labels"]),
        scores=tuple(values["scores"]),
        ignored=tuple(bool(one) for one in ignored),
    )


def mask_text(mask: Mask) -> str:
    """Write a mask as one line of JSON: its size, labels and extent, and base64 of zlib of its row-major bytes.

    Two builds of zlib may write different text for one mask: compare what ``read_mask`` gives.
    """
    values = {
        "height": mask.height,
        "width": mask.width,
        "labels": list(mask.labels),
        "extent": [round(float(edge), _DIGITS) for edge in mask.extent],
        "classes": base64.b64encode(zlib.compress(np.ascontiguousarray(mask.classes).tobytes())).decode(),
    }
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def read_mask(text: str) -> Mask:
    """Read a mask from the text that ``mask_text`` wrote; raises BadInput for anything else."""
    values = _json_object(text, wanted=("height", "width", "labels", "extent", "classes"))
    height, width, packed = values["height"], values["width"], values["classes"]
    if not all(type(side) is int and side >= 1 for side in (height, width)) or height * width > MOST_MASK_PIXELS:
        raise BadInput(f"expected a mask of 1..{MOST_MASK_PIXELS} pixels, got {str(width)[:20]} x {str(height)[:20]}")
    if not _is_numbers(values["extent"], 4) or not isinstance(packed, str):
        raise BadInput("expected an extent of four numbers and the classes as text")
    classes = np.frombuffer(_unpacked(packed, height * width), np.uint8).reshape(height, width)
    return Mask(height, width, classes, _labels(values["labels"]), tuple(values["extent"]))


def _unpacked(packed: str, size: int) -> bytes:
    # A stranger's few bytes may unpack to gigabytes: no more than one byte too many is unpacked.
    try:
        opened = zlib.decompressobj()
        unpacked = opened.decompress(base64.b64decode(packed, validate=True), size + 1)
    except (ValueError, binascii.Error, zlib.error) as problem:
        raise BadInput(f"expected a mask as base64 of zlib: {problem}") from problem
    if len(unpacked) != size:
        raise BadInput(f"expected a mask of {size} pixels, got {'more' if len(unpacked) > size else len(unpacked)}")
    return unpacked


def _json_object(text: str, *, wanted: Tuple[str, ...], extra: Tuple[str, ...] = ()) -> Dict[str, Any]:
    if len(text) > _MOST_TEXT:
        raise BadInput(f"expected an answer of at most {_MOST_TEXT} characters, got {len(text)}")
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as problem:
        raise BadInput(f"expected an answer as JSON, got {text[:80]!r}: {problem}") from problem
    if not isinstance(values, dict) or not set(wanted) <= set(values) <= set(wanted + extra):
        raise BadInput(f"expected a JSON object with the keys {', '.join(wanted)}, got {text[:80]!r}")
    return values


def _labels(values: Any) -> Tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(label, str) for label in values):
        raise BadInput(f"expected a list of labels, got {str(values)[:80]}")
    return tuple(values)


def _is_numbers(values: Any, count: Any) -> bool:
    # type(), not isinstance: JSON's true is an int to Python.
    good = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    return good and count in (None, len(values))


def _check_box(box: Box) -> None:
    left, top, right, bottom = box
    if not all(math.isfinite(edge) and abs(edge) <= _FARTHEST for edge in box):
        raise BadInput(f"expected finite edges within {_FARTHEST:g} pictures of the viewed one, got the box {box}")
    if left > right or top > bottom:
        raise BadInput(f"expected a box as left, top, right, bottom, got {box}")
