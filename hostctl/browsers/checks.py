"""What a browser sent, checked: sizes, kinds and values bounded, before anything of it is kept or believed."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from device_agents.decode import open_image
from device_agents.errors import BadInput, DeviceError
from device_agents.predict import Job
from device_agents.records import Prediction, from_dict
from device_agents.tasks.classification import BACKGROUND
from device_agents.tasks.detection import NOTHING
from device_agents.tasks.families import CLASSIFICATION, checked_detail

MOST_PHOTOGRAPH_BYTES = 64 << 20  # a 108-megapixel phone's JPEG passes
MOST_ANSWER_BYTES = 64 << 10
MOST_DEPTH, MOST_ENTRIES, MOST_TEXT = 6, 256, 1000
MOST_DETAIL = 1 << 20  # characters; a mask of 513 x 513 without any order in it has a third of that
MOST_LATENCY_MS = 3.6e6
MOST_NUMBER = 1e300  # JSON's whole numbers may be larger than any float; NaN and infinity are not below it
SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "HEIF": "heic"}
_HALVES = re.compile("[\ud800-\udfff]")  # of pairs, which JSON can hold alone, and neither UTF-8 nor the ledger
_SHA256 = re.compile("[0-9a-f]{64}")
_FINGERPRINTS = ("file_sha256", "pixels_sha256", "resized_sha256", "tensor_sha256")
_INFO_LISTS = ("cameras", "decoders", "fits", "resizers", "scalings", "views")
_INFO_TEXTS = ("agent", "platform", "platform_version", "model", "utc")


@dataclass(frozen=True)
class Asked:
    """What a prediction job may answer: its (picture, environment) cells, and how the model's classes may be called.

    ``task`` is the model's, which says what form a detail has, if any.
    """

    cells: frozenset[tuple[str, str]]
    labels: frozenset[str] | None
    top_k: int
    task: str = CLASSIFICATION

    @classmethod
    def of(cls, job: Job, labels: Collection[str] | None) -> Asked:
        """Give what ``job`` asks for; without ``labels`` classes are called by their index."""
        cells = {(one.picture, environment.environment) for one in job.pictures for environment in job.environments}
        names = None if labels is None else frozenset((*labels, BACKGROUND))
        return cls(frozenset(cells), names, job.top_k, job.sidecar.task)

    def knows(self, label: str) -> bool:
        """Whether an answer may have this label."""
        if self.task != CLASSIFICATION and label == NOTHING:
            return True
        return label in self.labels if self.labels is not None else _index(label)


def checked_photograph(data: bytes) -> str:
    """Give the suffix for a photograph's bytes; raises BadInput for what is no whole picture of a kind we take.

    The kind is read from the bytes, never from what the page says. Only the header is read: pixels are counted before
    anybody unpacks them.
    """
    if len(data) > MOST_PHOTOGRAPH_BYTES:
        raise BadInput(f"expected a photograph of at most {MOST_PHOTOGRAPH_BYTES} bytes, got {len(data)}")
    with open_image(data) as image:
        kind = str(image.format)
    if kind not in SUFFIXES:
        raise BadInput(f"expected a photograph as {', '.join(sorted(SUFFIXES))}, got {kind}")
    return SUFFIXES[kind]


def checked_values(values: Any, *, depth: int = MOST_DEPTH) -> dict[str, Any]:
    """Give a JSON object of a page with everything in it bounded; raises BadInput naming what is too much."""
    if not isinstance(values, dict) or not _bounded(values, depth):
        raise BadInput(
            f"expected a JSON object of at most {MOST_DEPTH} levels, {MOST_ENTRIES} entries each, and texts of "
            f"{MOST_TEXT} characters, got {str(values)[:60]!r}"
        )
    return values


def read_answer(data: bytes) -> dict[str, Any]:
    """Read an answer's bytes as a bounded JSON object with finite numbers; raises BadInput."""

    def refuse(word: str) -> float:
        raise BadInput(f"expected finite numbers, got {word}")

    if len(data) > MOST_ANSWER_BYTES:
        raise BadInput(f"expected an answer of at most {MOST_ANSWER_BYTES} bytes, got {len(data)}")
    try:
        values = json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as problem:
        raise BadInput(f"expected a JSON object, got {data[:40]!r}") from problem
    return checked_values(values)


