"""The shared words as frozen dataclasses, each to and from one JSON line; the schema's version.

Records are plain values: no method reaches for a file, a clock or a device. Unknown keys in a line are an error, so
that a newer agent and an older host notice each other. A field that came later (``later``) is left out of a line where
it is at its default: old environments keep their names, and an older reader understands what it could always do.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Sequence, Tuple, Type, TypeVar

from device_agents.errors import BadInput

SCHEMA_VERSION = 2  # 1: before tasks, with neither post, perturbation, truth nor detail

Corners = Tuple[Tuple[float, float], ...]
Record = TypeVar("Record")

UNLABELLED = "unlabelled"  # the only accepted label of a scene whose right answer nobody knows

LATER = {"later": True}


def later(default: Any) -> Any:
    """Make a dataclass field that older versions of the kit do not know; JSON leaves it out where it is at default."""
    return field(default=default, metadata=LATER)


def is_labelled(labels: Sequence[str]) -> bool:
    """Whether a scene's accepted labels say what is right; its only label is UNLABELLED where nobody knows."""
    return tuple(labels) != (UNLABELLED,)


@dataclass(frozen=True)
class Scene:
    """What is shown: a picture file with its accepted labels.

    ``labels`` are all right; ``ambiguous`` ones count as neither right nor wrong; any other answer is clearly wrong.
    A label is a class's identifier in the model's label list (for ImageNet models the WordNet id, "n04557648"); it is
    UNLABELLED where nobody knows what is right.
    ``cluster`` is the physical object that several scenes share; ``category`` is the class used for per-class cuts.
    ``truth`` is the text form (tasks.answers) of its labelled objects or mask, "" where its labels say all.
    """

    scene: str
    file: str
    sha256: str
    labels: Tuple[str, ...]
    ambiguous: Tuple[str, ...] = ()
    cluster: str = ""
    category: str = ""
    truth: str = later("")

    def __post_init__(self) -> None:
        """Fill what follows from the rest: a scene is its own cluster, and its first label its category."""
        if not self.labels:
            raise BadInput(f"scene '{self.scene}': expected at least one accepted label, got none")
        object.__setattr__(self, "cluster", self.cluster or self.scene)
        object.__setattr__(self, "category", self.category or self.labels[0])


@dataclass(frozen=True)
class Step:
    """One cell of a plan: a device photographs a scene, at an angle in degrees, for the n-th time (repeat).

    ``stimulus`` is the number that the screen shows as its frame code: one for each (scene, angle, repeat), the same
    for all devices. ``order`` is its place in the session, ``place`` the device's position on the mount.
    """

    scene: str
    angle: int
    repeat: int
    device: str
    stimulus: int
    order: int
    place: int

    @property
    def key(self) -> str:
        """The step's unique name within a run."""
        return step_key(self.scene, self.angle, self.repeat, self.device)


def step_key(scene: str, angle: int, repeat: int, device: str) -> str:
    """Name a step: its four coordinates joined by bars, which no name may contain."""
    return f"{scene}|{angle}|{repeat}|{device}"


@dataclass(frozen=True)
class Picture:
    """An image file with a known history: shot by a device, developed from another picture, or read from a folder.

    ``corners`` are the scene's corners in this picture's pixels after EXIF orientation (x right, y down, pixel centres
    at integers; top left, top right, bottom right, bottom left of the scene), empty where nothing was found or needed.
    """

    picture: str
    sha256: str
    suffix: str
    size: int
    width: int
    height: int
    scene: str
    angle: int = 0
    repeat: int = 0
    device: str = ""
    parent: str = ""
    isp: str = ""
    codec: str = ""
    corners: Corners = ()
    crop_sha256: str = ""
    thumb_sha256: str = ""
    attempt: int = 1
    taken_utc: str = ""


@dataclass(frozen=True)
class Environment:
    """Everything that is fixed while a picture becomes a prediction: variant names, model, runtime and machine.

    ``post`` are names of the task's POSTS, joined by "+": what is done otherwise than the model's sidecar says to the
    model's raw outputs; "" for nothing. ``perturbation`` are names of PERTURBATIONS, joined likewise: what is done to
    the picture on purpose, before it is scaled.
    """

    model: str
    model_sha256: str
    decoder: str
    view: str
    colour: str
    fit: str
    resizer: str
    scaling: str
    runtime: str
    runtime_version: str = ""
    threads: int = 1
    machine: str = "host"
    post: str = later("")
    perturbation: str = later("")

    @functools.cached_property
    def environment(self) -> str:
        """The environment's unique name: 16 hexadecimal digits of the sha256 of its canonical JSON."""
        return hashlib.sha256(to_line(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Prediction:
    """One picture in one environment: the top classes with their scores, the time taken, and four fingerprints.

    ``labels`` and ``scores`` are in falling order of score (probabilities 0..1 for classification); ties go to the
    lower class index. ``detail`` is the whole answer of a task that answers more, as text (tasks.answers); its labels
    are then its distinct classes by best score (detection) or by their share of the pixels (segmentation). A failure
    has empty labels and its reason in ``error``; fingerprints reached before it stay.
    """

    picture: str
    environment: str
    labels: Tuple[str, ...] = ()
    scores: Tuple[float, ...] = ()
    latency_ms: float = 0.0
    file_sha256: str = ""
    pixels_sha256: str = ""
    resized_sha256: str = ""
    tensor_sha256: str = ""
    error: str = ""
    detail: str = later("")


def to_line(record: Any) -> str:
    """Write a record as one line of canonical JSON (keys sorted, no spaces), without its line end."""
    return json.dumps(to_values(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def to_values(record: Any) -> Any:
    """Give a record, and records within it, as JSON values, without later fields that are at their default."""
    if dataclasses.is_dataclass(record):
        return {
            one.name: to_values(getattr(record, one.name)) for one in dataclasses.fields(record) if _told(record, one)
        }
    if isinstance(record, (tuple, list)):
        return [to_values(part) for part in record]
    if isinstance(record, dict):
        return {name: to_values(part) for name, part in record.items()}
    return record


def _told(record: Any, one: dataclasses.Field[Any]) -> bool:
    return not one.metadata.get("later") or getattr(record, one.name) != _default(one)


def _default(one: dataclasses.Field[Any]) -> Any:
    return one.default if one.default_factory is dataclasses.MISSING else one.default_factory()


def from_line(kind: Type[Record], line: str) -> Record:
    """Read a record of the given kind from one JSON line; raises BadInput naming unknown or missing keys."""
    try:
        values = json.loads(line)
    except json.JSONDecodeError as problem:
        raise BadInput(f"expected one JSON line of {kind.__name__}, got {line[:80]!r}: {problem}") from problem
    return from_dict(kind, values)


def from_dict(kind: Type[Record], values: Dict[str, Any]) -> Record:
    """Make a record from a dict; lists become tuples; raises BadInput naming unknown or missing keys."""
    if not isinstance(values, dict):
        raise BadInput(f"expected a JSON object of {kind.__name__}, got {values!r}")
    fields = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    missing = sorted(name for name, one in fields.items() if not optional(one) and name not in values)
    if unknown or missing:
        raise BadInput(f"{kind.__name__}: unknown keys {unknown}, missing keys {missing}; schema {SCHEMA_VERSION}")
    return kind(**{name: _tuples(value) for name, value in values.items()})


def optional(one: dataclasses.Field[Any]) -> bool:
    """Whether a field may be left out, as it has a default."""
    return one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, (list, tuple)) else value
