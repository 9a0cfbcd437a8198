"""The sidecar: the small JSON file beside a model that says how it wants its input and what its outputs mean."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from device_agents.errors import BadInput
from device_agents.preprocess import SCALINGS
from device_agents.records import LATER, later, optional, to_values
from device_agents.resize import FITS, RESIZERS
from device_agents.tasks.families import CLASSIFICATION, task_problems

_CHOICES: Dict[str, Tuple[str, ...]] = {
    "layout": ("nhwc", "nchw"),
    "colour_order": ("rgb", "bgr"),
    "fit": tuple(sorted(FITS)),
    "resizer": tuple(sorted(RESIZERS)),
    "scaling": tuple(sorted(SCALINGS)),
    "outputs": ("logits", "probabilities", "quantised", "raw"),
}
_LARGEST_INPUT = 4096
MOST_LABEL_BYTES = 16 << 20  # ImageNet-21k's 21,841 classes with their words are 1 MB
_HASH = re.compile("[0-9a-f]{64}")
_OF_TASK = ("task", "head", "post")  # the task knows what is right in them


@dataclass(frozen=True)
class Sidecar:
    """How a model wants its input, and what its outputs mean.

    ``fit``, ``resizer`` and ``scaling`` are the defaults that an environment may replace. ``outputs`` are "logits" (a
    softmax follows), "probabilities", or "quantised" (probabilities in integers; the file's own scale and zero point
    bring them to 0..1); for another ``task`` than classification "raw": its ``head`` (a key of the task's HEADS) reads
    all outputs, and ``post`` holds those of the task's Settings that are not at their default. ``labels`` is the label
    CSV's path relative to the sidecar, "" for none; with ``background`` class 0 is the background, and the label list
    may leave it out. A model made from another says which ``variant`` of it this is, the source file's sha256, and the
    sha256 of each picture that its ranges were calibrated with.
    """

    name: str
    input_height: int
    input_width: int
    layout: str
    colour_order: str
    fit: str
    resizer: str
    scaling: str
    outputs: str
    labels: str = ""
    background: bool = False
    variant: str = later("")
    source_sha256: str = later("")
    calibration: Tuple[str, ...] = later(())
    task: str = later(CLASSIFICATION)
    head: str = later("")
    post: Mapping[str, Any] = field(default_factory=dict, hash=False, metadata=LATER)


def sidecar_path(model: Path) -> Path:
    """Name the sidecar of a model file: the model's own name with ".json" added."""
    return model.with_name(model.name + ".json")


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar, given its own path or its model's; raises BadInput that names every problem at once."""
    path = path if path.suffix == ".json" else sidecar_path(path)
    if not path.is_file():
        wanted = ", ".join(one.name for one in dataclasses.fields(Sidecar) if not one.metadata.get("later"))
        raise BadInput(f"expected the model's sidecar at {path}, found none; write one with the keys {wanted}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise BadInput(f"sidecar {path}: expected a JSON object, got {problem}") from problem
    return parse_sidecar(values, source=str(path))


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Write a sidecar as indented JSON, given its own path or its model's."""
    path = path if path.suffix == ".json" else sidecar_path(path)
    path.write_text(json.dumps(sidecar_values(sidecar), indent=2) + "\n", encoding="utf-8")


def sidecar_values(sidecar: Sidecar) -> Dict[str, Any]:
    """Give a sidecar as JSON values, without what came later where that is at its default."""
    values: Dict[str, Any] = to_values(sidecar)
    return values


def parse_sidecar(values: Any, *, source: str) -> Sidecar:
    """Make a Sidecar from JSON values; raises BadInput that names the source and every problem at once."""
    if not isinstance(values, dict):
        raise BadInput(f"sidecar {source}: expected a JSON object, got {str(values)[:80]!r}")
    problems = _problems(values)
    if problems:
        raise BadInput(f"sidecar {source}: " + "; ".join(problems))
    return Sidecar(**{**values, "calibration": tuple(values.get("calibration", ()))})


def read_labels(path: Path) -> Tuple[str, ...]:
    """Read the first column of a label CSV with the header "label,name"; the row's place is the class index.

    Raises BadInput for an absent or unreadable file, another header, an empty label, or one that stands twice.
    """
    try:
        # A sidecar may come from a stranger and name any path: no device and no huge file is read, and of another kind
        # of file no more than a few words are shown.
        if path.exists() and (not path.is_file() or path.stat().st_size > MOST_LABEL_BYTES):
            raise BadInput(f"label list {path}: expected a file of at most {MOST_LABEL_BYTES} bytes")
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"cannot read the label list {path}: {problem}") from problem
    if not rows or rows[0][:1] != ["label"]:
        raise BadInput(f"label list {path}: expected the header 'label,name', got {str(rows[:1])[:40]}")
    labels = tuple(row[0] if row else "" for row in rows[1:])
    doubled = sorted(label for label, count in Counter(labels).items() if count > 1)
    if "" in labels or doubled:
        raise BadInput(f"label list {path}: expected distinct labels, got empty ones or these twice: {doubled[:5]}")
    return labels


def _problems(values: Dict[str, Any]) -> List[str]:
    fields = {one.name: one for one in dataclasses.fields(Sidecar)}
    unknown = [f"unknown key '{name}'" for name in values if name not in fields]
    missing = [f"missing key '{name}'" for name, one in fields.items() if not optional(one) and name not in values]
    checked = (name for name in values if name in fields and name not in _OF_TASK)
    present = [problem for name in checked for problem in _value_problems(name, values[name])]
    return unknown + missing + present + task_problems(values)


def _value_problems(name: str, value: Any) -> List[str]:
    if name in ("input_height", "input_width"):
        good = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST_INPUT
        return [] if good else [f"{name}: expected a whole number 1..{_LARGEST_INPUT}, got {value!r}"]
    if name == "background":
        return [] if isinstance(value, bool) else [f"background: expected true or false, got {value!r}"]
    if name == "calibration":
        good = isinstance(value, (list, tuple)) and all(isinstance(one, str) and _HASH.fullmatch(one) for one in value)
        return [] if good else [f"calibration: expected a list of sha256, got {str(value)[:80]}"]
    if not isinstance(value, str) or (name == "name" and not value):
        return [f"{name}: expected text, got {value!r}"]
    if name in _CHOICES and value not in _CHOICES[name]:
        return [f"{name}: expected one of {', '.join(_CHOICES[name])}, got {value!r}"]
    return []