def checked_info(values: Any, *, name: str) -> dict[str, Any]:
    """Give what a page says of itself if it has the form of page.js's info; raises DeviceError naming the device."""
    if isinstance(values, dict) and "agent" in values and "views" not in values:
        raise DeviceError(f"{name}: the page is older than the kit; `npm ci && npm run build` in device_agents/web")
    good = (
        isinstance(values, dict)
        and all(isinstance(values.get(key), str) for key in _INFO_TEXTS)
        and all(_texts(values.get(key)) for key in _INFO_LISTS)
        and isinstance(values.get("runtimes"), dict)
        and all(isinstance(version, str) for version in values["runtimes"].values())
    )
    if not good:
        raise DeviceError(f"{name}: expected what the page says of itself, got {str(values)[:80]!r}")
    return dict(values)


def checked_prediction(values: Any, asked: Asked, *, name: str) -> Prediction:
    """Give a page's prediction line as a record if it answers what was asked; raises DeviceError naming the device."""
    try:
        prediction = from_dict(Prediction, values)
    except (BadInput, TypeError) as problem:
        raise DeviceError(f"{name}: {problem}") from problem
    problem_found = _wrong(prediction, asked)
    if problem_found:
        raise DeviceError(f"{name}: expected a prediction that was asked for, got one with {problem_found}")
    return prediction


def _wrong(one: Prediction, asked: Asked) -> str:
    """Say what is wrong with a prediction, "" for nothing."""
    texts = (one.picture, one.environment, one.error, *(getattr(one, field) for field in _FINGERPRINTS))
    if not all(isinstance(text, str) for text in texts) or not _texts(one.labels) or not isinstance(one.scores, tuple):
        return "fields of a wrong type"
    if (one.picture, one.environment) not in asked.cells:
        return f"the picture {one.picture[:40]!r} and environment {one.environment[:20]!r}"
    if not all(not text or _SHA256.fullmatch(text) for text in texts[3:]):
        return "a fingerprint that is no sha256"
    if not _number(one.latency_ms) or not 0 <= one.latency_ms <= MOST_LATENCY_MS:
        return f"the latency {one.latency_ms!r} ms"
    if one.error:
        return "an error and labels or a detail" if one.labels or one.scores or one.detail else ""
    return _wrong_classes(one.labels, one.scores, asked) or _wrong_detail(one, asked)


def _wrong_classes(labels: tuple[str, ...], scores: tuple[float, ...], asked: Asked) -> str:
    if not 1 <= len(labels) <= asked.top_k or len(scores) != len(labels) or len(set(labels)) != len(labels):
        return f"{len(labels)} labels and {len(scores)} scores where {asked.top_k} were asked for"
    if not all(_number(score) and 0 <= score <= 1 + 1e-6 for score in scores) or list(scores) != sorted(scores)[::-1]:
        return f"the scores {scores!r}"[:80]
    unknown = [one for one in labels if not asked.knows(one)]
    return f"the unknown label {unknown[0][:40]!r}" if unknown else ""


def _wrong_detail(one: Prediction, asked: Asked) -> str:
    if not isinstance(one.detail, str) or len(one.detail) > MOST_DETAIL:
        return f"a detail that is no text of at most {MOST_DETAIL} characters"
    try:
        _, labels = checked_detail(asked.task, one.detail)
    except BadInput as problem:
        return f"a detail that cannot be read: {str(problem)[:200]}"
    unknown = [label for label in labels if not asked.knows(label)]
    absent = [label for label in one.labels if one.detail and label not in (*labels, NOTHING)]
    strange = unknown or absent
    return f"the label {strange[0][:40]!r}, which its {'model' if unknown else 'detail'} has not" if strange else ""


def _index(label: str) -> bool:
    return label == BACKGROUND or (label.isascii() and label.isdigit() and len(label) <= 7)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST_NUMBER


def _texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)


def _bounded(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return len(value) <= MOST_TEXT and not _HALVES.search(value)
    if isinstance(value, (Mapping, list)):
        parts = [*value.values(), *value] if isinstance(value, Mapping) else value
        return depth > 0 and len(value) <= MOST_ENTRIES and all(_bounded(part, depth - 1) for part in parts)
    return True
